import { describe, expect, it } from 'vitest';
import { days } from '../../src/core/clock.ts';
import { limits } from '../../src/core/limits.ts';
import type { AttemptEntry, Credential } from '../../src/store/model.ts';
import type { Store } from '../../src/store/store.ts';
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

/** The promises of src/store/store.ts about credentials by their end, closed attempts, and changes of groups and hubs. */
export function storeIndexesConformance(name: string, prepare: () => Promise<StoreSubject>): void {
  describe(name, () => {
    let store: Store;
    const { reopen, put } = storeForEach(prepare, (opened) => {
      store = opened;
    });

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
            { day, groupId: someUuid(3), issuerKeyId: 'a1b2', ownerId: undefined, count: 2 },
            { day, groupId: someUuid(3), issuerKeyId: 'ffff', ownerId: undefined, count: 1 },
            { day: day + days(1), groupId: someUuid(4), issuerKeyId: 'a1b2', ownerId: undefined, count: 1 },
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

      it('are counted for whom their devices are, also when one goes to another owner', async () => {
        const [first, second] = [someUuid(800), someUuid(801)];
        const assignedOwner = { id: second, name: 'second' };
        const revoked = { at: 1, reason: 'superseded' } as const;
        const range = { since: startOfRecords, until: startOfRecords + days(9) };
        const owned = async (): Promise<Record<string, number>> => {
          const sums: Record<string, number> = {};
          for (const of of [range, { ...range, revoked: true }]) {
            for (const { ownerId, count } of await store.expiryCounts(of)) {
              const name = `${ownerId === first ? 'first' : ownerId === second ? 'second' : 'nobody'} ${'revoked' in of}`;
              sums[name] = (sums[name] ?? 0) + count;
            }
          }
          return sums;
        };
        const device = await put(someDevice(1, { ownerId: first }));
        await put(someDevice(2, { ownerId: first }));
        await store.addCredential(end('aa', 1));
        await store.addCredential(end('ab', 2, { revoked }));
        await store.addCredential(end('ba', 1, { keyId: someUuid(2) }));
        await store.addCredential(end('ca', 1, { keyId: someUuid(3) }));
        expect(await owned()).toEqual({ 'first false': 2, 'nobody false': 1, 'first true': 1 });
        // What belongs to one change is counted as it is behind it.
        const going = { devices: [{ ...device, assignedOwner }], credentials: [end('aa', 1, { revoked })] };
        const [gone, late] = await Promise.all([store.commit(going), store.addCredential(end('ac', 3))]);
        expect([gone, late]).toEqual([true, true]);
        expect(await owned()).toEqual({ 'first false': 1, 'second false': 1, 'nobody false': 1, 'second true': 2 });
        const there = await store.device(device.keyId);
        await Promise.all([put({ ...device, ...there, assignedOwner: undefined }), store.addCredential(end('ad', 3))]);
        await reopen();
        expect(await owned()).toEqual({ 'first false': 3, 'nobody false': 1, 'first true': 2 });
        expect(await store.putDevice({ ...device, assignedOwner })).toBeUndefined();
        expect(await store.commit({ ...going, credentials: [] })).toBe(false);
        await store.commit({ credentials: [end('ac', 3, { revoked })] });
        expect(await owned()).toEqual({ 'first false': 2, 'nobody false': 1, 'first true': 3 });
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
