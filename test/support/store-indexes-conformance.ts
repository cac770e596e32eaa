import { describe, expect, it } from 'vitest';
import { days, minutes } from '../../src/core/clock.ts';
import { limits } from '../../src/core/limits.ts';
import type { AttemptEntry, Credential, Device } from '../../src/store/model.ts';
import type { DeviceFacet, Store } from '../../src/store/store.ts';
import {
  attemptId,
  closed,
  opened,
  someCredential,
  someDevice,
  someGroup,
  someHub,
  someUuid,
  startOfRecords,
} from './store-records.ts';
import { type StoreSubject, storeForEach } from './store-subject.ts';

/** The promises of src/store/store.ts about finding and counting, and about changes of groups and hubs. */
export function storeIndexesConformance(name: string, prepare: () => Promise<StoreSubject>): void {
  describe(name, () => {
    let store: Store;
    const { reopen } = storeForEach(prepare, (opened) => {
      store = opened;
    });
    const put = async (device: Device): Promise<Device> => {
      const written = await store.putDevice(device);
      if (!written) throw new Error(`device ${device.keyId} was not written`);
      return written;
    };

    describe('groups and hubs', () => {
      it('change only from the revision that the writer has seen, and count their changes', async () => {
        expect(await store.commit({ groups: [someGroup(1)], hubs: [someHub(9)] })).toBe(true);
        expect(await store.commit({ groups: [someGroup(1)] })).toBe(false);
        expect(await store.commit({ hubs: [someHub(9, { revision: 2 })] })).toBe(false);
        expect(await store.commit({ groups: [someGroup(5, { revision: 1 })] })).toBe(false);
        expect(await store.commit({ groups: [someGroup(5), someGroup(5)] })).toBe(false);
        expect(await store.commit({ groups: [someGroup(1, { revision: 1, name: 'new' })] })).toBe(true);
        await reopen();
        expect(await store.groups.list()).toMatchObject([{ name: 'new', revision: 2 }]);
        expect(await store.hubs.list()).toMatchObject([{ name: 'hub 9', revision: 1 }]);
        expect(await store.commit({ deletedGroups: [someUuid(1)] })).toBe(true);
        expect(await store.commit({ groups: [someGroup(1)] })).toBe(true);
      });

      it('are not written when a device that belongs to the change has moved on, nor it when they have', async () => {
        await store.commit({ groups: [someGroup(1)] });
        await put(someDevice(1));
        expect(await store.commit({ groups: [someGroup(1, { revision: 1 })], devices: [someDevice(1)] })).toBe(false);
        expect(await store.commit({ groups: [someGroup(1)], devices: [someDevice(2)] })).toBe(false);
        expect((await store.groups.get(someUuid(1)))?.revision).toBe(1);
        expect(await store.device(someUuid(2))).toBeUndefined();
        expect((await store.deviceCounts()).map(({ count }) => count)).toEqual([1]);
      });

      it('have one winner when a hundred change one at once', async () => {
        await store.commit({ groups: [someGroup(1)] });
        const all = Array.from({ length: 100 }, (_, k) =>
          store.commit({ groups: [someGroup(1, { revision: 1, name: `${k}` })] }),
        );
        expect((await Promise.all(all)).filter(Boolean)).toHaveLength(1);
        expect((await store.groups.get(someUuid(1)))?.revision).toBe(2);
      });

      it('get the next revision from a put, whatever it carries', async () => {
        await store.groups.put(someGroup(1, { revision: 9 }));
        await Promise.all([store.groups.put(someGroup(1)), store.groups.put(someGroup(1, { name: 'last' }))]);
        expect(await store.groups.get(someUuid(1))).toMatchObject({ name: 'last', revision: 3 });
      });
    });

    describe('devices by what they are', () => {
      const [group, owner, hub] = [someUuid(100), someUuid(200), someUuid(300)];
      const keyIds = async (by: DeviceFacet, value: string): Promise<readonly string[]> =>
        (await store.devicesBy({ by, value, limit: 99 })).map(({ keyId }) => keyId);
      const sorted = (...seeds: number[]) => seeds.map(someUuid).sort();
      const alarm = { at: 1, kind: 'two-places', evidence: {} } as const;

      it('are found by owner, group, state, hub and open alarms, also after the store was opened again', async () => {
        await put(someDevice(1, { groupId: group, ownerId: owner, hubId: hub, state: 'pending', alarms: [alarm] }));
        await put(someDevice(2, { groupId: group, assignedOwner: { id: owner, name: 'x' }, hubId: hub }));
        await put(someDevice(3, { ownerId: owner, assignedOwner: { id: someUuid(201), name: 'y' } }));
        for (const again of [false, true]) {
          if (again) await reopen();
          expect(await keyIds('group', group)).toEqual(sorted(1, 2));
          expect(await keyIds('owner', owner)).toEqual(sorted(1, 2));
          expect(await keyIds('owner', someUuid(201))).toEqual(sorted(3));
          expect(await keyIds('state', 'pending')).toEqual(sorted(1));
          expect(await keyIds('state', 'active')).toEqual(sorted(2, 3));
          expect(await keyIds('hub', hub)).toEqual(sorted(1, 2));
          expect(await keyIds('alarms', 'open')).toEqual(sorted(1));
          expect(await keyIds('group', someUuid(44))).toEqual([]);
        }
      });

      it('are found by what they are now, not by what they were', async () => {
        const first = await put(someDevice(1, { groupId: group, hubId: hub, alarms: [alarm] }));
        const next = { state: 'disabled', groupId: someUuid(101), hubId: undefined, alarms: [] } as const;
        await put({ ...first, ...next });
        expect(await keyIds('state', 'active')).toEqual([]);
        expect(await keyIds('group', group)).toEqual([]);
        expect(await keyIds('hub', hub)).toEqual([]);
        expect(await keyIds('alarms', 'open')).toEqual([]);
        expect(await keyIds('state', 'disabled')).toEqual([first.keyId]);
        expect(await keyIds('group', someUuid(101))).toEqual([first.keyId]);
        const again = await store.device(first.keyId);
        expect(await store.commit({ devices: again ? [{ ...again, state: 'active' }] : [] })).toBe(true);
        expect(await keyIds('state', 'disabled')).toEqual([]);
        expect(await store.devicesBy({ by: 'state', value: 'active', limit: 9 })).toEqual([
          { ...again, state: 'active', revision: 3 },
        ]);
      });

      it('are paged in order of their key ids', async () => {
        await Promise.all(Array.from({ length: 7 }, (_, k) => put(someDevice(k, { groupId: group }))));
        const seen: string[] = [];
        for (let after: string | undefined; ; after = seen.at(-1)) {
          const page = await store.devicesBy({ by: 'group', value: group, ...(after && { after }), limit: 3 });
          seen.push(...page.map(({ keyId }) => keyId));
          if (page.length < 3) break;
        }
        expect(seen).toEqual(sorted(0, 1, 2, 3, 4, 5, 6));
        expect(await store.devicesBy({ by: 'group', value: group, limit: 0 })).toEqual([]);
      });
    });

    describe('devices by time', () => {
      const at = (minute: number) => startOfRecords + minutes(minute);
      const pages = async (by: 'seen' | 'created', limit: number): Promise<readonly string[]> => {
        const seen: string[] = [];
        for (let before: string | undefined; ; ) {
          const page = await store.devicesByTime({ by, ...(before && { before }), limit });
          seen.push(...page.map(({ device }) => device.keyId));
          before = page.at(-1)?.cursor;
          if (page.length < limit) return seen;
        }
      };

      it('come newest first, by when they were seen last, to the minute', async () => {
        for (const [k, minute] of [3, 1, 2].entries()) await put(someDevice(k, { lastSeenAt: at(minute) + k }));
        await put(someDevice(9));
        const known = await store.device(someUuid(1));
        await reopen();
        expect(await pages('seen', 2)).toEqual([0, 2, 1].map(someUuid));
        await put({ ...(known ?? someDevice(1)), lastSeenAt: at(4) });
        expect(await pages('seen', 2)).toEqual([1, 0, 2].map(someUuid));
        expect(await store.devicesByTime({ by: 'seen', limit: 0 })).toEqual([]);
      });

      it('come newest first, by when they were stored first', async () => {
        for (const [k, minute] of [3, 1, 2].entries()) await put(someDevice(k, { createdAt: at(minute) }));
        expect(await pages('created', 1)).toEqual([0, 2, 1].map(someUuid));
      });

      it('are those of one owner, as it is now, when one is asked for', async () => {
        const [mine, theirs] = [someUuid(700), someUuid(701)];
        for (let k = 0; k < 5; k++) {
          await put(someDevice(k, { ownerId: k % 2 === 0 ? mine : theirs, createdAt: at(k), lastSeenAt: at(9 - k) }));
        }
        const known = await store.device(someUuid(4));
        await put({ ...(known ?? someDevice(4)), assignedOwner: { id: theirs, name: 'theirs' } });
        await reopen();
        const keys = async (by: 'seen' | 'created', ownerId: string, before?: string) =>
          (await store.devicesByTime({ by, ownerId, ...(before && { before }), limit: 9 })).map(
            ({ device }) => device.keyId,
          );
        expect(await keys('created', mine)).toEqual([2, 0].map(someUuid));
        expect(await keys('created', theirs)).toEqual([4, 3, 1].map(someUuid));
        expect(await keys('seen', theirs)).toEqual([1, 3, 4].map(someUuid));
        const [first] = await store.devicesByTime({ by: 'seen', ownerId: theirs, limit: 1 });
        expect(await keys('seen', theirs, first?.cursor)).toEqual([3, 4].map(someUuid));
      });

      it('are each there once when many were seen in the same minute', async () => {
        for (let k = 0; k < 5; k++) await put(someDevice(k, { lastSeenAt: at(1) + k }));
        expect((await pages('seen', 2)).toSorted()).toEqual([0, 1, 2, 3, 4].map(someUuid).sort());
      });
    });

    describe('counts of devices', () => {
      const total = async (): Promise<number> =>
        (await store.deviceCounts()).reduce((sum, { count }) => sum + count, 0);

      it('are one for each kind that occurs, and follow what changes', async () => {
        expect(await store.deviceCounts()).toEqual([]);
        const first = await put(someDevice(1));
        await put(someDevice(2, { hubId: someUuid(300), state: 'pending' }));
        await put(someDevice(3));
        const { groupId, ownerId } = first;
        const active = { groupId, ownerId, state: 'active', hubId: undefined, alarms: false, count: 2 };
        const pending = { ...active, state: 'pending', hubId: someUuid(300), count: 1 };
        const counts = await store.deviceCounts();
        expect(counts).toHaveLength(2);
        expect(counts).toEqual(expect.arrayContaining([active, pending]));
        await put({ ...first, lastPeer: 'somewhere', lastSeenAt: 5 });
        await store.commit({ devices: [someDevice(4), someDevice(5, { state: 'pending', hubId: someUuid(300) })] });
        for (const again of [false, true]) {
          if (again) await reopen();
          expect(await store.deviceCounts()).toEqual(
            expect.arrayContaining([
              { ...active, count: 3 },
              { ...pending, count: 2 },
            ]),
          );
        }
      });

      it('lose the kinds that are not there any more', async () => {
        const first = await put(someDevice(1));
        await put({ ...first, assignedOwner: { id: someUuid(201), name: 'y' }, state: 'disabled' });
        expect(await store.deviceCounts()).toMatchObject([{ ownerId: someUuid(201), state: 'disabled', count: 1 }]);
      });

      it('are right when many write at once, and for what was refused', async () => {
        const writes = Array.from({ length: 60 }, (_, k) => store.putDevice(someDevice(k % 20)));
        await Promise.all(writes);
        expect(await total()).toBe(20);
        expect(await store.commit({ devices: [someDevice(30), someDevice(0)] })).toBe(false);
        expect(await total()).toBe(20);
      });
    });

    describe('credentials by their end', () => {
      const end = (serial: string, day: number, changes: Partial<Credential> = {}) =>
        someCredential(serial, { notAfter: startOfRecords + days(day), ...changes });
      const serials = async (since: number, until?: number): Promise<readonly string[]> => {
        const range = { since: startOfRecords + days(since), ...(until && { until: startOfRecords + days(until) }) };
        return (await store.credentialsByEnd({ ...range, limit: 99 })).map(({ credential }) => credential.serial);
      };
      const counts = async (since: number, until: number) =>
        (await store.expiryCounts({ since: startOfRecords + days(since), until: startOfRecords + days(until) })).map(
          ({ day, count }) => [(day - startOfRecords) / days(1), count],
        );

      it('come in order, from a time on and up to one', async () => {
        for (const [serial, day] of [
          ['cc', 1],
          ['aa', 3],
          ['bb', 2],
          ['dd', 2],
        ] as const)
          await store.addCredential(end(serial, day));
        await reopen();
        expect(await serials(0)).toEqual(['cc', 'bb', 'dd', 'aa']);
        expect(await serials(2, 3)).toEqual(['bb', 'dd']);
        const [first] = await store.credentialsByEnd({ since: 0, limit: 1 });
        const rest = await store.credentialsByEnd({ since: 0, after: first?.cursor ?? '', limit: 2 });
        expect(rest.map(({ credential }) => credential.serial)).toEqual(['bb', 'dd']);
      });

      it('leave out what is revoked, until it is released', async () => {
        await store.addCredential(end('aa', 1));
        const hold = { revoked: { at: 1, reason: 'certificateHold' } } as const;
        await store.commit({ credentials: [end('aa', 1, hold)], newCredentials: [end('bb', 1, hold), end('cc', 1)] });
        expect([await serials(0), await counts(0, 9)]).toEqual([['cc'], [[1, 1]]]);
        await store.commit({ credentials: [end('aa', 1), end('bb', 1)] });
        expect([await serials(0), await counts(0, 9)]).toEqual([['aa', 'bb', 'cc'], [[1, 3]]]);
        await store.commit({ credentials: [end('aa', 1, hold), end('aa', 1, hold)] });
        expect(await counts(0, 9)).toEqual([[1, 2]]);
      });

      it('are counted by day, group and authority', async () => {
        await store.addCredential(end('aa', 1));
        await store.addCredential(end('bb', 1, { notAfter: startOfRecords + days(1) + 5 }));
        await store.addCredential(end('cc', 1, { issuerKeyId: 'ffff' }));
        await store.addCredential(end('dd', 2, { groupId: someUuid(4) }));
        await store.addCredential(end('ee', 3));
        await reopen();
        const range = { since: startOfRecords + days(1) + 3, until: startOfRecords + days(3) };
        const day = startOfRecords + days(1);
        const found = await store.expiryCounts(range);
        expect(found).toHaveLength(3);
        expect(found).toEqual(
          expect.arrayContaining([
            { day, groupId: someUuid(3), issuerKeyId: 'a1b2', count: 2 },
            { day, groupId: someUuid(3), issuerKeyId: 'ffff', count: 1 },
            { day: day + days(1), groupId: someUuid(4), issuerKeyId: 'a1b2', count: 1 },
          ]),
        );
        expect(await counts(3, 4)).toEqual([[3, 1]]);
        expect(await counts(4, 9)).toEqual([]);
      });

      it('are counted apart when they are revoked', async () => {
        const revoked = { at: 1, reason: 'certificateHold' } as const;
        await store.commit({ newCredentials: [end('aa', 1), end('bb', 1, { revoked })] });
        const range = { since: startOfRecords, until: startOfRecords + days(9) };
        const sums = async (): Promise<readonly number[]> => {
          const found = [await store.expiryCounts(range), await store.expiryCounts({ ...range, revoked: true })];
          return found.map((rows) => rows.reduce((sum, { count }) => sum + count, 0));
        };
        expect(await sums()).toEqual([1, 1]);
        await store.commit({ credentials: [end('aa', 1, { revoked })] });
        expect(await sums()).toEqual([0, 2]);
        await store.commit({ credentials: [end('aa', 1), end('bb', 1)] });
        expect(await sums()).toEqual([2, 0]);
      });
    });

    describe('closed attempts', () => {
      const place = { groupId: someUuid(3), ownerId: someUuid(4) };
      const served = (at: number): AttemptEntry => ({
        at,
        type: 'closed',
        verdict: 'provisioned',
        bytesIn: 1,
        bytesOut: 2,
        ...place,
      });
      const ids = async (by: 'verdict' | 'code' | 'group' | 'owner', value: string) =>
        (await store.attemptsBy({ by, value, limit: 99 })).map(({ id }) => id);

      it('are found by verdict, code, group and owner, newest first; open ones are not', async () => {
        await store.appendAttempt(attemptId(1), [opened(1), closed(2)], someUuid(1));
        await store.appendAttempt(attemptId(2), [opened(1)], someUuid(1));
        await store.appendAttempt(attemptId(3), [opened(1), served(5)], someUuid(1));
        await store.appendAttempt(attemptId(4), [opened(1)]);
        await store.appendAttempt(attemptId(4), [closed(2)], someUuid(2));
        await reopen();
        expect(await ids('verdict', 'refused')).toEqual([attemptId(4), attemptId(1)]);
        expect(await ids('code', 'attest.expired')).toEqual([attemptId(4), attemptId(1)]);
        expect(await ids('code', 'attest')).toEqual([]);
        expect(await ids('group', place.groupId)).toEqual([attemptId(3)]);
        expect(await store.attemptsBy({ by: 'owner', value: place.ownerId, limit: 9 })).toEqual([
          { id: attemptId(3), keyId: someUuid(1), openedAt: 1, closedAt: 5, verdict: 'provisioned', ...place },
        ]);
        expect((await store.attempts({ limit: 2 })).map(({ groupId }) => groupId)).toEqual([undefined, place.groupId]);
      });

      it('are paged', async () => {
        for (let k = 0; k < 5; k++) await store.appendAttempt(attemptId(k), [opened(k), closed(k)]);
        const page = await store.attemptsBy({ by: 'verdict', value: 'refused', before: attemptId(3), limit: 2 });
        expect(page.map(({ id }) => id)).toEqual([attemptId(2), attemptId(1)]);
        expect(await store.attemptsBy({ by: 'verdict', value: 'refused', limit: 0 })).toEqual([]);
      });

      it('are found by their last verdict when they were closed twice', async () => {
        await store.appendAttempt(attemptId(1), [opened(1), closed(2)]);
        await store.appendAttempt(attemptId(1), [served(3)]);
        expect(await ids('verdict', 'refused')).toEqual([]);
        expect(await ids('code', 'attest.expired')).toEqual([]);
        expect(await ids('verdict', 'provisioned')).toEqual([attemptId(1)]);
      });

      it('are found no more when they have been removed, for their age or their number', async () => {
        await store.appendAttempt(attemptId(0), [opened(0), closed(1)]);
        while (await store.prune(startOfRecords + 1 + limits.store.attemptAge));
        expect(await ids('verdict', 'refused')).toEqual([]);
        const count = limits.store.attemptsPerDevice + 200;
        for (let k = 1; k <= count; k += 50) {
          const some = Array.from({ length: 50 }, (_, j) => attemptId(k + j));
          await Promise.all(some.map((id) => store.appendAttempt(id, [opened(1), closed(2)], someUuid(1))));
        }
        await reopen();
        const kept = (await store.attempts({ limit: count })).map(({ id }) => id);
        expect(kept.length).toBeLessThan(count);
        const found = await store.attemptsBy({ by: 'verdict', value: 'refused', limit: count });
        expect(found.map(({ id }) => id)).toEqual(kept);
      });
    });
  });
}
