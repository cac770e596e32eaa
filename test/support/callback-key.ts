import { createECDH, type KeyObject, randomBytes } from 'node:crypto';
import { derDocument, derUnsigned } from '../../src/codec/der-writer.ts';
import { spkiOf } from '../../src/pki/public-key.ts';
import type { SigningKey } from '../../src/pki/signing-key.ts';

/** The order of P-256's base point (SEC 2 §2.4.2). */
const order = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n;

export interface CallbackKey extends SigningKey {
  /** The digests that were signed. */
  readonly digests: readonly Uint8Array[];
}

/**
 * A P-256 key that signs digests, as hardware does; node:crypto hashes what it signs. ECDSA as in FIPS 186-5 §6.4.1.
 * @param before called ahead of every signature: may throw
 */
export function callbackKey(key: KeyObject, before: () => void = () => undefined): CallbackKey {
  const secret = number(Buffer.from(key.export({ format: 'jwk' }).d ?? '', 'base64url'));
  const digests: Uint8Array[] = [];
  return {
    publicKey: spkiOf(key),
    digests,
    sign(digest) {
      before();
      digests.push(digest);
      for (;;) {
        const nonce = number(randomBytes(32));
        if (nonce === 0n || nonce >= order) continue;
        const curve = createECDH('prime256v1');
        curve.setPrivateKey(octets(nonce));
        const r = number(curve.getPublicKey().subarray(1, 33)) % order;
        const s = (inverse(nonce) * (number(digest.subarray(0, 32)) + r * secret)) % order;
        if (r !== 0n && s !== 0n) return derDocument(derUnsigned(octets(r)), derUnsigned(octets(s)));
      }
    },
  };
}

const number = (bytes: Uint8Array): bigint => BigInt(`0x${Buffer.from(bytes).toString('hex')}`);
const octets = (value: bigint): Buffer => Buffer.from(value.toString(16).padStart(64, '0'), 'hex');

/** By Fermat: the order is a prime. */
function inverse(value: bigint): bigint {
  let result = 1n;
  for (let base = value, exponent = order - 2n; exponent > 0n; exponent >>= 1n, base = (base * base) % order)
    if (exponent & 1n) result = (result * base) % order;
  return result;
}
