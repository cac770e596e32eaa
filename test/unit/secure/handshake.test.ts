import { beforeAll, describe, expect, it } from 'vitest';
import type { SecureContextOptions } from '../../../src/secure/association.ts';
import { createSecureContext, engineStatistics } from '../../../src/secure/engine.ts';
import { identityOf, makeCertificate, makePki, type TestPki } from '../../support/chains.ts';
import { alertsOf, eventOf, messagesOf, perfectLink, piecewise, Wire } from '../../support/wire.ts';

let pki: TestPki;
let rsaPki: TestPki;

beforeAll(async () => {
  pki = await makePki();
  rsaPki = await makePki({ key: 'RSA-2048' });
});

type Changes = Partial<SecureContextOptions>;

function contexts(transport: 'datagram' | 'stream', server: Changes = {}, client: Changes = {}, of: TestPki = pki) {
  const anchors = [of.root.der];
  return [
    createSecureContext({
      transport,
      role: 'server',
      clock: 'simulated',
      identity: identityOf(of.server, of.intermediate),
      trust: { anchors, purpose: 'client' },
      ...server,
    }),
    createSecureContext({
      transport,
      role: 'client',
      clock: 'simulated',
      identity: identityOf(of.client, of.intermediate),
      trust: { anchors, purpose: 'server' },
      ...client,
    }),
  ] as const;
}

const variants = [
  { transport: 'datagram', maxVersion: '1.2', version: 'DTLSv1.2' },
  { transport: 'stream', maxVersion: '1.2', version: 'TLSv1.2' },
  { transport: 'stream', maxVersion: '1.3', version: 'TLSv1.3' },
] as const;

describe.each(variants)('$version', ({ transport, maxVersion, version }) => {
  it('authenticates both sides, carries messages both ways and ends with close_notify', () => {
    const before = engineStatistics().sessions;
    const wire = new Wire(...contexts(transport, {}, { maxVersion })).handshake();
    for (const [events, leaf] of [
      [wire.serverEvents, pki.client],
      [wire.clientEvents, pki.server],
    ] as const) {
      const session = eventOf(events, 'established')?.session;
      expect(session?.version).toBe(version);
      expect(session?.peer?.errors).toEqual([]);
      expect(session?.peer?.presented).toEqual([leaf.der, pki.intermediate.der]);
      expect(session?.peer?.path).toEqual([leaf.der, pki.intermediate.der, pki.root.der]);
    }
    wire.client.send(Buffer.from('ping'), wire.now);
    wire.run();
    wire.server?.send(Buffer.from('pong'), wire.now);
    wire.run();
    expect(messagesOf(wire.serverEvents)).toEqual(['ping']);
    expect(messagesOf(wire.clientEvents)).toEqual(['pong']);
    wire.client.close(wire.now);
    wire.run();
    expect(wire.clientEvents.at(-1)).toEqual({ type: 'closed', end: { reason: 'local' } });
    expect(wire.serverEvents.at(-1)).toEqual({ type: 'closed', end: { reason: 'close-notify' } });
    expect(alertsOf(wire.clientEvents, 'sent')).toEqual(['close_notify']);
    expect(alertsOf(wire.serverEvents, 'received')).toEqual(['close_notify']);
    expect(engineStatistics().sessions).toBe(before);
  });

  it('sends what was given before the handshake was through', () => {
    const wire = new Wire(...contexts(transport, {}, { maxVersion }));
    wire.client.send(Buffer.from('early'), wire.now);
    wire.handshake().run();
    expect(messagesOf(wire.serverEvents)).toEqual(['early']);
    wire.abort();
  });

  it('puts every message into a record of its own', () => {
    const wire = new Wire(...contexts(transport, {}, { maxVersion })).handshake().run();
    const before = wire.sent.down.length;
    for (let i = 0; i < 20; i++) wire.server?.send(Buffer.from(`message ${i}`), wire.now);
    wire.run();
    expect(wire.sent.down.length - before).toBe(20);
    expect(messagesOf(wire.clientEvents)).toEqual(Array.from({ length: 20 }, (_, i) => `message ${i}`));
    wire.abort();
  });

  it('answers what was asked before a close_notify, then says goodbye', () => {
    const wire = new Wire(...contexts(transport, {}, { maxVersion })).handshake().run();
    const { client, server } = wire;
    if (!server) throw new Error('no server');
    client.send(Buffer.from('last question'), wire.now);
    client.close(wire.now);
    for (const bytes of client.takeOutput()) server.receive(bytes, wire.now);
    const events = server.takeEvents();
    expect(messagesOf(events)).toEqual(['last question']);
    expect(events.at(-1)?.type).toBe('closed');
    server.send(Buffer.from('answer'), wire.now);
    const output = server.takeOutput();
    expect(output).toHaveLength(2);
    expect(server.takeOutput()).toEqual([]);
    expect(engineStatistics().sessions).toBe(0);
  });

  it('lets a peer come without a certificate when that is optional', () => {
    const [server] = contexts(transport, { peerCertificate: 'optional' });
    const client = createSecureContext({
      transport,
      role: 'client',
      clock: 'simulated',
      maxVersion,
      trust: { anchors: [pki.root.der], purpose: 'server' },
    });
    const wire = new Wire(server, client).handshake().run();
    expect(eventOf(wire.serverEvents, 'established')?.session.peer).toBeUndefined();
    wire.abort();
  });

  it('asks for no certificate without trust, and a client without trust takes any server', () => {
    const server = createSecureContext({
      transport,
      role: 'server',
      clock: 'simulated',
      identity: identityOf(pki.server),
    });
    const client = createSecureContext({ transport, role: 'client', clock: 'simulated', maxVersion });
    const wire = new Wire(server, client).handshake().run();
    expect(eventOf(wire.serverEvents, 'established')?.session.peer).toBeUndefined();
    expect(eventOf(wire.clientEvents, 'established')?.session.peer).toEqual({
      presented: [pki.server.der],
      path: [],
      errors: [],
    });
    wire.abort();
  });
});

const ecdsaSuites = [
  'ECDHE-ECDSA-AES128-GCM-SHA256',
  'ECDHE-ECDSA-AES256-GCM-SHA384',
  'ECDHE-ECDSA-AES128-CCM8',
  'ECDHE-ECDSA-AES128-CCM',
  'ECDHE-ECDSA-AES128-SHA256',
  'ECDHE-ECDSA-AES256-SHA384',
];
const rsaSuites = ['ECDHE-RSA-AES128-GCM-SHA256', 'ECDHE-RSA-AES256-GCM-SHA384'];

describe.each(['datagram', 'stream'] as const)('over a %s', (transport) => {
  it.each([...ecdsaSuites, ...rsaSuites])('negotiates %s', (suite) => {
    const of = suite.includes('RSA-AES') && rsaSuites.includes(suite) ? rsaPki : pki;
    const wire = new Wire(...contexts(transport, {}, { ciphers: [suite], maxVersion: '1.2' }, of)).handshake();
    expect(eventOf(wire.serverEvents, 'established')?.session.cipherSuite).toBe(suite);
    wire.client.send(Buffer.from(suite), wire.now);
    wire.run();
    expect(messagesOf(wire.serverEvents)).toEqual([suite]);
    wire.abort();
  });

  it('refuses a client that has no suite in common, and keeps what it offered', () => {
    const [server, client] = contexts(
      transport,
      { ciphers: ['ECDHE-ECDSA-AES128-GCM-SHA256'], maxVersion: '1.2' },
      { ciphers: ['ECDHE-ECDSA-AES128-CCM8'], maxVersion: '1.2' },
    );
    const wire = new Wire(server, client).run();
    expect(wire.serverEvents.at(-1)).toEqual({
      type: 'closed',
      end: { reason: 'refused', error: 'no shared cipher', peer: undefined },
    });
    expect(alertsOf(wire.serverEvents, 'sent')).toEqual(['handshake_failure']);
    expect(alertsOf(wire.clientEvents, 'received')).toEqual(['handshake_failure']);
    expect(eventOf(wire.serverEvents, 'client-hello')?.hello.cipherSuites).toEqual(['ECDHE-ECDSA-AES128-CCM8']);
  });
});

describe('a ClientHello', () => {
  it('is reported with version, suites, groups, signature algorithms and server name', () => {
    const wire = new Wire(...contexts('stream'), perfectLink, 'dps.example').handshake();
    const hello = eventOf(wire.serverEvents, 'client-hello')?.hello;
    expect(hello?.version).toBe('TLSv1.3');
    expect(hello?.cipherSuites).toContain('TLS_AES_128_GCM_SHA256');
    expect(hello?.groups).toEqual(['secp256r1', 'x25519', 'secp384r1', 'secp521r1']);
    expect(hello?.signatureAlgorithms[0]).toBe('ecdsa_secp256r1_sha256');
    expect(hello?.serverName).toBe('dps.example');
    expect(hello?.alpn).toEqual([]);
    wire.abort();
  });

  it('of the reference device (contract, plgd-device c1) gets a HelloVerifyRequest, and its cookie a session', () => {
    const [server] = contexts('datagram');
    const hex =
      '16fefd0000000000000000006a0100005e000000000000005efefd' +
      '11'.repeat(32) +
      '0000000ec02bc023c02cc024c02fc03000ff01000026000a0006000400170018000d000e000c060306010503050104030401000b0002010000170000';
    const hello = Buffer.from(hex, 'hex');
    const reply = server.listen('192.0.2.7:5683', hello, 0);
    if (reply.type !== 'reply') throw new Error(`it got a ${reply.type}`);
    const cookie = Buffer.from(reply.datagram).subarray(28);
    // The cookie goes behind the empty session id; the three lengths grow by it.
    const again = Buffer.concat([hello.subarray(0, 60), Buffer.of(cookie.length), cookie, hello.subarray(61)]);
    again.writeUInt16BE(hello.length - 13 + cookie.length, 11);
    again.writeUIntBE(hello.length - 25 + cookie.length, 14, 3);
    again.writeUIntBE(hello.length - 25 + cookie.length, 22, 3);
    again[18] = 1;
    again[10] = 1;
    const accepted = server.listen('192.0.2.7:5683', again, 0);
    if (accepted.type !== 'accepted') throw new Error(`it got a ${accepted.type}`);
    expect(eventOf(accepted.association.takeEvents(), 'client-hello')?.hello).toEqual({
      version: 'DTLSv1.2',
      cipherSuites: [
        'ECDHE-ECDSA-AES128-GCM-SHA256',
        'ECDHE-ECDSA-AES128-SHA256',
        'ECDHE-ECDSA-AES256-GCM-SHA384',
        'ECDHE-ECDSA-AES256-SHA384',
        'ECDHE-RSA-AES128-GCM-SHA256',
        'ECDHE-RSA-AES256-GCM-SHA384',
        'TLS_EMPTY_RENEGOTIATION_INFO_SCSV',
      ],
      groups: ['secp256r1', 'secp384r1'],
      signatureAlgorithms: [
        'ecdsa_secp521r1_sha512',
        'rsa_pkcs1_sha512',
        'ecdsa_secp384r1_sha384',
        'rsa_pkcs1_sha384',
        'ecdsa_secp256r1_sha256',
        'rsa_pkcs1_sha256',
      ],
      serverName: undefined,
      alpn: [],
    });
    expect(accepted.association.takeOutput().length).toBeGreaterThan(0);
    accepted.association.abort();
  });
});

describe('a stream', () => {
  it.each([1, 2, 3, 5, 7, 11, 13, 100, 1000])('may come in pieces of %i bytes', (size) => {
    const wire = new Wire(...contexts('stream'), piecewise(size)).handshake().run();
    for (let i = 0; i < 30; i++) wire.client.send(Buffer.from(`${i}:${'x'.repeat(i)}`), wire.now);
    wire.run();
    expect(messagesOf(wire.serverEvents)).toEqual(Array.from({ length: 30 }, (_, i) => `${i}:${'x'.repeat(i)}`));
    wire.abort();
  });

  it.each(['1.2', '1.3'] as const)('never carries a record over 4096 bytes of payload (%s)', (maxVersion) => {
    const wire = new Wire(...contexts('stream', {}, { maxVersion })).handshake().run();
    const before = wire.sent.down.length;
    const message = Buffer.alloc(3 * 4096 + 100, 'abcdefg');
    wire.server?.send(message, wire.now);
    wire.run();
    expect(wire.sent.down.slice(before).every((record) => record.length <= 4096 + 64)).toBe(true);
    expect(messagesOf(wire.clientEvents).map(({ length }) => length)).toEqual([4096, 4096, 4096, 100]);
    expect(messagesOf(wire.clientEvents).join('')).toBe(message.toString());
    wire.abort();
  });

  it('carries certificates as they are: compressing them (RFC 8879) costs more than the handshake', async () => {
    const padded = await makeCertificate({ subject: 'CN=padded', issuer: pki.intermediate, padding: 3000 });
    const wire = new Wire(...contexts('stream', {}, { identity: identityOf(padded, pki.intermediate) })).handshake();
    expect(eventOf(wire.serverEvents, 'established')?.session.version).toBe('TLSv1.3');
    expect(wire.sent.up.reduce((sum, { length }) => sum + length, 0)).toBeGreaterThan(3000);
    wire.abort();
  });

  it('of a client that needs TLS 1.3 is refused by a server that has 1.2 at most', () => {
    const wire = new Wire(...contexts('stream', { maxVersion: '1.2' }, { minVersion: '1.3' })).run();
    expect(alertsOf(wire.serverEvents, 'sent')).toEqual(['protocol_version']);
    expect(wire.clientEvents.at(-1)).toMatchObject({ type: 'closed', end: { reason: 'refused' } });
  });
});

describe('settings that cannot work', () => {
  it.each([
    [
      'a server without identity or pre-shared keys',
      () => contexts('stream', { identity: undefined } as unknown as Changes),
      'service.config',
    ],
    ['an MTU that leaves no room', () => contexts('datagram', { mtu: 100 }), 'service.config'],
    [
      'a key of another certificate',
      () => contexts('stream', { identity: { chain: [pki.server.der], privateKey: pki.client.key } }),
      'service.config',
    ],
    [
      'an anchor that is no certificate',
      () => contexts('stream', { trust: { anchors: [Buffer.from('x')], purpose: 'any' } }),
      'service.config',
    ],
    [
      'an unknown error code to tolerate',
      () => contexts('stream', { trust: { anchors: [], purpose: 'any', tolerate: ['NOPE'] } }),
      'service.config',
    ],
    ['suites that do not exist', () => contexts('stream', { ciphers: ['NOPE'] }), 'service.config'],
    [
      'a pre-shared identity that OpenSSL cannot send',
      () => contexts('stream', {}, { psk: { identity: Uint8Array.of(1, 0, 2), key: Uint8Array.of(1) } }),
      'service.config',
    ],
  ])('%s are refused', (_, make, code) => {
    expect(make).toThrow(expect.objectContaining({ code }));
  });
});
