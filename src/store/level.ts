import { chmod, mkdir } from 'node:fs/promises';
import { Level } from 'level';
import { systemTimers, type Timers } from '../core/clock.ts';
import { type FirstbootError, failure } from '../core/errors.ts';
import type { Uuid } from '../core/ids.ts';
import { limits } from '../core/limits.ts';
import { AttemptLog, type Retention } from './attempt-log.ts';
import { GroupCommit } from './commit.ts';
import { del, type KeyRange, keys, lastPart, type Medium, put, under } from './medium.ts';
import type { Attempt, AttemptEntry, AttemptSummary, Credential, Device, EnrollmentGroup, Hub } from './model.ts';
import type { Store, Table } from './store.ts';

export interface LevelStoreDeps {
  readonly timers?: Timers;
  readonly retention?: Retention;
  /**
   * Whether a durable write waits for the disk itself. Default true; false for simulations, which cut no real power: a
   * write then survives the process, not the machine.
   */
  readonly synced?: boolean;
}

/**
 * Opens the embedded store in `directory`, which is created with mode 0700. One process at a time: a second one is refused
 * with `service.store`, as are a folder that cannot be used and one that a newer firstboot has written.
 *
 * Decisions (revision, claim, serial) are taken synchronously against what is written and what is on its way, so nothing can
 * come between; group commit then brings them to the disk, and the answer waits for that.
 */
export async function openLevelStore(directory: string, deps: LevelStoreDeps = {}): Promise<Store> {
  const db = await openFolder(directory);
  const medium = levelMedium(db, directory);
  const commit = new GroupCommit({
    timers: deps.timers ?? systemTimers,
    write: async (ops, durable) => db.batch([...ops], { sync: durable && deps.synced !== false }),
  });
  try {
    const epoch = await begin(medium, commit, directory);
    const retention = deps.retention ?? {
      perDevice: limits.store.attemptsPerDevice,
      unfiled: limits.store.unfiledAttempts,
    };
    return new LevelStore({
      db,
      medium,
      commit,
      log: new AttemptLog(medium, commit, retention, epoch),
      groups: await openTable<EnrollmentGroup>(medium, commit, 'group'),
      hubs: await openTable<Hub>(medium, commit, 'hub'),
    });
  } catch (error) {
    await commit.close();
    await db.close();
    throw error;
  }
}

interface LevelStoreParts {
  readonly db: Level;
  readonly medium: Medium;
  readonly commit: GroupCommit;
  readonly log: AttemptLog;
  readonly groups: Table<EnrollmentGroup>;
  readonly hubs: Table<Hub>;
}

class LevelStore implements Store {
  readonly groups: Table<EnrollmentGroup>;
  readonly hubs: Table<Hub>;
  private readonly parts: LevelStoreParts;
  private ended: Promise<void> | undefined;

  constructor(parts: LevelStoreParts) {
    this.parts = parts;
    this.groups = parts.groups;
    this.hubs = parts.hubs;
  }

  async device(keyId: Uuid): Promise<Device | undefined> {
    return parse<Device>(await this.read(keys.device(keyId)));
  }

  async devices({ after, limit }: { after?: Uuid; limit: number }): Promise<readonly Device[]> {
    if (limit <= 0) return [];
    const all = under('device');
    const range = { after: after === undefined ? all.after : keys.device(after), before: all.before, limit };
    return (await this.parts.medium.rows(range)).map(([, row]) => JSON.parse(row) as Device);
  }

  async putDevice(device: Device): Promise<Device | undefined> {
    const key = keys.device(device.keyId);
    const stored = parse<Device>(this.latest(key));
    if ((stored?.revision ?? 0) !== device.revision) return undefined;
    const next: Device = { ...device, revision: device.revision + 1 };
    await this.parts.commit.add([put(key, JSON.stringify(next))], false);
    return next;
  }

  async claimDeviceId(deviceId: Uuid, keyId: Uuid): Promise<Uuid> {
    const key = keys.claim(deviceId);
    if (this.latest(key) === undefined) {
      await this.parts.commit.add([put(key, keyId)], true);
      return keyId;
    }
    return (await this.read(key)) ?? this.claimDeviceId(deviceId, keyId);
  }

  async ownerOfDeviceId(deviceId: Uuid): Promise<Uuid | undefined> {
    return this.read(keys.claim(deviceId));
  }

  async addCredential(credential: Credential): Promise<boolean> {
    const { serial, keyId, issuedAt } = credential;
    const key = keys.credential(serial);
    if (this.latest(key) !== undefined) {
      await this.parts.commit.pending(key)?.written;
      return false;
    }
    await this.parts.commit.add(
      [put(key, JSON.stringify(credential)), put(keys.credentialOf(keyId, issuedAt, serial), '')],
      true,
    );
    return true;
  }

  async credential(serial: string): Promise<Credential | undefined> {
    return parse<Credential>(await this.read(keys.credential(serial)));
  }

  async credentials(keyId: Uuid): Promise<readonly Credential[]> {
    const found = await this.parts.medium.keys(under(`credential-of!${keyId}`));
    return found.flatMap((key) => parse<Credential>(this.parts.medium.get(keys.credential(lastPart(key)))) ?? []);
  }

  async appendAttempt(id: Uuid, entries: readonly AttemptEntry[], keyId?: Uuid): Promise<void> {
    return this.parts.log.append(id, entries, keyId);
  }

  async attempt(id: Uuid): Promise<Attempt | undefined> {
    return this.parts.log.attempt(id);
  }

  async attempts(page: { keyId?: Uuid; before?: Uuid; limit: number }): Promise<readonly AttemptSummary[]> {
    return this.parts.log.list(page);
  }

  close(): Promise<void> {
    this.ended ??= this.end();
    return this.ended;
  }

  private async end(): Promise<void> {
    await this.parts.log.settled();
    await this.parts.commit.close();
    await this.parts.db.close();
  }

  /** What decisions look at: the value as it will be when the writes under way are through. */
  private latest(key: string): string | undefined {
    const pending = this.parts.commit.pending(key);
    return pending ? pending.value : this.parts.medium.get(key);
  }

  /** What answers are made of: a value under way is told only when it is written. */
  private async read(key: string): Promise<string | undefined> {
    await this.parts.commit.pending(key)?.written;
    return this.parts.medium.get(key);
  }
}

/** Groups and hubs are few and asked for in every session: they are kept in memory too, changed only after the disk. */
async function openTable<T extends { readonly id: Uuid }>(
  medium: Medium,
  commit: GroupCommit,
  kind: 'group' | 'hub',
): Promise<Table<T>> {
  const texts = new Map<Uuid, string>();
  for (const [key, text] of await medium.rows(under(kind))) texts.set(lastPart(key), text);
  const rows = new Map([...texts].map(([id, text]) => [id, freeze(JSON.parse(text) as T)]));
  return {
    get: async (id) => rows.get(id),
    list: async () => [...rows.values()].sort((a, b) => (a.id < b.id ? -1 : 1)),
    async put(row) {
      const text = JSON.stringify(row);
      await commit.add([put(keys[kind](row.id), text)], true);
      rows.set(row.id, freeze(JSON.parse(text) as T));
    },
    async delete(id) {
      await commit.add([del(keys[kind](id))], true);
      return rows.delete(id);
    },
  };
}

function freeze<T>(value: T): T {
  if (typeof value === 'object' && value !== null) Object.values(Object.freeze(value)).forEach(freeze);
  return value;
}

const parse = <T>(text: string | undefined): T | undefined =>
  text === undefined ? undefined : (JSON.parse(text) as T);

const schemaVersion = '1';

/** Checks whose data this is and counts the opening. */
async function begin(medium: Medium, commit: GroupCommit, folder: string): Promise<number> {
  const schema = medium.get(keys.schema);
  if (schema === undefined && (await medium.keys({ after: '', before: '\uffff', limit: 1 })).length > 0) {
    throw failure('service.store', { folder }, 'the folder holds a database of another program; choose an empty one');
  }
  if (schema !== undefined && schema !== schemaVersion) {
    const fix = 'a newer firstboot wrote this store; run that version, or use another folder';
    throw failure('service.store', { folder, schema, known: schemaVersion }, fix);
  }
  const epoch = Number(medium.get(keys.epoch) ?? 0) + 1;
  await commit.add([put(keys.schema, schemaVersion), put(keys.epoch, String(epoch))], true);
  return epoch;
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
