import { describe, expect, it } from 'vitest';
import { limits } from '../../src/core/limits.ts';
import type { StoredEvent } from '../../src/store/model.ts';
import type { Store } from '../../src/store/store.ts';
import { someDevice, someGroup, someToken, someUuid, startOfRecords } from './store-records.ts';
import { type StoreSubject, storeForEach } from './store-subject.ts';

/** The promises of src/store/store.ts to those who tell of what happens, and to those who come back for it. */
export function storeEventsConformance(name: string, prepare: () => Promise<StoreSubject>): void {
  describe(name, () => {
    let store: Store;
    const { reopen } = storeForEach(prepare, (opened) => {
      store = opened;
    });
    const pruneAll = async (now: number): Promise<void> => {
      while (await store.prune(now));
    };

    describe('events', () => {
      const event = (id: string, changes: Partial<StoredEvent> = {}): StoredEvent => ({
        id,
        at: startOfRecords,
        type: 'attempt.opened',
        ownerId: undefined,
        data: { id },
        ...changes,
      });
      const ids = async (after?: string, limit = 99) =>
        (await store.events({ ...(after !== undefined && { after }), limit })).map(({ id }) => id);

      it('have an epoch that grows with each opening of the store', async () => {
        const first = store.epoch;
        await reopen();
        expect(store.epoch).toBe(first + 1);
      });

      it('come in order of their ids, numbers as numbers, and behind the one that was seen', async () => {
        expect([await store.oldestEvent(), await store.removedEvent()]).toEqual([undefined, undefined]);
        await store.appendEvents([event('2-9'), event('2-10', { ownerId: someUuid(1) })]);
        await store.appendEvents([event('10-1'), event('10-2')]);
        await store.appendEvents([]);
        await reopen();
        expect(await ids()).toEqual(['2-9', '2-10', '10-1', '10-2']);
        expect(await ids('2-10')).toEqual(['10-1', '10-2']);
        expect(await ids('2-11', 1)).toEqual(['10-1']);
        expect(await ids('10-2')).toEqual([]);
        expect(await ids(undefined, 0)).toEqual([]);
        expect((await store.events({ after: '2-9', limit: 1 }))[0]).toEqual(event('2-10', { ownerId: someUuid(1) }));
        expect((await store.oldestEvent())?.id).toBe('2-9');
      });

      it('come newest first too, in front of one, or between two', async () => {
        await store.appendEvents(['2-9', '2-10', '10-1', '10-2'].map((id) => event(id)));
        await reopen();
        const back = async (page: { after?: string; before?: string; limit?: number } = {}) =>
          (await store.events({ newest: true, limit: 99, ...page })).map(({ id }) => id);
        expect(await back()).toEqual(['10-2', '10-1', '2-10', '2-9']);
        expect(await back({ limit: 2 })).toEqual(['10-2', '10-1']);
        expect(await back({ before: '10-1', limit: 1 })).toEqual(['2-10']);
        expect(await back({ before: '9-7' })).toEqual(['2-10', '2-9']);
        expect(await back({ before: '2-9' })).toEqual([]);
        expect(await back({ after: '2-9', before: '10-2' })).toEqual(['10-1', '2-10']);
        expect(await back({ after: '10-2', before: '2-10' })).toEqual([]);
        expect((await store.events({ before: '10-1', limit: 99 })).map(({ id }) => id)).toEqual(['2-9', '2-10']);
      });

      it('of lines of the audit log take these off the list of what is untold', async () => {
        const audit = (action: string) => {
          const actor = { kind: 'operator', name: 'kim', from: 'here' } as const;
          return { at: startOfRecords, actor, action, target: 'x', detail: {} };
        };
        const untold = async (after = 0, limit = 99) =>
          (await store.untoldAudit({ after, limit })).map(({ entry, about }) => [entry.seq, entry.action, about]);
        const device = someDevice(1, { ownerId: someUuid(8) });
        const known = { keyId: device.keyId, ownerId: someUuid(8), state: device.state };
        const other = { keyId: someUuid(2), ownerId: someDevice(2).ownerId, state: device.state };
        await store.commit({ devices: [device], audit: audit('device.disable') });
        await store.commit({ groups: [someGroup(3)], audit: audit('group.create') });
        await store.commit({ tokens: [someToken(4)], audit: audit('token.create') });
        await store.commit({ devices: [{ ...device, revision: 1 }, someDevice(2)], audit: audit('group.approve') });
        const all = [
          [1, 'device.disable', { ownerId: someUuid(8), devices: [known] }],
          [2, 'group.create', { ownerId: someGroup(3).owner.id, devices: [] }],
          [3, 'token.create', { devices: [] }],
          [4, 'group.approve', { devices: [known, other] }],
        ];
        for (const again of [false, true]) {
          if (again) await reopen();
          expect(await untold()).toEqual(all);
          expect(await untold(1, 2)).toEqual(all.slice(1, 3));
        }
        await store.appendEvents([event('1-1')], [1, 3]);
        await reopen();
        expect(await untold()).toEqual([all[1], all[3]]);
      });

      it('begin at the oldest one behind what is no id', async () => {
        await store.appendEvents([event('2-9')]);
        expect(await ids('what?')).toEqual(['2-9']);
      });

      it('are the newest ones when there have been more than are kept', async () => {
        const [keep, lot] = [limits.store.events, 2500];
        const count = Math.ceil((keep + keep / 16) / lot + 1) * lot;
        for (let n = 1; n <= count; n += lot)
          await store.appendEvents(Array.from({ length: lot }, (_, k) => event(`1-${n + k}`, { data: {} })));
        await pruneAll(startOfRecords);
        for (const again of [false, true]) {
          if (again) await reopen();
          const oldest = Number((await store.oldestEvent())?.id.split('-')[1]);
          const kept = await ids(undefined, count * 2);
          expect(kept).toHaveLength(keep);
          expect(kept[0]).toBe(`1-${oldest}`);
          expect(kept.at(-1)).toBe(`1-${count}`);
          expect(await store.removedEvent()).toBe(`1-${oldest - 1}`);
          const last = await store.events({ newest: true, before: `1-${oldest + 1}`, limit: 9 });
          expect(last.map(({ id }) => id)).toEqual([`1-${oldest}`]);
          expect(await ids(`1-${count - 1}`)).toEqual([`1-${count}`]);
        }
      });
    });
  });
}
