import { chmod, mkdir, open, readdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { setImmediate as breathe } from 'node:timers/promises';
import { Level } from 'level';
import { FirstbootError, failure } from '../core/errors.ts';
import { limits } from '../core/limits.ts';
import { type KeyRange, keys, type Medium, put, type WriteOp } from './medium.ts';

/** All or nothing; a large lot is handed over with room for others in between. */
export async function writeAll(db: Level, ops: readonly WriteOp[], sync: boolean): Promise<void> {
  if (ops.length <= limits.store.largeBatch) return db.batch([...ops], { sync });
  const batch = db.batch();
  try {
    for (const [k, op] of ops.entries()) {
      if (op.type === 'put') batch.put(op.key, op.value);
      else batch.del(op.key);
      if (k % limits.store.largeBatch === limits.store.largeBatch - 1) await breathe();
    }
    await batch.write({ sync });
  } catch (error) {
    await batch.close();
    throw error;
  }
}

export async function openFolder(folder: string): Promise<Level> {
  try {
    await mkdir(folder, { recursive: true, mode: 0o700 });
    await chmod(folder, 0o700);
    const db = new Level(folder, { keyEncoding: 'utf8', valueEncoding: 'utf8' });
    await db.open();
    return db;
  } catch (error) {
    throw folderFault(folder, error);
  }
}

export function levelMedium(db: Level, folder: string): Medium {
  const fault = (error: unknown): FirstbootError =>
    failure('service.store', { folder }, 'look at the disk of the store', error);
  const bounds = ({ after, before, reverse = false, limit = -1 }: KeyRange) => ({
    gt: after,
    lt: before,
    reverse,
    limit,
  });
  return {
    get(key) {
      try {
        return db.getSync(key);
      } catch (error) {
        throw fault(error);
      }
    },
    rows: (range) =>
      db
        .iterator(bounds(range))
        .all()
        .catch((error: unknown) => Promise.reject(fault(error))),
    keys: (range) =>
      db
        .keys(bounds(range))
        .all()
        .catch((error: unknown) => Promise.reject(fault(error))),
    async *snapshot(size) {
      const iterator = db.iterator();
      try {
        for (let page = await iterator.nextv(size); page.length > 0; page = await iterator.nextv(size)) yield page;
      } catch (error) {
        throw fault(error);
      } finally {
        await iterator.close();
      }
    },
  };
}

/**
 * Writes all rows as they are now into a new database in `folder`, on the disk itself at the end. Whose data it is comes last:
 * half of a copy is no store.
 * @returns rows written
 * @throws FirstbootError service.store when the folder is not empty or cannot be written
 */
export async function copyRows(medium: Medium, folder: string): Promise<number> {
  const present = await readdir(folder).catch(() => []);
  if (present.length > 0) throw failure('service.store', { folder }, 'the folder is not empty: choose a new one');
  const copy = await openFolder(folder);
  try {
    const written = await fill(copy, medium).finally(() => copy.close());
    for (const name of await readdir(folder)) await sync(join(folder, name));
    await sync(folder);
    await sync(dirname(folder));
    return written;
  } catch (error) {
    throw error instanceof FirstbootError ? error : folderFault(folder, error);
  }
}

async function fill(copy: Level, medium: Medium): Promise<number> {
  let written = 0;
  let last: WriteOp | undefined;
  for await (const page of medium.snapshot(limits.store.scanRows)) {
    const ops = page.map(([key, value]) => put(key, value));
    last = ops.find(({ key }) => key === keys.schema) ?? last;
    await copy.batch(ops.filter(({ key }) => key !== keys.schema));
    written += ops.length;
  }
  await copy.batch(last ? [last] : []);
  return written;
}

async function sync(path: string): Promise<void> {
  const handle = await open(path, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

function folderFault(folder: string, error: unknown): FirstbootError {
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  const code = cause instanceof Error && 'code' in cause ? (systemCode(cause) ?? String(cause.code)) : 'unknown';
  return failure('service.store', { folder, code }, remedies[code] ?? 'choose a folder that can be written', error);
}

/** What the system said, which LevelDB tells in words alone. */
const systemCode = ({ message }: Error): string | undefined =>
  Object.entries(systemWords).find(([words]) => message.includes(words))?.[1];

const systemWords: Readonly<Record<string, string>> = {
  'No space left on device': 'ENOSPC',
  'Disk quota exceeded': 'EDQUOT',
  'File too large': 'EFBIG',
  'Read-only file system': 'EROFS',
};

const remedies: Readonly<Record<string, string>> = {
  LEVEL_LOCKED: 'another firstboot is using this folder; stop it, or give this one a folder of its own',
  LEVEL_CORRUPTION: 'the database is damaged; restore the folder from a backup, or choose another one',
  EACCES: 'the folder cannot be written; change its owner, or choose another one',
  EPERM: 'the folder belongs to somebody else; change its owner, or choose another one',
  ENOTDIR: 'a part of the path is a file; choose a folder',
  EEXIST: 'a file has this name; choose a folder',
  ENOSPC: 'the disk is full',
};
