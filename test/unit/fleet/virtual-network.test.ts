import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { minutes, seconds } from '../../../src/core/clock.ts';
import { type DeviceConnection, endpointOf } from '../../../src/device/network.ts';
import { perfectLink } from '../../../src/fleet/link.ts';
import type { Path } from '../../../src/fleet/site.ts';
import { type SimulatedSite, startSimulatedSite } from '../../../src/simulation.ts';
import type { ConnectionEvent } from '../../../src/transport/connection.ts';

let site: SimulatedSite;
beforeEach(async () => {
  site = await startSimulatedSite({ seed: 1, step: 0 });
});
afterEach(() => site.close());

const pathOf = (faults = {}): Path =>
  site.connect({ timers: site.timers, random: site.random, faults: { ...perfectLink, ...faults } });

function open(path: Path, uri: string): { readonly events: ConnectionEvent[]; readonly connection: DeviceConnection } {
  const events: ConnectionEvent[] = [];
  const { chain, privateKey, serviceCa = [] } = site.identity(0, 'good');
  const connection = path.network.open({
    uri: endpointOf(uri),
    identity: { chain, privateKey },
    trust: { anchors: serviceCa, purpose: 'server' },
    clockOffset: 0,
    onEvent: (event) => events.push(event),
  });
  return { events, connection };
}

const has = (events: readonly ConnectionEvent[], type: ConnectionEvent['type']): boolean =>
  events.some((event) => event.type === type);
const run = (done: () => boolean, ms: number): Promise<boolean> => site.run(done, site.timers.now() + ms);
const ask = (connection: DeviceConnection): number | undefined =>
  connection.request({ method: 'GET', path: ['api', 'v1', 'provisioning', 'time'], query: [], timeout: seconds(20) });

describe('a path through a virtual network', () => {
  for (const scheme of ['coaps', 'coaps+tcp'] as const) {
    it(`over ${scheme} carries sessions and counts what they cost`, async () => {
      const path = pathOf();
      const first = open(path, `${scheme}://service`);
      expect(await run(() => has(first.events, 'established'), seconds(5))).toBe(true);
      ask(first.connection);
      expect(await run(() => has(first.events, 'response'), seconds(5))).toBe(true);
      const { traffic } = path;
      expect(traffic).toMatchObject({ sessions: 1, retransmissions: 0 });
      expect(traffic.bytesOut).toBe(first.connection.traffic.bytesOut);
      first.connection.close();
      open(path, `${scheme}://service`);
      expect(path.traffic.sessions).toBe(2);
      expect(path.traffic.bytesOut).toBeGreaterThan(traffic.bytesOut);
      expect(path.traffic.datagramsIn).toBe(traffic.datagramsIn);
    });

    it(`over ${scheme} a cut ends everything without a word, to the device or to the service`, async () => {
      const path = pathOf();
      const { events } = open(path, `${scheme}://service`);
      await run(() => has(events, 'established'), seconds(5));
      await run(() => false, seconds(1));
      const before = events.length;
      path.cut();
      await run(() => false, seconds(5));
      expect(events.length).toBe(before);
      expect(site.sessions).toBe(1);
      await run(() => site.sessions === 0, minutes(5));
      expect(site.sessions).toBe(0);
    });

    it(`over ${scheme} nothing that was sent before a goodbye is lost behind it`, async () => {
      const path = pathOf();
      const { events, connection } = open(path, `${scheme}://service`);
      await run(() => has(events, 'established'), seconds(5));
      connection.close();
      expect(await run(() => site.sessions === 0, seconds(1))).toBe(true);
    });
  }

  it('counts flights of DTLS and messages of CoAP that were sent again', async () => {
    const path = pathOf({ loss: 0.4 });
    const { events, connection } = open(path, 'coaps://service');
    await run(() => has(events, 'established') || has(events, 'closed'), seconds(40));
    const { retransmissions } = path.traffic;
    expect(retransmissions).toBeGreaterThan(0);
    expect(retransmissions).toBe(connection.traffic.retransmissions);
  });

  it('is told at once that nobody listens on TCP, and never on UDP', async () => {
    const path = pathOf({ delay: 30 });
    const tcp = open(path, 'coaps+tcp://nobody');
    const udp = open(path, 'coaps://nobody');
    await run(() => false, 61);
    expect(tcp.events).toMatchObject([
      { type: 'closed', end: { reason: 'unreachable', text: 'connect ECONNREFUSED nobody:5684' } },
    ]);
    expect(udp.events).toEqual([]);
  });

  it('goes on from another address after a rebind: what the service sends to the old one is lost', async () => {
    const path = pathOf();
    const { events, connection } = open(path, 'coaps://service');
    await run(() => has(events, 'established'), seconds(5));
    path.rebind();
    ask(connection);
    // The service knows sessions by their addresses: the request means nothing to it.
    expect(await run(() => has(events, 'response'), seconds(10))).toBe(false);
    expect(path.traffic.retransmissions).toBeGreaterThan(0);
  });

  it('that is not read fills up: the service stops reading it, and gives it up after half a minute', async () => {
    const path = pathOf();
    const { events, connection } = open(path, 'coaps+tcp://service');
    await run(() => has(events, 'established'), seconds(5));
    path.setReading(false);
    for (let n = 0; n < 3000; n++) ask(connection);
    await run(() => false, seconds(5));
    expect(has(events, 'response')).toBe(false);
    expect(site.sessions).toBe(1);
    expect(await run(() => site.sessions === 0, minutes(1))).toBe(true);
  });

  it('that is read again delivers what has waited, in order', async () => {
    const path = pathOf();
    const { events, connection } = open(path, 'coaps+tcp://service');
    await run(() => has(events, 'established'), seconds(5));
    path.setReading(false);
    const asked = Array.from({ length: 5 }, () => ask(connection));
    await run(() => false, seconds(5));
    path.setReading(true);
    await run(() => false, seconds(1));
    const answered = events.flatMap((event) => (event.type === 'response' ? [event.id] : []));
    expect(answered).toEqual(asked);
  });

  it('sprays datagrams of no session, each from an address of its own, and the service holds nothing for them', async () => {
    const path = pathOf();
    for (let n = 0; n < 100; n++) path.spray('coaps://service', new Uint8Array(60).fill(22));
    await run(() => false, seconds(1));
    expect(path.traffic).toMatchObject({ datagramsOut: 100, bytesOut: 6000, sessions: 0 });
    expect(site.sessions).toBe(0);
  });
});
