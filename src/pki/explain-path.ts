import { equalBytes } from '../core/bytes.ts';
import { days, isoTime, type Millis } from '../core/clock.ts';
import { type Decision, decided, type ErrorCode, type Evidence, FirstbootError, type Refusal } from '../core/errors.ts';
import { limits } from '../core/limits.ts';
import { type Certificate, parseCertificate, tryParseCertificate } from './certificate.ts';
import { KnownAuthorities } from './known-authorities.ts';
import { explainMissingIssuer, notAnAuthorityFix } from './missing-issuer.ts';
import type { PathError, PeerChain } from './path.ts';
import { anyGroup, certificateFacts, spanText, whoIs } from './path-evidence.ts';
import { describeKind } from './public-key.ts';

/** A chain that holds. */
export interface ValidPath {
  readonly leaf: Certificate;
  /** Leaf first, up to the trust anchor. */
  readonly path: readonly Certificate[];
}

/**
 * Turns what OpenSSL found on a peer's path into one verdict: the first cause, with its evidence and what would help.
 * First means: what makes the other findings meaningless. When nobody known has signed, dates and usages are only claims.
 * @param now the time that the path was checked at; for the evidence.
 * @param known DER of the authorities (anchors and intermediates) that the peer was checked against. With them a
 * look-alike authority and a missing intermediate can be told from an unknown manufacturer. A list that does not change.
 */
export function explainPath(chain: PeerChain, now: Millis, known: readonly Uint8Array[] = none): Decision<ValidPath> {
  const first = readLeaf(chain.presented[0]);
  if (!first.ok) return first;
  const leaf = first.value;
  const [cause] = chain.errors
    .map((error) => ({ error, code: meaningOf(error) }))
    .toSorted((a, b) => rank(a) - rank(b) || b.error.depth - a.error.depth);
  if (cause) {
    const refusal = wrongOrder(leaf, chain) ?? refusalOf(cause.error, cause.code, { chain, now, known });
    return { ok: false, refusal };
  }
  const authorities = KnownAuthorities.of(known);
  const path = chain.path
    .map((der) => (equalBytes(der, leaf.der) ? leaf : (authorities.same(der) ?? tryParseCertificate(der))))
    .filter((certificate) => certificate !== undefined);
  return decided({ leaf, path });
}

/** When an authority comes first and the certificate of a device behind it: that one belongs in front. */
export function wrongOrder(leaf: Certificate, { presented }: Pick<PeerChain, 'presented'>): Refusal | undefined {
  if (!leaf.basicConstraints?.authority) return undefined;
  const place = presented.findIndex((der, at) => at > 0 && isDevice(tryParseCertificate(der)));
  const device = presented[place] && tryParseCertificate(presented[place]);
  if (!device) return undefined;
  return {
    code: 'attest.wrong-order',
    evidence: { first: leaf.subject.text, subject: device.subject.text, place },
    fix: 'let the device send its own certificate first, then the one of its issuer, and so on',
  };
}

type Cause = Extract<ErrorCode, `attest.${string}`>;

interface Situation {
  readonly chain: PeerChain;
  readonly now: Millis;
  readonly known: readonly Uint8Array[];
}

/** Causes from the one that voids the others to the one that stands alone. */
const order: readonly Cause[] = [
  'attest.self-signed',
  'attest.unknown-issuer',
  'attest.bad-signature',
  'attest.weak-key',
  'attest.not-an-authority',
  'attest.revoked',
  'attest.authority-expired',
  'attest.expired',
  'attest.not-yet-valid',
  'attest.path-length',
  'attest.name-constraints',
  'attest.critical-extension',
  'attest.revocation-list',
  'attest.invalid-chain',
  'attest.wrong-usage',
];

/** A path that was cut off for its length lacks its end only for that. */
const rank = ({ error, code }: { readonly error: PathError; readonly code: Cause }): number =>
  error.code === 'CERT_CHAIN_TOO_LONG' ? -1 : order.indexOf(code);

/** OpenSSL's findings (X509_V_ERR_*). Those that are not listed break some rule of RFC 5280: attest.invalid-chain. */
const meanings = new Map<string, Cause>([
  ['DEPTH_ZERO_SELF_SIGNED_CERT', 'attest.self-signed'],
  ['SELF_SIGNED_CERT_IN_CHAIN', 'attest.unknown-issuer'],
  ['UNABLE_TO_GET_ISSUER_CERT', 'attest.unknown-issuer'],
  ['UNABLE_TO_GET_ISSUER_CERT_LOCALLY', 'attest.unknown-issuer'],
  ['UNABLE_TO_VERIFY_LEAF_SIGNATURE', 'attest.unknown-issuer'],
  ['CERT_UNTRUSTED', 'attest.unknown-issuer'],
  ['CERT_SIGNATURE_FAILURE', 'attest.bad-signature'],
  ['UNABLE_TO_DECRYPT_CERT_SIGNATURE', 'attest.bad-signature'],
  ['UNABLE_TO_DECODE_ISSUER_PUBLIC_KEY', 'attest.bad-signature'],
  ['EE_KEY_TOO_SMALL', 'attest.weak-key'],
  ['CA_KEY_TOO_SMALL', 'attest.weak-key'],
  ['CA_MD_TOO_WEAK', 'attest.weak-key'],
  ['INVALID_CA', 'attest.not-an-authority'],
  ['INVALID_NON_CA', 'attest.not-an-authority'],
  ['KEYUSAGE_NO_CERTSIGN', 'attest.not-an-authority'],
  ['CERT_REVOKED', 'attest.revoked'],
  ['CERT_HAS_EXPIRED', 'attest.expired'],
  ['CERT_NOT_YET_VALID', 'attest.not-yet-valid'],
  ['PATH_LENGTH_EXCEEDED', 'attest.path-length'],
  ['CERT_CHAIN_TOO_LONG', 'attest.path-length'],
  ['PERMITTED_VIOLATION', 'attest.name-constraints'],
  ['EXCLUDED_VIOLATION', 'attest.name-constraints'],
  ['SUBTREE_MINMAX', 'attest.name-constraints'],
  ['UNSUPPORTED_CONSTRAINT_TYPE', 'attest.name-constraints'],
  ['UNSUPPORTED_CONSTRAINT_SYNTAX', 'attest.name-constraints'],
  ['UNHANDLED_CRITICAL_EXTENSION', 'attest.critical-extension'],
  ['INVALID_PURPOSE', 'attest.wrong-usage'],
  ['CERT_REJECTED', 'attest.wrong-usage'],
]);

function meaningOf({ code, depth }: PathError): Cause {
  if (code === 'CERT_HAS_EXPIRED' && depth > 0) return 'attest.authority-expired';
  return meanings.get(code) ?? (code.includes('CRL') ? 'attest.revocation-list' : 'attest.invalid-chain');
}

function refusalOf(error: PathError, code: Cause, situation: Situation): Refusal {
  const { depth, code: finding } = error;
  const certificate = tryParseCertificate(error.certificate);
  if (!certificate) {
    const fix = 'let the manufacturer issue it again, as strict DER';
    return { code: 'attest.unreadable', evidence: { depth, finding }, fix };
  }
  const { chain, now, known } = situation;
  const who = whoIs(certificate, depth);
  const evidence: Evidence = { finding, ...certificateFacts(certificate, depth) };
  const refusal = (fix: string, more: Evidence = {}): Refusal => ({ code, evidence: { ...evidence, ...more }, fix });
  switch (code) {
    case 'attest.self-signed':
      return refusal('give the device a certificate that a registered manufacturer authority has issued');
    case 'attest.unknown-issuer':
      return explainMissingIssuer(certificate, evidence, chain.presented, KnownAuthorities.of(known));
    case 'attest.bad-signature':
      return refusal(`${who} was altered, or signed with another key than its issuer's: issue it again`);
    case 'attest.weak-key': {
      const strength = { key: describeKind(certificate.publicKey), signature: certificate.signatureAlgorithm };
      return refusal(`issue ${who} with P-256 and SHA-256 or better`, strength);
    }
    case 'attest.not-an-authority':
      return refusal(notAnAuthorityFix(certificate.subject.text));
    case 'attest.revoked':
      return refusal(
        `its issuer has revoked ${who}: give the device a new one; if it was a mistake, the issuer's next list must not have it`,
        { serial: certificate.serial },
      );
    case 'attest.authority-expired':
    case 'attest.expired':
      return refusal(expiredFix(certificate, depth, situation), {
        notAfter: isoTime(certificate.notAfter),
        now: isoTime(now),
        since: `expired ${spanText(now - certificate.notAfter)} ago`,
      });
    case 'attest.not-yet-valid':
      return refusal(notYetValidFix(certificate, who, situation), {
        notBefore: isoTime(certificate.notBefore),
        now: isoTime(now),
        until: `valid in ${spanText(certificate.notBefore - now)} on this clock`,
      });
    case 'attest.path-length':
      return finding === 'CERT_CHAIN_TOO_LONG'
        ? refusal(`shorten the chain: ${limits.path.certificates} authorities at most`)
        : refusal(`${who} allows fewer authorities below it: shorten the chain, or issue it with a larger path length`);
    case 'attest.name-constraints':
      return refusal(
        `an authority above ${who} may not certify this name: issue it under a name that its name constraints permit`,
      );
    case 'attest.critical-extension':
      return refusal(`issue ${who} with that extension not critical: nobody but the manufacturer knows it`, {
        extensions: criticalOnes(certificate),
      });
    case 'attest.revocation-list':
      return refusal(revocationListFix(finding, certificate), { text: error.text });
    case 'attest.wrong-usage':
      return refusal(usageFix(certificate, who), {
        extendedKeyUsage: certificate.extendedKeyUsage?.join(' ') ?? 'none',
        keyUsage: certificate.keyUsage?.join(' ') ?? 'none',
      });
    default:
      return refusal(ruleFixes.get(finding) ?? `issue ${who} as RFC 5280 demands (${error.text})`, {
        text: error.text,
      });
  }
}

function expiredFix(certificate: Certificate, depth: number, { known }: Situation): string {
  if (depth === 0) {
    return `renew the device certificate, or give ${anyGroup} a longer grace for expired ones`;
  }
  const { text } = certificate.subject;
  return known.some((der) => equalBytes(der, certificate.der))
    ? `upload the renewed certificate of ${text} to ${anyGroup}; no grace counts for authorities`
    : `let the device send a renewed certificate of ${text}, or upload that to ${anyGroup} as an intermediate`;
}

/** A few hours are two clocks that do not agree, years are one that was never set. */
function notYetValidFix(certificate: Certificate, who: string, { chain, now }: Situation): string {
  const ahead = certificate.notBefore - now;
  if (nothingIsValidYet(chain, now)) {
    return `no certificate of the chain is valid yet at ${isoTime(now)}, the time it was judged for: if that is what this machine has, its clock is wrong`;
  }
  if (ahead > days(365)) return `the clock of this machine or of the factory is wrong: see the dates of ${who}`;
  return ahead > days(2)
    ? `compare the clock of this machine with that of the factory; ${who} may have been issued for later on purpose`
    : `the clocks of this machine and of the factory differ: set them, and let the factory date ${who} back by an hour`;
}

/** Of a leaf by itself nobody can say whether it is the only one. */
function nothingIsValidYet({ presented }: PeerChain, now: Millis): boolean {
  const certificates = presented.map(tryParseCertificate);
  return certificates.length > 1 && certificates.every((one) => one !== undefined && one.notBefore > now);
}

function revocationListFix(finding: string, { issuer }: Certificate): string {
  const whose = `the revocation list of ${issuer.text}`;
  if (finding === 'CRL_HAS_EXPIRED')
    return `${whose} is out of date: upload the present one to ${anyGroup}, or give its URL there`;
  if (finding === 'CRL_NOT_YET_VALID') return `${whose} is for later: see the clock of this machine and of its issuer`;
  if (finding === 'UNABLE_TO_GET_CRL')
    return `${whose} does not cover this certificate: upload the complete one to ${anyGroup}`;
  if (finding.includes('SIGNATURE'))
    return `${whose} is not signed by that authority: upload the genuine one to ${anyGroup}`;
  return `upload a current and complete one: ${whose} cannot be used in ${anyGroup}`;
}

function usageFix({ basicConstraints, extendedKeyUsage, keyUsage }: Certificate, who: string): string {
  if (basicConstraints?.authority) return 'this is the certificate of an authority: let the device send its own first';
  const signs = keyUsage === undefined || keyUsage.includes('digitalSignature') || keyUsage.includes('keyAgreement');
  if (extendedKeyUsage === undefined || !signs) return `issue ${who} with the key usage digitalSignature`;
  return `issue ${who} with the extended key usage clientAuth or OCF identity, or without any`;
}

const criticalOnes = ({ extensions }: Certificate): string =>
  extensions
    .filter(({ critical }) => critical)
    .map(({ oid }) => oid)
    .join(' ')
    .slice(0, 200);

/** Rules of RFC 5280 that certificates in the field break. */
const ruleFixes = new Map<string, string>([
  ['MISSING_AUTHORITY_KEY_IDENTIFIER', 'issue it again with an authorityKeyIdentifier (RFC 5280 §4.2.1.1)'],
  ['MISSING_SUBJECT_KEY_IDENTIFIER', 'issue the authority again with a subjectKeyIdentifier (RFC 5280 §4.2.1.2)'],
  ['CA_BCONS_NOT_CRITICAL', 'issue the authority again with basicConstraints marked critical (RFC 5280 §4.2.1.9)'],
  ['CA_CERT_MISSING_KEY_USAGE', 'issue the authority again with a keyUsage (RFC 5280 §4.2.1.3)'],
  ['KU_KEY_CERT_SIGN_INVALID_FOR_NON_CA', 'issue it again without keyCertSign: it is no authority (RFC 5280 §4.2.1.3)'],
  ['SUBJECT_NAME_EMPTY', 'issue the authority again with a subject (RFC 5280 §4.1.2.6)'],
]);

function readLeaf(der: Uint8Array | undefined): Decision<Certificate> {
  try {
    return decided(parseCertificate(der ?? new Uint8Array()));
  } catch (error) {
    if (!(error instanceof FirstbootError)) throw error;
    const fix = 'let the device send its own certificate first, and the manufacturer issue it as strict DER (X.690)';
    return { ok: false, refusal: { code: 'attest.unreadable', evidence: { ...error.evidence, depth: 0 }, fix } };
  }
}

const isDevice = (certificate: Certificate | undefined): boolean =>
  certificate !== undefined && certificate.basicConstraints?.authority !== true;

const none: readonly Uint8Array[] = [];
