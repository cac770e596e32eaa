import { rm } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { appearing, isHalf, pathWithin, reallyWithin, requireFree } from './appearing-folder.ts';
import {
  type BackedUpFile,
  checkedPath,
  copyInto,
  filesIn,
  hashOf,
  type Manifest,
  makeFolder,
  makePrivate,
  readManifest,
  requireOwnFile,
  writePrivate,
} from './backup-files.ts';
import { isoTime, type Millis } from './core/clock.ts';
import { failure } from './core/errors.ts';
import { readAuthorityState } from './pki/authority-folder.ts';
import { pathExists } from './pki/files.ts';
import { openLevelStore } from './store/level.ts';
import type { Store } from './store/store.ts';
import { version } from './version.ts';

export interface BackupSource {
  readonly store: Store;
  /** The data folder. */
  readonly data: string;
  /** Other files and folders that the service was made from: configuration, policy, certificates, keys. */
  readonly outside: readonly string[];
  /** The configuration, which may be among those: what is below its folder keeps its place beside it. */
  readonly configuration?: string | undefined;
  /** Folder of the authority, wherever it is. */
  readonly authority: string | undefined;
  readonly now: Millis;
  /** Ends it before its time, between two files: nothing of it is left then, and its reason is thrown. */
  readonly signal?: AbortSignal | undefined;
}

export interface BackupReport {
  /** Rows of the store. */
  readonly rows: number;
  readonly files: number;
  readonly bytes: number;
}

/**
 * Writes everything that a service is into a new folder, while it goes on: the store as it is at this moment, keys and
 * certificates, the files it was configured with; and a manifest with the SHA-256 of each. The folder appears whole or not at
 * all. It holds every private key: 0700, its files 0600.
 * @throws FirstbootError command.file: the folder is there already, or cannot be written; service.store
 */
export async function backUp(source: BackupSource, folder: string): Promise<BackupReport> {
  const target = resolve(folder);
  if (await pathExists(target))
    throw failure('command.file', { folder }, 'a backup is never written over: name a new folder');
  await requireApart(source, target);
  return appearing(target, async (fresh) => {
    const rows = await source.store.copyTo(join(fresh, parts.store));
    source.signal?.throwIfAborted();
    // The folder is private; its files are, too.
    for (const path of await filesIn(join(fresh, parts.store))) await makePrivate(join(fresh, parts.store, path));
    await copyData(source, fresh);
    const outside = await copyOutside(source, fresh);
    const configuration = source.configuration && (await configurationIn(source, fresh));
    const files = await Promise.all(
      (await filesIn(fresh)).map(
        async (path): Promise<BackedUpFile> => ({ path: checkedPath(path), ...(await hashOf(join(fresh, path))) }),
      ),
    );
    const manifest = {
      format: 1,
      firstboot: version,
      createdAt: isoTime(source.now),
      rows,
      files,
      configuration,
      outside,
    };
    await writePrivate(join(fresh, parts.manifest), `${JSON.stringify(manifest, undefined, 1)}\n`);
    return { rows, files: files.length, bytes: files.reduce((sum, { bytes }) => sum + bytes, 0) };
  });
}

export interface RestoreReport extends BackupReport {
  readonly createdAt: string;
  readonly firstboot: string;
  /** The configuration, as restored; undefined: there was none, or the backup was made without it. */
  readonly configuration: string | undefined;
  /** Whether it is a development service, which needs no configuration. */
  readonly development: boolean;
  /**
   * What the configuration names: where it was, and where it is now. What is not `beside` it as before is not found by a
   * relative path any more, and nothing is by an absolute one.
   */
  readonly outside: readonly { readonly from: string; readonly to: string; readonly beside: boolean }[];
}

/**
 * Makes a data folder of a backup. Every file is checked against the manifest first: its path, that it is a file of the backup
 * itself, its hash. Numbers that the service has given out
 * since the backup (of revocation lists, of its starts) are left out by the new one.
 * @param signal ends it before its time: nothing of it is left then, and its reason is thrown
 * @throws FirstbootError command.file: no backup, a damaged one, or a data folder with something in it; service.store
 */
export async function restore(backup: string, data: string, now: Millis, signal?: AbortSignal): Promise<RestoreReport> {
  const source = resolve(backup);
  const target = resolve(data);
  if (isHalf(source)) {
    const fix = 'a backup that was interrupted while it was written is none: take another one, and delete this folder';
    throw failure('command.file', { backup, found: 'half a backup' }, fix);
  }
  const manifest = await readManifest(join(source, parts.manifest));
  await requireFree(target);
  if ((await reallyWithin(source, target)) !== undefined) {
    throw failure('command.file', { folder: data, backup }, 'the folder is in the backup itself: name another one');
  }
  for (const { path, sha256, bytes } of manifest.files) {
    await requireOwnFile(source, checkedPath(path));
    const found = await hashOf(join(source, path)).catch(() => undefined);
    if (found?.sha256 === sha256 && found.bytes === bytes) continue;
    const evidence = { backup, file: path, found: found === undefined ? 'nothing' : 'something else' };
    throw failure('command.file', evidence, 'the backup is damaged: take another one');
  }
  return appearing(target, async (fresh) => {
    for (const { path } of manifest.files) {
      signal?.throwIfAborted();
      const place = restoredPlace(path);
      const to = join(fresh, place);
      if (pathWithin(fresh, to) !== place || (await pathExists(to))) {
        throw failure(
          'command.file',
          { backup, file: path },
          'two files of the backup go to one place: take another one',
        );
      }
      await copyInto(join(source, path), to);
    }
    const store = await openLevelStore(join(fresh, parts.store), { restoredAt: now });
    await store.close();
    const restored = (path: string): string => join(target, restoredPlace(path));
    const outside = manifest.outside.map(({ path, from, beside = false }) => ({ from, to: restored(path), beside }));
    const { createdAt, firstboot, rows, files } = manifest;
    const bytes = files.reduce((sum, file) => sum + file.bytes, 0);
    const configuration = manifest.configuration === undefined ? undefined : restored(manifest.configuration);
    const development = files.some(({ path }) => path.startsWith(`${parts.data}/pki/`));
    return { createdAt, firstboot, rows, files: files.length, bytes, configuration, development, outside };
  });
}

const parts = {
  store: 'store',
  data: 'data',
  /** At its place below the folder of the configuration. */
  outside: 'outside',
  /** From anywhere else, numbered. */
  elsewhere: 'elsewhere',
  manifest: 'manifest.json',
} as const;

/** What was in the data folder goes to its top, as it was. @throws FirstbootError command.file */
const restoredPlace = (path: string): string =>
  checkedPath(path.startsWith(`${parts.data}/`) ? path.slice(parts.data.length + 1) : path);

/** Of the data folder: where a running service writes its backups. */
export const backupsFolder = 'backups';

/** In the data folder, but none of it: other backups, and the store, which is copied by itself. */
const leftOut: ReadonlySet<string> = new Set([parts.store, backupsFolder]);

/** A backup in what it is made of would hold itself. @throws FirstbootError command.file */
async function requireApart({ data, outside, authority }: BackupSource, target: string): Promise<void> {
  if ((await reallyWithin(join(data, backupsFolder), target)) !== undefined) return;
  for (const from of [data, ...outside, ...(authority === undefined ? [] : [authority])]) {
    if ((await reallyWithin(from, target)) === undefined) continue;
    const fix = `the backup would hold itself: choose a folder elsewhere, or in ${join(data, backupsFolder)}`;
    throw failure('command.file', { folder: target, in: from }, fix);
  }
}

async function copyData({ data, authority, signal }: BackupSource, fresh: string): Promise<void> {
  await makeFolder(join(fresh, parts.data));
  const copy = async (): Promise<void> => {
    for (const path of await filesIn(data, leftOut)) {
      signal?.throwIfAborted();
      await copyInto(join(data, path), join(fresh, parts.data, path));
    }
  };
  await copy();
  const within = authority === undefined ? undefined : pathWithin(data, authority);
  if (within === undefined) return;
  // A roll-over may have come between its files; the second copy is whole then.
  const copied = join(fresh, parts.data, within);
  const whole = await readAuthorityState(copied, 0).catch(() => undefined);
  if (whole) return;
  await rm(copied, { recursive: true, force: true });
  await copy();
  await readAuthorityState(copied, 0);
}

async function copyOutside(
  { data, outside, authority, configuration, signal }: BackupSource,
  fresh: string,
): Promise<Manifest['outside']> {
  const wanted = [
    ...new Set([...outside, ...(authority === undefined ? [] : [authority])].map((path) => resolve(path))),
  ];
  const base = configuration === undefined ? undefined : dirname(resolve(configuration));
  const movesAway = base !== undefined && pathWithin(data, base) === undefined && resolve(data) !== base;
  const copied: Manifest['outside'] = [];
  let elsewhere = 0;
  for (const from of wanted) {
    const within = pathWithin(data, from);
    if (within !== undefined) {
      // The data folder is copied as a whole; a configuration that is not in it finds its files somewhere else then.
      if (movesAway && (await pathExists(from))) copied.push({ path: checkedPath(`${parts.data}/${within}`), from });
      continue;
    }
    if (wanted.some((other) => other !== from && pathWithin(other, from) !== undefined)) continue;
    if (!(await pathExists(from))) continue;
    const below = base === undefined ? undefined : pathWithin(base, from);
    const path =
      below === undefined ? `${parts.elsewhere}/${++elsewhere}-${basename(from)}` : `${parts.outside}/${below}`;
    for (const name of await filesIn(from)) {
      signal?.throwIfAborted();
      await copyInto(join(from, name), join(fresh, path, name));
    }
    copied.push({ path, from, beside: below !== undefined });
  }
  return copied;
}

/** Where the configuration is in the backup; undefined: it is gone. */
async function configurationIn({ data, configuration = '' }: BackupSource, fresh: string): Promise<string | undefined> {
  const within = pathWithin(data, configuration);
  const path = within === undefined ? `${parts.outside}/${basename(configuration)}` : `${parts.data}/${within}`;
  return (await pathExists(join(fresh, path))) ? path : undefined;
}
