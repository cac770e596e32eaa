import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import {
  derBitString,
  derContext,
  derContextPrimitive,
  derDocument,
  derElement,
  derInteger,
  derNull,
  derOctetString,
  derOid,
  derSequence,
  derTime,
} from '../../src/codec/der-writer.ts';
import { oids } from '../../src/codec/oid.ts';
import { concatBytes } from '../../src/core/bytes.ts';
import { days, type Millis } from '../../src/core/clock.ts';
import { systemRandom } from '../../src/core/random.ts';
import { parseCertificate } from '../../src/pki/certificate.ts';
import { encodeAuthorityKeyId, encodeExtension, type KeyUsage } from '../../src/pki/extension.ts';
import { randomSerial } from '../../src/pki/issue.ts';
import type { Issuer } from '../../src/pki/issuer.ts';
import { encodeName, type Subject } from '../../src/pki/name.ts';
import { type CertificateProfile, certificateProfile, familiarExtensions, profiles } from '../../src/pki/profile.ts';
import { parsePublicKey, spkiOf, subjectKeyIdOf } from '../../src/pki/public-key.ts';
import { type SignatureAlgorithm, signatureAlgorithmFor, signBytes } from '../../src/pki/signature.ts';

/** Signs whatever is asked for: the issuing pipeline would refuse most of it. */

export interface Leaf {
  readonly der: Uint8Array;
  readonly privateKey: KeyObject;
}

/** What is not as it should be. */
export interface Variation {
  readonly profile?: CertificateProfile;
  readonly from?: Millis;
  readonly until?: Millis;
  readonly key?: KeyObject;
  readonly algorithm?: SignatureAlgorithm;
  readonly subject?: Subject;
  /** Signs in place of the issuer's key. */
  readonly signer?: KeyObject;
  /** In place of the issuer's key id; null: the extension is left out. */
  readonly authorityKeyId?: Uint8Array | null;
  /** Octets of the serial number as they stand there. */
  readonly serial?: Uint8Array;
  /** Further extensions, encoded. */
  readonly more?: readonly Uint8Array[];
}

export function endEntity(issuer: Issuer, organization: string, now: Millis, variation: Variation): Leaf {
  const privateKey = variation.key ?? newKey();
  const subject = variation.subject ?? { organization, commonName: 'device-0001' };
  return { der: signedBy(issuer, subject, privateKey, { from: now - days(20), ...variation }), privateKey };
}

export function authority(parent: Issuer, commonName: string, variation: Variation): Issuer {
  const privateKey = variation.key ?? newKey();
  const subject = variation.subject ?? { organization: 'Acme', commonName };
  const der = signedBy(parent, subject, privateKey, { profile: profiles.issuingCa, ...variation });
  return { certificate: parseCertificate(der), privateKey };
}

export function selfSigned(privateKey: KeyObject, now: Millis, variation: Variation = {}): Leaf {
  const subject = variation.subject ?? { organization: 'Acme', commonName: 'device-0001' };
  const names = {
    issuer: encodeName(subject),
    keyId: subjectKeyIdOf(parsePublicKey(spkiOf(privateKey)).key),
    notBefore: now - days(1),
    notAfter: now + days(365),
  };
  return { der: sign(names, subject, privateKey, privateKey, variation), privateKey };
}

/** Flips a bit in the last octet, which is in the signature's s. */
export function altered({ der, privateKey }: Leaf): Leaf {
  const copy = new Uint8Array(der);
  const last = copy.length - 1;
  copy[last] = (copy[last] ?? 0) ^ 1;
  return { der: copy, privateKey };
}

/** The same with another text of the same length in it, and the signature as it was. */
export function rewritten({ der, privateKey }: Leaf, from: string, to: string): Leaf {
  const copy = Buffer.from(der);
  copy.write(to, copy.indexOf(from), 'latin1');
  return { der: new Uint8Array(copy), privateKey };
}

function signedBy(
  { certificate, privateKey: signer }: Issuer,
  subject: Subject,
  privateKey: KeyObject,
  variation: Variation,
): Uint8Array {
  const { notBefore, notAfter } = certificate;
  const keyId = certificate.subjectKeyId ?? new Uint8Array(20);
  const parent = { issuer: certificate.subject.der, keyId, notBefore, notAfter };
  return sign(parent, subject, privateKey, variation.signer ?? signer, variation);
}

interface Parent {
  readonly issuer: Uint8Array;
  readonly keyId: Uint8Array;
  readonly notBefore: Millis;
  readonly notAfter: Millis;
}

function sign(
  parent: Parent,
  subject: Subject,
  privateKey: KeyObject,
  signer: KeyObject,
  variation: Variation,
): Uint8Array {
  const publicKey = parsePublicKey(spkiOf(privateKey));
  const algorithm = variation.algorithm ?? signatureAlgorithmFor(signer);
  const keyId = variation.authorityKeyId === undefined ? parent.keyId : variation.authorityKeyId;
  const notBefore = Math.min(variation.from ?? parent.notBefore, (variation.until ?? Infinity) - days(1));
  const tbs = derDocument(
    derContext(0, derInteger(2)),
    derElement(
      0x02,
      variation.serial ?? randomSerial(systemRandom).map((octet, at) => (at === 0 ? (octet & 0x7f) | 1 : octet)),
    ),
    algorithm.der,
    parent.issuer,
    derSequence(derTime(notBefore), derTime(variation.until ?? parent.notAfter)),
    encodeName(subject),
    publicKey.spki,
    derContext(
      3,
      derSequence(
        (variation.profile ?? profiles.manufacturerDevice).fixed.encoded,
        encodeExtension(oids.subjectKeyIdentifier, false, derOctetString(subjectKeyIdOf(publicKey.key))),
        ...(keyId === null ? [] : [encodeExtension(oids.authorityKeyIdentifier, false, encodeAuthorityKeyId(keyId))]),
        ...(variation.more ?? []),
      ),
    ),
  );
  return derDocument(tbs, algorithm.der, derBitString(signBytes(algorithm, tbs, signer)));
}

const { basicConstraints, keyUsage, lifetime } = profiles.manufacturerDevice;

export const withUsages = (extendedKeyUsage: readonly string[]): CertificateProfile =>
  certificateProfile({ name: 'test device', basicConstraints, keyUsage, extendedKeyUsage, lifetime });

export const withKeyUsage = (usages: readonly KeyUsage[]): CertificateProfile =>
  certificateProfile({ name: 'test device', basicConstraints, keyUsage: usages, extendedKeyUsage: [], lifetime });

/** An authority that may sign authorities. */
export const subordinate = (pathLength: number | undefined, usages: readonly KeyUsage[] = profiles.rootCa.keyUsage) =>
  certificateProfile({
    name: 'test authority',
    basicConstraints: { authority: true, pathLength },
    keyUsage: usages,
    extendedKeyUsage: [],
    lifetime,
  });

export const withUnknownCritical: CertificateProfile = {
  ...profiles.manufacturerDevice,
  fixed: familiarExtensions(
    concatBytes(profiles.manufacturerDevice.fixed.encoded, encodeExtension('1.3.6.1.4.1.32473.1', true, derNull())),
  ),
};

/** An extension that nobody knows, and that has to be known. */
export const unknownCritical = (): Uint8Array => encodeExtension('1.3.6.1.4.1.32473.1', true, derNull());

/** RFC 5280 §4.2.1.10, over directory names. */
export function nameConstraints(kind: 'permitted' | 'excluded', subject: Subject): Uint8Array {
  const subtree = derSequence(derContext(4, encodeName(subject)));
  return encodeExtension('2.5.29.30', true, derSequence(derContext(kind === 'permitted' ? 0 : 1, subtree)));
}

/** A CA:FALSE, or TRUE, that is not marked critical. */
export const plainConstraints: CertificateProfile = {
  ...profiles.issuingCa,
  fixed: familiarExtensions(
    concatBytes(
      encodeExtension(oids.basicConstraints, false, derSequence(Uint8Array.of(1, 1, 0xff), derInteger(0))),
      encodeExtension(oids.keyUsage, true, Uint8Array.of(3, 2, 1, 6)),
    ),
  ),
};

/** Holds keyCertSign, so that a path can be built through it, but is no authority. */
export const notCa = certificateProfile({
  name: 'not an authority',
  basicConstraints: { authority: false, pathLength: undefined },
  keyUsage: ['keyCertSign'],
  extendedKeyUsage: [],
  lifetime,
});

export const sha1: SignatureAlgorithm = {
  name: 'ecdsa-with-SHA1',
  oid: oids.ecdsaWithSha1,
  digest: 'sha1',
  keyType: 'ec',
  der: derSequence(derOid(oids.ecdsaWithSha1)),
};

export const rsaSha256: SignatureAlgorithm = {
  name: 'sha256WithRSAEncryption',
  oid: '1.2.840.113549.1.1.11',
  digest: 'sha256',
  keyType: 'ec',
  der: derSequence(derOid('1.2.840.113549.1.1.11'), derNull()),
};

/** An alternative name of a kind that changes nothing; `critical` with an empty subject. */
export const uriName = (uri: string): Uint8Array =>
  encodeExtension(oids.subjectAltName, true, derSequence(derContextPrimitive(6, Buffer.from(uri))));

export const newKey = (): KeyObject => generateKeyPairSync('ec', { namedCurve: 'prime256v1' }).privateKey;
export const curveKey = (namedCurve: string): KeyObject => generateKeyPairSync('ec', { namedCurve }).privateKey;
export const rsaKey = (modulusLength: number): KeyObject => generateKeyPairSync('rsa', { modulusLength }).privateKey;
