import { mkdir, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { minutes } from '../../src/core/clock.ts';
import { limits } from '../../src/core/limits.ts';
import type { Delivery, Statistics } from '../../src/store/model.ts';
import type { KeptAnswer, Store } from '../../src/store/store.ts';
import {
  attemptId,
  closed,
  opened,
  someCredential,
  someDelivery,
  someDevice,
  someGroup,
  someToken,
  someUuid,
  someWebhook,
  startOfRecords,
} from './store-records.ts';
import { type StoreSubject, storeForEach } from './store-subject.ts';
import { temporaryFolder } from './temporary-folder.ts';

/** The promises of src/store/store.ts to the live side: statistics, webhooks, tokens, kept answers, copies. */
export function storeLiveConformance(name: string, prepare: () => Promise<StoreSubject>): void {
  describe(name, () => {
    let store: Store;
    const { reopen, openCopy } = storeForEach(prepare, (opened) => {
      store = opened;
    });
    const pruneAll = async (now: number): Promise<void> => {
      while (await store.prune(now));
    };

    describe('statistics', () => {
      const slot = (k: number) => startOfRecords + k * limits.store.statisticsSlot;
      const row = (k: number, changes: Partial<Statistics> = {}): Statistics => ({
        slot: slot(k),
        ownerId: undefined,
        verdicts: { provisioned: 1 },
        codes: {},
        bytesIn: 10,
        bytesOut: 20,
        stages: { issue: [1, 0, 2] },
        runs: [0, 1],
        ...changes,
      });

      it('add up by slot and owner, and come in order of slot', async () => {
        await store.addStatistics([row(1), row(0, { ownerId: someUuid(1) })]);
        const more = { codes: { 'attest.expired': 2 }, verdicts: { refused: 2 }, stages: { bind: [1], issue: [0, 1] } };
        await Promise.all([store.addStatistics([row(1, more)]), store.addStatistics([row(1), row(1)])]);
        await reopen();
        const [first, second, ...others] = await store.statistics({ since: startOfRecords });
        expect(others).toEqual([]);
        expect(first).toEqual(row(0, { ownerId: someUuid(1) }));
        expect(second).toEqual(
          row(1, {
            verdicts: { provisioned: 3, refused: 2 },
            codes: { 'attest.expired': 2 },
            bytesIn: 40,
            bytesOut: 80,
            stages: { issue: [3, 1, 6], bind: [1] },
            runs: [0, 4],
          }),
        );
      });

      it('are told from the slot of a time on, up to one, and of one owner', async () => {
        await store.addStatistics([0, 1, 2, 3].flatMap((k) => [row(k), row(k, { ownerId: someUuid(1) })]));
        const range = { since: slot(1) + minutes(1), until: slot(3) };
        expect((await store.statistics(range)).map((one) => one.slot)).toEqual([slot(1), slot(1), slot(2), slot(2)]);
        const own = await store.statistics({ ...range, ownerId: someUuid(1) });
        expect(own).toEqual([1, 2].map((k) => row(k, { ownerId: someUuid(1) })));
        expect(await store.statistics({ since: slot(4) })).toEqual([]);
      });

      it('are removed when they are old', async () => {
        await store.addStatistics([row(0), row(1), row(1, { ownerId: someUuid(1) }), row(2)]);
        await pruneAll(slot(2) + limits.store.statisticsAge);
        expect(await store.statistics({ since: 0 })).toEqual([row(2)]);
      });
    });

    describe('tokens and webhooks', () => {
      it('are kept by id, and a webhook counts its changes', async () => {
        const token = someToken(1);
        await store.tokens.put(token);
        await store.webhooks.put(someWebhook(2));
        await store.webhooks.put(someWebhook(2, { name: 'renamed' }));
        await reopen();
        expect(await store.tokens.list()).toEqual([token]);
        expect(await store.webhooks.get(someUuid(2))).toEqual(someWebhook(2, { name: 'renamed', revision: 2 }));
        expect(await store.tokens.delete(token.id)).toBe(true);
        expect(await store.tokens.list()).toEqual([]);
      });
    });

    describe('deliveries', () => {
      const webhookId = someUuid(2);
      beforeEach(() => store.webhooks.put(someWebhook(2)));
      const delivery = (id: string, changes?: Partial<Delivery>) => someDelivery(webhookId, id, changes);
      const ids = async (page: { dead?: boolean; after?: string; limit?: number } = {}) =>
        (await store.deliveries({ webhookId, limit: 9, ...page })).map(({ event }) => event.id);

      it('of dead letters that are tried again are written once, whoever asks for it', async () => {
        const put = ['1-1', '1-2'].map((id) => delivery(id, { dueAt: undefined }));
        await store.commitDeliveries({ webhookId, put: [...put, delivery('1-3')] });
        const again = (...ids: string[]) => store.commit({ revived: ids.map((id) => delivery(id)) });
        expect(await Promise.all([again('1-1'), again('1-1', '1-2'), again('1-2')])).toEqual([true, false, true]);
        expect([await ids({ dead: true }), await again('1-1'), await again('1-3')]).toEqual([[], false, false]);
      });

      it('and how far a webhook was told are written together, and are there after the store was opened again', async () => {
        expect(await store.webhookCursor(webhookId)).toBe('');
        await store.commitDeliveries({ webhookId, cursor: '1-3', put: [delivery('1-2'), delivery('1-10')] });
        await store.commitDeliveries({ webhookId, remove: ['1-2', '1-7'], put: [delivery('1-3', { attempts: 2 })] });
        await reopen();
        expect(await store.webhookCursor(webhookId)).toBe('1-3');
        expect(await store.deliveries({ webhookId, limit: 9 })).toEqual([
          delivery('1-3', { attempts: 2 }),
          delivery('1-10'),
        ]);
      });

      it('are dead letters when they are due no more, until they are again', async () => {
        const dead = { dueAt: undefined, error: 'refused' };
        await store.commitDeliveries({ webhookId, put: [delivery('1-1'), delivery('1-2', dead), delivery('1-3')] });
        expect([await ids(), await ids({ dead: true }), await ids({ dead: false })]).toEqual([
          ['1-1', '1-2', '1-3'],
          ['1-2'],
          ['1-1', '1-3'],
        ]);
        await store.commitDeliveries({ webhookId, put: [delivery('1-2'), delivery('1-1', dead)] });
        expect([await ids(), await ids({ dead: true })]).toEqual([['1-1', '1-2', '1-3'], ['1-1']]);
        expect(await ids({ after: '1-1', limit: 1 })).toEqual(['1-2']);
        await store.commitDeliveries({ webhookId, remove: ['1-1'] });
        expect(await ids({ dead: true })).toEqual([]);
        expect(await ids({ limit: 0 })).toEqual([]);
      });

      it('are counted, up to a bound', async () => {
        const dead = { dueAt: undefined };
        const counts = (most?: number) => store.deliveryCounts({ webhookId, ...(most !== undefined && { most }) });
        expect(await counts()).toEqual({ waiting: 0, dead: 0 });
        await store.webhooks.put(someWebhook(3));
        await store.commitDeliveries({ webhookId: someUuid(3), put: [someDelivery(someUuid(3), '1-1')] });
        await store.commitDeliveries({ webhookId, put: [delivery('1-1'), delivery('1-2', dead), delivery('1-3')] });
        expect(await counts()).toEqual({ waiting: 2, dead: 1 });
        expect(await counts(1)).toEqual({ waiting: 1, dead: 1 });
        await store.commitDeliveries({ webhookId, put: [delivery('1-3', dead)], remove: ['1-1'] });
        expect(await counts()).toEqual({ waiting: 0, dead: 2 });
      });

      it('tell the error of the last that failed, whatever has changed among them', async () => {
        const failed = (id: string, lastTriedAt: number, changes?: Partial<Delivery>) =>
          delivery(id, { error: `refused ${id}`, lastTriedAt, ...changes });
        const last = () => store.lastDeliveryError(webhookId);
        expect(await last()).toBeUndefined();
        await store.commitDeliveries({ webhookId, put: [failed('1-1', 7), failed('1-2', 7), delivery('1-3')] });
        expect(await last()).toBe('refused 1-2');
        await store.commitDeliveries({ webhookId, put: [failed('1-1', 9, { dueAt: undefined })] });
        expect(await last()).toBe('refused 1-1');
        await store.commitDeliveries({ webhookId, put: [delivery('1-3', { dueAt: undefined })] });
        expect(await store.commit({ revived: [failed('1-3', 10)] })).toBe(true);
        expect(await last()).toBe('refused 1-3');
        await store.commitDeliveries({ webhookId, remove: ['1-3'] });
        expect(await last()).toBe('refused 1-1');
        await pruneAll(startOfRecords + limits.store.attemptAge + 1);
        expect(await last()).toBe('refused 1-2');
        await store.webhooks.delete(webhookId);
        await store.webhooks.put(someWebhook(2));
        expect(await last()).toBeUndefined();
      });

      it('go with their webhook, and none is written for one that is gone', async () => {
        await store.commitDeliveries({ webhookId, cursor: '1-1', put: [delivery('1-1'), delivery('1-2')] });
        expect(await store.webhooks.delete(webhookId)).toBe(true);
        await store.commitDeliveries({ webhookId, cursor: '1-3', put: [delivery('1-3')] });
        await store.webhooks.put(someWebhook(2));
        expect([await ids(), await store.webhookCursor(webhookId)]).toEqual([[], '']);
        expect(await store.webhooks.delete(someUuid(3))).toBe(false);
      });

      it('that are dead are removed when they are old', async () => {
        const dead = { dueAt: undefined };
        await store.commitDeliveries({ webhookId, put: [delivery('1-1', dead), delivery('1-2')] });
        await pruneAll(startOfRecords + limits.store.attemptAge);
        expect(await ids()).toEqual(['1-1', '1-2']);
        await pruneAll(startOfRecords + limits.store.attemptAge + 1);
        expect(await ids()).toEqual(['1-2']);
      });
    });

    describe('kept answers', () => {
      const answer = (key: string, at = startOfRecords, by = 'aa'): KeptAnswer => ({
        key,
        by,
        at,
        request: 'ab',
        status: 201,
        body: `{"key":${JSON.stringify(key)}}`,
      });

      it('are given again while they are young, whatever the key is made of', async () => {
        const keys = ['a', 'a!b', 'ä"\u0000', '', 'a\ud800'];
        for (const key of keys) await store.keepAnswer(answer(key));
        await reopen();
        for (const key of keys) expect(await store.keptAnswer(key, startOfRecords + 1)).toEqual(answer(key));
        expect(await store.keptAnswer('b', startOfRecords)).toBeUndefined();
        const late = startOfRecords + limits.api.idempotencyLife;
        expect(await store.keptAnswer('a', late - 1)).toBeDefined();
        expect(await store.keptAnswer('a', late)).toBeUndefined();
      });

      it('are removed when they are old; one that was kept anew is not', async () => {
        for (const key of ['a', 'a!b']) await store.keepAnswer(answer(key));
        await store.keepAnswer(answer('a', startOfRecords + 5));
        await pruneAll(startOfRecords + limits.api.idempotencyLife);
        expect(await store.keptAnswer('a', startOfRecords + 5)).toEqual(answer('a', startOfRecords + 5));
        expect(await store.keptAnswer('a!b', startOfRecords)).toBeUndefined();
      });

      it('of one caller are its newest ones, and it pushes out nobody else', async () => {
        await store.keepAnswer(answer('other', startOfRecords, 'bb'));
        const each = limits.api.keptAnswersEach;
        const count = each + Math.ceil(each / 16);
        for (let k = 0; k < count; k++) await store.keepAnswer(answer(`${k}`, startOfRecords + k + 1));
        const kept = (key: string) => store.keptAnswer(key, startOfRecords + count);
        expect(await kept('other')).toBeDefined();
        expect(await kept(`${count - each - 1}`)).toBeUndefined();
        expect(await kept(`${count - each}`)).toBeDefined();
        expect(await kept(`${count - 1}`)).toBeDefined();
        // What was pushed out is counted no more.
        for (let k = 0; k < 3; k++) await store.keepAnswer(answer(`more ${k}`, startOfRecords + count + k));
        expect(await kept(`${count - each}`)).toBeDefined();
      });

      it('are the newest ones when there are more than are kept', async () => {
        const [most, lot] = [limits.api.keptAnswers, 500];
        const count = Math.ceil((most + most / 16) / lot + 1) * lot;
        for (let k = 0; k < count; k += lot)
          await Promise.all(
            Array.from({ length: lot }, (_, j) =>
              store.keepAnswer(answer(`${k + j}`, startOfRecords + k + j, `${(k + j) % 40}`)),
            ),
          );
        await pruneAll(startOfRecords + count);
        const kept = (k: number) => store.keptAnswer(`${k}`, startOfRecords + count);
        expect(await kept(count - most - 1)).toBeUndefined();
        expect(await kept(count - most)).toBeDefined();
        expect(await kept(count - 1)).toBeDefined();
      });
    });

    describe('a copy', () => {
      let folder: Awaited<ReturnType<typeof temporaryFolder>>;
      beforeEach(async () => {
        folder = await temporaryFolder();
      });
      afterEach(() => folder.remove());

      it('is what the store was at that moment, while it went on', async () => {
        await store.groups.put(someGroup(1));
        await Promise.all(Array.from({ length: 2000 }, (_, k) => store.putDevice(someDevice(k))));
        await store.addCredential(someCredential('aa'));
        await store.appendAttempt(attemptId(1), [opened(1), closed(2)]);
        const path = join(folder.path, 'deep', 'copy');
        const copied = store.copyTo(path);
        // As claims and devices: whoever finds a later one has to find all before it.
        const later = Array.from({ length: 500 }, (_, k) => store.putDevice(someDevice(10_000 + k)));
        const rows = await copied;
        await Promise.all(later);
        expect(rows).toBeGreaterThan(2000);
        expect((await stat(path)).mode & 0o777).toBe(0o700);
        const copy = await openCopy(path);
        const devices = await copy.devices({ limit: 9999 });
        expect(devices.length).toBeGreaterThanOrEqual(2000);
        const counted = (await copy.deviceCounts()).reduce((sum, { count }) => sum + count, 0);
        expect(counted).toBe(devices.length);
        expect(await copy.devicesBy({ by: 'state', value: 'active', limit: 9999 })).toEqual(devices);
        expect(await copy.groups.list()).toEqual(await store.groups.list());
        expect(await copy.credential('aa')).toEqual(someCredential('aa'));
        expect(await copy.attempt(attemptId(1))).toEqual(await store.attempt(attemptId(1)));
        expect(copy.epoch).toBe(store.epoch + 1);
        await copy.close();
        expect(await store.devices({ limit: 9999 })).toHaveLength(2500);
      });

      it('is refused where something is already, and where it cannot be written', async () => {
        const path = join(folder.path, 'copy');
        await mkdir(path);
        await writeFile(join(path, 'CURRENT'), 'mine');
        await expect(store.copyTo(path)).rejects.toMatchObject({ code: 'service.store', evidence: { folder: path } });
        await writeFile(join(folder.path, 'file'), '');
        await expect(store.copyTo(join(folder.path, 'file', 'copy'))).rejects.toMatchObject({ code: 'service.store' });
        expect(await store.copyTo(join(folder.path, 'other'))).toBeGreaterThan(0);
      });
    });
  });
}
