import { chmod, mkdir } from 'node:fs/promises';
import { setImmediate as breathe } from 'node:timers/promises';
import { Level } from 'level';
import { systemTimers, type Timers } from '../core/clock.ts';
import { type FirstbootError, failure } from '../core/errors.ts';
import { limits } from '../core/limits.ts';
import type { Retention } from './attempt-log.ts';
import { GroupCommit } from './commit.ts';
import { EmbeddedStore } from './embedded-store.ts';
import type { KeyRange, Medium, WriteOp } from './medium.ts';
import { Rows } from './rows.ts';
import type { Store } from './store.ts';

export interface LevelStoreDeps {
  readonly timers?: Timers;
  readonly retention?: Partial<Retention>;
  /**
   * Whether a durable write waits for the disk itself. Default true; false for simulations, which cut no real power: a
   * write then survives the process, not the machine.
   */
  readonly synced?: boolean;
}

/**
 * Opens the embedded store in `directory`, which is created with mode 0700. One process at a time: a second one is refused
 * with `service.store`, as are a folder that cannot be used and one that a newer firstboot has written. What an older one has
 * written is brought to the present schema.
 */
export async function openLevelStore(directory: string, deps: LevelStoreDeps = {}): Promise<Store> {
  const db = await openFolder(directory);
  const commit = new GroupCommit({
    timers: deps.timers ?? systemTimers,
    write: (ops, durable) => writeAll(db, ops, durable && deps.synced !== false),
  });
  const release = async (): Promise<void> => {
    await commit.close();
    await db.close();
  };
  try {
    const rows = new Rows(levelMedium(db, directory), commit);
    const { attemptsPerDevice: perDevice, unfiledAttempts: unfiled, attemptAge: age } = limits.store;
    const retention = { perDevice, unfiled, age, ...deps.retention };
    return await EmbeddedStore.open({ rows, retention, folder: directory, release });
  } catch (error) {
    await release();
    throw error;
  }
}

/** All or nothing; a large lot is handed over with room for others in between. */
async function writeAll(db: Level, ops: readonly WriteOp[], sync: boolean): Promise<void> {
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

async function openFolder(folder: string): Promise<Level> {
  try {
    await mkdir(folder, { recursive: true, mode: 0o700 });
    await chmod(folder, 0o700);
    const db = new Level(folder, { keyEncoding: 'utf8', valueEncoding: 'utf8' });
    await db.open();
    return db;
  } catch (error) {
    const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
    const code = cause instanceof Error && 'code' in cause ? String(cause.code) : 'unknown';
    throw failure('service.store', { folder, code }, remedies[code] ?? 'choose a folder that can be written', error);
  }
}

const remedies: Readonly<Record<string, string>> = {
  LEVEL_LOCKED: 'another firstboot is using this folder; stop it, or give this one a folder of its own',
  LEVEL_CORRUPTION: 'the database is damaged; restore the folder from a backup, or choose another one',
  EACCES: 'the folder cannot be written; change its owner, or choose another one',
  EPERM: 'the folder belongs to somebody else; change its owner, or choose another one',
  ENOTDIR: 'a part of the path is a file; choose a folder',
  EEXIST: 'a file has this name; choose a folder',
  ENOSPC: 'the disk is full',
};

function levelMedium(db: Level, folder: string): Medium {
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
  };
}
