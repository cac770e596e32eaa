import { utf8 } from '../../src/core/bytes.ts';
import type { ErrorCode } from '../../src/core/errors.ts';
import type { KeyedChain } from '../../src/pki/issuer.ts';
import type { RawSessionOptions } from './raw-session.ts';

/** A handshake that comes to nothing for another reason than the chain. */
export interface DoorCase {
  readonly name: string;
  readonly expected: ErrorCode;
  readonly why: string;
  /** What the client is like; in place of that, bytes that it writes to a stream. */
  readonly client: Partial<RawSessionOptions> | Uint8Array;
  /** Over streams only: a datagram of that kind is dropped, and the handshake ends in silence. */
  readonly streams?: boolean;
  readonly says?: Readonly<Record<string, string>>;
  readonly fix?: string;
}

export const lampKey = new Uint8Array(16).fill(7);

/**
 * Every other way to fail at the door that we have thought of. The service knows the key of `lamp-1`: lampKey.
 * @param stranger DER of an authority that has nothing to do with the service.
 */
export function doorCorpus(device: KeyedChain, stranger: Uint8Array): readonly DoorCase[] {
  const psk = (identity: string, key: Uint8Array) => ({ psk: { identity: utf8(identity), key } });
  return [
    { name: 'bare', expected: 'attest.no-certificate', why: 'it has no certificate', client: {} },
    {
      name: 'unknownName',
      expected: 'attest.unknown-psk',
      why: 'nobody knows its identity',
      client: psk('lamp-2', lampKey),
      says: { identity: 'lamp-2' },
    },
    {
      name: 'wrongSecret',
      expected: 'attest.wrong-psk',
      why: 'its key is another one',
      client: psk('lamp-1', new Uint8Array(16)),
    },
    {
      name: 'oldSuites',
      expected: 'attest.no-common-suite',
      why: 'it offers suites that are not taken',
      client: { identity: device, ciphers: ['ECDHE-ECDSA-AES256-SHA'] },
      says: { missing: 'cipher suite' },
    },
    {
      name: 'longChain',
      expected: 'attest.handshake',
      why: 'it sends more certificates than anybody needs',
      streams: true,
      client: { identity: { ...device, chain: [...device.chain, ...Array.from({ length: 45 }, () => stranger)] } },
      fix: 'bytes at most',
    },
    {
      name: 'otherKey',
      expected: 'attest.wrong-key',
      why: 'it does not hold the key of its certificate',
      client: { identity: device, tamper: (bytes) => [withOtherProof(bytes)] },
    },
    {
      name: 'distrusts',
      expected: 'attest.service-distrusted',
      why: 'it does not know the authority of the service',
      client: { identity: device, trust: { anchors: [stranger], purpose: 'server' } },
      fix: 'dpsca.pem',
    },
    {
      name: 'browser',
      expected: 'attest.not-tls',
      why: 'it speaks HTTP',
      streams: true,
      client: utf8('GET / HTTP/1.1\r\nHost: here\r\n\r\n'),
    },
  ];
}

/** Changes the signature in a CertificateVerify (RFC 5246 §7.4.8), which is in clear; of a record of TLS or DTLS. */
function withOtherProof(bytes: Uint8Array): Uint8Array {
  const copy = new Uint8Array(bytes);
  const datagram = copy[1] === 0xfe;
  const header = datagram ? 13 : 5;
  for (let at = 0; at + header <= copy.length; ) {
    const end = at + header + (((copy[at + header - 2] ?? 0) << 8) | (copy[at + header - 1] ?? 0));
    const inClear = !datagram || copy[at + 4] === 0;
    if (copy[at] === 22 && inClear && copy[at + header] === 15) copy[end - 1] = (copy[end - 1] ?? 0) ^ 1;
    at = end;
  }
  return copy;
}
