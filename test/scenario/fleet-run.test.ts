import { afterEach, describe, expect, it } from 'vitest';
import { days, minutes, seconds } from '../../src/core/clock.ts';
import { perfectLink } from '../../src/fleet/link.ts';
import type { DeviceOutcome, FleetOutcome } from '../../src/fleet/outcome.ts';
import { type FleetHooks, runFleet } from '../../src/fleet/run.ts';
import type { Conduct, Scenario } from '../../src/fleet/scenario.ts';
import type { Site } from '../../src/fleet/site.ts';
import { type SimulatedSiteOptions, startSimulatedSite } from '../../src/simulation.ts';
import { partOf, scenarioOf } from '../support/fleet.ts';

const undo: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const step of undo.splice(0).reverse()) await step();
});

async function run(
  changes: Partial<Scenario>,
  options: Partial<SimulatedSiteOptions> = {},
  change: (site: Site) => Site = (site) => site,
  hooks: FleetHooks = {},
): Promise<FleetOutcome> {
  const scenario = scenarioOf(changes);
  const site = await startSimulatedSite({ seed: scenario.seed, ...options });
  undo.push(() => site.close());
  return runFleet(scenario, change(site), hooks);
}

const ofPart = (outcome: FleetOutcome, part: string): DeviceOutcome[] =>
  outcome.devices.filter((device) => device.part === part);
const arrived = (devices: readonly DeviceOutcome[]): number =>
  devices.filter(({ arrivedAfter }) => arrivedAfter !== undefined).length;
const total = (devices: readonly DeviceOutcome[], what: 'provisioned' | 'resets' | 'powerCuts'): number =>
  devices.reduce((sum, device) => sum + device[what], 0);

const badLink = { ...perfectLink, loss: 0.1, duplicate: 0.01, delay: 40, jitter: 20, reorder: 0.02 };

describe('a fleet', () => {
  it('of 200 devices arrives through 10 % loss, and each arrival has its cost', async () => {
    const outcome = await run({
      devices: 200,
      arrival: { kind: 'poisson', perSecond: 20 },
      population: [partOf({ link: badLink })],
    });
    expect(outcome.violations).toEqual([]);
    expect(outcome.unchecked).toEqual([]);
    expect(outcome).toMatchObject({ end: 'complete', processes: 1 });
    expect(arrived(outcome.devices)).toBe(200);
    expect(outcome.devices.every(({ provisioned }) => provisioned >= 1)).toBe(true);
    expect(outcome.steps['sign-in']?.length).toBeGreaterThanOrEqual(200);
    for (const { cost, arrivedAfter, arrivedAt, bootedAt } of outcome.devices) {
      expect(cost.bytesOut).toBeGreaterThan(3000);
      expect(cost.bytesIn).toBeGreaterThan(3000);
      expect(cost.datagramsOut).toBeGreaterThan(5);
      expect(cost.roundTrips).toBeGreaterThan(10);
      expect(cost.sessions).toBeGreaterThanOrEqual(3);
      expect((arrivedAt ?? 0) - (arrivedAfter ?? 0)).toBe(bootedAt);
    }
    expect(Object.keys(outcome.failures).length).toBeGreaterThan(0);
    expect(outcome.devices.some(({ cost }) => cost.retransmissions > 0)).toBe(true);
  });

  it('has the same outcome for the same seed, and another one for another', async () => {
    const scenario: Partial<Scenario> = {
      devices: 30,
      afterwards: 'leave',
      arrival: { kind: 'poisson', perSecond: 5 },
      population: [
        partOf({ link: badLink, power: { cut: 0.2, when: 'either', dark: { from: 100, to: 3000 }, most: 2 } }),
        partOf({ name: 'expired', share: 0.2, identity: 'expired', expect: 'refused' }),
      ],
    };
    const arrivals = async (seed: number): Promise<unknown> => {
      const { devices, failures, took } = await run({ ...scenario, seed });
      return { failures, took, devices: devices.map(({ cost: _, ...device }) => device) };
    };
    const first = await arrivals(3);
    expect(await arrivals(3)).toEqual(first);
    expect(await arrivals(4)).not.toEqual(first);
  });

  it.each(['before', 'after'] as const)('loses nothing when the power is cut %s every step', async (when) => {
    const outcome = await run({
      devices: 20,
      population: [partOf({ power: { cut: 1, when, dark: { from: 100, to: 2000 }, most: 12 } })],
    });
    expect(outcome.violations).toEqual([]);
    expect(arrived(outcome.devices)).toBe(20);
    // Seven steps to the cloud: each of them was struck.
    for (const { powerCuts } of outcome.devices) expect(powerCuts).toBeGreaterThanOrEqual(7);
  });

  it('arrives with clocks of 1970, ten years ahead and drifting', async () => {
    const ahead = Date.UTC(2036, 5, 1);
    const outcome = await run({
      devices: 24,
      population: [
        partOf({ name: '1970', clock: { shows: 0, drift: 0 } }),
        partOf({ name: 'ahead', clock: { shows: ahead, drift: 0 } }),
        partOf({ name: 'fast', clock: { shows: 'right', drift: 50 } }),
        partOf({ name: 'slow', clock: { shows: 0, drift: -50 } }),
      ],
    });
    expect(outcome.violations).toEqual([]);
    for (const part of ['1970', 'ahead', 'fast', 'slow']) expect(arrived(ofPart(outcome, part))).toBe(6);
  });

  it('arrives although its addresses change in the middle of sessions', async () => {
    const outcome = await run({ devices: 20, udp: 1, population: [partOf({ rebind: 0.3 })] });
    expect(outcome.violations).toEqual([]);
    expect(arrived(outcome.devices)).toBe(20);
    expect(outcome.failures).not.toEqual({});
  });

  it('is reset to its factory state again and again, with and without being switched off between', async () => {
    for (const afterwards of ['stay', 'leave'] as const) {
      const resets = { count: 2, after: { from: seconds(5), to: minutes(1) } };
      const outcome = await run({ devices: 10, afterwards, population: [partOf({ resets })] });
      expect(outcome.violations).toEqual([]);
      expect(total(outcome.devices, 'resets')).toBe(20);
      expect(total(outcome.devices, 'provisioned')).toBeGreaterThanOrEqual(30);
    }
  });

  it('thinks before it asks', async () => {
    const think = { from: seconds(30), to: seconds(40) };
    const outcome = await run({ devices: 5, goal: 'provisioned', population: [partOf({ think })] });
    for (const { arrivedAfter } of outcome.devices) expect(arrivedAfter).toBeGreaterThan(seconds(30));
  });

  it('renews its certificates when they are short-lived', async () => {
    const outcome = await run(
      {
        devices: 5,
        // Comes late: the others have to live until then.
        arrival: { kind: 'ramp', over: days(1) },
        limit: days(2),
      },
      { identityLife: days(0.5) },
    );
    expect(outcome.violations).toEqual([]);
    expect(outcome.devices.some(({ renewed }) => renewed > 0)).toBe(true);
  });
});

describe('a fleet with devices that do not belong', () => {
  it('sees the refused refused and the others arrive', async () => {
    const refused = (identity: 'expired' | 'not-yet-valid' | 'unknown-issuer' | 'missing-intermediate') =>
      partOf({ name: identity, identity, expect: 'refused' });
    const outcome = await run({
      devices: 30,
      population: [
        partOf(),
        partOf({ name: 'upside down', identity: 'wrong-order' }),
        refused('expired'),
        refused('not-yet-valid'),
        refused('unknown-issuer'),
        refused('missing-intermediate'),
      ],
    });
    expect(outcome.violations).toEqual([]);
    expect(arrived(ofPart(outcome, 'good'))).toBe(5);
    expect(arrived(ofPart(outcome, 'upside down'))).toBe(5);
    for (const part of ['expired', 'not-yet-valid', 'unknown-issuer', 'missing-intermediate'])
      expect(arrived(ofPart(outcome, part))).toBe(0);
  });

  it('has at most one of two clones as the bound one', async () => {
    const outcome = await run({
      devices: 12,
      population: [partOf(), partOf({ name: 'clones', identity: 'cloned', expect: 'any' })],
    });
    expect(outcome.violations).toEqual([]);
    expect(arrived(ofPart(outcome, 'clones'))).toBeGreaterThan(0);
    expect(arrived(ofPart(outcome, 'good'))).toBe(6);
  });

  it.each<Conduct>(['garbage', 'flood', 'half-open', 'slow-reader'])(
    'is not kept from arriving by %s',
    async (conduct) => {
      const outcome = await run({
        devices: 12,
        arrival: { kind: 'poisson', perSecond: 1 },
        population: [partOf({ share: 2 }), partOf({ name: 'hostile', conduct, expect: 'any' })],
      });
      expect(outcome.violations).toEqual([]);
      expect(arrived(ofPart(outcome, 'good'))).toBe(8);
      const hostile = ofPart(outcome, 'hostile');
      expect(hostile).toHaveLength(4);
      // They have really been at it.
      expect(Math.max(...hostile.map(({ cost }) => cost.datagramsOut))).toBeGreaterThan(3);
    },
  );
});

describe('a fleet whose services fail', () => {
  it('loses nothing when the service is killed in the middle and started again', async () => {
    const outcome = await run({
      devices: 60,
      arrival: { kind: 'poisson', perSecond: 10 },
      population: [partOf({ link: badLink })],
      events: [
        { at: seconds(2), what: 'service-kill', lasts: seconds(2) },
        { at: seconds(6), what: 'service-kill', lasts: seconds(20) },
      ],
    });
    expect(outcome.violations).toEqual([]);
    expect(arrived(outcome.devices)).toBe(60);
    expect(outcome.failures).not.toEqual({});
    expect(outcome.took).toBeGreaterThanOrEqual(seconds(26));
  });

  it('waits for the authority and for tokens', async () => {
    const outcome = await run({
      devices: 20,
      arrival: { kind: 'poisson', perSecond: 5 },
      events: [
        { at: 0, what: 'authority-outage', lasts: minutes(1) },
        { at: minutes(1), what: 'token-outage', lasts: minutes(1) },
      ],
    });
    expect(outcome.violations).toEqual([]);
    expect(arrived(outcome.devices)).toBe(20);
    expect(outcome.failures['credentials: 5.03 Service Unavailable']).toBeGreaterThan(0);
  });

  it('finds the next gateway when the first is gone, and is there at the end', async () => {
    const outcome = await run(
      { devices: 10, events: [{ at: seconds(1), what: 'hub-outage', lasts: minutes(5) }] },
      { gateways: [2] },
    );
    expect(outcome.violations).toEqual([]);
    expect(arrived(outcome.devices)).toBe(10);
  });
});

describe('a broken promise', () => {
  it('is found: a certificate that a device has and the service does not', async () => {
    const outcome = await run({ devices: 5 }, {}, (site) => ({
      ...site,
      records: async () => {
        const records = await site.records();
        return records && { ...records, credentials: records.credentials.slice(1) };
      },
    }));
    expect(outcome.violations).toHaveLength(1);
    const [violation] = outcome.violations;
    expect(violation).toMatchObject({
      rule: 'acknowledged-lost',
      found: expect.stringMatching(/certificate [0-9a-f]+/),
    });
    expect(violation?.trace.join('\n')).toMatch(/credentials done/);
  });

  it('is found: a device that does not arrive, with what it tried last', async () => {
    const outcome = await run({
      devices: 4,
      limit: minutes(3),
      population: [partOf({ share: 3 }), partOf({ name: 'deaf', link: { ...perfectLink, loss: 1 } })],
      udp: 1,
    });
    expect(outcome.violations.map(({ rule }) => rule)).toEqual(['arrives']);
    expect(outcome.violations[0]?.found).toMatch(/^never online; the last of it: .*time: timeout/);
    expect(outcome.violations[0]?.trace[0]).toMatch(/^0.000 s switched on, good identity, over udp/);
    expect(outcome.took).toBe(minutes(3));
  });

  it('is found: a device that was online and is not at the end', async () => {
    const outcome = await run({
      devices: 4,
      limit: minutes(3),
      events: [{ at: minutes(1), what: 'hub-outage', lasts: minutes(30) }],
    });
    expect(outcome.violations.map(({ rule }) => rule)).toEqual(['arrives', 'arrives', 'arrives', 'arrives']);
    expect(outcome.violations[0]?.found).toMatch(/^was online, and is not at the end/);
  });

  it('is told: a factory reset that the run was over too early for', async () => {
    const outcome = await run({
      devices: 3,
      limit: minutes(1),
      population: [partOf({ resets: { count: 2, after: { from: minutes(5), to: minutes(5) } } })],
    });
    expect(outcome).toMatchObject({ violations: [], end: 'limit', toCome: { resets: 6, events: 0 } });
  });

  it('is told: an event that somebody’s stop was ahead of', async () => {
    const events = [{ at: minutes(30), what: 'service-kill', lasts: seconds(1) }] as const;
    const stop = new AbortController();
    const stopped = (site: Site): Site => {
      site.timers.schedule(site.timers.now() + minutes(1), () => stop.abort());
      return site;
    };
    const outcome = await run({ devices: 2, events }, {}, stopped, { stop: stop.signal });
    expect(outcome).toMatchObject({ violations: [], end: 'interrupted', toCome: { resets: 0, events: 1 } });
    expect(outcome.took).toBeLessThan(minutes(2));
  });

  it('is found: somebody who was to be refused and was not', async () => {
    const outcome = await run({ devices: 3, population: [partOf({ expect: 'refused' })] });
    expect(new Set(outcome.violations.map(({ rule }) => rule))).toEqual(new Set(['refused-identity']));
    expect(new Set(outcome.violations.map(({ device }) => device)).size).toBe(3);
  });

  it('is found: two devices with live certificates of one key, and an id that two keys have', async () => {
    const outcome = await run({ devices: 4 }, {}, (site) => ({
      ...site,
      records: async () => {
        const records = await site.records();
        const [first, second] = records?.devices ?? [];
        if (!records || !first?.deviceId || !second) throw new Error('no records');
        const { deviceId } = first;
        const credentials = records.credentials.map((credential) =>
          credential.keyId === second.keyId ? { ...credential, deviceId } : credential,
        );
        return { ...records, credentials };
      },
    }));
    const found = outcome.violations.map(({ rule, found: text }) => `${rule}: ${text}`).join('\n');
    expect(found).toMatch(/two-identities: its key is bound to .*, and has live certificates for/);
    expect(found).toMatch(/two-identities: device id .* is also live under key/);
  });

  it('cannot be found where there are no records, and the outcome says so', async () => {
    const outcome = await run({ devices: 2 }, {}, (site) => ({ ...site, records: async () => undefined }));
    expect(outcome.unchecked).toEqual(['two-identities', 'acknowledged-lost']);
  });
});

describe('a scenario that asks for what the site cannot do', () => {
  const events = [{ at: 0, what: 'token-outage', lasts: 1 } as const];

  it('is refused before anything happens, by the name of the event', async () => {
    await expect(run({ events }, {}, (site) => ({ ...site, faults: undefined }))).rejects.toMatchObject({
      code: 'service.config',
      evidence: { event: 'token-outage' },
    });
    const some = (site: Site): Site => ({
      ...site,
      faults: site.faults && { ...site.faults, possible: ['service-kill'] },
    });
    await expect(run({ events }, {}, some)).rejects.toMatchObject({ fix: expect.stringMatching(/service-kill/) });
  });

  it('ends with the error of a site that has no identity for a device', async () => {
    const broken = (site: Site): Site => ({
      ...site,
      identity: () => {
        throw new TypeError('no identity');
      },
    });
    await expect(run({ devices: 1 }, {}, broken)).rejects.toThrow('no identity');
  });
});
