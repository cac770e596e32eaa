import { constants, randomBytes } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { connect, type TLSSocket } from 'node:tls';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { decodeDatagram } from '../../src/coap/datagram.ts';
import { decodeFrame } from '../../src/coap/framing.ts';
import type { CoapMessage } from '../../src/coap/message.ts';
import { optionNumber, uintOf } from '../../src/coap/options.ts';
import { type CborMap, decodeCbor, isCborMap } from '../../src/codec/cbor.ts';
import { encodeCertificates } from '../../src/codec/pem.ts';
import { concatBytes, fromUtf8, toHex } from '../../src/core/bytes.ts';
import { privateKeyFile } from '../../src/pki/files.ts';
import { bufferBytes, deafeningBytes, expectReadable, expectUsable } from '../support/plgd-demands.ts';
import {
  type RecordedStep,
  recordedClientHello,
  recordedContinuation,
  recordedDatagram,
  recordedDeviceId,
  recordedFrame,
  recordedMessage,
  recordedSuites,
} from '../support/plgd-recorded.ts';
import { RawSession } from '../support/raw-session.ts';
import { entriesOf, entryOf, startTestService, type TestService } from '../support/service.ts';
import { type TlsRecord, tapPort } from '../support/tapped-link.ts';

/**
 * plgd's C client, played from its recording: byte for byte what it sends, in its two sessions, with its cipher suites. Each
 * demand that it makes of an answer (contract, plgd-device b, c and e) is checked on the bytes it would get.
 */

const steps: readonly RecordedStep[] = ['ownership', 'cloud-configuration', 'credentials', 'acls'];

function mapIn(payload: Uint8Array): CborMap {
  const value = decodeCbor(payload);
  if (!isCborMap(value)) throw new Error('no map');
  return value;
}

describe('over TLS, without a CSM', () => {
  let running: TestService;

  beforeAll(async () => {
    running = await startTestService({ devices: 4 });
  });
  afterAll(() => running.close());

  /** Its TLS, as near as Node's own comes to it. Each piece of data is one record. */
  async function dial(port: number, device: number, ciphers: readonly string[] = recordedSuites): Promise<Dialled> {
    const { chain, privateKey } = running.device(device);
    const socket = connect({
      host: '127.0.0.1',
      port,
      minVersion: 'TLSv1.2',
      maxVersion: 'TLSv1.2',
      ciphers: ciphers.join(':'),
      ecdhCurve: 'P-256:P-384',
      sigalgs: 'ECDSA+SHA512:RSA+SHA512:ECDSA+SHA384:RSA+SHA384:ECDSA+SHA256:RSA+SHA256',
      cert: encodeCertificates(chain),
      key: privateKeyFile(privateKey).text,
      ca: encodeCertificates([running.pki.serviceCa.certificate.der]),
      checkServerIdentity: () => undefined,
      secureOptions: constants.SSL_OP_NO_TICKET | constants.SSL_OP_NO_ENCRYPT_THEN_MAC,
    });
    const pieces: Uint8Array[] = [];
    socket.on('data', (bytes) => pieces.push(new Uint8Array(bytes)));
    await once(socket, 'secureConnect');
    return { socket, pieces };
  }

  interface Dialled {
    readonly socket: TLSSocket;
    /** What its records held. */
    readonly pieces: Uint8Array[];
  }

  /** Sends a recorded request and gives back the record with its answer. */
  async function ask({ socket, pieces }: Dialled, step: RecordedStep): Promise<Uint8Array> {
    const token = toHex(recordedMessage(step).token);
    const isAnswer = (piece: Uint8Array): boolean => toHex(piece.subarray(0, 14)).includes(token);
    socket.write(recordedFrame(step));
    while (!pieces.some(isAnswer)) await once(socket, 'data');
    return pieces.find(isAnswer) ?? new Uint8Array();
  }

  function messageIn(piece: Uint8Array): CoapMessage {
    const frame = decodeFrame(piece);
    if (frame.type !== 'message') throw new Error(`a record with ${frame.type} content: ${toHex(piece)}`);
    return frame.message;
  }

  /** What holds for everything that is sent to it, signals too. */
  function expectDigestible(pieces: readonly Uint8Array[], records: readonly TlsRecord[]): void {
    for (const piece of pieces) {
      expect(piece.length).toBeGreaterThan(deafeningBytes);
      expect(piece.length).toBeLessThanOrEqual(bufferBytes);
      // Exactly one whole message: what is behind the first one in a record waits for ever.
      const { options } = messageIn(piece);
      expect(options.filter(({ number }) => number === optionNumber.block1 || number === optionNumber.block2)).toEqual(
        [],
      );
    }
    const carrying = records.filter(({ type }) => type === 23);
    expect(carrying).toHaveLength(pieces.length);
    for (const { bytes } of carrying) expect(bytes).toBeLessThanOrEqual(bufferBytes);
  }

  it('its whole run is served in its two sessions, as one attempt', async () => {
    const forTime = await tapPort(running.port.tcp);
    const first = await dial(forTime.port, 0);
    const time = await ask(first, 'time');
    // The recorded answer, but for the time itself.
    expect(toHex(time)).toMatch(/^d81c45f9bdf08493cd271cc22710e206ec0800ffa16474696d657818(3\d|2d|54|3a|2e|5a){24}$/);
    expectUsable('time', messageIn(time).code, mapIn(messageIn(time).payload), running);
    expectDigestible(first.pieces, forTime.records);
    first.socket.end();
    await once(first.socket, 'close');
    forTime.close();

    const forRest = await tapPort(running.port.tcp);
    const second = await dial(forRest.port, 0);
    for (const step of steps) {
      const answer = messageIn(await ask(second, step));
      expectReadable(answer, step);
      expectUsable(step, answer.code, mapIn(answer.payload), running);
    }
    expectDigestible(second.pieces, forRest.records);
    // The service does not hang up between the steps or after them: that would be a failure to the device.
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(second.socket.readyState).toBe('open');
    second.socket.end();
    await once(second.socket, 'close');
    forRest.close();

    const attempt = await running.attempt((a) => entryOf(a, 'closed')?.verdict === 'provisioned');
    expect(entriesOf(attempt, 'session')).toHaveLength(1);
    const hello = entriesOf(attempt, 'client-hello')[0];
    expect(hello).toMatchObject({
      version: 'TLSv1.2',
      cipherSuites: recordedSuites,
      groups: ['secp256r1', 'secp384r1'],
    });
    expect(hello?.serverName).toBeUndefined();
    expect(entriesOf(attempt, 'exchange').map(({ code }) => code)).toEqual([205, 205, 204, 204, 205]);
  });

  it.each(recordedSuites.filter((suite) => suite.includes('ECDSA')))('with %s alone it is served', async (suite) => {
    const tap = await tapPort(running.port.tcp);
    const client = await dial(tap.port, 1, [suite]);
    expectReadable(messageIn(await ask(client, 'time')), 'time');
    expectDigestible(client.pieces, tap.records);
    client.socket.destroy();
    tap.close();
  });

  it('what cannot be served is refused with a code that it knows, and without Content-Format', async () => {
    // The device id is taken by the first test's device: this one is a thief.
    const tap = await tapPort(running.port.tcp);
    const thief = await dial(tap.port, 2);
    for (const step of ['cloud-configuration', 'credentials'] as const) {
      const answer = messageIn(await ask(thief, step));
      expectReadable(answer, step);
      expect(answer.code).toBe(403);
      expect(fromUtf8(answer.payload)).toMatch(/^bind\.device-id-taken/);
    }
    expectDigestible(thief.pieces, tap.records);
    thief.socket.destroy();
    tap.close();
  });

  it('requests sent without waiting are answered one message a record', async () => {
    const tap = await tapPort(running.port.tcp);
    const client = await dial(tap.port, 3);
    client.socket.write(concatBytes(recordedFrame('time'), recordedFrame('ownership'), recordedFrame('acls')));
    while (client.pieces.length < 4) await once(client.socket, 'data');
    expectDigestible(client.pieces, tap.records);
    expect(new Set(client.pieces.map((piece) => messageIn(piece).code))).toEqual(new Set([701, 205]));
    client.socket.destroy();
    tap.close();
  });
});

describe('over DTLS', () => {
  let running: TestService;

  beforeAll(async () => {
    running = await startTestService({ devices: 2 });
  });
  afterAll(() => running.close());

  const dial = async (device: number): Promise<RawSession> => {
    const session = await RawSession.open({
      transport: 'udp',
      port: running.port.udp,
      identity: running.device(device),
      ciphers: recordedSuites,
    });
    return session.established();
  };

  const datagramIn = (bytes: Uint8Array) => {
    const decoded = decodeDatagram(bytes);
    if (!decoded.ok) throw new Error(decoded.text);
    return decoded.datagram;
  };

  it('its whole run is served; the answer in blocks is continued without the POST being done again', async () => {
    const first = await dial(0);
    first.send(recordedDatagram('time'));
    const time = datagramIn(await first.next());
    expect(time).toMatchObject({ type: 'ACK', messageId: 53_055 });
    expectUsable('time', time.message.code, mapIn(time.message.payload), running);
    first.close();

    const second = await dial(0);
    for (const step of steps) {
      second.send(recordedDatagram(step));
      const answer = datagramIn(await second.next());
      expect(answer.type).toBe('NON');
      expectReadable(answer.message, step);
      const parts = [answer.message.payload];
      for (let number = 1, last = answer.message; isContinued(last); number++) {
        // Taken together a datagram has room for 1024 bytes of payload.
        expect(last.payload).toHaveLength(1024);
        second.send(recordedContinuation(step, number));
        const next = datagramIn(await second.next());
        expect(next.type).toBe('ACK');
        expectReadable(next.message, step);
        last = next.message;
        parts.push(last.payload);
      }
      if (step === 'credentials') expect(parts.length).toBeGreaterThan(1);
      expectUsable(step, answer.message.code, mapIn(concatBytes(...parts)), running);
    }
    second.close();
    const [device] = await running.service.store.devices({ limit: 10 });
    expect(device).toMatchObject({ deviceId: recordedDeviceId, generation: 1 });
    expect(await running.service.store.credentials(device?.keyId ?? '')).toHaveLength(1);
    const attempt = await running.attempt((a) => entryOf(a, 'closed')?.verdict === 'provisioned');
    expect(entriesOf(attempt, 'session')).toHaveLength(1);
  });

  it('a NON that arrives twice is answered once, and signed once', async () => {
    const session = await dial(0);
    session.send(recordedDatagram('ownership'));
    await session.next();
    for (let copy = 0; copy < 3; copy++) session.send(recordedDatagram('credentials'));
    const answer = datagramIn(await session.next());
    expect(answer.message.code).toBe(204);
    session.send(recordedDatagram('acls'));
    expect(datagramIn(await session.next()).message.token).toEqual(recordedMessage('acls').token);
    const [device] = await running.service.store.devices({ limit: 10 });
    expect(await running.service.store.credentials(device?.keyId ?? '')).toHaveLength(2);
    session.close();
  });

  it('its ClientHello is sent back with a cookie, and answered with the suite it likes best', async () => {
    const socket = createSocket('udp4');
    socket.connect(running.port.udp, '127.0.0.1');
    await once(socket, 'connect');
    const hello = recordedClientHello(randomBytes(32));
    socket.send(hello);
    const [verify] = (await once(socket, 'message')) as [Buffer];
    // Handshake, HelloVerifyRequest (RFC 6347 §4.2.1): no longer than what was sent, so nobody's amplifier.
    expect([verify[0], verify[13]]).toEqual([22, 3]);
    expect(verify.length).toBeLessThan(hello.length);
    const cookie = verify.subarray(28, 28 + (verify[27] ?? 0));
    socket.send(withCookie(hello, cookie));
    const [answer] = (await once(socket, 'message')) as [Buffer];
    expect([answer[0], answer[13], toHex(answer.subarray(25, 27))]).toEqual([22, 2, 'fefd']);
    const suiteAt = 25 + 2 + 32 + 1 + (answer[59] ?? 0);
    expect(toHex(answer.subarray(suiteAt, suiteAt + 2))).toBe('c02b');
    socket.close();
  });
});

function isContinued({ options }: CoapMessage): boolean {
  const block = uintOf(options, optionNumber.block2);
  if (block === undefined) return false;
  expect(block & 7).toBe(6);
  return (block & 8) !== 0;
}

/** The second ClientHello: the cookie in its place, message number 1 and record number 1 (RFC 6347 §4.2.2). */
function withCookie(hello: Uint8Array, cookie: Uint8Array): Uint8Array {
  const cookieAt = 60;
  const bytes = concatBytes(
    hello.subarray(0, cookieAt),
    Uint8Array.of(cookie.length),
    cookie,
    hello.subarray(cookieAt + 1),
  );
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  view.setUint8(10, 1);
  view.setUint16(11, view.getUint16(11) + cookie.length);
  view.setUint16(15, view.getUint16(15) + cookie.length);
  view.setUint16(17, 1);
  view.setUint16(23, view.getUint16(23) + cookie.length);
  return bytes;
}
