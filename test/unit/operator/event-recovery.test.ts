import { afterEach, beforeEach, expect, test } from 'vitest';
import { isoTime, minutes, seconds, systemTimers } from '../../../src/core/clock.ts';
import { limits } from '../../../src/core/limits.ts';
import { silentLog } from '../../../src/core/log.ts';
import { EventHub } from '../../../src/operator/event-hub.ts';
import { tellUntold } from '../../../src/operator/event-recovery.ts';
import { openLevelStore } from '../../../src/store/level.ts';
import type { AttemptEntry, StoredEvent } from '../../../src/store/model.ts';
import type { Store } from '../../../src/store/store.ts';
import { attemptId, closed, opened, someDevice, someUuid, startOfRecords } from '../../support/store-records.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let store: Store;
let hub: EventHub;
let isTelling: boolean;

/** As a service starts: what the last one left untold is told, and then what happens. */
const start = async (): Promise<void> => {
  isTelling = true;
  store = await openLevelStore(folder.path, {
    synced: false,
    onAudit: (line) => isTelling && hub.audited(line),
  });
  hub = new EventHub({ store, timers: systemTimers, log: silentLog });
  await tellUntold(hub, store);
};

/** What is told from now on never gets to the disk, as if the process were killed at once. */
const loseEvents = (): void => {
  isTelling = false;
};

const restart = async (): Promise<readonly StoredEvent[]> => {
  const { epoch } = store;
  await hub.close();
  await store.close();
  await start();
  return store.events({ after: `${epoch + 1}-0`, limit: 999 });
};

beforeEach(async () => {
  folder = await temporaryFolder();
  await start();
});
afterEach(async () => {
  await hub.close();
  await store.close();
  await folder.remove();
});

const told = (events: readonly StoredEvent[]) => events.map(({ type, data }) => [type, data.seq ?? data.attempt ?? 0]);
const audit = (action: string, at = startOfRecords) => {
  const actor = { kind: 'operator', name: 'kim', from: 'here' } as const;
  return { at, actor, action, target: 'x', detail: {} };
};

/** As the pipeline does it: told to listeners, then written. */
const record = async (id: string, entries: readonly AttemptEntry[], keyId?: string): Promise<void> => {
  const device = keyId === undefined ? undefined : await store.device(keyId);
  for (const entry of entries) if (isTelling) hub.entryListener(id, entry, device);
  await store.appendAttempt(id, entries, keyId);
};

test('lines of the audit log that a killed service did not get to tell are told by the next one, to their owners, once', async () => {
  await store.commit({ devices: [someDevice(1)], audit: audit('device.approve') });
  loseEvents();
  const [first, second] = [someDevice(2, { ownerId: someUuid(8) }), someDevice(3)];
  await store.commit({ devices: [first], audit: audit('device.disable', 7) });
  await store.commit({ devices: [{ ...first, revision: 1 }, second], audit: audit('group.approve') });
  const events = await restart();
  expect(told(events)).toEqual([
    ['device.disable', 2],
    ['group.approve', 3],
    ['device.approve', 3],
    ['device.approve', 3],
  ]);
  expect(events[0]).toMatchObject({ at: 7, ownerId: someUuid(8), data: { actor: { name: 'kim' } } });
  expect(events.slice(2).map(({ ownerId, data }) => [ownerId, data.target])).toEqual([
    [someUuid(8), `device ${first.keyId}`],
    [second.ownerId, `device ${second.keyId}`],
  ]);
  expect(await restart()).toEqual([]);
});

test('what an operator did while no service ran is told when one starts, however much it was', async () => {
  loseEvents();
  const count = 3 * limits.events.page;
  for (let k = 0; k < count; k++) await store.commit({ audit: audit('hub.update') });
  expect(told(await restart())).toEqual(Array.from({ length: count }, (_, k) => ['hub.update', k + 1]));
});

test('so are all devices that it was done to, also when they are more than are held in memory', async () => {
  loseEvents();
  const lines = 13;
  const each = 1000;
  for (let k = 0; k < lines; k++) {
    const devices = Array.from({ length: each }, (_, n) => someDevice(1 + k * each + n));
    await store.commit({ devices, audit: audit('group.approve') });
  }
  await restart();
  let count = 0;
  let after = `${store.epoch}-0`;
  for (;;) {
    const page = await store.events({ after, limit: each });
    count += page.length;
    const last = page.at(-1);
    if (!last) break;
    after = last.id;
  }
  expect(count).toBe(lines * (each + 1));
});

test('attempts that were closed and not told are told with their verdicts; those that were told are not again', async () => {
  const ids = [1, 2, 3].map((n) => attemptId(n));
  const [one = '', two = '', three = ''] = ids;
  await record(one, [opened(startOfRecords + 1), closed(startOfRecords + 5)]);
  await record(two, [opened(startOfRecords + 2)]);
  loseEvents();
  await record(two, [closed(startOfRecords + 9)]);
  await record(three, [opened(startOfRecords + 3)]);
  const events = await restart();
  expect(told(events)).toEqual([['attempt.closed', two]]);
  expect(events[0]).toMatchObject({ at: startOfRecords + 9, data: { verdict: 'refused', ms: 7 } });
  expect(await restart()).toEqual([]);
});

test('what devices became in such attempts is told: one that waits, one with its first identity, one with an alarm', async () => {
  const at = startOfRecords + seconds(5);
  const first = { at, event: 'generation', facts: { provisionedAt: isoTime(at) } } as const;
  const alarm = { at, kind: 'two-places', evidence: { hosts: 2 } } as const;
  const devices = [
    someDevice(1, { state: 'pending', stateSince: at }),
    someDevice(2, { generation: 1, lineage: [first] }),
    someDevice(3, { alarms: [alarm] }),
    // Long before the last thing that was told.
    someDevice(4, { state: 'pending', stateSince: startOfRecords - minutes(5) }),
  ];
  hub.tell('attempt.opened', {}, undefined, at);
  for (const device of devices) await store.putDevice(device);
  loseEvents();
  for (const [k, { keyId }] of devices.entries()) await record(attemptId(k), [opened(startOfRecords + k)], keyId);
  const events = await restart();
  expect(events.map(({ type, at: when, data }) => [type, when, data.keyId]).toSorted()).toEqual([
    ['device.alarm', at, someUuid(3)],
    ['device.enrolled', at, someUuid(2)],
    ['device.pending', at, someUuid(1)],
  ]);
  expect(await restart()).toEqual([]);
});

test('attempts of long ago are not told again, however few events are kept', async () => {
  loseEvents();
  await record(attemptId(0), [opened(startOfRecords), closed(startOfRecords + 1)]);
  const late = limits.events.lookBack + 2;
  await record(attemptId(late), [opened(startOfRecords + late), closed(startOfRecords + late + 1)]);
  expect(told(await restart())).toEqual([['attempt.closed', attemptId(late)]]);
});

test('more than one page of attempts is told in the order in which they were closed, and once', async () => {
  loseEvents();
  const count = limits.store.scanRows + 1;
  // Far enough apart that the first ones are long over when the last one is told of.
  const at = (k: number): number => startOfRecords + k * seconds(5);
  for (let k = 0; k < count; k++) {
    await store.appendAttempt(attemptId(k * seconds(5)), [opened(at(k)), closed(at(k) + 1)], undefined);
  }
  const events = await restart();
  expect(events.map(({ at: when }) => when)).toEqual(Array.from({ length: count }, (_, k) => at(k) + 1));
  expect(await restart()).toEqual([]);
});

test('a clock that was ahead for a while hides nothing that happens after it was set right', async () => {
  const ahead = minutes(60 * 24 * 365);
  await record(attemptId(ahead), [opened(startOfRecords + ahead), closed(startOfRecords + ahead + 1)]);
  await record(attemptId(1), [opened(startOfRecords + 1)]);
  loseEvents();
  await record(attemptId(1), [closed(startOfRecords + 5)]);
  await record(attemptId(2), [opened(startOfRecords + 2), closed(startOfRecords + 7)]);
  const events = await restart();
  expect(told(events)).toEqual([
    ['attempt.closed', attemptId(1)],
    ['attempt.closed', attemptId(2)],
  ]);
  for (let starts = 0; starts < 5; starts++) expect(await restart()).toEqual([]);
});

test('what a start leaves untold that is killed while it tells is told by the next one', async () => {
  loseEvents();
  const ids = Array.from({ length: 60 }, (_, k) => attemptId(k * seconds(5)));
  for (const [k, id] of ids.entries()) {
    const at = startOfRecords + k * seconds(5);
    await store.appendAttempt(id, [opened(at), closed(at + 1)], undefined);
  }
  let left = 20;
  const killed: Pick<EventHub, 'audited' | 'tell' | 'settled'> = {
    audited: () => undefined,
    tell: (...event) => left-- > 0 && hub.tell(...event),
    settled: () => hub.settled(),
  };
  await tellUntold(killed, store);
  expect(told(await store.events({ limit: 99 }))).toEqual(ids.slice(0, 20).map((id) => ['attempt.closed', id]));
  expect(told(await restart())).toEqual(ids.slice(20).map((id) => ['attempt.closed', id]));
  expect(await restart()).toEqual([]);
});
