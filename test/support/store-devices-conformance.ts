import { describe, expect, it } from 'vitest';
import { minutes } from '../../src/core/clock.ts';
import type { DeviceFacet, Store } from '../../src/store/store.ts';
import { someDevice, someUuid, startOfRecords } from './store-records.ts';
import { type StoreSubject, storeForEach } from './store-subject.ts';

/** The promises of src/store/store.ts about finding and counting devices. */
export function storeDevicesConformance(name: string, prepare: () => Promise<StoreSubject>): void {
  describe(name, () => {
    let store: Store;
    const { reopen, put } = storeForEach(prepare, (opened) => {
      store = opened;
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

    describe('devices by what they are called', () => {
      const found = async (text: string, after?: string, limit = 99): Promise<readonly string[]> =>
        store.keyIdsByText({ text, ...(after && { after }), limit });
      const called = (subject: string, serial?: string) => ({
        manufacturer: { subject, serial, certificate: undefined },
      });

      it('are found by a part of each of their texts, in any case, also after the store was opened again', async () => {
        await put(someDevice(1, { ...called('CN=Äpfel 1,O=Acme', '0afe'), lastPeer: '[2001:DB8::1]:5684' }));
        await put(someDevice(2, { ...called('CN=pear 2,O=Acme'), deviceId: someUuid(22) }));
        const both = [1, 2].map(someUuid).sort();
        for (const again of [false, true]) {
          if (again) await reopen();
          expect(await found('äPFEL')).toEqual([someUuid(1)]);
          expect(await found('0AF')).toEqual([someUuid(1)]);
          expect(await found('db8::1]')).toEqual([someUuid(1)]);
          expect(await found(someUuid(22).slice(5, 20).toUpperCase())).toEqual([someUuid(2)]);
          expect(await found(someUuid(2).slice(1))).toEqual([someUuid(2)]);
          expect(await found('o=acme')).toEqual(both);
          expect(await found('o=acme0')).toEqual([]);
          expect(await found('acme\n0afe')).toEqual([]);
          expect(await found('')).toEqual(both);
        }
      });

      it('are found by what they are called now, once they have been looked for', async () => {
        const first = await put(someDevice(1, called('CN=old')));
        expect(await found('cn=old')).toEqual([someUuid(1)]);
        const second = await put({ ...first, ...called('CN=new') });
        await put(someDevice(2, called('CN=new')));
        expect(await found('cn=old')).toEqual([]);
        expect(await found('cn=new')).toEqual([1, 2].map(someUuid).sort());
        const changes = { devices: [{ ...second, ...called('CN=last') }, someDevice(3, called('CN=last'))] };
        expect(await store.commit(changes)).toBe(true);
        expect(await found('cn=last')).toEqual([1, 3].map(someUuid).sort());
        expect(await store.commit({ devices: [someDevice(1, called('CN=refused'))] })).toBe(false);
        expect(await store.putDevice(someDevice(2, called('CN=refused')))).toBeUndefined();
        expect(await found('refused')).toEqual([]);
        expect(await found('cn=new')).toEqual([someUuid(2)]);
      });

      it('are found whatever is written while they are looked for, and however much stands side by side', async () => {
        const keyIds = Array.from({ length: 200 }, (_, k) => `aa${someUuid(k).slice(2)}`).sort();
        const all = keyIds.map((keyId, k) => someDevice(k, { keyId, ...called(`CN=first ${k}`) }));
        const half = await Promise.all(all.slice(0, 100).map(put));
        const [, changed] = await Promise.all([
          found('first'),
          Promise.all(half.map((device) => put({ ...device, ...called('CN=second') }))),
          Promise.all(all.slice(100).map(put)),
        ]);
        expect(await found('second', undefined, 200)).toEqual(keyIds.slice(0, 100));
        expect(await found('first', undefined, 200)).toEqual(keyIds.slice(100));
        for (const device of changed) await put({ ...device, lastPeer: 'elsewhere' });
        expect(await found('elsewhere', undefined, 200)).toEqual(keyIds.slice(0, 100));
      });

      it('are paged in order of their key ids', async () => {
        await Promise.all(Array.from({ length: 7 }, (_, k) => put(someDevice(k))));
        const seen: string[] = [];
        for (let more = true; more; ) {
          const page = await found('CN=', seen.at(-1), 3);
          seen.push(...page);
          more = page.length === 3;
        }
        expect(seen).toEqual([0, 1, 2, 3, 4, 5, 6].map(someUuid).sort());
        expect(await found('CN=', undefined, 0)).toEqual([]);
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
  });
}
