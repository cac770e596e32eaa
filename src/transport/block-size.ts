import { limits } from '../core/limits.ts';

/** DTLS record and AEAD overhead (13 + 24), CoAP header, token and options of our longest request. */
const overhead = 150;

/** The largest block exponent (RFC 7959 §2.2: 2^(4 + exponent) bytes) whose messages fit into datagrams of `mtu` bytes. */
export function blockExponentFor(mtu: number): number {
  const fitting = Math.floor(Math.log2(Math.max(16, mtu - overhead))) - 4;
  return Math.min(limits.coap.blockExponent, Math.max(0, fitting));
}
