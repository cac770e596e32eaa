import { attemptIndexKeys, type ClosedRow } from './attempt-index.ts';
import { credentialIndex, expiryKey } from './credential-records.ts';
import { indexKeys, kindKey } from './device-index.ts';
import { del, put, under, type WriteOp } from './medium.ts';
import type { Credential, Device } from './model.ts';
import type { Rows } from './rows.ts';

/**
 * Makes the indexes and counters of schema 3 from the rows that they are of, and from nothing else: what is there of them goes
 * first, so that it may be done again when a process was killed in the middle. A bounded number of rows is in memory.
 */
export async function rebuildIndexes(rows: Rows): Promise<void> {
  for (const kind of made) await each(rows, kind, ([key]) => [del(key)]);
  const counts = new Map<string, number>();
  const count = (key: string): void => void counts.set(key, (counts.get(key) ?? 0) + 1);
  await each(rows, 'device', ([, text]) => {
    const device = JSON.parse(text) as Device;
    count(kindKey(device));
    return indexKeys(device).map((key) => put(key, ''));
  });
  await each(rows, 'credential', ([, text]) => {
    const credential = JSON.parse(text) as Credential;
    count(expiryKey(credential));
    return credentialIndex(credential).map((entry) => put(...entry));
  });
  await each(rows, 'summary', ([key, text]) => {
    const [, id = '', part] = key.split('!');
    if (part !== 'closed') return [];
    return attemptIndexKeys(id, JSON.parse(text) as ClosedRow).map((index) => put(index, ''));
  });
  await rows.write(
    [...counts].map(([key, number]) => put(key, String(number))),
    false,
  );
}

/** What is made here. */
const made = [
  'device-by',
  'device-seen',
  'device-created',
  'device-seen-of',
  'device-created-of',
  'device-count',
  'expires',
  'expiry-count',
  'revoked-count',
  'attempt-by',
] as const;

async function each(
  rows: Rows,
  kind: string,
  make: (row: readonly [key: string, value: string]) => readonly WriteOp[],
): Promise<void> {
  for await (const page of rows.pages(under(kind))) await rows.write(page.flatMap(make), false);
}
