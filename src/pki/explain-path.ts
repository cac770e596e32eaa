import { oids } from '../codec/oid.ts';
import { equalBytes, toHex } from '../core/bytes.ts';
import type { Millis } from '../core/clock.ts';
import { type Decision, decided, type ErrorCode, type Evidence, type Refusal, refused } from '../core/errors.ts';
import { type Certificate, tryParseCertificate } from './certificate.ts';
import type { PathError, PeerChain } from './path.ts';
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
 * look-alike authority and a missing intermediate can be told from an unknown manufacturer.
 */
export function explainPath(chain: PeerChain, now: Millis, known: readonly Uint8Array[] = []): Decision<ValidPath> {
  const [first] = chain.presented;
  const leaf = first && tryParseCertificate(first);
  if (!leaf)
    return refused('attest.invalid-chain', { depth: 0, found: 'no DER certificate' }, 'issue it as strict DER');
  const cause = chain.errors
    .map((error) => ({ error, code: meaningOf(error) }))
    .toSorted((a, b) => rank(a.code) - rank(b.code) || b.error.depth - a.error.depth)[0];
  if (cause) return { ok: false, refusal: refusalOf(cause.error, cause.code, { chain, now, known }) };
  const path = chain.path
    .map((der) => (equalBytes(der, leaf.der) ? leaf : parsedAuthority(der, known)))
    .filter((certificate) => certificate !== undefined);
  return decided({ leaf, path });
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
  'attest.revoked',
  'attest.expired',
  'attest.not-yet-valid',
  'attest.invalid-chain',
  'attest.wrong-usage',
];

const rank = (code: Cause): number => order.indexOf(code);

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
  ['CERT_REVOKED', 'attest.revoked'],
  ['CERT_HAS_EXPIRED', 'attest.expired'],
  ['CERT_NOT_YET_VALID', 'attest.not-yet-valid'],
  ['INVALID_PURPOSE', 'attest.wrong-usage'],
  ['CERT_REJECTED', 'attest.wrong-usage'],
]);

const meaningOf = ({ code }: PathError): Cause => meanings.get(code) ?? 'attest.invalid-chain';

function refusalOf(error: PathError, code: Cause, situation: Situation): Refusal {
  const certificate = tryParseCertificate(error.certificate);
  if (!certificate) {
    return { code, evidence: { depth: error.depth, finding: error.code }, fix: 'issue the chain as strict DER' };
  }
  const who = error.depth === 0 ? 'the device certificate' : `the authority ${certificate.subject.text}`;
  const evidence: Evidence = {
    depth: error.depth,
    finding: error.code,
    subject: certificate.subject.text,
    issuer: certificate.issuer.text,
  };
  const now = isoTime(situation.now);
  switch (code) {
    case 'attest.self-signed':
      return {
        code,
        evidence,
        fix: 'give the device a certificate that a registered manufacturer authority has issued',
      };
    case 'attest.unknown-issuer':
      return missingIssuer(certificate, evidence, situation);
    case 'attest.bad-signature':
      return {
        code,
        evidence,
        fix: `${who} was altered, or signed with another key than its issuer's: issue it again`,
      };
    case 'attest.weak-key': {
      const { publicKey, signatureAlgorithm } = certificate;
      const strength = { key: describeKind(publicKey), signature: signatureAlgorithm };
      return { code, evidence: { ...evidence, ...strength }, fix: `issue ${who} with P-256 and SHA-256 or better` };
    }
    case 'attest.revoked':
      return { code, evidence: { ...evidence, serial: certificate.serial }, fix: `its issuer has revoked ${who}` };
    case 'attest.expired': {
      const facts = { ...evidence, notAfter: isoTime(certificate.notAfter), now };
      return { code, evidence: facts, fix: `renew ${who}, or allow expired ones in the enrollment group` };
    }
    case 'attest.not-yet-valid': {
      const facts = { ...evidence, notBefore: isoTime(certificate.notBefore), now };
      return { code, evidence: facts, fix: `check the clock of this service, and the dates of ${who}` };
    }
    case 'attest.wrong-usage': {
      const usages = certificate.extendedKeyUsage?.join(' ') ?? 'none';
      const fix = `issue ${who} with the extended key usage clientAuth or OCF identity, or without any`;
      return { code, evidence: { ...evidence, extendedKeyUsage: usages }, fix };
    }
    default:
      return {
        code: 'attest.invalid-chain',
        evidence: { ...evidence, text: error.text },
        fix: ruleFix(error.code, who),
      };
  }
}

/** The path stops below `certificate`'s issuer. Why? */
function missingIssuer(certificate: Certificate, evidence: Evidence, { chain, known }: Situation): Refusal {
  const { issuer, authorityKeyId } = certificate;
  const facts = authorityKeyId ? { ...evidence, authorityKeyId: toHex(authorityKeyId) } : evidence;
  const unknown = (fix: string, more: Evidence = {}): Refusal => ({
    code: 'attest.unknown-issuer',
    evidence: { ...facts, ...more },
    fix,
  });
  if (certificate.selfIssued) {
    return unknown(`register the authority ${issuer.text} with an enrollment group, if you trust it`);
  }
  const named = (candidate: Certificate): boolean => equalBytes(candidate.subject.der, issuer.der);
  const presented = chain.presented
    .slice(1)
    .map(tryParseCertificate)
    .filter((found) => found !== undefined);
  const barred = presented.find((found) => named(found) && sameKey(found, authorityKeyId) && !maySign(found));
  if (barred) {
    const fix = `${barred.subject.text} has signed but is no authority: it needs CA:TRUE and keyCertSign`;
    return { code: 'attest.invalid-chain', evidence: facts, fix };
  }
  const authorities = known.map(tryParseCertificate).filter((found) => found !== undefined);
  const lookAlike = authorities.find(named);
  if (lookAlike) {
    const registeredKeyId = lookAlike.subjectKeyId ? toHex(lookAlike.subjectKeyId) : 'none';
    return unknown(`an authority of that name is registered but has another key: register this one, if it is yours`, {
      registeredKeyId,
    });
  }
  if (isIncomplete(certificate, presented, authorities)) {
    const fix = `let the device send the certificate of ${issuer.text} behind its own, or register it as an intermediate`;
    return { code: 'attest.incomplete-chain', evidence: { ...facts, presented: chain.presented.length }, fix };
  }
  return unknown(`register the authority ${issuer.text} with an enrollment group, if you trust it`);
}

/**
 * A missing intermediate looks like an unknown manufacturer, unless something points to a known one: the same
 * organization in the names. Without authorities to compare with, a leaf that came alone counts as incomplete.
 */
function isIncomplete(last: Certificate, presented: readonly Certificate[], known: readonly Certificate[]): boolean {
  if (known.length === 0) return !last.basicConstraints?.authority && presented.length === 0;
  const organizations = new Set([...organizationsOf(last.issuer), ...organizationsOf(last.subject)]);
  return known.some(({ subject }) => organizationsOf(subject).some((name) => organizations.has(name)));
}

/** The organizations in a name, in lower case: what ties certificates of one manufacturer together when nothing better does. */
export const organizationsOf = ({ rdns }: Certificate['subject']): string[] =>
  rdns.flatMap((rdn) => rdn.flatMap(({ oid, value }) => (oid === oids.organization ? [value.toLowerCase()] : [])));

const sameKey = ({ subjectKeyId }: Certificate, wanted: Uint8Array | undefined): boolean =>
  !subjectKeyId || !wanted || equalBytes(subjectKeyId, wanted);

const maySign = ({ basicConstraints, keyUsage }: Certificate): boolean =>
  basicConstraints?.authority === true && (keyUsage === undefined || keyUsage.includes('keyCertSign'));

function ruleFix(finding: string, who: string): string {
  if (finding.includes('CRL')) return 'publish a current revocation list for the enrollment group';
  if (finding === 'PATH_LENGTH_EXCEEDED') return `${who} allows fewer authorities below it: shorten the chain`;
  if (finding === 'INVALID_CA') return `${who} has signed but is no authority: it needs CA:TRUE and keyCertSign`;
  if (finding === 'CERT_CHAIN_TOO_LONG') return 'shorten the chain';
  return `issue ${who} as RFC 5280 demands`;
}

/** The certificates of a path above its leaf are nearly always known ones, the same for all devices: those are parsed once. */
function parsedAuthority(der: Uint8Array, known: readonly Uint8Array[]): Certificate | undefined {
  const same = known.find((authority) => equalBytes(authority, der));
  if (!same) return tryParseCertificate(der);
  const certificate = parsedAuthorities.get(same) ?? tryParseCertificate(same);
  if (certificate) parsedAuthorities.set(same, certificate);
  return certificate;
}

/** By the bytes that the policy holds: gone with it. */
const parsedAuthorities = new WeakMap<Uint8Array, Certificate>();

const isoTime = (time: Millis): string => new Date(time).toISOString();
