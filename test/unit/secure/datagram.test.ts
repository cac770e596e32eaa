import { beforeAll, describe, expect, it } from 'vitest';
import { limits } from '../../../src/core/limits.ts';
import type { SecureContext, SecureContextOptions } from '../../../src/secure/association.ts';
import { createSecureContext, engineStatistics } from '../../../src/secure/engine.ts';
import {
  identityOf,
  type Made,
  makeCertificate,
  makePki,
  type TestPki,
  testTime,
  usage,
} from '../../support/chains.ts';
import { eventOf, type Link, messagesOf, Wire } from '../../support/wire.ts';

let pki: TestPki;
let large: Made;

beforeAll(async () => {
  pki = await makePki();
  large = await makeCertificate({
    subject: 'CN=large',
    issuer: pki.intermediate,
    usages: [usage.clientAuth],
    padding: 6000,
  });
});

const serverOf = (changes: Partial<SecureContextOptions> = {}): SecureContext =>
  createSecureContext({
    transport: 'datagram',
    role: 'server',
    clock: 'simulated',
    identity: identityOf(pki.server, pki.intermediate),
    trust: { anchors: [pki.root.der], purpose: 'client' },
    ...changes,
  });

const clientOf = (changes: Partial<SecureContextOptions> = {}): SecureContext =>
  createSecureContext({
    transport: 'datagram',
    role: 'client',
    clock: 'simulated',
    identity: identityOf(pki.client, pki.intermediate),
    trust: { anchors: [pki.root.der], purpose: 'server' },
    ...changes,
  });

/** Loses what `lost` says, by direction and count. */
const losing =
  (...lost: readonly string[]): Link =>
  (bytes, direction, index) =>
    lost.includes(`${direction}${index}`) ? [] : [{ bytes, delay: 1 }];

describe('the cookie exchange', () => {
  /** The two ClientHellos of a client, the second with the server's cookie. */
  const hellos = (server: SecureContext, peer: string, now: number): readonly [Uint8Array, Uint8Array] => {
    const client = clientOf().connect(now);
    const [first = new Uint8Array(0)] = client.takeOutput();
    const reply = server.listen(peer, first, now);
    if (reply.type !== 'reply') throw new Error(`no reply but ${reply.type}`);
    client.receive(reply.datagram, now);
    const [second = new Uint8Array(0)] = client.takeOutput();
    client.abort();
    return [first, second];
  };

  it('holds nothing for a peer before its cookie came back, and answers with less than it got', () => {
    const server = serverOf();
    const client = clientOf().connect(testTime);
    const [hello = new Uint8Array(0)] = client.takeOutput();
    client.abort();
    for (let i = 0; i < 1000; i++) {
      const reply = server.listen(`198.51.100.1:${i}`, hello, testTime);
      if (reply.type !== 'reply') throw new Error(`no reply but ${reply.type}`);
      expect(reply.datagram.length).toBeLessThan(hello.length);
    }
    expect(engineStatistics().sessions).toBe(0);
  });

  it('takes a cookie from the address it was given to only', () => {
    const server = serverOf();
    const [, second] = hellos(server, '192.0.2.1:1000', testTime);
    expect(server.listen('192.0.2.1:1001', second, testTime).type).toBe('reply');
    const result = server.listen('192.0.2.1:1000', second, testTime);
    expect(result.type).toBe('accepted');
    if (result.type === 'accepted') result.association.abort();
  });

  it('takes a cookie for one to two lives of its key', () => {
    for (const [age, type] of [
      [limits.secure.cookieKey, 'accepted'],
      [2 * limits.secure.cookieKey - 1, 'accepted'],
      [2 * limits.secure.cookieKey, 'reply'],
    ] as const) {
      const server = serverOf();
      const [, second] = hellos(server, 'peer', testTime);
      const result = server.listen('peer', second, testTime + age);
      expect(result.type).toBe(type);
      if (result.type === 'accepted') result.association.abort();
    }
  });

  it('does not answer what is no whole ClientHello', () => {
    const server = serverOf();
    const client = clientOf().connect(testTime);
    const [hello = new Uint8Array(0)] = client.takeOutput();
    client.abort();
    const fragment = new Uint8Array(hello);
    fragment[23] = 10;
    const wrongEpoch = new Uint8Array(hello);
    wrongEpoch[4] = 1;
    const application = new Uint8Array(hello);
    application[0] = 23;
    for (const datagram of [
      fragment,
      wrongEpoch,
      application,
      hello.subarray(0, 24),
      new Uint8Array(0),
      Buffer.from('GET / HTTP/1.1\r\n\r\n'.repeat(3)),
    ])
      expect(server.listen('peer', datagram, testTime)).toEqual({ type: 'drop' });
    expect(server.listen('peer', hello, testTime).type).toBe('reply');
  });
});

describe('retransmission', () => {
  it.each([
    ['the first ClientHello', ['up0'], 1000],
    ['the HelloVerifyRequest', ['down0'], 1000],
    ['the server’s certificate', ['down1'], 1000],
    ['the client’s whole flight', ['up2'], 1000],
    ['the server’s last flight', ['down2'], 1000],
    ['the first ClientHello three times', ['up0', 'up1', 'up2'], 7000],
  ] as const)('makes up for the loss of %s after 1 s, doubling', (_, lost, delay) => {
    const wire = new Wire(serverOf(), clientOf(), losing(...lost)).handshake();
    expect(wire.established()).toBe(true);
    expect(wire.now - testTime).toBeGreaterThanOrEqual(delay);
    expect(wire.now - testTime).toBeLessThan(delay + 50);
    wire.abort();
  });

  it('is at 1, 3, 7 and 15 s and ends with the handshake’s deadline', () => {
    const at: number[] = [];
    const wire = new Wire(serverOf(), clientOf(), (_bytes, _direction, _index, now) => {
      at.push(now - testTime);
      return [];
    }).run();
    expect(at).toEqual([0, 1000, 3000, 7000, 15_000]);
    expect(wire.now - testTime).toBe(limits.secure.handshake);
    expect(wire.clientEvents).toEqual([{ type: 'closed', end: { reason: 'handshake-timeout' } }]);
    expect(wire.client.nextTimeout()).toBeUndefined();
    expect(engineStatistics().sessions).toBe(0);
  });

  it('stops when the handshake is through', () => {
    const wire = new Wire(serverOf(), clientOf()).handshake().run();
    expect(wire.client.nextTimeout()).toBeUndefined();
    expect(wire.server?.nextTimeout()).toBeUndefined();
    wire.abort();
  });

  it('works on the machine’s clock as well', async () => {
    const wire = new Wire(serverOf({ clock: 'system' }), clientOf({ clock: 'system' }), () => []);
    const started = Date.now();
    wire.abort();
    const client = clientOf({ clock: 'system' }).connect(started);
    expect(client.takeOutput()).toHaveLength(1);
    expect(client.nextTimeout()).toBe(started + 1000);
    client.handleTimeout(started + 999);
    expect(client.takeOutput()).toHaveLength(0);
    await new Promise((resolve) => setTimeout(resolve, 1000));
    client.handleTimeout(Math.max(Date.now(), started + 1000));
    expect(client.takeOutput()).toHaveLength(1);
    expect((client.nextTimeout() ?? 0) - started).toBeGreaterThanOrEqual(3000);
    client.abort();
  });
});

describe('fragmentation', () => {
  it.each([300, 512, 1200, 1400])('keeps every datagram of a handshake within an MTU of %i', (mtu) => {
    const identity = identityOf(large, pki.intermediate);
    const wire = new Wire(serverOf({ mtu }), clientOf({ mtu, identity })).handshake();
    expect(wire.established()).toBe(true);
    for (const datagram of [...wire.sent.up, ...wire.sent.down]) expect(datagram.length).toBeLessThanOrEqual(mtu);
    expect(wire.sent.up.length).toBeGreaterThan(6000 / mtu);
    expect(eventOf(wire.serverEvents, 'established')?.session.peer?.presented[0]).toEqual(large.der);
    wire.abort();
  });

  it('puts together fragments that come in reverse and twice', () => {
    const identity = identityOf(large, pki.intermediate);
    const wire = new Wire(serverOf({ mtu: 300 }), clientOf({ mtu: 300, identity }), (bytes, _, index) => [
      { bytes, delay: 100 - (index % 100) },
      { bytes, delay: 101 },
    ]).handshake();
    expect(wire.established()).toBe(true);
    wire.abort();
  });
});

describe('an established session', () => {
  it.each(['ECDHE-ECDSA-AES128-GCM-SHA256', 'ECDHE-ECDSA-AES128-CCM8', 'ECDHE-ECDSA-AES128-SHA256'])(
    'with %s is not disturbed by forged, replayed or unauthenticated datagrams',
    (suite) => {
      const wire = new Wire(serverOf(), clientOf({ ciphers: [suite] })).handshake().run();
      wire.client.send(Buffer.from('one'), wire.now);
      const [record = new Uint8Array(0)] = wire.client.takeOutput();
      wire.deliver('up', record);
      wire.deliver('up', record);
      for (const datagram of [...wire.sent.up, ...wire.sent.down]) wire.deliver('up', datagram);
      for (let at = 0; at < record.length; at++) {
        const forged = new Uint8Array(record);
        forged[at] = (forged[at] ?? 0) ^ 0x55;
        // Another sequence number, so that it is not taken for a replay.
        forged[10] = 7;
        wire.deliver('up', forged);
      }
      // A fatal alert in clear.
      wire.deliver('up', Buffer.from('15fefd000000000000000900020228', 'hex'));
      wire.deliver('up', Buffer.from('garbage'));
      wire.client.send(Buffer.from('two'), wire.now);
      wire.run();
      expect(messagesOf(wire.serverEvents)).toEqual(['one', 'two']);
      expect(wire.serverEvents.filter(({ type }) => type === 'closed')).toEqual([]);
      wire.abort();
    },
  );

  it.each([
    ...['ECDHE-ECDSA-AES128-GCM-SHA256', 'ECDHE-ECDSA-AES256-GCM-SHA384', 'ECDHE-ECDSA-AES128-CCM'],
    ...['ECDHE-ECDSA-AES128-CCM8', 'ECDHE-ECDSA-AES128-SHA256', 'ECDHE-ECDSA-AES256-SHA384'],
  ])('with %s is not ended by protected records that are too short, open or hidden in another one', (suite) => {
    const wire = new Wire(serverOf(), clientOf({ ciphers: [suite] })).handshake().run();
    for (let size = 0; size <= 48; size++) {
      for (const type of [20, 21, 22, 23]) {
        const short = Buffer.alloc(13 + size, 7);
        short.set(Buffer.from(`${type.toString(16)}fefd000100000000ff${size.toString(16).padStart(2, '0')}`, 'hex'));
        short.writeUInt16BE(size, 11);
        const wrongVersion = Buffer.from('17df3900010000000000100018', 'hex');
        const oldVersion = Buffer.from('17feff00010000000000110018', 'hex');
        const tooLong = Buffer.from('17fefd0001000000000012ffff', 'hex');
        for (const front of [Buffer.alloc(0), wrongVersion, oldVersion, tooLong, short])
          wire.deliver('up', Buffer.concat([front, short]));
      }
    }
    wire.client.send(Buffer.from('still here'), wire.now);
    wire.run();
    expect(messagesOf(wire.serverEvents)).toEqual(['still here']);
    expect(wire.serverEvents.filter(({ type }) => type === 'closed')).toEqual([]);
    wire.abort();
  });

  it('repeats the last flight for a client that lost it', () => {
    const wire = new Wire(serverOf(), clientOf(), losing('down2'));
    wire.run(() => eventOf(wire.serverEvents, 'established') !== undefined);
    expect(eventOf(wire.clientEvents, 'established')).toBeUndefined();
    wire.handshake();
    expect(wire.established()).toBe(true);
    wire.abort();
  });

  it('refuses a message that does not fit a record', () => {
    const wire = new Wire(serverOf(), clientOf()).handshake();
    expect(() => wire.client.send(new Uint8Array(limits.secure.recordBytes + 1), wire.now)).toThrow(RangeError);
    wire.abort();
  });
});
