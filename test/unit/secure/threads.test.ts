import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { describe, expect, it } from 'vitest';
import { limits } from '../../../src/core/limits.ts';
import type { SecureContext } from '../../../src/secure/association.ts';
import { createSecureContext, engineStatistics } from '../../../src/secure/engine.ts';
import { identityOf, makeCertificate, makePki, testTime, usage } from '../../support/chains.ts';
import { until } from '../../support/until.ts';
import { alertsOf, eventOf, messagesOf, Wire } from '../../support/wire.ts';

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

const pki = await makePki();
const key = Buffer.alloc(16, 9);
const anchors = [pki.root.der];

const serverOf = (transport: 'datagram' | 'stream'): SecureContext =>
  createSecureContext({
    transport,
    role: 'server',
    clock: 'simulated',
    threads: true,
    psk: 'lookup',
    identity: identityOf(pki.server, pki.intermediate),
    trust: { anchors, purpose: 'client' },
  });

const clientOf = (transport: 'datagram' | 'stream'): SecureContext =>
  createSecureContext({
    transport,
    role: 'client',
    clock: 'simulated',
    identity: identityOf(pki.client, pki.intermediate),
    trust: { anchors, purpose: 'server' },
  });

const idle = (): Promise<void> => until(() => engineStatistics().jobs === 0);

/** Waits until no session is left, and no more contexts than there were. */
const collected = (contexts = Number.POSITIVE_INFINITY): Promise<void> =>
  until(() => {
    collectGarbage();
    return engineStatistics().sessions === 0 && engineStatistics().contexts <= contexts;
  });

describe.each(['datagram', 'stream'] as const)('handshakes on the pool, over a %s', (transport) => {
  it('come to the same end as on this thread', async () => {
    const wire = new Wire(serverOf(transport), clientOf(transport));
    wire.client.send(Buffer.from('right behind the handshake'), wire.now);
    await wire.settle(() => messagesOf(wire.serverEvents).length > 0);
    expect(wire.established()).toBe(true);
    expect(messagesOf(wire.serverEvents)).toEqual(['right behind the handshake']);
    expect(eventOf(wire.serverEvents, 'established')?.session.peer?.errors).toEqual([]);
    wire.abort();
  });

  it('refuse with alert and record', async () => {
    const expired = await makeCertificate({
      subject: 'CN=x',
      issuer: pki.intermediate,
      usages: [usage.clientAuth],
      notAfter: new Date(testTime - 1),
    });
    const client = createSecureContext({
      transport,
      role: 'client',
      clock: 'simulated',
      identity: identityOf(expired, pki.intermediate),
      trust: { anchors, purpose: 'server' },
    });
    const wire = new Wire(serverOf(transport), client);
    await wire.settle(() => eventOf(wire.clientEvents, 'closed') !== undefined);
    expect(alertsOf(wire.clientEvents, 'received')).toEqual(['certificate_expired']);
    expect(eventOf(wire.serverEvents, 'closed')?.end).toMatchObject({
      reason: 'refused',
      peer: { errors: [{ code: 'CERT_HAS_EXPIRED' }] },
    });
    wire.abort();
  });

  it('look pre-shared keys up meanwhile', async () => {
    const client = createSecureContext({
      transport,
      role: 'client',
      clock: 'simulated',
      psk: { identity: Buffer.from('device'), key },
    });
    const wire = new Wire(serverOf(transport), client);
    wire.keys = () => key;
    await wire.settle(() => wire.established());
    expect(wire.established()).toBe(true);
    wire.abort();
  });

  it('tell by onProgress when they have moved, with at most the limit of them at a time', async () => {
    const server = serverOf(transport);
    const client = clientOf(transport);
    const wires = Array.from({ length: 20 }, () => new Wire(server, client));
    let calls = 0;
    const done = (): boolean => wires.every((wire) => wire.established());
    for (let i = 0; i < 10_000 && !done(); i++) {
      for (const wire of wires) {
        wire.run(() => wire.established(), 2);
        if (wire.server) wire.server.onProgress = () => calls++;
      }
      expect(engineStatistics().jobs).toBeLessThanOrEqual(20);
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
    expect(done()).toBe(true);
    expect(calls).toBeGreaterThanOrEqual(20);
    for (const wire of wires) wire.abort();
    await idle();
    expect(engineStatistics()).toMatchObject({ sessions: 0, jobs: 0 });
  });

  it('may be aborted, closed, timed out or dropped at any moment: nothing is left', async () => {
    const server = serverOf(transport);
    const client = clientOf(transport);
    for (let i = 0; i < 60; i++) {
      let wire: Wire | undefined = new Wire(server, client);
      const steps = i % 4;
      for (let step = 0; step < steps; step++) {
        wire.run(() => false, 3);
        if (i % 3 === 0) await new Promise((resolve) => setTimeout(resolve, 1));
      }
      if (i % 5 === 0) wire.server?.close(wire.now);
      else if (i % 5 === 1) wire.server?.handleTimeout(wire.now + limits.secure.handshake);
      else if (i % 5 === 2) wire.deliver('up', Buffer.alloc(50, i));
      if (i % 5 !== 3) wire.abort();
      // The fifth kind is merely forgotten.
      wire = undefined;
      if (i % 10 === 0) collectGarbage();
    }
    await idle();
    await collected();
    expect(engineStatistics()).toMatchObject({ sessions: 0, jobs: 0 });
  });
});

it('associations and contexts that nobody holds are collected', async () => {
  const before = engineStatistics().contexts;
  (() => {
    for (let i = 0; i < 20; i++) new Wire(serverOf('stream'), clientOf('stream'));
  })();
  await idle();
  await collected(before);
  expect(engineStatistics()).toMatchObject({ sessions: 0, jobs: 0 });
});
