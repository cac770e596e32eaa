import { afterEach, expect, test } from 'vitest';
import { hours, minutes } from '../../src/core/clock.ts';
import { silentLog } from '../../src/core/log.ts';
import type { DeviceClient } from '../../src/device/client.ts';
import { approveDevice } from '../../src/operator/devices.ts';
import { eventHistory } from '../../src/operator/event-history.ts';
import { EventHub } from '../../src/operator/event-hub.ts';
import { viewStatistics } from '../../src/operator/statistics-view.ts';
import type { EntryListener } from '../../src/provision/ports.ts';
import { StatisticsRecorder } from '../../src/provision/statistics.ts';
import type { Attempt, EnrollmentGroup, StoredEvent } from '../../src/store/model.ts';
import { attemptsOf, bootDevice, isProvisioned, manufacturerOf, pass } from '../support/booting.ts';
import { someActor } from '../support/operator-bench.ts';
import { World, type WorldOptions, worldStart } from '../support/world.ts';

let world: World;
let hub: EventHub;
let statistics: StatisticsRecorder;
afterEach(async () => {
  await hub.close();
  await world.close();
});

/** A world whose hub and statistics hear of everything, as in a service. */
async function create(group: Partial<EnrollmentGroup>, options: WorldOptions = {}): Promise<void> {
  const listeners: EntryListener[] = [];
  world = await World.create({
    settings: (settings) => ({ ...settings, groups: settings.groups.map((row) => ({ ...row, ...group })) }),
    onEntry: (...told) => {
      for (const listener of listeners) listener(...told);
    },
    ...options,
  });
  const { store, timers } = world;
  hub = new EventHub({ store, timers, log: silentLog });
  statistics = new StatisticsRecorder({ store, timers, log: silentLog });
  listeners.push(hub.entryListener, statistics.entryListener);
}

const told = async (types: readonly string[]): Promise<readonly StoredEvent[]> =>
  (await eventHistory(hub, { types }, { limit: 500 })).items;

const entries = (attempts: readonly Attempt[]) => attempts.flatMap((attempt) => attempt.entries);

test('a device that waits is told of once, and once more when it has got its first identity, and not at its resets', async () => {
  await create({ admission: 'manual' });
  const device = await bootDevice({ world });
  await pass(world, minutes(5));
  const [waiting] = await told(['device']);
  const [record] = await world.store.devices({ limit: 1 });
  expect(waiting).toMatchObject({
    type: 'device.pending',
    ownerId: record?.ownerId,
    data: { keyId: record?.keyId, subject: record?.manufacturer.subject, groupId: record?.groupId },
  });
  expect(await told(['device'])).toHaveLength(1);
  expect((await attemptsOf(world)).length).toBeGreaterThan(2);

  const deps = { store: world.store, now: () => world.timers.now(), actor: someActor };
  await approveDevice(deps, record?.keyId ?? '', {});
  expect(await world.run(() => isProvisioned(device), minutes(20))).toBe(true);
  const deviceId = device.state.deviceId;
  expect(await told(['device'])).toMatchObject([
    {},
    { type: 'device.enrolled', data: { keyId: record?.keyId, deviceId } },
  ]);

  const reset = await bootDevice({ world });
  expect(await world.run(() => isProvisioned(reset), minutes(20))).toBe(true);
  expect((await world.store.devices({ limit: 2 })).map(({ generation }) => generation)).toEqual([2]);
  expect(await told(['device'])).toHaveLength(2);
});

test('a run is told from its opening to its end, with what came of it, to its owner once that is known', async () => {
  await create({});
  const device = await bootDevice({ world, scheme: 'coaps+tcp' });
  expect(await world.run(() => isProvisioned(device), minutes(20))).toBe(true);
  await pass(world, minutes(10));
  const [attempt] = await attemptsOf(world);
  const [record] = await world.store.devices({ limit: 1 });
  // The cloud sees the device when the run is over: that is told too, and on no record of the run.
  const [confirmed, ...events] = (await told(['attempt'])).toReversed();
  expect(confirmed).toMatchObject({ type: 'attempt.stage', data: { stage: 'confirm', attempt: attempt?.id } });
  events.reverse();
  expect(events.every(({ data }) => data.attempt === attempt?.id)).toBe(true);
  expect(events.map(({ type, data }) => `${type.slice(8)} ${data.stage ?? ''}`)).toEqual(
    entries(attempt ? [attempt] : []).flatMap((entry) =>
      entry.type === 'stage'
        ? [`stage ${entry.stage}`]
        : entry.type === 'opened' || entry.type === 'closed'
          ? [`${entry.type} `]
          : [],
    ),
  );
  expect(events[0]?.data.transport).toBe('coaps+tcp');
  expect(events[0]?.ownerId).toBeUndefined();
  const owned = events.filter(({ ownerId }) => ownerId === record?.ownerId).map(({ data }) => data.stage ?? 'closed');
  expect(owned.slice(0, 2)).toEqual(['match', 'admit']);
  const last = events.at(-1);
  expect(last).toMatchObject({
    type: 'attempt.closed',
    data: { verdict: 'provisioned', keyId: record?.keyId, deviceId: record?.deviceId, generation: 1 },
  });
  expect(last?.data.ms).toBe((last?.at ?? 0) - (attempt?.entries[0]?.at ?? 0));
});

test('the statistics are what a recount of the attempts gives', async () => {
  await create(
    {},
    { devices: 5, fault: ({ path }, n) => (path.at(-1) === 'credentials' && n === 2 ? { type: 'cut' } : undefined) },
  );
  const [group] = world.settings.groups;
  const devices: DeviceClient[] = [];
  for (let at = 0; at < 5; at++) devices.push(await bootDevice({ world, manufacturer: manufacturerOf(world, at) }));
  expect(await world.run(() => devices.every(isProvisioned), hours(1))).toBe(true);
  const barred = { ...(group as EnrollmentGroup), enabled: false, revision: 1 };
  await world.store.groups.put(barred);
  await world.provisioner.policy.refresh();
  await bootDevice({ world, manufacturer: manufacturerOf(world, 1) });
  await pass(world, minutes(20));
  await statistics.close();

  const attempts = await attemptsOf(world);
  const closed = entries(attempts).flatMap((entry) => (entry.type === 'closed' ? [entry] : []));
  const { slots } = await viewStatistics(world.store, {
    since: worldStart,
    until: world.timers.now() + 1,
    step: hours(24),
    ownerId: group?.owner.id,
  });
  expect(slots).toHaveLength(1);
  const [slot] = slots;
  expect(slot?.verdicts).toEqual(countedBy(closed.map(({ verdict }) => verdict)));
  expect(slot?.codes).toEqual(countedBy(closed.flatMap(({ refusal }) => (refusal ? [refusal.code] : []))));
  expect(slot?.codes['admit.group-disabled']).toBeGreaterThan(0);
  expect(slot?.bytesIn).toBe(closed.reduce((sum, { bytesIn }) => sum + bytesIn, 0));
  expect(slot?.bytesOut).toBe(closed.reduce((sum, { bytesOut }) => sum + bytesOut, 0));
  const provisioned = closed.filter(({ verdict }) => verdict === 'provisioned').length;
  expect(total(slot?.runs)).toBe(provisioned);
  const handshakes = entries(attempts).filter(({ type }) => type === 'handshake').length;
  expect(total(slot?.stages.handshake)).toBe(handshakes);
  const issued = entries(attempts).filter((entry) => entry.type === 'stage' && entry.stage === 'issue').length;
  // The answer of one was cut off: what it took is not known.
  expect(total(slot?.stages.issue)).toBeGreaterThanOrEqual(issued - 1);
  expect(total(slot?.stages.issue)).toBeLessThanOrEqual(issued);
  const fine = await viewStatistics(world.store, {
    since: worldStart,
    until: world.timers.now() + 1,
    step: minutes(5),
  });
  expect(fine.slots.length).toBeGreaterThan(1);
  expect(fine.slots.reduce((sum, { runs }) => sum + total(runs), 0)).toBe(provisioned);
});

const countedBy = (names: readonly string[]): Record<string, number> => {
  const counts: Record<string, number> = {};
  for (const name of names) counts[name] = (counts[name] ?? 0) + 1;
  return counts;
};

const total = (counts: readonly number[] = []): number => counts.reduce((sum, n) => sum + n, 0);
