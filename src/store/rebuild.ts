import { attemptIndexKeys, type ClosedRow } from './attempt-index.ts';
import { credentialIndex, expiryKey } from './credential-index.ts';
import { indexKeys, kindKey } from './device-index.ts';
import { del, keys, put, under, type WriteOp } from './medium.ts';
import type { Credential, Device } from './model.ts';
import { parse, type Rows } from './rows.ts';
import { ownerIdOf } from './store.ts';

/**
 * Makes the indexes and counters of the present schema from the rows that they are of, and from nothing else: what is there of
 * them goes first, so that it may be done again when a process was killed in the middle. A bounded number of rows is in memory.
 */
export async function rebuildIndexes(rows: Rows): Promise<void> {
  await remove(rows, ['device-by', 'device-seen', 'device-created', 'device-seen-of', 'device-created-of']);
  await remove(rows, ['device-count', 'attempt-by']);
  const counts = new Counts();
  await each(rows, 'device', ([, text]) => {
    const device = JSON.parse(text) as Device;
    counts.add(kindKey(device));
    return indexKeys(device).map((key) => put(key, ''));
  });
  await counts.write(rows);
  await each(rows, 'summary', ([key, text]) => {
    const [, id = '', part] = key.split('!');
    if (part !== 'closed') return [];
    return attemptIndexKeys(id, JSON.parse(text) as ClosedRow).map((index) => put(index, ''));
  });
  await rebuildCredentialIndexes(rows);
}

/** Of credentials alone: schema 3 counted them by group, whoever had their devices then. */
export async function rebuildCredentialIndexes(rows: Rows): Promise<void> {
  await remove(rows, ['expires', 'expiry-count', 'revoked-count']);
  const counts = new Counts();
  await each(rows, 'credential', ([, text]) => {
    const credential = JSON.parse(text) as Credential;
    const device = parse<Device>(rows.written(keys.device(credential.keyId)));
    const owned = { credential, ownerId: device && ownerIdOf(device) };
    counts.add(expiryKey(owned));
    return credentialIndex(owned).map((entry) => put(...entry));
  });
  await counts.write(rows);
}

class Counts {
  private readonly numbers = new Map<string, number>();

  add(key: string): void {
    this.numbers.set(key, (this.numbers.get(key) ?? 0) + 1);
  }

  async write(rows: Rows): Promise<void> {
    const ops = [...this.numbers].map(([key, number]) => put(key, String(number)));
    await rows.write(ops, false);
  }
}

async function remove(rows: Rows, kinds: readonly string[]): Promise<void> {
  for (const kind of kinds) await each(rows, kind, ([key]) => [del(key)]);
}

async function each(
  rows: Rows,
  kind: string,
  make: (row: readonly [key: string, value: string]) => readonly WriteOp[],
): Promise<void> {
  for await (const page of rows.pages(under(kind))) await rows.write(page.flatMap(make), false);
}
