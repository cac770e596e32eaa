import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { minutes, systemTimers } from '../../src/core/clock.ts';
import { type RandomSource, randomFraction, seededRandom, systemRandom } from '../../src/core/random.ts';
import { type DeviceConnection, endpointOf } from '../../src/device/network.ts';
import { type LinkFaults, perfectLink, SimulatedLink } from '../../src/fleet/link.ts';
import type { Path } from '../../src/fleet/site.ts';
import { SocketNetwork } from '../../src/fleet/socket-path.ts';
import type { ConnectionEvent } from '../../src/transport/connection.ts';
import { startTestService, type TestService } from '../support/service.ts';
import { until } from '../support/until.ts';

let service: TestService;
const paths: Path[] = [];
beforeEach(async () => {
  service = await startTestService({ devices: 2 });
});
afterEach(async () => {
  for (const path of paths.splice(0)) path.cut();
  await service.close();
});

function pathOf(faults: Partial<LinkFaults> = {}, random: RandomSource = systemRandom): Path {
  const path = new SocketNetwork(systemTimers).connect({
    timers: systemTimers,
    random,
    faults: { ...perfectLink, delay: 0, ...faults },
  });
  paths.push(path);
  return path;
}

const uri = (scheme: 'coaps' | 'coaps+tcp'): string =>
  `${scheme}://127.0.0.1:${scheme === 'coaps' ? service.port.udp : service.port.tcp}`;

function open(
  path: Path,
  endpoint: string,
  device = 0,
): { readonly events: ConnectionEvent[]; readonly connection: DeviceConnection } {
  const events: ConnectionEvent[] = [];
  const { chain, privateKey, serviceCa } = service.device(device);
  const connection = path.network.open({
    uri: endpointOf(endpoint),
    identity: { chain, privateKey },
    trust: { anchors: serviceCa, purpose: 'server' },
    clockOffset: 0,
    onEvent: (event) => events.push(event),
  });
  return { events, connection };
}

const has = (events: readonly ConnectionEvent[], type: ConnectionEvent['type']): boolean =>
  events.some((event) => event.type === type);
const ask = (connection: DeviceConnection): number | undefined =>
  connection.request({ method: 'GET', path: ['api', 'v1', 'provisioning', 'time'], query: [], timeout: minutes(1) });

/** A whole session of another device: whatever was to come elsewhere before it has come by its end. */
async function meanwhile(): Promise<void> {
  const { events, connection } = open(pathOf(), uri('coaps+tcp'), 1);
  await until(() => has(events, 'established'));
  ask(connection);
  await until(() => has(events, 'response'));
  connection.close();
  await until(() => has(events, 'closed'));
}

describe('a path over real sockets', () => {
  for (const scheme of ['coaps', 'coaps+tcp'] as const) {
    it(`over ${scheme} delays what passes both ways, and counts it`, async () => {
      const delay = 60;
      const path = pathOf({ delay });
      const began = performance.now();
      const { events, connection } = open(path, uri(scheme));
      await until(() => has(events, 'established'));
      // At least one round trip of TLS 1.3, three of DTLS 1.2 with its cookie. Node's timers may be a millisecond early.
      expect(performance.now() - began).toBeGreaterThanOrEqual((scheme === 'coaps' ? 6 : 2) * (delay - 1));
      ask(connection);
      await until(() => has(events, 'response'));
      expect(path.traffic).toMatchObject({ sessions: 1, ...connection.traffic });
      connection.close();
      await until(() => has(events, 'closed'));
    });

    it(`over ${scheme} a cut ends the session without a word to the device`, async () => {
      const path = pathOf();
      const { events } = open(path, uri(scheme));
      await until(() => has(events, 'established'));
      const before = events.length;
      path.cut();
      await meanwhile();
      expect(events.length).toBe(before);
    });
  }

  it('gets over datagrams that are lost', async () => {
    const { loss, random } = scriptedLoss();
    const send = vi.spyOn(SimulatedLink.prototype, 'send');
    const { events, connection } = open(pathOf({ loss }, random), uri('coaps'));
    await until(() => has(events, 'established'));
    ask(connection);
    await until(() => has(events, 'response'));
    const [link] = send.mock.contexts as SimulatedLink[];
    send.mockRestore();
    expect((link?.traffic.left.lost ?? 0) + (link?.traffic.right.lost ?? 0)).toBe(3);
  });

  it('goes on from another local port after a rebind, where the service does not know it', async () => {
    const path = pathOf();
    const { events, connection } = open(path, uri('coaps'));
    await until(() => has(events, 'established'));
    const { retransmissions } = connection.traffic;
    path.rebind();
    ask(connection);
    // Nobody acknowledges it.
    await until(() => connection.traffic.retransmissions > retransmissions);
    expect(has(events, 'response')).toBe(false);
  });

  it('does not read when it is told not to, and reads what has waited afterwards', async () => {
    const path = pathOf();
    const { events, connection } = open(path, uri('coaps+tcp'));
    await until(() => has(events, 'established'));
    path.setReading(false);
    ask(connection);
    await meanwhile();
    expect(has(events, 'response')).toBe(false);
    path.setReading(true);
    await until(() => has(events, 'response'));
  });

  it('says that nobody listens', async () => {
    const { events } = open(pathOf(), 'coaps+tcp://127.0.0.1:1');
    await until(() => has(events, 'closed'));
    expect(events).toMatchObject([{ type: 'closed', end: { reason: 'unreachable' } }]);
  });

  it('sprays datagrams of no session, each from an address of its own', async () => {
    const heard = createSocket('udp4').bind(0, '127.0.0.1');
    await once(heard, 'listening');
    const came: { readonly bytes: number; readonly port: number }[] = [];
    heard.on('message', ({ length }, { port }) => came.push({ bytes: length, port }));
    const path = pathOf();
    for (const size of [30, 40]) path.spray(`coaps://127.0.0.1:${heard.address().port}`, new Uint8Array(size));
    expect(path.traffic).toMatchObject({ datagramsOut: 2, bytesOut: 70, sessions: 0 });
    await until(() => came.length === 2);
    heard.close();
    expect(came.map(({ bytes }) => bytes).toSorted()).toEqual([30, 40]);
    expect(new Set(came.map(({ port }) => port)).size).toBe(2);
  });
});

/**
 * Loss that the test knows: the first hello, the service's answer to the next one, a half of the device's certificate (when
 * nothing is slow), and then nothing of the next hundred and forty, however often a slow machine sends again.
 */
function scriptedLoss(): { readonly loss: number; readonly random: RandomSource } {
  const [seed, loss] = [2_184_317, 0.05];
  const draws = seededRandom(seed);
  const lost = Array.from({ length: 150 }, () => randomFraction(draws)).flatMap((drawn, n) =>
    drawn < loss ? [n] : [],
  );
  expect(lost).toEqual([0, 2, 8]);
  // Whatever else asks for four bytes may have these.
  const fixed = new Uint8Array(4);
  new DataView(fixed.buffer).setUint32(0, seed);
  return { loss, random: { bytes: (count) => (count === 4 ? fixed.slice() : systemRandom.bytes(count)) } };
}
