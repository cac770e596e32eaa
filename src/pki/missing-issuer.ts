import { equalBytes } from '../core/bytes.ts';
import type { ErrorCode, Evidence, Refusal } from '../core/errors.ts';
import { type Certificate, tryParseCertificate } from './certificate.ts';
import type { KnownAuthorities } from './known-authorities.ts';
import { anyGroup, authorityKeyIdOf, shortKeyId, subjectKeyIdOf } from './path-evidence.ts';

/**
 * Why a path stops at `last`, whose issuer is not to be found: the issuer is unknown, has another key than the one of its name
 * that is known, is no authority, was not sent, or came damaged.
 * @param presented the chain as it came, DER, leaf first.
 * @param known the registered authorities: anchors and intermediates.
 */
export function explainMissingIssuer(
  last: Certificate,
  facts: Evidence,
  presented: readonly Uint8Array[],
  known: KnownAuthorities,
): Refusal {
  const { issuer, authorityKeyId } = last;
  const wanted = authorityKeyIdOf(last);
  const evidence = wanted === undefined ? facts : { ...facts, authorityKeyId: wanted };
  const refusal = (code: ErrorCode, fix: string, more: Evidence = {}): Refusal => ({
    code,
    evidence: { ...evidence, ...more },
    fix,
  });
  const namesakes = known.named(issuer);
  const sent = presented.slice(1).map(tryParseCertificate);
  const senders = sent.filter((found) => found !== undefined);
  const named = (candidate: Certificate): boolean => equalBytes(candidate.subject.der, issuer.der);

  const barred = [...senders.filter(named), ...namesakes].find(
    (found) => hasKey(found, authorityKeyId) && !maySign(found),
  );
  if (barred) return refusal('attest.not-an-authority', notAnAuthorityFix(barred.subject.text));
  const [namesake] = namesakes;
  if (namesake) {
    const registeredKeyId = subjectKeyIdOf(namesake) ?? 'none';
    const keys = wanted === undefined ? '' : ` (${shortKeyId(wanted)} against ${shortKeyId(registeredKeyId)})`;
    const fix =
      `the signer is a key that no registered authority has, though one is registered under the name ${issuer.text}${keys}: ` +
      `the factory has probably renewed it; upload the new certificate to ${anyGroup}, if it is really theirs`;
    return refusal('attest.issuer-key', fix, { registeredKeyId });
  }
  if (sent.includes(undefined)) {
    const depth = 1 + sent.indexOf(undefined);
    return refusal(
      'attest.unreadable',
      `certificate ${depth} of the chain is damaged: let the device send strict DER`,
      {
        unreadable: depth,
      },
    );
  }
  const register = `register the authority ${issuer.text} with ${anyGroup}, if you trust it`;
  if (last.selfIssued) return refusal('attest.unknown-issuer', register);
  const impostor = senders.find(named);
  // A registered authority is named as the issuer of it: it belongs to a manufacturer that is known.
  if (impostor && known.named(impostor.issuer).length > 0) {
    const presentedKeyId = subjectKeyIdOf(impostor) ?? 'none';
    const fix =
      `the device sends an authority with the right name and another key (${shortKeyId(presentedKeyId)}): ` +
      `let it send the one whose key is ${shortKeyId(wanted)}`;
    return refusal('attest.incomplete-chain', fix, { presentedKeyId, presented: presented.length });
  }
  if (isIncomplete(last, senders, known)) {
    const fix = `let the device send the certificate of ${issuer.text} behind its own, or register it as an intermediate of ${anyGroup}`;
    return refusal('attest.incomplete-chain', fix, { presented: presented.length });
  }
  const renamed = wanted === undefined ? undefined : known.withKeyId(wanted);
  if (renamed) {
    const fix = `the key of ${issuer.text} is registered under the name ${renamed.subject.text}: upload the certificate with the new name to ${anyGroup}`;
    return refusal('attest.unknown-issuer', fix, { registeredName: renamed.subject.text });
  }
  return refusal('attest.unknown-issuer', register);
}

export const notAnAuthorityFix = (signer: string): string =>
  `${signer} has signed but is no authority: it needs CA:TRUE and the key usage keyCertSign`;

/**
 * A missing intermediate looks like an unknown manufacturer, unless something points to a known one: the same
 * organization in the names. Without authorities to compare with, a leaf that came alone counts as incomplete.
 */
function isIncomplete(last: Certificate, presented: readonly Certificate[], known: KnownAuthorities): boolean {
  if (known.size === 0) return !last.basicConstraints?.authority && presented.length === 0;
  return known.sharesOrganization(last.issuer) || known.sharesOrganization(last.subject);
}

const hasKey = ({ subjectKeyId }: Certificate, wanted: Uint8Array | undefined): boolean =>
  !subjectKeyId || !wanted || equalBytes(subjectKeyId, wanted);

const maySign = ({ basicConstraints, keyUsage }: Certificate): boolean =>
  basicConstraints?.authority === true && (keyUsage === undefined || keyUsage.includes('keyCertSign'));
