import { oids } from '../codec/oid.ts';
import { equalBytes } from '../core/bytes.ts';
import type { Millis } from '../core/clock.ts';
import { FirstbootError } from '../core/errors.ts';
import { type Certificate, type CertificateFields, parseTbs, serialText } from './certificate.ts';
import type { CertificateShape } from './shape.ts';

/** What the lint has to know of the issuer. For a root it is the root's own. */
export interface IssuerFacts {
  readonly notBefore: Millis;
  readonly notAfter: Millis;
  /** Undefined: the certificate signs itself. */
  readonly issuedBy: Certificate | undefined;
}

export interface LintReport {
  /** The signed part as read back; undefined when it must not be signed. */
  readonly fields: CertificateFields | undefined;
  /** The rules that it breaks. */
  readonly findings: readonly string[];
}

/**
 * Reads the part to be signed back before the real key touches it, and lists everything that is not as its profile and
 * shape demand. Linters that need a whole certificate sign it with a throw-away key first; ours reads the signed part
 * on its own, so that would cost an ECDSA operation and show nothing more. The issuer's name and the extensions that a
 * profile fixes are compared with what has been read before, instead of being read for every device.
 */
export function lint(tbs: Uint8Array, shape: CertificateShape, issuer: IssuerFacts, now: Millis): LintReport {
  let found: CertificateFields;
  try {
    found = parseTbs(tbs, issuer.issuedBy && { issuer: issuer.issuedBy.subject, extensions: shape.profile.fixed });
  } catch (error) {
    if (!(error instanceof FirstbootError)) throw error;
    return { fields: undefined, findings: [error.message] };
  }
  const findings: string[] = [];
  for (const { rule, holds } of rules) if (!holds(found, shape, issuer, now)) findings.push(rule);
  return { fields: findings.length === 0 ? found : undefined, findings };
}

type Holds = (found: CertificateFields, shape: CertificateShape, issuer: IssuerFacts, now: Millis) => boolean;

const sameList = (found: readonly string[] = [], wanted: readonly string[]): boolean =>
  found.length === wanted.length && found.every((item, k) => item === wanted[k]);

/** RFC 5280 §4.1 and §4.2, our profiles, and what the reference device is strict about. */
const rules: readonly { readonly rule: string; readonly holds: Holds }[] = [
  { rule: 'is version 3', holds: ({ version }) => version === 3 },
  {
    rule: 'has a positive serial number of at most 20 octets',
    holds: ({ serial }) => serial !== '00' && serial.length <= 40,
  },
  { rule: 'has the recorded serial number', holds: ({ serial }, shape) => serial === serialText(shape.serial) },
  {
    rule: 'names its algorithm',
    holds: ({ signatureAlgorithm }, shape) => signatureAlgorithm === shape.algorithm.name,
  },
  {
    rule: 'names its issuer as the issuer names itself',
    holds: ({ issuer, subject }, _, { issuedBy }) => equalBytes(issuer.der, (issuedBy?.subject ?? subject).der),
  },
  {
    rule: 'has the subject that was decided on',
    holds: ({ subject }, shape) => subject.rdns.length > 0 && equalBytes(subject.der, shape.subject),
  },
  { rule: 'has the key of the request', holds: ({ spki }, shape) => equalBytes(spki, shape.publicKey.spki) },
  { rule: 'is valid now', holds: ({ notBefore, notAfter }, _, __, now) => notBefore <= now && now < notAfter },
  {
    rule: 'lives within its issuer',
    holds: ({ notBefore, notAfter }, _, issuer) => notBefore >= issuer.notBefore && notAfter <= issuer.notAfter,
  },
  {
    rule: 'has the dates that were decided on',
    holds: ({ notBefore, notAfter }, shape) => notBefore === shape.notBefore && notAfter === shape.notAfter,
  },
  {
    rule: 'has the basic constraints of its profile',
    holds: ({ basicConstraints: found }, { profile: { basicConstraints: wanted } }) =>
      found?.authority === wanted.authority && found.pathLength === wanted.pathLength,
  },
  {
    rule: 'fits into the path length of its issuer',
    holds: ({ basicConstraints }, _, { issuedBy }) =>
      !basicConstraints?.authority || issuedBy?.basicConstraints?.pathLength !== 0,
  },
  {
    rule: 'has the key usage of its profile',
    holds: ({ keyUsage }, { profile }) => sameList(keyUsage, profile.keyUsage),
  },
  {
    rule: 'has the extended key usage of its profile',
    holds: ({ extendedKeyUsage }, { profile }) => sameList(extendedKeyUsage, profile.extendedKeyUsage),
  },
  {
    rule: 'marks basic constraints and key usage, and nothing else, as critical',
    holds: ({ extensions }) =>
      extensions.every(({ oid, critical }) => critical === (oid === oids.basicConstraints || oid === oids.keyUsage)),
  },
  {
    rule: 'has the alternative names that were decided on and no other',
    holds: ({ subjectAltNames }, { altNames }) =>
      subjectAltNames.length === altNames.length &&
      subjectAltNames.every(({ type, value }, k) => type === altNames[k]?.type && value === altNames[k]?.value),
  },
  {
    rule: 'has no other extensions',
    holds: ({ extensions }, { profile, altNames }) =>
      extensions.length === 4 + (profile.extendedKeyUsage.length > 0 ? 1 : 0) + (altNames.length > 0 ? 1 : 0),
  },
  {
    rule: 'has the key identifiers of its key and of its issuer',
    holds: ({ subjectKeyId, authorityKeyId }, shape) =>
      subjectKeyId !== undefined &&
      authorityKeyId !== undefined &&
      equalBytes(subjectKeyId, shape.subjectKeyId) &&
      equalBytes(authorityKeyId, shape.authorityKeyId),
  },
  {
    // The reference device compares the lengths of the two names only, and refuses the chain.
    rule: 'is no intermediate whose name is as long as its issuer name',
    holds: ({ issuer, subject }, { profile }, { issuedBy }) =>
      !profile.basicConstraints.authority || issuedBy === undefined || issuer.der.length !== subject.der.length,
  },
];
