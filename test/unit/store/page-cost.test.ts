import { afterAll, beforeAll, expect, test } from 'vitest';
import { days, minutes, systemTimers } from '../../../src/core/clock.ts';
import { GroupCommit } from '../../../src/store/commit.ts';
import { openEmbeddedStore } from '../../../src/store/embedded-store.ts';
import { levelMedium, openFolder, writeAll } from '../../../src/store/level-medium.ts';
import type { Medium } from '../../../src/store/medium.ts';
import type { DeviceState } from '../../../src/store/model.ts';
import { Rows } from '../../../src/store/rows.ts';
import type { Store } from '../../../src/store/store.ts';
import {
  attemptId,
  closed,
  opened,
  someCredential,
  someDevice,
  someUuid,
  startOfRecords,
} from '../../support/store-records.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';

const [small, large, limit] = [1000, 20_000, 50];
const groups = [someUuid(100), someUuid(101)];

let stores: readonly Filled[];
beforeAll(async () => {
  stores = [await filled(small), await filled(large)];
});
afterAll(async () => {
  for (const { store, folder } of stores) {
    await store.close();
    await folder.remove();
  }
});

const value = groups[0] ?? '';
const ownerId = someUuid(1_000_002);

test.each([
  ['devices by group', (store: Store) => store.devicesBy({ by: 'group', value, limit })],
  ['devices by state', (store: Store) => store.devicesBy({ by: 'state', value: 'pending', limit })],
  ['devices by owner', (store: Store) => store.devicesBy({ by: 'owner', value: ownerId, limit })],
  ['the last devices seen', (store: Store) => store.devicesByTime({ by: 'seen', limit })],
  ['the newest devices', (store: Store) => store.devicesByTime({ by: 'created', limit })],
  ['the newest devices of an owner', (store: Store) => store.devicesByTime({ by: 'created', ownerId, limit })],
  ['device ids by their beginning', (store: Store) => store.deviceIdsFrom('', limit)],
  ['refused attempts', (store: Store) => store.attemptsBy({ by: 'verdict', value: 'refused', limit })],
  ['attempts by code', (store: Store) => store.attemptsBy({ by: 'code', value: 'attest.expired', limit })],
  ['credentials that end next', (store: Store) => store.credentialsByEnd({ since: 0, limit })],
] as const)('a page of %s takes as many reads in a store of 20,000 devices as in one of 1,000', async (_, page) => {
  const costs: number[] = [];
  for (const { store, reads } of stores) {
    const before = reads();
    expect(await page(store)).toHaveLength(limit);
    costs.push(reads() - before);
  }
  expect(costs[1]).toBe(costs[0]);
  expect(costs[0]).toBeLessThanOrEqual(limit * 4);
});

test('counts of devices take a read for each kind there is, and none when nothing has changed', async () => {
  for (const { store, reads, count } of stores) {
    const before = reads();
    const counts = await store.deviceCounts();
    expect(counts.reduce((sum, one) => sum + one.count, 0)).toBe(count);
    expect(reads() - before).toBe(counts.length);
    await store.deviceCounts();
    expect(reads() - before).toBe(counts.length);
  }
});

test('counts of credentials by day take a read for each day', async () => {
  for (const { store, reads, count } of stores) {
    const before = reads();
    const counts = await store.expiryCounts({ since: startOfRecords, until: startOfRecords + days(1000) });
    expect(counts.reduce((sum, one) => sum + one.count, 0)).toBe(count);
    expect(reads() - before).toBe(30);
  }
});

interface Filled {
  readonly store: Store;
  readonly count: number;
  readonly folder: { readonly remove: () => Promise<void> };
  /** Rows that the medium has been asked for. */
  readonly reads: () => number;
}

const states: readonly DeviceState[] = ['active', 'pending', 'disabled'];

async function filled(count: number): Promise<Filled> {
  const folder = await temporaryFolder();
  const db = await openFolder(folder.path);
  const { medium, reads } = counting(levelMedium(db, folder.path));
  const commit = new GroupCommit({ timers: systemTimers, write: (ops) => writeAll(db, ops, false) });
  const store = await openEmbeddedStore({
    rows: new Rows(medium, commit),
    retention: { perDevice: 10, unfiled: count, age: days(90) },
    folder: folder.path,
    copy: () => Promise.reject(new Error('not here')),
    release: async () => {
      await commit.close();
      await db.close();
    },
  });
  for (let k = 0; k < count; k += 500) {
    const some = Array.from({ length: Math.min(500, count - k) }, (_, j) => k + j);
    await Promise.all(some.flatMap((n) => records(store, n)));
  }
  return { store, count, folder, reads };
}

const records = (store: Store, n: number): readonly Promise<unknown>[] => [
  store.putDevice(
    someDevice(n, {
      groupId: groups[n % 2] ?? '',
      state: states[n % 3] ?? 'active',
      createdAt: startOfRecords + n,
      lastSeenAt: startOfRecords + minutes(n),
    }),
  ),
  store.claimDeviceId(someUuid(n + 100_000), someUuid(n)),
  store.addCredential(
    someCredential(n.toString(16), { keyId: someUuid(n), notAfter: startOfRecords + days(n % 30), certificate: 'pem' }),
  ),
  store.appendAttempt(attemptId(n), [opened(n), closed(n)], someUuid(n)),
];

function counting(medium: Medium): { readonly medium: Medium; readonly reads: () => number } {
  let reads = 0;
  const counted = async <T>(found: Promise<readonly T[]>): Promise<readonly T[]> => {
    reads += (await found).length;
    return found;
  };
  return {
    medium: {
      ...medium,
      get: (key) => {
        reads++;
        return medium.get(key);
      },
      rows: (range) => counted(medium.rows(range)),
      keys: (range) => counted(medium.keys(range)),
    },
    reads: () => reads,
  };
}
