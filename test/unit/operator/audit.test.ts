import { Level } from 'level';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { listAudit, verifyAudit } from '../../../src/operator/audit.ts';
import { openLevelStore } from '../../../src/store/level.ts';
import { keys } from '../../../src/store/medium.ts';
import type { AuditEntry } from '../../../src/store/model.ts';
import type { Store } from '../../../src/store/store.ts';
import { someActor } from '../../support/operator-bench.ts';
import { startOfRecords } from '../../support/store-records.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';

describe('the audit log', () => {
  let folder: Awaited<ReturnType<typeof temporaryFolder>>;
  let store: Store;
  beforeEach(async () => {
    folder = await temporaryFolder();
    store = await openLevelStore(folder.path, { synced: false });
  });
  afterEach(async () => {
    await store.close();
    await folder.remove();
  });

  const write = async (count: number) => {
    const drafts = Array.from({ length: count }, (_, at) => {
      const n = at + 1;
      const [action, name] = n % 2 === 0 ? ['device.approve', 'bob'] : ['group.create', 'alice'];
      return { at: startOfRecords + n, actor: { ...someActor, name }, action, target: `thing ${n}`, detail: { n } };
    });
    await Promise.all(drafts.map((audit) => store.commit({ audit })));
  };
  /** Changes the rows behind the store's back. */
  const tamper = async (change: (db: Level) => Promise<void>) => {
    await store.close();
    const db = new Level(folder.path, { keyEncoding: 'utf8', valueEncoding: 'utf8' });
    await change(db);
    await db.close();
    store = await openLevelStore(folder.path, { synced: false });
  };
  const line = async (seq: number): Promise<AuditEntry> => {
    const [found] = await store.audit({ after: seq - 1, limit: 1 });
    if (!found) throw new Error(`no line ${seq}`);
    return found;
  };

  it('is whole when it is empty, and when nobody has touched it', async () => {
    expect(await verifyAudit(store)).toEqual({ ok: true, lines: 0, head: '0'.repeat(64) });
    await write(1200);
    const { hash } = await line(1200);
    expect(await verifyAudit(store)).toEqual({ ok: true, lines: 1200, head: hash });
    expect(await verifyAudit(store, { head: (await line(700)).hash.toUpperCase() })).toMatchObject({ ok: true });
    expect(await verifyAudit(store, { head: '0'.repeat(64) })).toMatchObject({ ok: true });
  });

  it('says which line was changed', async () => {
    await write(9);
    const changed = { ...(await line(4)), actor: { ...someActor, name: 'mallory' } };
    await tamper((db) => db.put(keys.audit(4), JSON.stringify(changed)));
    expect(await verifyAudit(store)).toMatchObject({
      ok: false,
      seq: 4,
      problem: { fault: 'content', found: changed.hash },
    });
  });

  it('says where a line was taken out', async () => {
    await write(9);
    await tamper((db) => db.del(keys.audit(4)));
    expect(await verifyAudit(store)).toEqual({
      ok: false,
      seq: 5,
      problem: { fault: 'sequence', expected: 4, found: 5 },
    });
  });

  it('says where a line hangs on another one than that before it', async () => {
    await write(9);
    const moved = { ...(await line(6)), seq: 4 };
    await tamper((db) => db.put(keys.audit(4), JSON.stringify(moved)));
    expect(await verifyAudit(store)).toMatchObject({ ok: false, seq: 4, problem: { fault: 'link' } });
  });

  it('notices that its end was cut off, and by a noted hash even when the mark of the end was changed too', async () => {
    await write(9);
    const [last, kept] = [await line(9), await line(7)];
    await tamper((db) => db.batch([8, 9].map((seq) => ({ type: 'del', key: keys.audit(seq) }))));
    expect(await verifyAudit(store)).toEqual({ ok: false, seq: 8, problem: { fault: 'tail', expected: 9, found: 7 } });
    await tamper((db) => db.put(keys.auditHead, JSON.stringify({ seq: kept.seq, hash: kept.hash })));
    expect(await verifyAudit(store)).toMatchObject({ ok: true, lines: 7 });
    expect(await verifyAudit(store, { head: kept.hash })).toMatchObject({ ok: true });
    expect(await verifyAudit(store, { head: last.hash })).toEqual({
      ok: false,
      seq: 7,
      problem: { fault: 'head', expected: last.hash, found: kept.hash },
    });
  });

  it('is listed by action, target, actor and time, a page at a time', async () => {
    await write(20);
    const seqs = async (filter: Parameters<typeof listAudit>[1]) =>
      (await listAudit(store, filter, { limit: 100 })).rows.map(({ seq }) => seq);
    expect(await seqs({ action: 'device.approve', until: startOfRecords + 7 })).toEqual([2, 4, 6]);
    expect(await seqs({ action: 'device', since: startOfRecords + 17 })).toEqual([18, 20]);
    expect(await seqs({ action: 'dev' })).toEqual([]);
    expect(await seqs({ target: 'thing 1', actor: 'alice' })).toEqual([1, 11, 13, 15, 17, 19]);
    const lot = { actor: someActor, action: 'group.approve', target: 'group 7', detail: { devices: ['3fa2b1c4'] } };
    await store.commit({ audit: { ...lot, at: startOfRecords + 21 } });
    expect(await seqs({ target: '3fa2b1' })).toEqual([21]);
    const first = await listAudit(store, { actor: 'bob' }, { limit: 4 });
    expect([first.rows.map(({ seq }) => seq), first.next]).toEqual([[2, 4, 6, 8], '8']);
    expect((await listAudit(store, { actor: 'bob' }, { after: '18', limit: 4 })).next).toBeUndefined();
  });

  it('is listed from its end, too, a page at a time', async () => {
    await write(1201);
    const last = await listAudit(store, {}, { limit: 700, newest: true });
    expect([last.rows[0]?.seq, last.rows.at(-1)?.seq, last.next]).toEqual([1201, 502, '502']);
    const rest = await listAudit(store, {}, { after: '502', limit: 700, newest: true });
    expect([rest.rows[0]?.seq, rest.rows.at(-1)?.seq, rest.next]).toEqual([501, 1, undefined]);
    await expect(async () => listAudit(store, {}, { after: 'x', limit: 1 })).rejects.toMatchObject({
      code: 'operator.input',
    });
  });
});
