import { createPublicKey, hash, type KeyObject } from 'node:crypto';
import { DerReader } from '../codec/der.ts';
import { tags } from '../codec/der-tags.ts';
import { oids } from '../codec/oid.ts';
import { type Uuid, uuidNamespaces, uuidV5 } from '../core/ids.ts';

/** What kind of key a SubjectPublicKeyInfo holds. */
export type PublicKeyKind =
  | { readonly type: 'ec'; readonly curve: string }
  | { readonly type: 'rsa'; readonly bits: number }
  | { readonly type: 'ed25519' }
  | { readonly type: 'other'; readonly oid: string };

export interface PublicKeyInfo {
  /** SubjectPublicKeyInfo, DER. */
  readonly spki: Uint8Array;
  readonly kind: PublicKeyKind;
  /** The octets of the key itself: an EC point, an RSAPublicKey, 32 bytes of Ed25519. */
  readonly key: Uint8Array;
}

/** Reads a SubjectPublicKeyInfo (RFC 5280 §4.1.2.7, RFC 5480, RFC 8410). */
export function readPublicKey(reader: DerReader, what = 'subjectPublicKeyInfo'): PublicKeyInfo {
  const element = reader.element(tags.sequence, what);
  const info = reader.reread(element, what);
  const algorithm = info.sequence(what);
  const oid = algorithm.oid(what);
  const curve = oid === oids.ecPublicKey ? algorithm.oid(what) : undefined;
  if (algorithm.peek() !== undefined) algorithm.opaque(what);
  algorithm.end(what);
  const key = info.octetAligned(what);
  info.end(what);
  return { spki: element.encoded, key, kind: kindOf(oid, curve, key) };
}

export function parsePublicKey(spki: Uint8Array): PublicKeyInfo {
  const reader = DerReader.over(spki);
  const info = readPublicKey(reader);
  reader.end('subjectPublicKeyInfo');
  return info;
}

/** The kind in words: `P-256`, `RSA 2048`, `Ed25519`. */
export function describeKind(kind: PublicKeyKind): string {
  switch (kind.type) {
    case 'ec':
      return kind.curve;
    case 'rsa':
      return `RSA ${kind.bits}`;
    case 'ed25519':
      return 'Ed25519';
    case 'other':
      return kind.oid;
  }
}

/** SubjectPublicKeyInfo of a private (or public) key. */
export function spkiOf(key: KeyObject): Uint8Array {
  const known = exported.get(key);
  if (known) return known;
  const publicKey = key.type === 'private' ? createPublicKey(key) : key;
  const spki = new Uint8Array(publicKey.export({ format: 'der', type: 'spki' }));
  exported.set(key, spki);
  return spki;
}

/** Deriving and exporting a public key costs as much as three signatures. */
const exported = new WeakMap<KeyObject, Uint8Array>();

/** The identity of a manufacturer key: the same key is the same device, whatever certificate it comes with. */
export const manufacturerKeyId = (spki: Uint8Array): Uuid => uuidV5(uuidNamespaces.x500, spki);

/** subjectKeyIdentifier: the leftmost 160 bits of SHA-256 over the key (RFC 7093 §2 method 1). */
export const subjectKeyIdOf = (key: Uint8Array): Uint8Array =>
  new Uint8Array(hash('sha256', key, 'buffer').subarray(0, 20));

const curves = new Map<string, string>([
  [oids.p256, 'P-256'],
  [oids.p384, 'P-384'],
  [oids.p521, 'P-521'],
]);

function kindOf(oid: string, curve: string | undefined, key: Uint8Array): PublicKeyKind {
  if (curve !== undefined) return { type: 'ec', curve: curves.get(curve) ?? curve };
  if (oid === oids.ed25519) return { type: 'ed25519' };
  if (oid === oids.rsaEncryption) return { type: 'rsa', bits: modulusBits(key) };
  return { type: 'other', oid };
}

function modulusBits(key: Uint8Array): number {
  const modulus = DerReader.over(key).sequence('RSAPublicKey').integer('modulus');
  const from = modulus[0] === 0 ? 1 : 0;
  return (modulus.length - from) * 8 - Math.clz32(modulus[from] ?? 0) + 24;
}
