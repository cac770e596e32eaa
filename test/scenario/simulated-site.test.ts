import { afterEach, describe, expect, it } from 'vitest';
import { minutes, seconds } from '../../src/core/clock.ts';
import { type SimulatedSite, type SimulatedSiteOptions, startSimulatedSite } from '../../src/simulation.ts';
import { type SiteDevice, siteDevice } from '../support/site-devices.ts';

const undo: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const step of undo.splice(0)) await step();
});

async function start(options: Partial<SimulatedSiteOptions> = {}): Promise<SimulatedSite> {
  const site = await startSimulatedSite({ seed: 1, ...options });
  undo.push(() => site.close());
  return site;
}

const within = (site: SimulatedSite, ms: number): number => site.timers.now() + ms;

describe('a simulated site', () => {
  it('gives the same outcome for the same seed, device by device, and another one for another seed', async () => {
    const outcome = async (seed: number): Promise<string[]> => {
      const site = await start({ seed });
      const began = site.timers.now();
      const devices: SiteDevice[] = [];
      for (let number = 0; number < 50; number++) {
        const transport = number % 2 === 0 ? 'udp' : 'tcp';
        const link = { loss: 0.1, delay: 20, jitter: 20 };
        const device = await siteDevice({ site, seed, number, transport, link });
        devices.push(device);
        site.timers.schedule(began + number * 7, () => device.client.start());
      }
      expect(await site.run(() => devices.every(({ onlineAt }) => onlineAt), within(site, minutes(60)))).toBe(true);
      return devices.map(({ path, onlineAt = 0 }) => {
        const { datagramsOut, datagramsIn, retransmissions, sessions } = path.traffic;
        return [onlineAt - began, datagramsOut, datagramsIn, retransmissions, sessions].join(' ');
      });
    };
    const [first, again, other] = [await outcome(5), await outcome(5), await outcome(6)];
    expect(again).toEqual(first);
    expect(other).not.toEqual(first);
  });

  it('keeps on its record what devices were given when the service is killed, and devices that come then find it again', async () => {
    const site = await start();
    const early = await siteDevice({ site, number: 1 });
    early.client.start();
    await site.run(() => early.onlineAt !== undefined, within(site, minutes(2)));
    const late = await siteDevice({ site, number: 2, transport: 'tcp' });
    late.client.start();
    await site.run(() => (late.client.status.progress & 4) !== 0, within(site, seconds(5)));
    await site.faults.begin('service-kill');
    expect(site.sessions).toBe(0);
    expect(await site.run(() => late.onlineAt !== undefined, within(site, minutes(2)))).toBe(false);
    await site.faults.end('service-kill');
    expect(await site.run(() => late.onlineAt !== undefined, within(site, minutes(10)))).toBe(true);
    const { devices = [], credentials = [] } = (await site.records()) ?? {};
    expect(devices.map(({ deviceId }) => deviceId).sort()).toEqual(
      [early, late].map(({ client }) => client.state.deviceId).sort(),
    );
    expect(devices.map(({ generation }) => generation)).toEqual([1, 1]);
    expect(credentials.length).toBeGreaterThanOrEqual(2);
    expect(early.client.online).toBe(true);
  });

  it('tells what is on the record of a service that is stopped', async () => {
    const site = await start();
    const device = await siteDevice({ site });
    device.client.start();
    await site.run(() => device.onlineAt !== undefined, within(site, minutes(2)));
    await site.stopService();
    expect((await site.records())?.devices).toMatchObject([{ deviceId: device.client.state.deviceId }]);
  });

  for (const [fault, stuckAt] of [
    ['authority-outage', 'credentials'],
    ['token-outage', 'cloud'],
  ] as const) {
    it(`${fault}: a device is told 5.03 at ${stuckAt}, and arrives when it is over`, async () => {
      const site = await start();
      await site.faults.begin(fault);
      const device = await siteDevice({ site });
      const refused: string[] = [];
      device.client.onStep(({ step, refusal }) => {
        if (refusal) refused.push(`${step} ${refusal.evidence.code}`);
      });
      device.client.start();
      expect(await site.run(() => device.onlineAt !== undefined, within(site, minutes(3)))).toBe(false);
      expect(new Set(refused)).toEqual(new Set([`${stuckAt} 5.03 Service Unavailable`]));
      await site.faults.end(fault);
      expect(await site.run(() => device.onlineAt !== undefined, within(site, minutes(3)))).toBe(true);
    });
  }

  it('hub-outage: the first gateway is gone, the device takes the second; its service hears that it has arrived', async () => {
    const site = await start({ gateways: [2] });
    await site.faults.begin('hub-outage');
    const device = await siteDevice({ site });
    device.client.start();
    expect(await site.run(() => device.onlineAt !== undefined, within(site, minutes(5)))).toBe(true);
    const [first, second] = site.gateways[0] ?? [];
    expect(first?.devices).toEqual([]);
    expect(second?.devices).toMatchObject([{ deviceId: device.client.state.deviceId, online: true, confirmed: true }]);
  });

  it('a gateway that goes down and up again gets its device back', async () => {
    const site = await start();
    const device = await siteDevice({ site });
    device.client.start();
    await site.run(() => device.client.online, within(site, minutes(2)));
    site.gateways[0]?.[0]?.down();
    expect(await site.run(() => !device.client.online, within(site, minutes(3)))).toBe(true);
    site.gateways[0]?.[0]?.up();
    expect(await site.run(() => device.client.online, within(site, minutes(5)))).toBe(true);
  });

  it('issues identities of the life it is told', async () => {
    const site = await start({ identityLife: minutes(90) });
    const device = await siteDevice({ site });
    device.client.start();
    await site.run(() => device.onlineAt !== undefined, within(site, minutes(2)));
    const [credential] = (await site.records())?.credentials ?? [];
    expect((credential?.notAfter ?? 0) - site.timers.now()).toBeLessThan(minutes(90));
  });
});
