import { afterEach, beforeEach, expect, test } from 'vitest';
import { ManualTimers } from '../../src/core/clock.ts';
import { InFlight } from '../../src/core/in-flight.ts';
import { limits } from '../../src/core/limits.ts';
import { silentLog } from '../../src/core/log.ts';
import { openLevelStore } from '../../src/store/level.ts';
import type { Store } from '../../src/store/store.ts';
import { keepTidy } from '../../src/upkeep.ts';
import { attemptId, opened, startOfRecords } from '../support/store-records.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

const { attemptAge, pruneAttempts, pruneInterval } = limits.store;
let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let store: Store;
let timers: ManualTimers;
let inFlight: InFlight;

beforeEach(async () => {
  folder = await temporaryFolder();
  store = await openLevelStore(folder.path);
  timers = new ManualTimers(startOfRecords + attemptAge + 1000);
  inFlight = new InFlight();
});
afterEach(async () => {
  await store.close();
  await folder.remove();
});

const left = async (): Promise<number> => (await store.attempts({ limit: 1000 })).length;

test('old attempts go when the service starts, to the last piece, and every hour from then on', async () => {
  const count = pruneAttempts + 50;
  for (let k = 0; k < count; k++) await store.appendAttempt(attemptId(k), [opened(k)]);
  await store.appendAttempt(attemptId(2000), [opened(2000)]);
  const stop = keepTidy({ store, timers, log: silentLog, inFlight });
  timers.advanceTo(timers.now());
  await inFlight.idle();
  expect(await left()).toBe(1);
  timers.advanceTo(timers.now() + pruneInterval - 1);
  expect(inFlight.busy).toBe(false);
  timers.advanceTo(timers.now() + 1);
  await inFlight.idle();
  expect(await left()).toBe(0);
  await stop();
  expect(timers.next()).toBeUndefined();
});

test('a clean-up that fails is told of, and tried again at the next hour', async () => {
  let tries = 0;
  const warnings: unknown[] = [];
  const log = { ...silentLog, warn: (facts: unknown) => void warnings.push(facts) };
  const failing = {
    prune: () => {
      tries++;
      return Promise.reject(new Error('the disk is full'));
    },
  } as unknown as Store;
  const stop = keepTidy({ store: failing, timers, log, inFlight });
  timers.advanceTo(timers.now() + pruneInterval);
  await inFlight.idle();
  expect(tries).toBe(2);
  expect(warnings).toHaveLength(2);
  await stop();
});

test('stopping ends it between two pieces', async () => {
  let pieces = 0;
  const endless = {
    prune: () => {
      pieces++;
      return Promise.resolve(true);
    },
  } as unknown as Store;
  const stop = keepTidy({ store: endless, timers, log: silentLog, inFlight });
  timers.advanceTo(timers.now());
  await Promise.resolve();
  await stop();
  const before = pieces;
  await new Promise(setImmediate);
  expect(pieces).toBe(before);
  expect(inFlight.busy).toBe(false);
});
