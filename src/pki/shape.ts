import {
  derBitString,
  derContext,
  derDocument,
  derInteger,
  derOctetString,
  derSequence,
  derTime,
  derUnsigned,
} from '../codec/der-writer.ts';
import { oids } from '../codec/oid.ts';
import type { Millis } from '../core/clock.ts';
import { type AltName, encodeAltNames, encodeAuthorityKeyId, encodeExtension } from './extension.ts';
import type { CertificateProfile } from './profile.ts';
import type { PublicKeyInfo } from './public-key.ts';
import type { SignatureAlgorithm } from './signature.ts';

/** A certificate that has been decided on and not been signed yet. Nothing in it comes from a request but the key. */
export interface CertificateShape {
  readonly profile: CertificateProfile;
  /** Magnitude, big-endian. */
  readonly serial: Uint8Array;
  /** Names, DER. */
  readonly issuer: Uint8Array;
  readonly subject: Uint8Array;
  readonly notBefore: Millis;
  readonly notAfter: Millis;
  readonly publicKey: PublicKeyInfo;
  readonly altNames: readonly AltName[];
  readonly subjectKeyId: Uint8Array;
  readonly authorityKeyId: Uint8Array;
  readonly algorithm: SignatureAlgorithm;
}

/** The part to be signed (TBSCertificate, RFC 5280 §4.1). */
export function encodeTbs(shape: CertificateShape): Uint8Array {
  const { profile, altNames, publicKey } = shape;
  const subjectKeyId = derOctetString(shape.subjectKeyId);
  const extensions = [
    profile.fixed.encoded,
    ...(altNames.length > 0 ? [encodeExtension(oids.subjectAltName, false, encodeAltNames(altNames))] : []),
    encodeExtension(oids.subjectKeyIdentifier, false, subjectKeyId),
    encodeExtension(oids.authorityKeyIdentifier, false, encodeAuthorityKeyId(shape.authorityKeyId)),
  ];
  return derDocument(
    version3,
    derUnsigned(shape.serial),
    shape.algorithm.der,
    shape.issuer,
    derSequence(derTime(shape.notBefore), derTime(shape.notAfter)),
    shape.subject,
    publicKey.spki,
    derContext(3, derSequence(...extensions)),
  );
}

/** The certificate around a signed part. */
export const assemble = (tbs: Uint8Array, algorithm: SignatureAlgorithm, signature: Uint8Array): Uint8Array =>
  derDocument(tbs, algorithm.der, derBitString(signature));

const version3 = derContext(0, derInteger(2));
