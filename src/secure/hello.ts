import type { ClientHello } from './association.ts';
import type { NativeHello } from './native.ts';

/** Entries kept of each list: a peer chooses their number. */
const listed = 64;
const nameBytes = 255;

/** Reads a ClientHello's extensions. They are a peer's unverified bytes: what does not parse is left out. */
export function describeHello(hello: NativeHello): ClientHello {
  const versions = numbers(hello.versions, 1);
  const highest = versions.length > 0 ? preferred(versions) : hello.legacyVersion;
  return {
    version: versionNames[highest] ?? hex(highest),
    cipherSuites: hello.cipherSuites.slice(0, listed),
    groups: numbers(hello.groups, 2).map((group) => groupNames[group] ?? hex(group)),
    signatureAlgorithms: numbers(hello.signatureAlgorithms, 2).map(
      (algorithm) => signatureNames[algorithm] ?? hex(algorithm),
    ),
    serverName: readServerName(hello.serverName),
    alpn: readAlpn(hello.alpn),
  };
}

/** A vector of uint16 behind its length of `lengthBytes` (RFC 8446 §3.4). */
function numbers(bytes: Uint8Array, lengthBytes: number): number[] {
  const out: number[] = [];
  for (let at = lengthBytes; at + 2 <= bytes.length && out.length < listed; at += 2) out.push(uint16(bytes, at));
  return out;
}

/** The newest that we know: GREASE (RFC 8701) puts numbers that mean nothing in between. */
function preferred(versions: readonly number[]): number {
  return newestFirst.find((known) => versions.includes(known)) ?? versions[0] ?? 0;
}

/** RFC 6066 §3: a list of (type, name); host_name is type 0. */
function readServerName(bytes: Uint8Array): string | undefined {
  if (bytes.length < 5 || bytes[2] !== 0) return undefined;
  const name = bytes.subarray(5, 5 + uint16(bytes, 3));
  return name.length > 0 && name.length <= nameBytes ? printable(name) : undefined;
}

/** RFC 7301 §3.1. */
function readAlpn(bytes: Uint8Array): string[] {
  const out: string[] = [];
  for (let at = 2; at < bytes.length && out.length < listed; at += 1 + (bytes[at] ?? 0))
    out.push(printable(bytes.subarray(at + 1, at + 1 + (bytes[at] ?? 0))));
  return out;
}

const uint16 = (bytes: Uint8Array, at: number): number => ((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0);
const hex = (value: number): string => `0x${value.toString(16).toUpperCase().padStart(4, '0')}`;
const printable = (bytes: Uint8Array): string =>
  Buffer.from(bytes)
    .toString('latin1')
    .replace(/[^\x20-\x7e]/g, '?');

const newestFirst = [772, 771, 770, 769, 768, 65276, 65277, 65279];

const versionNames: Readonly<Record<number, string>> = {
  768: 'SSLv3',
  769: 'TLSv1.0',
  770: 'TLSv1.1',
  771: 'TLSv1.2',
  772: 'TLSv1.3',
  65279: 'DTLSv1.0',
  65277: 'DTLSv1.2',
  65276: 'DTLSv1.3',
};

/** IANA TLS Supported Groups. */
const groupNames: Readonly<Record<number, string>> = {
  21: 'secp224r1',
  22: 'secp256k1',
  23: 'secp256r1',
  24: 'secp384r1',
  25: 'secp521r1',
  26: 'brainpoolP256r1',
  27: 'brainpoolP384r1',
  28: 'brainpoolP512r1',
  29: 'x25519',
  30: 'x448',
  256: 'ffdhe2048',
  257: 'ffdhe3072',
  258: 'ffdhe4096',
  259: 'ffdhe6144',
  260: 'ffdhe8192',
  4587: 'SecP256r1MLKEM768',
  4588: 'X25519MLKEM768',
  4589: 'SecP384r1MLKEM1024',
};

/** IANA TLS SignatureScheme; for (D)TLS 1.2 the same numbers are hash and signature (RFC 5246 §7.4.1.4.1). */
const signatureNames: Readonly<Record<number, string>> = {
  513: 'rsa_pkcs1_sha1',
  515: 'ecdsa_sha1',
  769: 'rsa_pkcs1_sha224',
  771: 'ecdsa_sha224',
  1025: 'rsa_pkcs1_sha256',
  1027: 'ecdsa_secp256r1_sha256',
  1281: 'rsa_pkcs1_sha384',
  1283: 'ecdsa_secp384r1_sha384',
  1537: 'rsa_pkcs1_sha512',
  1539: 'ecdsa_secp521r1_sha512',
  2052: 'rsa_pss_rsae_sha256',
  2053: 'rsa_pss_rsae_sha384',
  2054: 'rsa_pss_rsae_sha512',
  2055: 'ed25519',
  2056: 'ed448',
  2057: 'rsa_pss_pss_sha256',
  2058: 'rsa_pss_pss_sha384',
  2059: 'rsa_pss_pss_sha512',
  2308: 'mldsa44',
  2309: 'mldsa65',
  2310: 'mldsa87',
};
