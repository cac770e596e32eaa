import type { KeyObject } from 'node:crypto';
import { isoTime, type Millis } from '../core/clock.ts';
import { type Decision, decided, refused } from '../core/errors.ts';
import type { Uuid } from '../core/ids.ts';
import { limits } from '../core/limits.ts';
import type { RandomSource } from '../core/random.ts';
import type { Certificate } from './certificate.ts';
import type { CheckedCsr } from './csr.ts';
import type { AltName } from './extension.ts';
import type { Authority, Issuer } from './issuer.ts';
import { type IssuerFacts, lint } from './lint.ts';
import { encodeName, type Subject, uuidOf, uuidSubject } from './name.ts';
import { type CertificateProfile, profiles } from './profile.ts';
import { type PublicKeyInfo, parsePublicKey, spkiOf, subjectKeyIdOf } from './public-key.ts';
import { assemble, type CertificateShape, encodeTbs } from './shape.ts';
import { signatureAlgorithmFor, signBytes } from './signature.ts';

export interface IdentityRequest {
  readonly authority: Authority;
  readonly csr: CheckedCsr;
  /** The id that is bound to the attested key; the request must be for the same. */
  readonly deviceId: Uuid;
  readonly now: Millis;
  /** From `randomSerial`. */
  readonly serial: Uint8Array;
  /** From now on; default 90 days. Cut off at the end of the issuing authority. */
  readonly lifetime?: Millis;
  /** Default: for all usages. */
  readonly profile?: CertificateProfile;
}

export interface IssuedCertificate {
  readonly deviceId: Uuid;
  readonly certificate: Certificate;
  /** What the device gets: leaf, then issuing authority, DER; never the root. */
  readonly chain: readonly Uint8Array[];
  /** What it shall trust, DER: the present root, then those that come or go. */
  readonly trustAnchors: readonly Uint8Array[];
}

/**
 * Issues a device's identity certificate: validate, shape, lint, sign, record. `record` has to have made the
 * certificate and its serial number durable when it resolves; nothing leaves before, and nothing when it rejects.
 * Refusals: csr.subject, issue.issuer-expiring, issue.lint.
 */
export async function issueIdentity(
  request: IdentityRequest,
  record: (issued: IssuedCertificate) => Promise<void>,
): Promise<Decision<IssuedCertificate>> {
  const { authority, csr, deviceId, now, serial, lifetime, profile = profiles.identity } = request;
  if (uuidOf(csr.subject) !== deviceId) {
    const evidence = { subject: csr.subject.text, expected: `CN=uuid:${deviceId}` };
    return refused('csr.subject', evidence, 'request the certificate for the id that the device announced');
  }
  const certificate = issueCertificate({
    profile,
    subject: uuidSubject(deviceId),
    altNames: [{ type: 'uri', value: `urn:uuid:${deviceId}` }],
    publicKey: csr.publicKey,
    issuer: authority.issuing,
    now,
    serial,
    ...(lifetime === undefined ? {} : { lifetime }),
  });
  if (!certificate.ok) return certificate;
  const issued = {
    deviceId,
    certificate: certificate.value,
    chain: [certificate.value.der, ...authority.chain],
    trustAnchors: authority.trustAnchors,
  };
  await record(issued);
  return decided(issued);
}

export interface CertificateRequest {
  readonly profile: CertificateProfile;
  readonly subject: Subject;
  readonly altNames?: readonly AltName[];
  readonly publicKey: PublicKeyInfo;
  readonly issuer: Issuer;
  readonly now: Millis;
  readonly serial: Uint8Array;
  readonly lifetime?: Millis;
}

/**
 * Issues a certificate of any profile, without recording it: authorities and fixtures use it directly.
 * Refusals: issue.issuer-expiring, issue.lint.
 */
export function issueCertificate(request: CertificateRequest): Decision<Certificate> {
  const { certificate: issuer, privateKey } = request.issuer;
  const left = issuer.notAfter - request.now;
  if (left < limits.pki.minimumLife) {
    const evidence = { issuer: issuer.subject.text, notAfter: isoTime(issuer.notAfter) };
    return refused('issue.issuer-expiring', evidence, 'renew the issuing authority');
  }
  const shape: CertificateShape = {
    profile: request.profile,
    serial: request.serial,
    issuer: issuer.subject.der,
    subject: encodeName(request.subject),
    notBefore: wholeSeconds(Math.max(request.now - limits.pki.backdate, issuer.notBefore)),
    notAfter: wholeSeconds(Math.min(request.now + (request.lifetime ?? request.profile.lifetime), issuer.notAfter)),
    publicKey: request.publicKey,
    altNames: request.altNames ?? [],
    subjectKeyId: subjectKeyIdOf(request.publicKey.key),
    authorityKeyId: issuer.subjectKeyId ?? subjectKeyIdOf(parsePublicKey(issuer.spki).key),
    algorithm: signatureAlgorithmFor(privateKey),
  };
  return lintAndSign(shape, { ...validity(issuer), issuedBy: issuer }, privateKey, request.now);
}

export interface RootRequest {
  readonly profile: CertificateProfile;
  readonly subject: Subject;
  readonly privateKey: KeyObject;
  readonly now: Millis;
  readonly serial: Uint8Array;
  readonly lifetime?: Millis;
}

/** Issues a self-signed certificate. Refusal: issue.lint. */
export function issueRoot({ profile, subject, privateKey, now, serial, lifetime }: RootRequest): Decision<Certificate> {
  const publicKey = parsePublicKey(spkiOf(privateKey));
  const name = encodeName(subject);
  const keyId = subjectKeyIdOf(publicKey.key);
  const shape: CertificateShape = {
    profile,
    serial,
    issuer: name,
    subject: name,
    notBefore: wholeSeconds(now - limits.pki.backdate),
    notAfter: wholeSeconds(now + (lifetime ?? profile.lifetime)),
    publicKey,
    altNames: [],
    subjectKeyId: keyId,
    authorityKeyId: keyId,
    algorithm: signatureAlgorithmFor(privateKey),
  };
  return lintAndSign(shape, { ...validity(shape), issuedBy: undefined }, privateKey, now);
}

/** A random serial number of 128 bits, positive, always 16 octets long (RFC 5280 §4.1.2.2). */
export function randomSerial(random: RandomSource): Uint8Array {
  const serial = random.bytes(limits.pki.serialBytes);
  if (serial[0] === 0) serial[0] = 1;
  return serial;
}

function lintAndSign(
  shape: CertificateShape,
  issuer: IssuerFacts,
  privateKey: KeyObject,
  now: Millis,
): Decision<Certificate> {
  const tbs = encodeTbs(shape);
  const { fields, findings } = lint(tbs, shape, issuer, now);
  if (!fields) {
    const evidence = { profile: shape.profile.name, findings: findings.join('; ') };
    return refused('issue.lint', evidence, 'nothing was signed; check the clock and the authority, then report it');
  }
  const signature = signBytes(shape.algorithm, tbs, privateKey);
  return decided({ der: assemble(tbs, shape.algorithm, signature), tbs, signature, ...fields });
}

const wholeSeconds = (time: Millis): Millis => Math.floor(time / 1000) * 1000;

const validity = ({ notBefore, notAfter }: { readonly notBefore: Millis; readonly notAfter: Millis }) => ({
  notBefore,
  notAfter,
});
