import type { Buffer } from 'node:buffer';

/** Offsets in a DTLS datagram that starts with a ClientHello (RFC 6347 §4.1 record, §4.2.2 handshake header). */
const contentType = 0;
const epoch = 3;
const handshakeType = 13;
const random = 27;
const randomEnd = 59;

/** Whether a datagram opens a handshake: a plaintext record of epoch 0 with a ClientHello in front. */
export function startsHandshake(datagram: Buffer): boolean {
  return (
    datagram.length >= randomEnd &&
    datagram[contentType] === 22 &&
    datagram.readUInt16BE(epoch) === 0 &&
    datagram[handshakeType] === 1
  );
}

/** Whether two ClientHellos are of one handshake: the random stays the same when the cookie is added or a flight is repeated. */
export function sameHello(a: Buffer, b: Buffer): boolean {
  return a.compare(b, random, randomEnd, random, randomEnd) === 0;
}
