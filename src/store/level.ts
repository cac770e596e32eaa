import { type Millis, systemTimers, type Timers } from '../core/clock.ts';
import { limits } from '../core/limits.ts';
import type { Retention } from './attempt-log.ts';
import { GroupCommit } from './commit.ts';
import type { AuditListener } from './commits.ts';
import { openEmbeddedStore } from './embedded-store.ts';
import { copyRows, levelMedium, openFolder, writeAll } from './level-medium.ts';
import { keys, put } from './medium.ts';
import { leaveOutGiven } from './restored.ts';
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
  readonly onAudit?: AuditListener;
  readonly onWrite?: (write: StoreWrite) => void;
  /** It is a copy of another store, which has gone on until then: numbers that it may have given out are left out. */
  readonly restoredAt?: Millis;
}

/** A lot of writes that has reached the medium, or not. */
export interface StoreWrite {
  readonly rows: number;
  /** Whether it waited for the disk itself. */
  readonly durable: boolean;
  readonly ms: Millis;
  /** Rows that wait for the next lot. */
  readonly waiting: number;
  /** Why it failed. */
  readonly error: unknown;
}

export interface LevelStore extends Store {
  /** Writes something and waits for the disk. @throws FirstbootError service.store, service.busy */
  probe(): Promise<void>;
}

/**
 * Opens the embedded store in `directory`, which is created with mode 0700. One process at a time: a second one is refused
 * with `service.store`, as are a folder that cannot be used and one that a newer firstboot has written. What an older one has
 * written is brought to the present schema.
 */
export async function openLevelStore(directory: string, deps: LevelStoreDeps = {}): Promise<LevelStore> {
  const db = await openFolder(directory);
  const { timers = systemTimers, onWrite } = deps;
  const commit: GroupCommit = new GroupCommit({
    timers,
    write: async (ops, durable) => {
      const [begun, rows] = [timers.now(), ops.length];
      let fault: unknown;
      try {
        await writeAll(db, ops, durable && deps.synced !== false);
      } catch (error) {
        fault = error;
        throw error;
      } finally {
        onWrite?.({ rows, durable, ms: timers.now() - begun, waiting: commit.waiting, error: fault });
      }
    },
  });
  const release = async (): Promise<void> => {
    await commit.close();
    await db.close();
  };
  try {
    const medium = levelMedium(db, directory);
    const rows = new Rows(medium, commit);
    const { attemptsPerDevice: perDevice, unfiledAttempts: unfiled, attemptAge: age } = limits.store;
    const retention = { perDevice, unfiled, age, ...deps.retention };
    const { onAudit } = deps;
    if (deps.restoredAt !== undefined) await leaveOutGiven(rows, deps.restoredAt);
    const copy = (to: string): Promise<number> => copyRows(medium, to);
    const folder = directory;
    const store = await openEmbeddedStore({ rows, retention, folder, copy, ...(onAudit && { onAudit }), release });
    return Object.assign(store, { probe: () => rows.write([put(keys.probe, String(timers.now()))], true) });
  } catch (error) {
    await release();
    throw error;
  }
}
