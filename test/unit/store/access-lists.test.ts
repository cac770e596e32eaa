import { expect, test, vi } from 'vitest';
import { matchesPattern } from '../../../src/core/pattern.ts';
import { AccessLists } from '../../../src/store/access-lists.ts';
import { keys } from '../../../src/store/medium.ts';
import type { AccessEntry } from '../../../src/store/model.ts';
import type { Rows } from '../../../src/store/rows.ts';
import { accessKey } from '../../../src/store/store.ts';
import { someUuid, startOfRecords } from '../../support/store-records.ts';

vi.mock('../../../src/core/pattern.ts', async (original) => {
  const real = await original<typeof import('../../../src/core/pattern.ts')>();
  return { ...real, matchesPattern: vi.fn(real.matchesPattern) };
});

test('a subject is held against the patterns that begin as it does, however many others there are', async () => {
  const groupId = someUuid(3);
  const entries = Array.from(
    { length: 100_000 },
    (_, k): AccessEntry => ({
      groupId,
      list: 'allow',
      device: { by: 'subject', value: `CN=unit ${k}/*` },
      note: undefined,
      addedAt: startOfRecords,
    }),
  );
  const written = new Map(
    entries.map((entry) => [keys.access(groupId, accessKey('allow', entry.device)), JSON.stringify(entry)]),
  );
  const read = vi.fn(async (key: string) => written.get(key));
  const lists = await AccessLists.open({ rows: async () => [], read } as unknown as Rows);
  lists.follow(entries, []);
  const found = await lists.find(groupId, 'allow', {
    keyId: someUuid(99),
    serial: undefined,
    subject: 'CN=unit 99900/abc',
  });
  expect(found).toMatchObject({ device: { value: 'CN=unit 99900/*' } });
  expect(vi.mocked(matchesPattern)).toHaveBeenCalledTimes(1);
  // By its key, by its subject, and the pattern.
  expect(read).toHaveBeenCalledTimes(3);
});
