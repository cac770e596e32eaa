import { describe, expect, it } from 'vitest';
import { limits } from '../../../src/core/limits.ts';
import type { AssociationEvent, SecureContextOptions } from '../../../src/secure/association.ts';
import { createSecureContext, engineStatistics } from '../../../src/secure/engine.ts';
import { identityOf, makePki, testTime } from '../../support/chains.ts';
import { alertsOf, eventOf, messagesOf, Wire } from '../../support/wire.ts';

const pki = await makePki();

function contexts(transport: 'datagram' | 'stream', changes: Partial<SecureContextOptions> = {}) {
  const common = { transport, clock: 'simulated', ...changes } as const;
  const anchors = [pki.root.der];
  return [
    createSecureContext({
      ...common,
      role: 'server',
      identity: identityOf(pki.server, pki.intermediate),
      trust: { anchors, purpose: 'client' },
    }),
    createSecureContext({
      ...common,
      role: 'client',
      identity: identityOf(pki.client, pki.intermediate),
      trust: { anchors, purpose: 'server' },
    }),
  ] as const;
}

const bytesOf = (events: readonly AssociationEvent[]): number =>
  events.reduce((sum, event) => sum + (event.type === 'message' ? event.bytes.length : 0), 0);

describe.each(['datagram', 'stream'] as const)('a reader that is slow, over a %s', (transport) => {
  it('has no more than the limit decrypted for it, and gets the rest when it goes on', () => {
    const wire = new Wire(...contexts(transport)).handshake().run();
    const { client, server } = wire;
    if (!server) throw new Error('no server');
    const message = Buffer.alloc(1000, 'm');
    const count = 120;
    for (let i = 0; i < count; i++) client.send(message, wire.now);
    for (const record of client.takeOutput()) server.receive(record, wire.now);
    expect(server.backlog).toBeGreaterThanOrEqual(limits.secure.queuedBytes);
    const first = server.takeEvents();
    expect(bytesOf(first)).toBeGreaterThan(limits.secure.queuedBytes / 2);
    expect(bytesOf(first)).toBeLessThanOrEqual(limits.secure.queuedBytes + 1000);
    let total = bytesOf(first);
    for (let events = server.takeEvents(); events.length > 0; events = server.takeEvents()) total += bytesOf(events);
    expect(total).toBe(count * 1000);
    expect(server.backlog).toBe(0);
    client.send(Buffer.from('more'), wire.now);
    wire.run();
    expect(messagesOf(wire.serverEvents)).toEqual(['more']);
    wire.abort();
  });
});

it('a stream whose reader never goes on ends at four times the limit', () => {
  const wire = new Wire(...contexts('stream')).handshake().run();
  const { client, server } = wire;
  if (!server) throw new Error('no server');
  for (let i = 0; i < 6 * 64; i++) {
    client.send(Buffer.alloc(1024), wire.now);
    for (const record of client.takeOutput()) server.receive(record, wire.now);
    expect(server.backlog).toBeLessThanOrEqual(6 * limits.secure.queuedBytes);
  }
  const events: AssociationEvent[] = [];
  for (let more = server.takeEvents(); more.length > 0; more = server.takeEvents()) events.push(...more);
  expect(events.at(-1)).toMatchObject({ type: 'closed', end: { reason: 'failed' } });
  wire.abort();
});

it('datagrams to a reader that never goes on are dropped at the limit, and the session lives', () => {
  const wire = new Wire(...contexts('datagram')).handshake().run();
  const { client, server } = wire;
  if (!server) throw new Error('no server');
  for (let i = 0; i < 500; i++) {
    client.send(Buffer.alloc(1024), wire.now);
    for (const record of client.takeOutput()) server.receive(record, wire.now);
  }
  expect(server.backlog).toBeLessThan(3 * limits.secure.queuedBytes);
  let total = 0;
  for (let events = server.takeEvents(); events.length > 0; events = server.takeEvents()) total += bytesOf(events);
  expect(total).toBeLessThan(3 * limits.secure.queuedBytes);
  client.send(Buffer.from('alive'), wire.now);
  wire.run();
  expect(messagesOf(wire.serverEvents)).toEqual(['alive']);
  wire.abort();
});

it('one-byte messages count with what they cost', () => {
  const wire = new Wire(...contexts('stream')).handshake().run();
  const { client, server } = wire;
  if (!server) throw new Error('no server');
  for (let i = 0; i < 5000; i++) client.send(Buffer.of(1), wire.now);
  server.receive(Buffer.concat(client.takeOutput()), wire.now);
  const [first, ...rest] = [
    server.takeEvents().length,
    server.takeEvents().length,
    server.takeEvents().length,
    server.takeEvents().length,
    server.takeEvents().length,
  ];
  expect(first).toBeLessThanOrEqual(limits.secure.queuedBytes / 64 + 2);
  expect(rest.reduce((sum, n) => sum + n, first)).toBe(5000);
  wire.abort();
});

describe('a stream that is not TLS', () => {
  it.each([
    ['an HTTP request', Buffer.from('GET / HTTP/1.1\r\nHost: x\r\n\r\n'), 'http request'],
    ['zeros', Buffer.alloc(200), 'wrong version number'],
    ['noise', Buffer.from('d7'.repeat(300), 'hex'), 'wrong version number'],
  ])('%s ends refused, without an answer that would help a scanner', (_, bytes, error) => {
    const association = contexts('stream')[0].accept(testTime);
    association.receive(bytes, testTime);
    expect(eventOf(association.takeEvents(), 'closed')?.end).toMatchObject({ reason: 'refused' });
    expect(error.length).toBeGreaterThan(0);
    expect(engineStatistics().sessions).toBe(0);
  });

  it('an oversized record and data before the hello get their alerts', () => {
    const [server] = contexts('stream');
    for (const [bytes, alert] of [
      [Buffer.concat([Buffer.from('160303ffff', 'hex'), Buffer.alloc(20_000)]), 'record_overflow'],
      [Buffer.from('1703030005aabbccddee', 'hex'), 'unexpected_message'],
    ] as const) {
      const association = server.accept(testTime);
      association.receive(bytes, testTime);
      const events = association.takeEvents();
      expect(alertsOf(events, 'sent')).toEqual([alert]);
      expect(eventOf(events, 'closed')?.end.reason).toBe('refused');
    }
  });

  it('half a ClientHello waits until the handshake’s deadline', () => {
    const [server, client] = contexts('stream');
    const hello = client.connect(testTime);
    const association = server.accept(testTime);
    association.receive(hello.takeOutput()[0]?.subarray(0, 50) ?? new Uint8Array(0), testTime);
    expect(association.nextTimeout()).toBe(testTime + limits.secure.handshake);
    association.handleTimeout(testTime + limits.secure.handshake);
    expect(association.takeEvents()).toEqual([{ type: 'closed', end: { reason: 'handshake-timeout' } }]);
    hello.abort();
    expect(engineStatistics().sessions).toBe(0);
  });
});

it('calls on an association that has ended do nothing', () => {
  const wire = new Wire(...contexts('stream')).handshake().run();
  wire.abort();
  const { client } = wire;
  client.abort();
  client.receive(Buffer.of(1), wire.now);
  client.send(Buffer.of(1), wire.now);
  client.providePsk(undefined, wire.now);
  client.handleTimeout(wire.now + 100_000);
  client.close(wire.now);
  expect(client.takeEvents()).toEqual([]);
  expect(client.takeOutput()).toEqual([]);
  expect(client.nextTimeout()).toBeUndefined();
});

it('OpenSSL’s error queue is left empty for the crypto of Node', async () => {
  const { createSign, generateKeyPairSync } = await import('node:crypto');
  const association = contexts('stream')[0].accept(testTime);
  association.receive(Buffer.alloc(100), testTime);
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  expect(createSign('SHA256').update('x').sign(privateKey).length).toBeGreaterThan(60);
});
