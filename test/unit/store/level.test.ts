import { mkdir, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Level } from 'level';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { days } from '../../../src/core/clock.ts';
import { openLevelStore } from '../../../src/store/level.ts';
import { storeConformance } from '../../support/store-conformance.ts';
import { storeDevicesConformance } from '../../support/store-devices-conformance.ts';
import { storeEventsConformance } from '../../support/store-events-conformance.ts';
import { storeIndexesConformance } from '../../support/store-indexes-conformance.ts';
import { storeLiveConformance } from '../../support/store-live-conformance.ts';
import { storeOperationsConformance } from '../../support/store-operations-conformance.ts';
import { attemptId, closed, opened, someUuid, startOfRecords } from '../../support/store-records.ts';
import type { StoreSubject } from '../../support/store-subject.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';

const embedded = async (): Promise<StoreSubject> => {
  const folder = await temporaryFolder();
  const open = () => openLevelStore(join(folder.path, 'store'));
  return { open, openCopy: (path) => openLevelStore(path), destroy: folder.remove };
};

storeConformance('the embedded store', embedded);
storeOperationsConformance('the embedded store, for operators', embedded);
storeDevicesConformance('the embedded store, for devices', embedded);
storeIndexesConformance('the embedded store, for lists', embedded);
storeEventsConformance('the embedded store, for what is told', embedded);
storeLiveConformance('the embedded store, for live views and webhooks', embedded);

describe('the folder of the embedded store', () => {
  let folder: Awaited<ReturnType<typeof temporaryFolder>>;
  let path: string;
  beforeEach(async () => {
    folder = await temporaryFolder();
    path = join(folder.path, 'deep', 'store');
  });
  afterEach(() => folder.remove());

  it('is created for its owner only, and narrowed when it was open to others', async () => {
    await mkdir(path, { recursive: true, mode: 0o755 });
    await (await openLevelStore(path)).close();
    expect((await stat(path)).mode & 0o777).toBe(0o700);
  });

  it('is refused to a second firstboot, with the folder and the likely cause', async () => {
    const store = await openLevelStore(path);
    await expect(openLevelStore(path)).rejects.toMatchObject({
      code: 'service.store',
      evidence: { folder: path, code: 'LEVEL_LOCKED' },
      fix: expect.stringContaining('another firstboot'),
    });
    await store.close();
  });

  it('is refused when a newer firstboot has written it', async () => {
    await (await openLevelStore(path)).close();
    const db = new Level(path);
    await db.put('meta!schema', '5');
    await db.close();
    await expect(openLevelStore(path)).rejects.toMatchObject({
      code: 'service.store',
      evidence: { folder: path, schema: '5', known: '4' },
    });
    // The refusal leaves no lock behind.
    await expect(openLevelStore(path)).rejects.toMatchObject({ evidence: { schema: '5' } });
  });

  it('is refused when it holds the database of another program', async () => {
    const db = new Level(path);
    await db.put('somebody', 'else');
    await db.close();
    await expect(openLevelStore(path)).rejects.toMatchObject({ fix: expect.stringContaining('another program') });
  });

  it('is refused when a file is in its way', async () => {
    await writeFile(join(folder.path, 'deep'), '');
    await expect(openLevelStore(path)).rejects.toMatchObject({
      code: 'service.store',
      evidence: { folder: path, code: 'ENOTDIR' },
    });
  });

  it('keeps the newest attempts of strangers, and forgets them as such when they become devices', async () => {
    const store = await openLevelStore(path, { retention: { perDevice: 5, unfiled: 5 } });
    const ids = Array.from({ length: 12 }, (_, k) => attemptId(k));
    for (const id of ids.slice(0, 4)) {
      await store.appendAttempt(id, [opened(1)]);
      await store.appendAttempt(id, [closed(2)], someUuid(1));
    }
    for (const id of ids.slice(4)) await store.appendAttempt(id, [opened(1)]);
    await store.close();
    const again = await openLevelStore(path);
    expect((await again.attempts({ limit: 99 })).map(({ id }) => id)).toEqual(
      [...ids.slice(0, 4), ...ids.slice(-5)].reverse(),
    );
    await again.close();
  });

  it('has no row left of attempts that were removed, for their number or their age', async () => {
    const store = await openLevelStore(path, { retention: { perDevice: 4, unfiled: 4 } });
    const rows = async (): Promise<readonly string[]> => {
      const db = new Level(path);
      const keys = await db.keys().all();
      await db.close();
      return keys.filter((key) => /^(attempt|summary)/.test(key));
    };
    for (let k = 0; k < 20; k++)
      await store.appendAttempt(attemptId(k), [opened(k), closed(k)], k % 2 ? someUuid(1) : undefined);
    await store.close();
    const indexed = (await rows()).filter((key) => key.startsWith('attempt-by!verdict!'));
    const again = await openLevelStore(path);
    const kept = (await again.attempts({ limit: 99 })).map(({ id }) => id);
    expect(kept.length).toBeLessThan(20);
    expect(indexed).toHaveLength(kept.length);
    while (await again.prune(startOfRecords + days(1000)));
    await again.close();
    expect(await rows()).toEqual([]);
  });

  it('shows that the last line of the audit log has been taken out', async () => {
    const store = await openLevelStore(path);
    const actor = { kind: 'operator', name: 'kim', from: 'host' } as const;
    for (const action of ['a', 'b']) await store.commit({ audit: { at: 1, actor, action, target: 't', detail: {} } });
    await store.close();
    const db = new Level(path);
    await db.del(`audit!${'2'.padStart(16, '0')}`);
    await db.close();
    const again = await openLevelStore(path);
    await expect(again.auditHead()).rejects.toMatchObject({ code: 'operator.audit', evidence: { seq: 2 } });
    // The next line does not close the gap.
    await again.commit({ audit: { at: 1, actor, action: 'c', target: 't', detail: {} } });
    expect((await again.audit({ limit: 9 })).map(({ seq }) => seq)).toEqual([1, 3]);
    await again.close();
  });
});
