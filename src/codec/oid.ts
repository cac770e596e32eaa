/** The object identifiers that certificates, requests and revocation lists of ours and of manufacturers use. */
export const oids = {
  // names (X.520)
  commonName: '2.5.4.3',
  serialNumber: '2.5.4.5',
  country: '2.5.4.6',
  locality: '2.5.4.7',
  state: '2.5.4.8',
  organization: '2.5.4.10',
  organizationalUnit: '2.5.4.11',
  // keys (RFC 5480, RFC 8410, RFC 3279)
  ecPublicKey: '1.2.840.10045.2.1',
  p256: '1.2.840.10045.3.1.7',
  p384: '1.3.132.0.34',
  p521: '1.3.132.0.35',
  ed25519: '1.3.101.112',
  rsaEncryption: '1.2.840.113549.1.1.1',
  // signatures (RFC 5758, RFC 4055)
  ecdsaWithSha1: '1.2.840.10045.4.1',
  ecdsaWithSha256: '1.2.840.10045.4.3.2',
  ecdsaWithSha384: '1.2.840.10045.4.3.3',
  ecdsaWithSha512: '1.2.840.10045.4.3.4',
  // extensions (RFC 5280 §4.2, §5.2)
  subjectKeyIdentifier: '2.5.29.14',
  keyUsage: '2.5.29.15',
  subjectAltName: '2.5.29.17',
  basicConstraints: '2.5.29.19',
  crlNumber: '2.5.29.20',
  crlReason: '2.5.29.21',
  authorityKeyIdentifier: '2.5.29.35',
  extendedKeyUsage: '2.5.29.37',
  // extended key usages (RFC 5280 §4.2.1.12, OCF Security §9.4)
  anyExtendedKeyUsage: '2.5.29.37.0',
  serverAuth: '1.3.6.1.5.5.7.3.1',
  clientAuth: '1.3.6.1.5.5.7.3.2',
  ocfIdentity: '1.3.6.1.4.1.44924.1.6',
  ocfRole: '1.3.6.1.4.1.44924.1.7',
} as const;

/** Decodes the contents octets of an OBJECT IDENTIFIER; undefined when they are not DER (X.690 §8.19). */
export function decodeOid(content: Uint8Array): string | undefined {
  if (content.length === 0 || content.length > 64) return undefined;
  const arcs: number[] = [];
  let arc = 0;
  let fresh = true;
  for (const byte of content) {
    if (fresh && byte === 0x80) return undefined;
    arc = arc * 128 + (byte & 0x7f);
    if (arc > Number.MAX_SAFE_INTEGER) return undefined;
    fresh = (byte & 0x80) === 0;
    if (fresh) {
      arcs.push(arc);
      arc = 0;
    }
  }
  if (!fresh) return undefined;
  const [joint = 0, ...rest] = arcs;
  const first = Math.min(2, Math.floor(joint / 40));
  return [first, joint - 40 * first, ...rest].join('.');
}

/** An identifier of our table, from its contents octets in `document`: spares decoding. */
export function knownOid(document: Uint8Array, start: number, stop: number): string | undefined {
  const known = knownByHash.get(hashOf(document, start, stop));
  if (known?.octets.length !== stop - start) return undefined;
  for (let k = start; k < stop; k++) if (document[k] !== known.octets[k - start]) return undefined;
  return known.dotted;
}

/** Encodes dotted text into contents octets. @throws TypeError when it is no object identifier. */
export function encodeOid(dotted: string): Uint8Array {
  const arcs = dotted.split('.').map(Number);
  const [first = -1, second = -1, ...rest] = arcs;
  const valid = /^\d+(\.\d+)+$/.test(dotted) && first <= 2 && (first === 2 || second < 40);
  if (!valid || !arcs.every(Number.isSafeInteger)) throw new TypeError(`not an object identifier: "${dotted}"`);
  return Uint8Array.from([first * 40 + second, ...rest].flatMap(base128));
}

function base128(arc: number): number[] {
  const digits = [arc % 128];
  for (let left = Math.floor(arc / 128); left > 0; left = Math.floor(left / 128)) digits.unshift((left % 128) | 0x80);
  return digits;
}

function hashOf(document: Uint8Array, start: number, stop: number): number {
  let hash = 0;
  for (let k = start; k < stop; k++) hash = (Math.imul(hash, 31) + (document[k] ?? 0)) | 0;
  return hash;
}

const knownByHash = new Map<number, { readonly dotted: string; readonly octets: Uint8Array }>(
  Object.values(oids).map((dotted) => {
    const octets = encodeOid(dotted);
    return [hashOf(octets, 0, octets.length), { dotted, octets }];
  }),
);
