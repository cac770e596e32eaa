import { type KeyObject, sign, verify } from 'node:crypto';
import type { DerReader } from '../codec/der.ts';
import { tags } from '../codec/der-tags.ts';
import { derOid, derSequence } from '../codec/der-writer.ts';
import { oids } from '../codec/oid.ts';
import { encodePem } from '../codec/pem.ts';

/** A signature AlgorithmIdentifier (RFC 5758 §3.2, RFC 8410 §3). */
export interface SignatureAlgorithm {
  readonly name: string;
  /** Digest for node:crypto; null where the scheme has its own. */
  readonly digest: string | null;
  /** The type of key it goes with. */
  readonly keyType: 'ec' | 'ed25519';
  readonly oid: string;
  /** AlgorithmIdentifier, DER. */
  readonly der: Uint8Array;
}

const algorithm = (
  name: string,
  oid: string,
  digest: string | null,
  keyType: SignatureAlgorithm['keyType'],
): SignatureAlgorithm => ({ name, oid, digest, keyType, der: derSequence(derOid(oid)) });

/** What we sign and verify ourselves. Chains of peers are OpenSSL's business, RSA included. */
export const signatureAlgorithms = {
  ecdsaSha256: algorithm('ecdsa-with-SHA256', oids.ecdsaWithSha256, 'sha256', 'ec'),
  ecdsaSha384: algorithm('ecdsa-with-SHA384', oids.ecdsaWithSha384, 'sha384', 'ec'),
  ecdsaSha512: algorithm('ecdsa-with-SHA512', oids.ecdsaWithSha512, 'sha512', 'ec'),
  ed25519: algorithm('ED25519', oids.ed25519, null, 'ed25519'),
} as const satisfies Record<string, SignatureAlgorithm>;

/** Reads a signature AlgorithmIdentifier; `known` is undefined for what we do not verify ourselves. */
export function readSignatureAlgorithm(reader: DerReader): {
  readonly encoded: Uint8Array;
  readonly name: string;
  readonly known: SignatureAlgorithm | undefined;
} {
  const element = reader.element(tags.sequence, 'signatureAlgorithm');
  const inner = reader.reread(element, 'signatureAlgorithm');
  const oid = inner.oid('signatureAlgorithm');
  // Those that we verify have no parameters (RFC 5758 §3.2, RFC 8410 §3): with some, it is another algorithm to us.
  const known = inner.peek() === undefined ? byOid.get(oid) : undefined;
  if (inner.peek() !== undefined) inner.opaque('signatureAlgorithm');
  inner.end('signatureAlgorithm');
  return { encoded: element.encoded, name: known?.name ?? otherNames.get(oid) ?? oid, known };
}

/**
 * The algorithm a key of ours signs with: SHA-384 for P-384, else SHA-256; Ed25519.
 * @throws TypeError for other keys: our authorities hold no RSA keys.
 */
export function signatureAlgorithmFor(key: KeyObject): SignatureAlgorithm {
  let found = byKey.get(key);
  if (!found) {
    found = chooseAlgorithm(key);
    byKey.set(key, found);
  }
  return found;
}

/** Asking a KeyObject for its curve costs as much as half a signature. */
const byKey = new WeakMap<KeyObject, SignatureAlgorithm>();

function chooseAlgorithm(key: KeyObject): SignatureAlgorithm {
  if (key.asymmetricKeyType === 'ed25519') return signatureAlgorithms.ed25519;
  switch (key.asymmetricKeyType === 'ec' ? key.asymmetricKeyDetails?.namedCurve : undefined) {
    case 'prime256v1':
      return signatureAlgorithms.ecdsaSha256;
    case 'secp384r1':
      return signatureAlgorithms.ecdsaSha384;
    default:
      throw new TypeError(`an authority's key must be P-256, P-384 or Ed25519, not ${key.asymmetricKeyType}`);
  }
}

/** ECDSA signatures are DER (Ecdsa-Sig-Value, RFC 3279 §2.2.3). */
export const signBytes = (algorithm: SignatureAlgorithm, bytes: Uint8Array, key: KeyObject): Uint8Array =>
  new Uint8Array(sign(algorithm.digest, bytes, key));

/**
 * Verifies with a key that is used once. It goes in as PEM text: to find out that `{ key, format: 'der' }` is no KeyObject
 * and no CryptoKey, Node 24 throws and catches four errors with their stack traces, which costs half a verification.
 * @param spki SubjectPublicKeyInfo of the type that the algorithm goes with: that is the caller's to check.
 * @throws the error of node:crypto when the key is none, e.g. a point off its curve.
 */
export const verifyWithSpki = (
  algorithm: SignatureAlgorithm,
  bytes: Uint8Array,
  spki: Uint8Array,
  signature: Uint8Array,
): boolean => verify(algorithm.digest, bytes, encodePem('PUBLIC KEY', spki), signature);

const byOid = new Map<string, SignatureAlgorithm>(
  Object.values(signatureAlgorithms).map((known) => [known.oid, known]),
);

const otherNames = new Map<string, string>([
  [oids.ecdsaWithSha1, 'ecdsa-with-SHA1'],
  ['1.2.840.113549.1.1.5', 'sha1WithRSAEncryption'],
  ['1.2.840.113549.1.1.10', 'rsassaPss'],
  ['1.2.840.113549.1.1.11', 'sha256WithRSAEncryption'],
  ['1.2.840.113549.1.1.12', 'sha384WithRSAEncryption'],
  ['1.2.840.113549.1.1.13', 'sha512WithRSAEncryption'],
]);
