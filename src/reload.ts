import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { ApiMaterial } from './api/server.ts';
import type { Material } from './composition.ts';
import type { Millis, Timers } from './core/clock.ts';
import { describe, FirstbootError } from './core/errors.ts';
import { InTurn } from './core/in-turn.ts';
import { limits } from './core/limits.ts';
import type { Log } from './core/log.ts';
import type { Actor } from './store/model.ts';

/** Where a service has what it is made of from, to be read again while it runs. */
export interface ReloadSource {
  /** Files and folders (with what is in them) that it was read from the last time. */
  readonly files: readonly string[];
  /** The one of them that names the others; undefined: there is none. */
  readonly configuration?: string | undefined;
  /** When something of it has to be made anew, whatever the files say: a certificate gets old. */
  readonly renewAt: Millis | undefined;
  /** Reads and judges all of it. @throws FirstbootError service.config naming the file and the place */
  read(): Promise<Reloadable>;
}

export interface Reloadable {
  readonly material: Material;
  /** What the API shows, and whom it lets in; undefined: there is none. */
  readonly api?: ApiMaterial | undefined;
  /** Settings that have changed and count from the next start only. */
  readonly restart: readonly string[];
}

export interface ReloaderDeps {
  readonly source: ReloadSource;
  /** Puts it in force, all of it or nothing. @returns what has changed, a line each */
  readonly apply: (written: Reloadable) => Promise<readonly string[]>;
  readonly told: (outcome: ReloadOutcome) => void;
  readonly timers: Timers;
  readonly log: Log;
  /** Whether the files are looked at every limits.operations.watch. */
  readonly watch: boolean;
}

export type ReloadOutcome =
  | { readonly ok: true; readonly effects: readonly string[]; readonly actor: Actor }
  | { readonly ok: false; readonly error: string; readonly actor: Actor };

export interface Reloader {
  /**
   * Reads everything again and puts it in force. One at a time: who asks meanwhile waits for the next one.
   * @throws FirstbootError what is wrong; the old material stays in force
   */
  reload(actor: Actor): Promise<{ readonly effects: readonly string[] }>;
  /** Why the last one failed; undefined: it did not. */
  readonly failure: string | undefined;
  stop(): Promise<void>;
}

/** Keeps a running service at what its files say, on request and, if wanted, whenever they have changed and are quiet again. */
export function createReloader({ source, apply, told, timers, log, watch }: ReloaderDeps): Reloader {
  const inTurn = new InTurn();
  let failure: string | undefined;

  const once = async (actor: Actor): Promise<{ readonly effects: readonly string[] }> => {
    try {
      const written = await source.read();
      const effects = [...(await apply(written)), ...written.restart.map(afterRestart)];
      failure = undefined;
      log.info({ by: actor.name, effects }, 'the configuration was read again');
      told({ ok: true, effects, actor });
      return { effects };
    } catch (error) {
      failure = error instanceof FirstbootError ? describe(error) : 'an unexpected error: see the log';
      log.error(
        { by: actor.name, error },
        'the configuration was read again and refused: the one before stays in force',
      );
      told({ ok: false, error: failure, actor });
      throw error;
    }
  };
  const reload: Reloader['reload'] = (actor) => inTurn.do(() => once(actor));
  const stopWatching = watch ? watchFiles({ source, timers, log, changed: () => reload(watcher) }) : undefined;
  return {
    reload,
    get failure() {
      return failure;
    },
    stop: async () => {
      await stopWatching?.();
      await inTurn.settled();
    },
  };
}

const watcher: Actor = { kind: 'service', name: 'firstboot', from: 'files that have changed' };

const afterRestart = (setting: string): string => `${setting} has changed: it counts after a restart`;

interface WatchDeps extends Pick<ReloaderDeps, 'source' | 'timers' | 'log'> {
  readonly changed: () => Promise<unknown>;
}

/**
 * Looks at the files' times and sizes: what is written in several steps is taken up when it has been quiet from one look to the
 * next. Cheaper than watching by the system, and sure over network file systems and for files that are renamed into place.
 */
function watchFiles({ source, timers, log, changed }: WatchDeps): () => Promise<void> {
  let known: FileStates | undefined;
  let seen = '';
  let stopped = false;
  let cancel = (): void => undefined;
  let working: Promise<void> = Promise.resolve();

  const look = async (): Promise<void> => {
    const now = await stateOf(source.files);
    known ??= now;
    const quiet = textOf(now) !== textOf(known) && textOf(now) === seen;
    const { renewAt = Number.POSITIVE_INFINITY } = source;
    if (quiet || timers.now() > renewAt) {
      // Its failure is told and logged already.
      await changed().catch(() => undefined);
      // What was read may name other files now; what was written meanwhile is still to be taken up.
      const after = await stateOf(source.files);
      known = new Map([...after].map(([path, state]) => [path, now.get(path) ?? state]));
    }
    seen = textOf(now);
  };
  const round = (): void => {
    working = look()
      .catch((error: unknown) => log.warn({ error }, 'the files of the configuration could not be looked at'))
      .then(again);
  };
  const again = (): void => {
    if (!stopped) cancel = timers.schedule(timers.now() + limits.operations.watch, round);
  };
  round();
  return () => {
    stopped = true;
    cancel();
    return working;
  };
}

/** Time and size by path. */
type FileStates = ReadonlyMap<string, string>;

const textOf = (states: FileStates): string => [...states].map((entry) => entry.join(' ')).join('\n');

/** Of files, and of everything in folders. */
async function stateOf(paths: readonly string[]): Promise<FileStates> {
  const found = new Map<string, string>();
  const look = async (path: string): Promise<void> => {
    if (found.size >= limits.operations.watched) return;
    const facts = await stat(path).catch(() => undefined);
    found.set(path, facts === undefined ? 'none' : `${facts.mtimeMs} ${facts.size} ${facts.ino}`);
    if (!facts?.isDirectory()) return;
    for (const name of (await readdir(path).catch(() => [])).toSorted()) await look(join(path, name));
  };
  for (const path of paths) await look(path);
  return found;
}
