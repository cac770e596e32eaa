import { afterEach, describe, expect, test } from 'vitest';
import { minutes, seconds } from '../../../src/core/clock.ts';
import type { DeviceClient } from '../../../src/device/client.ts';
import { bootDevice, calls, lab, pass, type Scheme, schemes, stepNames } from '../../support/booting.ts';
import { type StepFault, World, type WorldOptions } from '../../support/world.ts';

// Steps that fail: behaviours 25 to 28 and 31 of docs/behaviours.md.

let world: World;
afterEach(() => world.close());

const create = async (options: WorldOptions = {}): Promise<World> => {
  world = await World.create(options);
  return world;
};

const boot = (scheme: Scheme): Promise<DeviceClient> => bootDevice({ world, scheme, ...lab });

/** Every step answered so for its first `times` times. */
const failing =
  (times: number, fault: StepFault): NonNullable<WorldOptions['fault']> =>
  (_, earlier) =>
    earlier < times ? fault : undefined;

/** Every step answered no earlier than this after it was asked for first. */
function held(ms: number): NonNullable<WorldOptions['fault']> {
  const since = new Map<string, number>();
  return ({ path }) => {
    const step = path.at(-1) ?? '';
    const now = world.timers.now();
    const begun = since.get(step) ?? now;
    since.set(step, begun);
    return begun + ms > now ? { type: 'delay', ms: begun + ms - now } : undefined;
  };
}

describe.each(schemes)('over %s', (scheme) => {
  test('25 each step fails three times with 5.03: 8/7/6/5/4, the third failure starts the run over', async () => {
    await create({ fault: failing(3, { type: 'answer', code: 503 }) });
    const device = await boot(scheme);
    const words: string[] = [];
    device.onStatus(({ text }) => words.push(text));
    expect(await world.run(() => device.online, minutes(5))).toBe(true);
    await pass(world, minutes(1));
    expect(calls(world)).toBe('8/7/6/5/4');
    expect(words.filter((word) => word === 'transient failure')).toHaveLength(15);
    expect(words).not.toContain('failure');
  });

  test('26 each step fails once with 5.00: 6/5/4/3/2, each failure starts the run over', async () => {
    await create({ fault: failing(1, { type: 'answer', code: 500 }) });
    const device = await boot(scheme);
    const words: string[] = [];
    device.onStatus(({ text }) => words.push(text));
    expect(await world.run(() => device.online, minutes(5))).toBe(true);
    await pass(world, minutes(1));
    expect(calls(world)).toBe('6/5/4/3/2');
    expect(words.filter((word) => word === 'failure')).toHaveLength(5);
  });

  test('27 each step is answered after 10 s: late answers do no harm, and the run ends well', async () => {
    await create({ fault: held(seconds(10)), link: { delay: 20 } });
    const device = await boot(scheme);
    const began = world.timers.now();
    expect(await world.run(() => device.online, minutes(5))).toBe(true);
    expect(world.timers.now() - began).toBeGreaterThanOrEqual(seconds(50));
    await pass(world, minutes(1));
    const records = await world.store.devices({ limit: 10 });
    expect(records).toMatchObject([{ deviceId: device.state.deviceId, generation: 1, retry: { failures: 0 } }]);
    // It waits for 5 s and asks again on a new session: the second answer comes just in time or just too late.
    expect(calls(world)).toMatch(/^[23](\/[23]){4}$/);
  });

  test('28 the service closes the connection once inside every step, and the device recovers', async () => {
    await create({ fault: failing(1, { type: 'cut' }) });
    const device = await boot(scheme);
    expect(await world.run(() => device.online, minutes(5))).toBe(true);
    await pass(world, minutes(1));
    expect(calls(world)).toBe('6/5/4/3/2');
    expect(await world.store.devices({ limit: 10 })).toMatchObject([{ generation: 1, retry: { failures: 0 } }]);
  });

  test('31 a deleted group and hub: the handshake is refused, never a request; restored: 1/1/1/1/1', async () => {
    const refused: string[] = [];
    await create({
      onEntry: (_attempt, entry) => {
        if (entry.type === 'closed' && entry.refusal) refused.push(entry.refusal.code);
      },
    });
    const groups = await world.store.groups.list();
    const hubs = await world.store.hubs.list();
    for (const { id } of groups) await world.store.groups.delete(id);
    for (const { id } of hubs) await world.store.hubs.delete(id);
    await world.provisioner.policy.refresh();
    const device = await boot(scheme);
    expect(await world.run(() => refused.length >= 2, minutes(5))).toBe(true);
    expect(new Set(refused)).toEqual(new Set(['attest.unknown-issuer']));
    expect(calls(world)).toBe('0/0/0/0/0');

    await world.changePolicy({ groups: [...groups], hubs: [...hubs] });
    expect(await world.run(() => device.online, minutes(5))).toBe(true);
    expect(calls(world)).toBe('1/1/1/1/1');
  });
});

test('every step of a run is one that the lab counts', async () => {
  await create();
  const device = await boot('coaps');
  await world.run(() => device.online);
  expect([...world.requests.keys()]).toEqual([...stepNames]);
});
