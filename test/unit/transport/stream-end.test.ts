import { describe, expect, it } from 'vitest';
import { systemTimers } from '../../../src/core/clock.ts';
import { systemRandom } from '../../../src/core/random.ts';
import { createDevelopmentPki, developmentHub } from '../../../src/development.ts';
import { createSecureContext } from '../../../src/secure/engine.ts';
import { dial } from '../../../src/transport/client.ts';
import { listenTcp } from '../../../src/transport/tcp.ts';

const now = systemTimers.now();
const pki = createDevelopmentPki({ devices: 1, hubId: developmentHub.id, now });
const common = { timers: systemTimers, random: systemRandom };
const sessions = 20;

describe.each([['pool', true] as const, ['main thread', false] as const])('on the %s', (_, threads) => {
  it('a client that goes right after its handshake is still told from one that broke off in it', async () => {
    const server = createSecureContext({
      transport: 'stream',
      role: 'server',
      identity: pki.service,
      trust: { anchors: [pki.manufacturer.root.certificate.der], purpose: 'client' },
      threads,
    });
    const seen: string[][] = [];
    let allEnded = (): void => undefined;
    const ended = new Promise<void>((resolve) => {
      allEnded = resolve;
    });
    let left = sessions;
    const listening = await listenTcp({
      ...common,
      host: '127.0.0.1',
      port: 0,
      idle: 60_000,
      context: () => server,
      owner: () => {
        const events: string[] = [];
        seen.push(events);
        return (event) => {
          events.push(event.type === 'closed' ? event.end.reason : event.type);
          if (event.type === 'closed' && --left === 0) allEnded();
        };
      },
    });
    const [device] = pki.devices;
    const context = createSecureContext({
      transport: 'stream',
      role: 'client',
      ...(device && { identity: device }),
      trust: { anchors: [pki.serviceCa.certificate.der], purpose: 'server' },
    });
    const uri = { scheme: 'coaps+tcp', host: '127.0.0.1', port: listening.port } as const;
    for (let at = 0; at < sessions; at++) {
      const owner = (session: { close(): void }) => (event: { readonly type: string }) => {
        if (event.type === 'established') session.close();
      };
      dial({ ...common, uri, context, owner });
    }
    await ended;
    await listening.close();
    expect(seen).toEqual(Array(sessions).fill(['client-hello', 'established', 'alert', 'close-notify']));
  });
});
