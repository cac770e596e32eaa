import fc from 'fast-check';
import { afterEach, describe, expect, it } from 'vitest';
import { createSecureContext, engineStatistics } from '../../src/secure/engine.ts';
import { identityOf, makeCertificate, makePki, testTime, usage } from '../support/chains.ts';
import { type Link, messagesOf, Wire } from '../support/wire.ts';

const pki = await makePki();
const large = await makeCertificate({
  subject: 'CN=large',
  issuer: pki.intermediate,
  usages: [usage.clientAuth],
  padding: 3000,
});
const anchors = [pki.root.der];
const key = Buffer.alloc(16, 3);
/** With every third flight lost, the doubling takes more than the usual half minute once in a while. */
const patience = 600_000;

const serverOf = (transport: 'datagram' | 'stream', mtu?: number) =>
  createSecureContext({
    transport,
    role: 'server',
    clock: 'simulated',
    handshakeTimeout: patience,
    psk: 'lookup',
    identity: identityOf(pki.server, pki.intermediate),
    trust: { anchors, purpose: 'client' },
    ...(mtu !== undefined && { mtu }),
  });

const clientOf = (transport: 'datagram' | 'stream', mtu?: number) =>
  createSecureContext({
    transport,
    role: 'client',
    clock: 'simulated',
    handshakeTimeout: patience,
    identity: identityOf(large, pki.intermediate),
    trust: { anchors, purpose: 'server' },
    ...(mtu !== undefined && { mtu }),
  });

const pskClientOf = (transport: 'datagram' | 'stream') =>
  createSecureContext({
    transport,
    role: 'client',
    clock: 'simulated',
    handshakeTimeout: patience,
    psk: { identity: Buffer.from('device'), key },
  });

/** A small seeded generator (mulberry32): a failing run can be repeated from its seed. */
function random(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
}

afterEach(() => {
  expect(engineStatistics().sessions).toBe(0);
});

describe('a handshake over a bad link', () => {
  it('comes through loss, duplication and reordering at small and large MTU', () => {
    const contexts = [300, 512, 1400].map((mtu) => [serverOf('datagram', mtu), clientOf('datagram', mtu)] as const);
    fc.assert(
      fc.property(fc.integer(), fc.constantFrom(...contexts), (seed, [server, client]) => {
        const next = random(seed);
        const link: Link = (bytes) => {
          if (next() < 0.1) return [];
          const delay = 1 + (next() < 0.2 ? Math.floor(next() * 50) : 0);
          return next() < 0.1
            ? [
                { bytes, delay },
                { bytes, delay: delay + 3 },
              ]
            : [{ bytes, delay }];
        };
        const wire = new Wire(server, client, link).handshake(patience);
        const established = wire.established();
        wire.abort();
        expect(established).toBe(true);
      }),
      { seed: 6347, numRuns: 40 },
    );
  });

  it('with a pre-shared key comes through the same', () => {
    const server = serverOf('datagram');
    const client = pskClientOf('datagram');
    fc.assert(
      fc.property(fc.integer(), (seed) => {
        const next = random(seed);
        const wire = new Wire(server, client, (bytes) =>
          next() < 0.2 ? [] : [{ bytes, delay: 1 + Math.floor(next() * 20) }],
        );
        wire.keys = () => key;
        const established = wire.handshake(patience).established();
        wire.abort();
        expect(established).toBe(true);
      }),
      { seed: 4279, numRuns: 30 },
    );
  });
});

describe('damaged input', () => {
  it.each(['datagram', 'stream'] as const)('never breaks the engine, over a %s', (transport) => {
    const server = serverOf(transport);
    const clients = [clientOf(transport), pskClientOf(transport)];
    fc.assert(
      fc.property(fc.integer(), fc.integer({ min: 0, max: 5 }), fc.constantFrom(...clients), (seed, from, client) => {
        const next = random(seed);
        const damage: Link = (bytes, direction, index) => {
          if (direction === 'down' || index < from) return [{ bytes, delay: 1 }];
          const changed = new Uint8Array(bytes);
          for (let i = 0; i <= next() * 3; i++) changed[Math.floor(next() * changed.length)] = Math.floor(next() * 256);
          const cut = next() < 0.2 ? changed.subarray(0, Math.floor(next() * changed.length)) : changed;
          return [{ bytes: cut, delay: 1 }];
        };
        const wire = new Wire(server, client, damage);
        wire.keys = () => key;
        wire.handshake(500);
        wire.client.send(Buffer.from('x'), wire.now);
        wire.run(() => false, 500);
        wire.abort();
      }),
      { seed: 5246, numRuns: 400 },
    );
    // The next one is served as ever.
    const wire = new Wire(server, clients[0] ?? clientOf(transport)).handshake();
    wire.client.send(Buffer.from('fine'), wire.now);
    wire.run();
    expect(messagesOf(wire.serverEvents)).toEqual(['fine']);
    wire.abort();
  });

  it('as a first datagram is dropped or answered, and holds nothing', () => {
    const server = serverOf('datagram');
    const client = clientOf('datagram').connect(testTime);
    const [hello = new Uint8Array(0)] = client.takeOutput();
    client.abort();
    const next = random(1);
    for (let i = 0; i < 20_000; i++) {
      const changed = new Uint8Array(hello);
      for (let n = 0; n <= next() * 4; n++) changed[Math.floor(next() * changed.length)] = Math.floor(next() * 256);
      const result = server.listen(
        'peer',
        changed.subarray(0, next() < 0.2 ? Math.floor(next() * changed.length) : undefined),
        testTime,
      );
      expect(result.type).not.toBe('accepted');
    }
  });
});
