import { statSync } from 'node:fs';
import { hostname, userInfo } from 'node:os';
import { join } from 'node:path';
import { type Command, Option } from 'commander';
import { settings } from '../config/settings.ts';
import { systemTimers } from '../core/clock.ts';
import { FirstbootError, failure } from '../core/errors.ts';
import type { OperatorDeps } from '../operator/change.ts';
import { openLevelStore } from '../store/level.ts';
import type { Store } from '../store/store.ts';
import { createOutput, exitCodes, faint, type Output, reportFailure } from './output.ts';

/** The data folder of a service that is not running, opened for a command. */
export interface DataFolder extends OperatorDeps {
  readonly path: string;
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
    store,
    now: () => systemTimers.now(),
    actor: { kind: 'operator', name: userName(), from: hostname() },
    close: () => store.close(),
  };
}

/** Options of every command over a data folder. */
export interface DataOptions {
  readonly data: string;
  readonly json?: boolean;
}

export interface ChangeOptions extends DataOptions {
  readonly dryRun?: boolean;
}

/** Adds `--data` and `--json`. */
export function readsData(command: Command): Command {
  const { fallback, variable, flag } = settings.data;
  return command
    .addOption(new Option(flag, "the service's data folder").default(fallback).env(variable))
    .option('--json', 'one JSON object a line');
}

/** Adds `--dry-run` as well. */
export const changesData = (command: Command): Command =>
  readsData(command.option('--dry-run', 'say what would change, and change nothing'));

/**
 * What a command does in a data folder: opens it, works, closes it, and says why it failed. A signal ends it: what is
 * being written is written whole or not at all.
 */
export async function inDataFolder(
  options: ChangeOptions,
  work: (folder: DataFolder, output: Output) => Promise<void>,
): Promise<void> {
  const output = createOutput(options.json === true);
  let folder: DataFolder | undefined;
  let interrupted = false;
  const stop = (signal: NodeJS.Signals): void => {
    interrupted = true;
    const code = signal === 'SIGINT' ? 130 : 143;
    process.stderr.write('firstboot: interrupted; a change is made whole or not at all\n');
    void (folder?.close() ?? Promise.resolve()).finally(() => process.exit(code));
  };
  process.once('SIGINT', stop).once('SIGTERM', stop);
  try {
    folder = await openDataFolder(options.data);
    await work(folder, output);
    if (options.dryRun === true) output.line(faint('a dry run: nothing was changed'));
  } catch (error) {
    // Work that goes on for a moment finds its store closed.
    if (interrupted) return;
    reportFailure(error, output);
    if (error instanceof FirstbootError && error.code === 'command.usage') process.exitCode = exitCodes.usage;
  } finally {
    await folder?.close();
    process.off('SIGINT', stop).off('SIGTERM', stop);
  }
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
    'a running firstboot has this folder open: stop the service, give the command again, and start it after that; ' +
    'devices try again by themselves';
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
