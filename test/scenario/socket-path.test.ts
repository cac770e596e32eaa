import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { seconds, systemTimers } from '../../src/core/clock.ts';
import { systemRandom } from '../../src/core/random.ts';
import { type DeviceConnection, endpointOf } from '../../src/device/network.ts';
import { type LinkFaults, perfectLink } from '../../src/fleet/link.ts';
import type { Path } from '../../src/fleet/site.ts';
import { SocketNetwork } from '../../src/fleet/socket-path.ts';
import type { ConnectionEvent } from '../../src/transport/connection.ts';
import { startTestService, type TestService } from '../support/service.ts';

let service: TestService;
const paths: Path[] = [];
beforeEach(async () => {
  service = await startTestService();
});
afterEach(async () => {
  for (const path of paths.splice(0)) path.cut();
  await service.close();
});

function pathOf(faults: Partial<LinkFaults> = {}): Path {
  const path = new SocketNetwork(systemTimers).connect({
    timers: systemTimers,
    random: systemRandom,
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
): { readonly events: ConnectionEvent[]; readonly connection: DeviceConnection } {
  const events: ConnectionEvent[] = [];
  const { chain, privateKey, serviceCa } = service.device();
  const connection = path.network.open({
    uri: endpointOf(endpoint),
    identity: { chain, privateKey },
    trust: { anchors: serviceCa, purpose: 'server' },
    clockOffset: 0,
    onEvent: (event) => events.push(event),
  });
  return { events, connection };
}

async function until(done: () => boolean, ms: number): Promise<boolean> {
  for (const end = Date.now() + ms; Date.now() < end; ) {
    if (done()) return true;
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  return done();
}

const has = (events: readonly ConnectionEvent[], type: ConnectionEvent['type']): boolean =>
  events.some((event) => event.type === type);
const ask = (connection: DeviceConnection): number | undefined =>
  connection.request({ method: 'GET', path: ['api', 'v1', 'provisioning', 'time'], query: [], timeout: seconds(5) });

describe('a path over real sockets', () => {
  for (const scheme of ['coaps', 'coaps+tcp'] as const) {
    it(`over ${scheme} delays what passes both ways, and counts it`, async () => {
      const path = pathOf({ delay: 60 });
      const began = Date.now();
      const { events, connection } = open(path, uri(scheme));
      expect(await until(() => has(events, 'established'), seconds(5))).toBe(true);
      // At least one round trip of TLS 1.3, three of DTLS 1.2 with its cookie.
      expect(Date.now() - began).toBeGreaterThanOrEqual(scheme === 'coaps' ? 360 : 120);
      ask(connection);
      expect(await until(() => has(events, 'response'), seconds(5))).toBe(true);
      expect(path.traffic).toMatchObject({ sessions: 1, ...connection.traffic });
      connection.close();
      expect(await until(() => has(events, 'closed'), seconds(5))).toBe(true);
    });

    it(`over ${scheme} a cut ends the session without a word to the device`, async () => {
      const path = pathOf();
      const { events } = open(path, uri(scheme));
      await until(() => has(events, 'established'), seconds(5));
      const before = events.length;
      path.cut();
      await until(() => false, 50);
      expect(events.length).toBe(before);
    });
  }

  it('gets over datagrams that are lost', async () => {
    const path = pathOf({ loss: 0.25 });
    const { events } = open(path, uri('coaps'));
    expect(await until(() => has(events, 'established'), seconds(20))).toBe(true);
  });

  it('goes on from another local port after a rebind, where the service does not know it', async () => {
    const path = pathOf();
    const { events, connection } = open(path, uri('coaps'));
    await until(() => has(events, 'established'), seconds(5));
    path.rebind();
    ask(connection);
    expect(await until(() => has(events, 'response'), 500)).toBe(false);
    expect(connection.traffic.datagramsOut).toBeGreaterThan(0);
  });

  it('does not read when it is told not to, and reads what has waited afterwards', async () => {
    const path = pathOf();
    const { events, connection } = open(path, uri('coaps+tcp'));
    await until(() => has(events, 'established'), seconds(5));
    path.setReading(false);
    ask(connection);
    expect(await until(() => has(events, 'response'), 200)).toBe(false);
    path.setReading(true);
    expect(await until(() => has(events, 'response'), seconds(5))).toBe(true);
  });

  it('says that nobody listens', async () => {
    const { events } = open(pathOf(), 'coaps+tcp://127.0.0.1:1');
    expect(await until(() => has(events, 'closed'), seconds(5))).toBe(true);
    expect(events).toMatchObject([{ type: 'closed', end: { reason: 'unreachable' } }]);
  });

  it('sprays datagrams of no session', async () => {
    const path = pathOf();
    path.spray(uri('coaps'), new Uint8Array(30));
    expect(path.traffic).toMatchObject({ datagramsOut: 1, bytesOut: 30, sessions: 0 });
    await until(() => false, 20);
  });
});
