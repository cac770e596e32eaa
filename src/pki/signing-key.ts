import { hash, KeyObject } from 'node:crypto';
import { describeKind, parsePublicKey, spkiOf } from './public-key.ts';
import { type SignatureAlgorithm, signatureAlgorithmFor, signatureAlgorithms, signBytes } from './signature.ts';

/** A private key that is not here, in hardware for instance: it signs, and nobody sees it. P-256. */
export interface SigningKey {
  /** SubjectPublicKeyInfo, DER. */
  readonly publicKey: Uint8Array;
  /**
   * Signs a digest of SHA-256 or longer (of a longer one the first 32 bytes count, FIPS 186-5 §6.4.1), at once.
   * @returns an ECDSA signature, DER (Ecdsa-Sig-Value, RFC 3279 §2.2.3)
   * @throws what keeps it from signing; the message ends up in records and logs
   */
  sign(digest: Uint8Array): Uint8Array;
}

export type PrivateKey = KeyObject | SigningKey;

export const isSigningKey = (key: PrivateKey): key is SigningKey => !(key instanceof KeyObject);

/** SubjectPublicKeyInfo of a private key, wherever it is. */
export const publicKeyOf = (key: PrivateKey): Uint8Array => (isSigningKey(key) ? key.publicKey : spkiOf(key));

/**
 * The algorithm that a private key signs with, and its signature over `bytes`.
 * @throws TypeError when we do not sign with keys of its kind
 */
export function signWith(key: PrivateKey): {
  readonly algorithm: SignatureAlgorithm;
  readonly sign: (bytes: Uint8Array) => Uint8Array;
} {
  if (!isSigningKey(key)) {
    const algorithm = signatureAlgorithmFor(key);
    return { algorithm, sign: (bytes) => signBytes(algorithm, bytes, key) };
  }
  const kind = describeKind(parsePublicKey(key.publicKey).kind);
  if (kind !== 'P-256') throw new TypeError(`a key that signs digests must be P-256, not ${kind}`);
  return {
    algorithm: signatureAlgorithms.ecdsaSha256,
    sign: (bytes) => key.sign(new Uint8Array(hash('sha256', bytes, 'buffer'))),
  };
}
