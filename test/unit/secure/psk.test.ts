import { describe, expect, it } from 'vitest';
import type { Association, SecureContextOptions } from '../../../src/secure/association.ts';
import { createSecureContext, engineStatistics } from '../../../src/secure/engine.ts';
import { identityOf, makePki } from '../../support/chains.ts';
import { alertsOf, eventOf, messagesOf, piecewise, Wire } from '../../support/wire.ts';

const pki = await makePki();
const key = Buffer.from('00112233445566778899aabbccddeeff', 'hex');
const rawIdentity = Buffer.from('f0ff8081fe7f0102030405060708090a', 'hex');

type Transport = 'datagram' | 'stream';
type Changes = Partial<SecureContextOptions>;

const serverOf = (transport: Transport, changes: Changes = {}) =>
  createSecureContext({ transport, role: 'server', clock: 'simulated', psk: 'lookup', ...changes });
const clientOf = (transport: Transport, changes: Changes = {}) =>
  createSecureContext({
    transport,
    role: 'client',
    clock: 'simulated',
    psk: { identity: rawIdentity, key },
    ...changes,
  });

describe.each(['datagram', 'stream'] as const)('pre-shared keys over a %s', (transport) => {
  it.each(['PSK-AES128-CCM8', 'PSK-AES128-GCM-SHA256', 'PSK-AES128-CBC-SHA256', 'ECDHE-PSK-AES128-CBC-SHA256'])(
    'negotiate %s with a raw identity of 16 bytes',
    (suite) => {
      const wire = new Wire(serverOf(transport), clientOf(transport, { ciphers: [suite] }));
      wire.keys = (identity) => (identity === rawIdentity.toString('hex') ? key : undefined);
      wire.handshake();
      const session = eventOf(wire.serverEvents, 'established')?.session;
      expect(session?.cipherSuite).toBe(suite);
      expect(session?.peer).toBeUndefined();
      expect(Buffer.from(session?.pskIdentity ?? [])).toEqual(rawIdentity);
      wire.client.send(Buffer.from(suite), wire.now);
      wire.run();
      expect(messagesOf(wire.serverEvents)).toEqual([suite]);
      wire.abort();
    },
  );

  it('may be looked up slowly: nothing is lost meanwhile', () => {
    const { client, server, answer, finish } = pausedHandshake(transport);
    expect(server.nextTimeout()).toBeGreaterThan(10_000);
    answer(key);
    finish();
    expect(eventOf(client.takeEvents(), 'established')).toBeDefined();
    client.abort();
    server.abort();
  });

  it('an unknown identity is refused by name', () => {
    const wire = new Wire(serverOf(transport), clientOf(transport)).run();
    expect(eventOf(wire.serverEvents, 'psk-lookup')?.identity).toEqual(new Uint8Array(rawIdentity));
    expect(alertsOf(wire.serverEvents, 'sent')).toEqual(['unknown_psk_identity']);
    expect(eventOf(wire.serverEvents, 'closed')?.end).toMatchObject({ reason: 'refused' });
    expect(alertsOf(wire.clientEvents, 'received')).toEqual(['unknown_psk_identity']);
    expect(engineStatistics().sessions).toBe(0);
  });

  it('the identity is seen whole even when it holds zero bytes', () => {
    // OpenSSL's client cannot send such a one: the bytes are changed on the way, which is found out only later.
    const marker = Buffer.from(rawIdentity);
    const zeros = Buffer.from('636f4150007a7a7a0000000000000000', 'hex');
    const wire = new Wire(serverOf(transport), clientOf(transport), (bytes) => {
      const changed = Buffer.from(bytes);
      const at = changed.indexOf(marker);
      if (at >= 0) zeros.copy(changed, at);
      return [{ bytes: changed, delay: 1 }];
    });
    wire.run(() => wire.serverEvents.some(({ type }) => type === 'psk-lookup'));
    expect(Buffer.from(eventOf(wire.serverEvents, 'psk-lookup')?.identity ?? [])).toEqual(zeros);
    wire.abort();
  });

  it('a server with a certificate too serves both kinds of client', () => {
    const server = serverOf(transport, {
      identity: identityOf(pki.server, pki.intermediate),
      trust: { anchors: [pki.root.der], purpose: 'client' },
    });
    const withPsk = new Wire(server, clientOf(transport));
    withPsk.keys = () => key;
    expect(withPsk.handshake().established()).toBe(true);
    const certificateClient = createSecureContext({
      transport,
      role: 'client',
      clock: 'simulated',
      identity: identityOf(pki.client, pki.intermediate),
      trust: { anchors: [pki.root.der], purpose: 'server' },
    });
    const withCertificate = new Wire(server, certificateClient).handshake();
    expect(eventOf(withCertificate.serverEvents, 'established')?.session.peer?.errors).toEqual([]);
    expect(eventOf(withCertificate.serverEvents, 'psk-lookup')).toBeUndefined();
    withPsk.abort();
    withCertificate.abort();
  });
});

it('a wrong key is answered with bad_record_mac over a stream', () => {
  const wire = new Wire(serverOf('stream'), clientOf('stream'));
  wire.keys = () => Buffer.alloc(16, 1);
  wire.run();
  expect(alertsOf(wire.serverEvents, 'sent')).toEqual(['bad_record_mac']);
  expect(eventOf(wire.serverEvents, 'closed')?.end).toMatchObject({ reason: 'refused' });
});

it('a wrong key is silent over datagrams, until the handshake times out', () => {
  const wire = new Wire(serverOf('datagram'), clientOf('datagram'));
  wire.keys = () => Buffer.alloc(16, 1);
  wire.run();
  expect(alertsOf(wire.serverEvents, 'sent')).toEqual([]);
  expect(eventOf(wire.serverEvents, 'closed')?.end).toEqual({ reason: 'handshake-timeout' });
  expect(engineStatistics().sessions).toBe(0);
});

it('a stream may bring the identity in pieces', () => {
  for (const size of [1, 3, 10]) {
    const wire = new Wire(serverOf('stream'), clientOf('stream'), piecewise(size));
    wire.keys = () => key;
    expect(wire.handshake().established()).toBe(true);
    expect(Buffer.from(eventOf(wire.serverEvents, 'psk-lookup')?.identity ?? [])).toEqual(rawIdentity);
    wire.abort();
  }
});

it('an identity over the limit is not looked up', () => {
  const long = Buffer.alloc(120, 0x41);
  const wire = new Wire(serverOf('datagram'), clientOf('datagram', { psk: { identity: long, key } }), (bytes) => {
    const changed = Buffer.from(bytes);
    const at = changed.indexOf(long);
    // The length field before it: 120 becomes 129, more than there is and more than is allowed.
    if (at >= 0) changed.writeUInt16BE(129, at - 2);
    return [{ bytes: changed, delay: 1 }];
  }).run();
  expect(eventOf(wire.serverEvents, 'psk-lookup')).toBeUndefined();
  expect(eventOf(wire.serverEvents, 'closed')?.end.reason).toBe('refused');
});

/** A server that has asked for a key and a client that retransmits meanwhile. */
function pausedHandshake(transport: Transport) {
  const wire = new Wire(serverOf(transport), clientOf(transport));
  wire.keys = () => {
    throw new Error('asked twice');
  };
  const { client } = wire;
  wire.server?.abort();
  let server: Association | undefined;
  const serverContext = serverOf(transport);
  if (transport === 'stream') server = serverContext.accept(wire.now);
  let now = wire.now;
  const exchange = (): boolean => {
    let moved = false;
    for (const bytes of client.takeOutput().concat(first.splice(0))) {
      moved = true;
      if (server) server.receive(bytes, now);
      else {
        const result = serverContext.listen('peer', bytes, now);
        if (result.type === 'reply') client.receive(result.datagram, now);
        if (result.type === 'accepted') server = result.association;
      }
    }
    for (const bytes of server?.takeOutput() ?? []) {
      moved = true;
      client.receive(bytes, now);
    }
    return moved;
  };
  const first = wire.sent.up.splice(0);
  while (exchange());
  const asked = eventOf(server?.takeEvents() ?? [], 'psk-lookup');
  if (!server || !asked) throw new Error('no key was asked for');
  // The client hears nothing for ten seconds and says everything again.
  for (const end = now + 10_000; now < end; ) {
    now = Math.min(end, client.nextTimeout() ?? end);
    client.handleTimeout(now);
    exchange();
  }
  const paused = server;
  return {
    client,
    server: paused,
    answer: (known: Uint8Array) => paused.providePsk(known, now),
    finish: () => {
      while (exchange());
    },
  };
}
