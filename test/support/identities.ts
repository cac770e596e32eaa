import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import { derBitString, derDocument, derNull, derOid, derSequence } from '../../src/codec/der-writer.ts';
import { oids } from '../../src/codec/oid.ts';
import { concatBytes } from '../../src/core/bytes.ts';
import { days, type Millis } from '../../src/core/clock.ts';
import type { ErrorCode } from '../../src/core/errors.ts';
import { systemRandom } from '../../src/core/random.ts';
import { createIssuing, createRoot } from '../../src/pki/authority.ts';
import { parseCertificate } from '../../src/pki/certificate.ts';
import { encodeExtension } from '../../src/pki/extension.ts';
import { randomSerial } from '../../src/pki/issue.ts';
import type { Issuer, KeyedChain } from '../../src/pki/issuer.ts';
import { encodeName, type Subject } from '../../src/pki/name.ts';
import { type CertificateProfile, certificateProfile, familiarExtensions, profiles } from '../../src/pki/profile.ts';
import { parsePublicKey, spkiOf, subjectKeyIdOf } from '../../src/pki/public-key.ts';
import { createCrl } from '../../src/pki/revocation.ts';
import { encodeTbs } from '../../src/pki/shape.ts';
import { type SignatureAlgorithm, signatureAlgorithmFor, signBytes } from '../../src/pki/signature.ts';

/**
 * The named tree of manufacturer identities, good and bad, that attestation is tested with (certs/README.md lists them).
 * One manufacturer, Acme, is known to the verifier: its root is the anchor. Everything else is somebody's mistake or attack.
 */
export interface TestIdentity extends KeyedChain {
  /** What a verifier that trusts Acme's root has to decide. */
  readonly expected: ErrorCode | 'accepted';
  readonly why: string;
}

export interface TestIdentities {
  readonly now: Millis;
  /** DER of Acme's root. */
  readonly anchors: readonly Uint8Array[];
  /** DER of Acme's intermediate, for verifiers that know it already. */
  readonly intermediates: readonly Uint8Array[];
  /** Current revocation lists of Acme's root and intermediate: they revoke `revoked` only. */
  readonly crls: readonly Uint8Array[];
  readonly named: Readonly<Record<IdentityName, TestIdentity>>;
}

export type IdentityName =
  | 'good'
  | 'goodOcfUsageOnly'
  | 'goodWithoutUsage'
  | 'goodWithRoot'
  | 'goodShuffled'
  | 'goodRsa'
  | 'expired'
  | 'notYetValid'
  | 'unknownAuthority'
  | 'lookAlikeAuthority'
  | 'selfSigned'
  | 'serverUsageOnly'
  | 'incomplete'
  | 'expiredIntermediate'
  | 'notAnAuthority'
  | 'endEntityAsAuthority'
  | 'pathTooLong'
  | 'unknownCriticalExtension'
  | 'alteredSignature'
  | 'sha1Signature'
  | 'weakKey'
  | 'revoked';

export function makeIdentities(now: Millis): TestIdentities {
  const deps = { now: now - days(30), random: systemRandom, name: 'Acme' };
  const root = createRoot('Acme Root CA', deps);
  const intermediate = createIssuing('Acme Intermediate CA', root, deps);
  const stranger = { ...deps, name: 'Stranger' };
  const strangerIntermediate = createIssuing(
    'Stranger Intermediate CA',
    createRoot('Stranger Root CA', stranger),
    stranger,
  );
  const lookAlike = createIssuing('Acme Intermediate CA', createRoot('Acme Root CA', deps), deps);

  const expiredIntermediate = authority(root, 'Acme Expired Intermediate CA', { until: now - days(1) });
  const endEntityCa = authority(root, 'Acme CA without the bit', { profile: notCa });
  const actingDevice = authority(intermediate, 'device acting as CA', { profile: profiles.manufacturerDevice });
  const tooDeep = authority(intermediate, 'Acme Sub-Intermediate CA', {});

  const leaf = (issuer: Issuer, variation: Variation = {}): Leaf => endEntity(issuer, 'Acme', now, variation);
  const revoked = leaf(intermediate);
  const selfSignedKey = newKey();
  const crl = (issuer: Issuer, serials: readonly string[]): Uint8Array =>
    createCrl({
      issuer,
      revoked: serials.map((serial) => ({ serial, revokedAt: now - days(1) })),
      thisUpdate: now - days(1),
      nextUpdate: now + days(7),
      number: 1,
    });
  const named: Record<IdentityName, TestIdentity> = {
    good: accept('leaf and intermediate', leaf(intermediate), [intermediate]),
    goodOcfUsageOnly: accept(
      'the only extended key usage is OCF identity, as on devices in the field',
      leaf(intermediate, { profile: withUsages([oids.ocfIdentity]) }),
      [intermediate],
    ),
    goodWithoutUsage: accept('no extended key usage', leaf(intermediate, { profile: withUsages([]) }), [intermediate]),
    goodWithRoot: accept('the root is sent along', leaf(intermediate), [intermediate, root]),
    goodShuffled: accept('the issuers are in the wrong order', leaf(intermediate), [root, intermediate]),
    goodRsa: accept('an RSA 2048 key', leaf(intermediate, { key: rsaKey(2048) }), [intermediate]),
    expired: refuse('attest.expired', 'expired yesterday', leaf(intermediate, { until: now - days(1) }), [
      intermediate,
    ]),
    notYetValid: refuse('attest.not-yet-valid', 'valid from tomorrow', leaf(intermediate, { from: now + days(1) }), [
      intermediate,
    ]),
    unknownAuthority: refuse(
      'attest.unknown-issuer',
      'another manufacturer',
      endEntity(strangerIntermediate, 'Stranger', now, {}),
      [strangerIntermediate],
    ),
    lookAlikeAuthority: refuse('attest.unknown-issuer', "Acme's names, other keys", leaf(lookAlike), [lookAlike]),
    selfSigned: refuse('attest.self-signed', 'its own issuer', selfSigned(selfSignedKey, now), []),
    serverUsageOnly: refuse(
      'attest.wrong-usage',
      'the only extended key usage is serverAuth',
      leaf(intermediate, { profile: withUsages([oids.serverAuth]) }),
      [intermediate],
    ),
    incomplete: refuse('attest.incomplete-chain', 'the intermediate is not sent', leaf(intermediate), []),
    expiredIntermediate: refuse('attest.expired', 'the intermediate expired yesterday', leaf(expiredIntermediate), [
      expiredIntermediate,
    ]),
    notAnAuthority: refuse('attest.invalid-chain', 'an intermediate with CA:FALSE', leaf(endEntityCa), [endEntityCa]),
    endEntityAsAuthority: refuse('attest.invalid-chain', 'issued with the key of a device', leaf(actingDevice), [
      actingDevice,
      intermediate,
    ]),
    pathTooLong: refuse('attest.invalid-chain', 'an authority below one whose path length is 0', leaf(tooDeep), [
      tooDeep,
      intermediate,
    ]),
    unknownCriticalExtension: refuse(
      'attest.invalid-chain',
      'an extension that nobody knows is critical',
      leaf(intermediate, { profile: withUnknownCritical }),
      [intermediate],
    ),
    alteredSignature: refuse('attest.bad-signature', 'one bit of the signature', altered(leaf(intermediate)), [
      intermediate,
    ]),
    sha1Signature: refuse('attest.weak-key', 'signed over SHA-1', leaf(intermediate, { algorithm: sha1 }), [
      intermediate,
    ]),
    weakKey: refuse('attest.weak-key', 'an RSA 1024 key', leaf(intermediate, { key: rsaKey(1024) }), [intermediate]),
    revoked: refuse('attest.revoked', 'on the list of its issuer', revoked, [intermediate]),
  };
  return {
    now,
    anchors: [root.certificate.der],
    intermediates: [intermediate.certificate.der],
    crls: [crl(root, []), crl(intermediate, [parseCertificate(revoked.der).serial])],
    named,
  };
}

interface Leaf {
  readonly der: Uint8Array;
  readonly privateKey: KeyObject;
}

/** What is not as it should be. */
interface Variation {
  readonly profile?: CertificateProfile;
  readonly from?: Millis;
  readonly until?: Millis;
  readonly key?: KeyObject;
  readonly algorithm?: SignatureAlgorithm;
}

const accept = (why: string, leaf: Leaf, issuers: readonly Issuer[]): TestIdentity =>
  identity('accepted', why, leaf, issuers);
const refuse = identity;

function identity(
  expected: TestIdentity['expected'],
  why: string,
  { der, privateKey }: Leaf,
  issuers: readonly Issuer[],
): TestIdentity {
  return { expected, why, chain: [der, ...issuers.map(({ certificate }) => certificate.der)], privateKey };
}

function endEntity(issuer: Issuer, organization: string, now: Millis, variation: Variation): Leaf {
  const privateKey = variation.key ?? newKey();
  const subject = { organization, commonName: 'device-0001' };
  return { der: unlinted(issuer, subject, privateKey, { from: now - days(20), ...variation }), privateKey };
}

function authority(parent: Issuer, commonName: string, variation: Variation): Issuer {
  const privateKey = newKey();
  const subject = { organization: 'Acme', commonName };
  const der = unlinted(parent, subject, privateKey, { profile: profiles.issuingCa, ...variation });
  return { certificate: parseCertificate(der), privateKey };
}

function selfSigned(privateKey: KeyObject, now: Millis): Leaf {
  const subject = { organization: 'Acme', commonName: 'device-0001' };
  const key = parsePublicKey(spkiOf(privateKey)).key;
  const names = {
    issuer: encodeName(subject),
    keyId: subjectKeyIdOf(key),
    notBefore: now - days(1),
    notAfter: now + days(365),
  };
  return { der: sign(names, subject, privateKey, privateKey, {}), privateKey };
}

/** Signs whatever is asked for: the issuing pipeline would refuse most of it. */
function unlinted(
  { certificate, privateKey: signer }: Issuer,
  subject: Subject,
  privateKey: KeyObject,
  variation: Variation,
): Uint8Array {
  const { notBefore, notAfter } = certificate;
  const keyId = certificate.subjectKeyId ?? new Uint8Array(20);
  return sign({ issuer: certificate.subject.der, keyId, notBefore, notAfter }, subject, privateKey, signer, variation);
}

function sign(
  parent: {
    readonly issuer: Uint8Array;
    readonly keyId: Uint8Array;
    readonly notBefore: Millis;
    readonly notAfter: Millis;
  },
  subject: Subject,
  privateKey: KeyObject,
  signer: KeyObject,
  variation: Variation,
): Uint8Array {
  const publicKey = parsePublicKey(spkiOf(privateKey));
  const algorithm = variation.algorithm ?? signatureAlgorithmFor(signer);
  const tbs = encodeTbs({
    profile: variation.profile ?? profiles.manufacturerDevice,
    serial: randomSerial(systemRandom),
    issuer: parent.issuer,
    subject: encodeName(subject),
    notBefore: Math.min(variation.from ?? parent.notBefore, (variation.until ?? Number.POSITIVE_INFINITY) - days(1)),
    notAfter: variation.until ?? parent.notAfter,
    publicKey,
    altNames: [],
    subjectKeyId: subjectKeyIdOf(publicKey.key),
    authorityKeyId: parent.keyId,
    algorithm,
  });
  return derDocument(tbs, algorithm.der, derBitString(signBytes(algorithm, tbs, signer)));
}

/** Flips a bit in the last octet, which is in the signature's s. */
function altered({ der, privateKey }: Leaf): Leaf {
  const copy = new Uint8Array(der);
  const last = copy.length - 1;
  copy[last] = (copy[last] ?? 0) ^ 1;
  return { der: copy, privateKey };
}

const { basicConstraints, keyUsage, lifetime } = profiles.manufacturerDevice;

const withUsages = (extendedKeyUsage: readonly string[]): CertificateProfile =>
  certificateProfile({ name: 'test device', basicConstraints, keyUsage, extendedKeyUsage, lifetime });

const withUnknownCritical: CertificateProfile = {
  ...profiles.manufacturerDevice,
  fixed: familiarExtensions(
    concatBytes(profiles.manufacturerDevice.fixed.encoded, encodeExtension('1.3.6.1.4.1.32473.1', true, derNull())),
  ),
};

/** Holds keyCertSign, so that a path can be built through it, but is no authority. */
const notCa = certificateProfile({
  name: 'not an authority',
  basicConstraints: { authority: false, pathLength: undefined },
  keyUsage: ['keyCertSign'],
  extendedKeyUsage: [],
  lifetime,
});

const sha1: SignatureAlgorithm = {
  name: 'ecdsa-with-SHA1',
  oid: oids.ecdsaWithSha1,
  digest: 'sha1',
  keyType: 'ec',
  der: derSequence(derOid(oids.ecdsaWithSha1)),
};

const newKey = (): KeyObject => generateKeyPairSync('ec', { namedCurve: 'prime256v1' }).privateKey;
const rsaKey = (modulusLength: number): KeyObject => generateKeyPairSync('rsa', { modulusLength }).privateKey;
