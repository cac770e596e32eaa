import { describe, expect, it } from 'vitest';
import { limits } from '../../src/core/limits.ts';
import type { Store } from '../../src/store/store.ts';
import {
  attemptId,
  closed,
  entry,
  opened,
  someCredential,
  someDevice,
  someGroup,
  someHub,
  someUuid,
  startOfRecords,
} from './store-records.ts';
import { type StoreSubject, storeForEach } from './store-subject.ts';

/** Every promise of src/store/store.ts, for every implementation. */
export function storeConformance(name: string, prepare: () => Promise<StoreSubject>): void {
  describe(name, () => {
    let store: Store;
    const { reopen } = storeForEach(prepare, (opened) => {
      store = opened;
    });

    describe('groups and hubs', () => {
      it('are found by id and in the list, also after the store was opened again', async () => {
        await store.groups.put(someGroup(1));
        const shared = { ownerPsk: 'MDEyMzQ1Njc4OWFiY2RlZg==', ownerPskShared: true };
        await store.groups.put(someGroup(5, shared));
        await store.hubs.put(someHub(9));
        await reopen();
        expect(await store.groups.get(someGroup(5).id)).toEqual(someGroup(5, { ...shared, revision: 1 }));
        expect(await store.groups.get(someGroup(1).id)).not.toHaveProperty('ownerPskShared');
        expect(await store.hubs.list()).toEqual([someHub(9, { revision: 1 })]);
        const ids = (await store.groups.list()).map(({ id }) => id);
        expect(ids).toEqual([someGroup(1).id, someGroup(5).id].sort());
      });

      it('are replaced by a later put and gone after delete, which says whether there was one', async () => {
        await store.hubs.put(someHub(1));
        await store.hubs.put(someHub(1, { name: 'renamed' }));
        expect((await store.hubs.get(someHub(1).id))?.name).toBe('renamed');
        expect(await store.hubs.delete(someHub(1).id)).toBe(true);
        expect(await store.hubs.delete(someHub(1).id)).toBe(false);
        await reopen();
        expect(await store.hubs.list()).toEqual([]);
      });

      it('do not change when the caller changes the object it stored', async () => {
        const gateways = ['coaps://a'];
        await store.hubs.put(someHub(1, { gateways }));
        gateways.push('coaps://b');
        expect((await store.hubs.get(someHub(1).id))?.gateways).toEqual(['coaps://a']);
      });
    });

    describe('fetched revocation lists', () => {
      it('are kept by id', async () => {
        const times = { thisUpdate: 1, nextUpdate: 2, fetchedAt: 3, triedAt: 4 };
        const crl = { id: someUuid(1), url: 'http://ca.example/crl', pem: undefined, ...times, error: 'timed out' };
        await store.crls.put(crl);
        await reopen();
        expect(await store.crls.get(crl.id)).toEqual(crl);
      });
    });

    describe('devices', () => {
      it('come back as they were put, with the next revision', async () => {
        const device = someDevice(1, { deviceId: someUuid(77), generation: 1, flags: 3, confirmedAt: 5 });
        expect(await store.putDevice(device)).toEqual({ ...device, revision: 1 });
        await reopen();
        expect(await store.device(device.keyId)).toEqual({ ...device, revision: 1 });
        expect(await store.device(someUuid(2))).toBeUndefined();
      });

      it('say when their record was deleted and began anew, and nothing of it otherwise', async () => {
        await store.commit({
          devices: [someDevice(1), someDevice(2, { recordDeletedAt: 7 }), someDevice(3, { recordSince: 9 })],
        });
        await reopen();
        const [plain, deleted, anew] = await Promise.all([1, 2, 3].map((seed) => store.device(someUuid(seed))));
        expect(plain).not.toHaveProperty('recordDeletedAt');
        expect(plain).not.toHaveProperty('recordSince');
        expect([deleted?.recordDeletedAt, anew?.recordSince]).toEqual([7, 9]);
        if (deleted) await store.putDevice({ ...deleted, recordDeletedAt: undefined, recordSince: 8 });
        const after = await store.device(someUuid(2));
        expect([after?.recordDeletedAt, after?.recordSince]).toEqual([undefined, 8]);
      });

      it('change only from the revision the writer has seen', async () => {
        const first = await store.putDevice(someDevice(1));
        expect(await store.putDevice(someDevice(1))).toBeUndefined();
        expect(first && (await store.putDevice({ ...first, flags: 1 }))?.revision).toBe(2);
        expect(first && (await store.putDevice({ ...first, flags: 2 }))).toBeUndefined();
        expect(await store.putDevice(someDevice(2, { revision: 4 }))).toBeUndefined();
        expect((await store.device(someUuid(1)))?.flags).toBe(1);
        expect(await store.device(someUuid(2))).toBeUndefined();
      });

      it('have one winner when a hundred write from the same revision at once', async () => {
        const writes = Array.from({ length: 100 }, (_, flags) => store.putDevice(someDevice(1, { flags })));
        const winners = (await Promise.all(writes)).filter((device) => device !== undefined);
        expect(winners).toHaveLength(1);
        expect(await store.device(someUuid(1))).toEqual(winners[0]);
      });

      it('are paged in order of their key ids', async () => {
        const ids = Array.from({ length: 7 }, (_, k) => someUuid(k)).sort();
        await Promise.all(ids.map((keyId) => store.putDevice(someDevice(0, { keyId }))));
        const seen: string[] = [];
        for (let page = await store.devices({ limit: 3 }); page.length > 0; ) {
          seen.push(...page.map(({ keyId }) => keyId));
          expect(page.length).toBeLessThanOrEqual(3);
          page = await store.devices({ after: seen.at(-1) ?? '', limit: 3 });
        }
        expect(seen).toEqual(ids);
        expect(await store.devices({ limit: 0 })).toEqual([]);
      });
    });

    describe('device id claims', () => {
      it('belong to the first key for ever, and to it again when it asks again', async () => {
        const [id, mine, theirs] = [someUuid(1), someUuid(2), someUuid(3)];
        expect(await store.ownerOfDeviceId(id)).toBeUndefined();
        expect(await store.claimDeviceId(id, mine)).toBe(mine);
        expect(await store.claimDeviceId(id, theirs)).toBe(mine);
        await reopen();
        expect(await store.claimDeviceId(id, theirs)).toBe(mine);
        expect(await store.claimDeviceId(id, mine)).toBe(mine);
        expect(await store.ownerOfDeviceId(id)).toBe(mine);
      });

      it('have one winner when a hundred keys claim one device id at once, and everybody is told the same', async () => {
        const keys = Array.from({ length: 100 }, (_, k) => someUuid(k));
        const answers = await Promise.all(keys.map((key) => store.claimDeviceId(someUuid(1000), key)));
        expect(new Set(answers).size).toBe(1);
        expect(await store.ownerOfDeviceId(someUuid(1000))).toBe(answers[0]);
      });

      it('are found by their beginning, in order, a number of them', async () => {
        const ids = ['aaaabbbb-1', 'aaaabbbb-2', 'aaaabbbc-1', 'aaaa'].map((id) => id.padEnd(12, '0'));
        for (const [k, id] of ids.entries()) await store.claimDeviceId(id, someUuid(k));
        await reopen();
        const [one, two, three] = ids.map((deviceId, k) => ({ deviceId, keyId: someUuid(k) }));
        expect(await store.deviceIdsFrom('aaaabbbb', 9)).toEqual([one, two]);
        expect(await store.deviceIdsFrom('aaaabb', 2)).toEqual([one, two]);
        expect(await store.deviceIdsFrom('aaaabbbc-', 1)).toEqual([three]);
        expect(await store.deviceIdsFrom('bbbb', 9)).toEqual([]);
        expect(await store.deviceIdsFrom('aaaa', 0)).toEqual([]);
      });

      it('do not disturb each other', async () => {
        const claims = Array.from({ length: 100 }, (_, k) => store.claimDeviceId(someUuid(k), someUuid(k + 500)));
        expect(await Promise.all(claims)).toEqual(Array.from({ length: 100 }, (_, k) => someUuid(k + 500)));
      });
    });

    describe('credentials', () => {
      it('are found by serial number and, oldest first, by device', async () => {
        const at = (serial: string, step: number) => someCredential(serial, { issuedAt: startOfRecords + step });
        const credentials = [at('0f', 0), at('aa', 1), at('01', 10)];
        for (const credential of [...credentials].reverse()) expect(await store.addCredential(credential)).toBe(true);
        await store.addCredential(someCredential('bb', { keyId: someUuid(50) }));
        await reopen();
        expect(await store.credential('aa')).toEqual(credentials[1]);
        expect(await store.credential('ab')).toBeUndefined();
        expect(await store.credentials(someUuid(1))).toEqual(credentials);
        expect(await store.credentials(someUuid(99))).toEqual([]);
      });

      it('are never overwritten: a serial number is taken once', async () => {
        expect(await store.addCredential(someCredential('aa'))).toBe(true);
        expect(await store.addCredential(someCredential('aa', { keyId: someUuid(9) }))).toBe(false);
        expect((await store.credential('aa'))?.keyId).toBe(someUuid(1));
        expect(await store.credentials(someUuid(9))).toEqual([]);
      });

      it('have one winner when a hundred take one serial number at once', async () => {
        const adds = Array.from({ length: 100 }, (_, k) =>
          store.addCredential(someCredential('aa', { generation: k })),
        );
        expect((await Promise.all(adds)).filter(Boolean)).toHaveLength(1);
        expect(await store.credentials(someUuid(1))).toHaveLength(1);
      });
    });

    describe('attempts', () => {
      it('are the entries of all their appends, in order, also across openings of the store', async () => {
        const id = attemptId(1);
        await Promise.all([
          store.appendAttempt(id, [opened(1), entry(2, 'a')]),
          store.appendAttempt(id, [entry(3, 'b')], someUuid(1)),
          store.appendAttempt(id, []),
        ]);
        await reopen();
        await store.appendAttempt(id, [closed(4)], someUuid(1));
        expect(await store.attempt(id)).toEqual({ id, entries: [opened(1), entry(2, 'a'), entry(3, 'b'), closed(4)] });
        expect(await store.attempt(attemptId(2))).toBeUndefined();
      });

      it('are summed up: open, then closed with verdict and refusal', async () => {
        const id = attemptId(1);
        await store.appendAttempt(id, [opened(1)]);
        expect(await store.attempts({ limit: 9 })).toEqual([{ id, openedAt: 1 }]);
        await store.appendAttempt(id, [closed(4)], someUuid(1));
        const refusal = { code: 'attest.expired', evidence: { days: 3 }, fix: 'renew it' };
        const summary = { id, keyId: someUuid(1), openedAt: 1, closedAt: 4, verdict: 'refused', refusal };
        expect(await store.attempts({ limit: 9 })).toEqual([summary]);
        expect(await store.attempts({ keyId: someUuid(1), limit: 9 })).toEqual([summary]);
        expect(await store.attempts({ keyId: someUuid(2), limit: 9 })).toEqual([]);
      });

      it('stay with the first key they were filed under', async () => {
        const id = attemptId(1);
        await store.appendAttempt(id, [opened(1)], someUuid(1));
        await store.appendAttempt(id, [entry(2, 'a')], someUuid(2));
        expect(await store.attempts({ keyId: someUuid(1), limit: 9 })).toHaveLength(1);
        expect(await store.attempts({ keyId: someUuid(2), limit: 9 })).toHaveLength(0);
      });

      it('are paged newest first, of all devices or of one', async () => {
        const ids = Array.from({ length: 10 }, (_, k) => attemptId(k));
        const keyOf = (k: number) => (k % 3 === 0 ? someUuid(1) : k % 3 === 1 ? someUuid(2) : undefined);
        await Promise.all(
          ids.map((id, k) => store.appendAttempt(id, k % 2 ? [opened(k)] : [opened(k), closed(k)], keyOf(k))),
        );
        const pages = async (keyId?: string): Promise<string[]> => {
          const seen: string[] = [];
          for (;;) {
            const before = seen.at(-1);
            const page = await store.attempts({ ...(keyId && { keyId }), ...(before && { before }), limit: 2 });
            if (page.length === 0) return seen;
            seen.push(...page.map(({ id }) => id));
          }
        };
        expect(await pages()).toEqual([...ids].reverse());
        expect(await pages(someUuid(1))).toEqual([9, 6, 3, 0].map(attemptId));
        expect(await pages(someUuid(2))).toEqual([7, 4, 1].map(attemptId));
        expect(await store.attempts({ limit: 0 })).toEqual([]);
      });

      it('of one device are kept up to a number, the newest ones, and those of other devices are left alone', async () => {
        const keep = limits.store.attemptsPerDevice;
        const count = keep + 200;
        await store.appendAttempt(attemptId(0), [opened(0)], someUuid(2));
        for (let k = 1; k <= count; k += 50) {
          const some = Array.from({ length: 50 }, (_, j) => attemptId(k + j));
          await Promise.all(some.map((id) => store.appendAttempt(id, [opened(1), closed(2)], someUuid(1))));
        }
        await reopen();
        const kept = await store.attempts({ keyId: someUuid(1), limit: count });
        const ids = kept.map(({ id }) => id);
        expect(ids).toEqual(Array.from({ length: ids.length }, (_, k) => attemptId(count - k)));
        expect(ids.length).toBeGreaterThanOrEqual(keep);
        // Clean-up may lag a little, and goes in lots.
        expect(ids.length).toBeLessThan(keep + keep / 8);
        expect(await store.attempt(attemptId(1))).toBeUndefined();
        expect((await store.attempts({ limit: count })).length).toBe(ids.length + 1);
        expect(await store.attempt(attemptId(0))).toBeDefined();
      });
    });

    describe('closing', () => {
      it('waits for the writes under way', async () => {
        const written = store.addCredential(someCredential('aa'));
        const appended = store.appendAttempt(attemptId(1), [opened(1)]);
        await store.close();
        expect(await written).toBe(true);
        await appended;
        await reopen();
        expect(await store.credential('aa')).toBeDefined();
        expect(await store.attempt(attemptId(1))).toBeDefined();
      });

      it('can be done twice, and refuses writes afterwards with service.store', async () => {
        await store.close();
        await store.close();
        await expect(store.addCredential(someCredential('aa'))).rejects.toMatchObject({ code: 'service.store' });
        await expect(store.device(someUuid(1))).rejects.toMatchObject({ code: 'service.store' });
      });
    });
  });
}
