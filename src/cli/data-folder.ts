import { statSync } from 'node:fs';
import { hostname, userInfo } from 'node:os';
import { join } from 'node:path';
import { systemTimers } from '../core/clock.ts';
import { FirstbootError, failure } from '../core/errors.ts';
import type { OperatorDeps } from '../operator/change.ts';
import { openLevelStore } from '../store/level.ts';
import type { Store } from '../store/store.ts';

/** The data folder of a service that is not running, opened for a command. */
export interface DataFolder extends OperatorDeps {
  readonly path: string;
  /** Folder of the service's authority; undefined: there is none in the data folder. */
  readonly authority: string | undefined;
  readonly store: Store;
  close(): Promise<void>;
}

/**
 * Opens the store of a data folder, to read and to write. Who acts is the user of the operating system, from this host.
 * @throws FirstbootError command.file: there is no such folder, or it is none of firstboot's; service.store: a running service has it
 */
export async function openDataFolder(path: string): Promise<DataFolder> {
  const folder = join(path, 'store');
  if (!isThere(join(folder, 'CURRENT'), path)) throw notOurs(path);
  const store = await openLevelStore(folder).catch((error: unknown) => Promise.reject(inUse(error, path)));
  return {
    path,
    authority: [join(path, 'authority'), join(path, 'pki', 'authority')].find((at) =>
      isThere(join(at, 'root.pem'), at),
    ),
    store,
    now: () => systemTimers.now(),
    actor: { kind: 'operator', name: userName(), from: hostname() },
    close: () => store.close(),
  };
}

function notOurs(folder: string): FirstbootError {
  if (!isThere(folder, folder)) {
    const fix = 'name the data folder of the service with --data or FIRSTBOOT_DATA; firstboot serve makes one';
    return failure('command.file', { folder, found: 'nothing' }, fix);
  }
  if (isThere(join(folder, 'CURRENT'), folder)) {
    return failure('command.file', { folder, found: 'the store itself' }, 'name the folder above it');
  }
  const fix = 'name the folder that firstboot serve was started with, by --data or FIRSTBOOT_DATA';
  return failure('command.file', { folder, found: 'no data folder of firstboot' }, fix);
}

/** @throws FirstbootError command.file: whether there is anything cannot be seen */
function isThere(path: string, folder: string): boolean {
  try {
    return statSync(path, { throwIfNoEntry: false }) !== undefined;
  } catch (error) {
    const found = error instanceof Error && 'code' in error ? String(error.code) : 'unreadable';
    const fix = 'check the path, and who may read the folder and those above it';
    throw failure('command.file', { folder, found: found === 'EACCES' ? 'no permission' : found }, fix, error);
  }
}

function inUse(error: unknown, folder: string): unknown {
  if (!(error instanceof FirstbootError) || error.evidence.code !== 'LEVEL_LOCKED') return error;
  const fix =
    'a running firstboot has this folder open: ask the service itself, with --server http://127.0.0.1:20090 (its API) and ' +
    'a token in FIRSTBOOT_TOKEN; or stop it, give the command again, and start it after that';
  return failure('service.store', { folder, code: 'in use' }, fix, error);
}

/** A user id without an entry in the list of users has no name. */
function userName(): string {
  try {
    return userInfo().username;
  } catch {
    return `uid ${process.getuid?.() ?? 'unknown'}`;
  }
}
