import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { backupName } from './api/schemas/service.ts';
import type { BackupReport as NamedReport } from './api/service.ts';
import { isHalf } from './appearing-folder.ts';
import { type BackupReport, backupsFolder } from './backup.ts';
import type { Millis } from './core/clock.ts';
import { FirstbootError, failure } from './core/errors.ts';
import type { Log } from './core/log.ts';
import { pathExists } from './pki/files.ts';
import type { Actor } from './store/model.ts';
import type { Store } from './store/store.ts';

export interface NamedBackupDeps {
  readonly store: Pick<Store, 'commit'>;
  /** The data folder. */
  readonly data: string;
  readonly backUp: (folder: string) => Promise<BackupReport>;
  readonly now: () => Millis;
  readonly log: Log;
}

/** Backups that a running service writes, into a folder of its own. */
export interface NamedBackups {
  /**
   * Where they are is this host's affair: no error says it.
   * @throws FirstbootError operator.input, operator.conflict (the name is taken), service.backup, service.store
   */
  write(name: string, actor: Actor): Promise<NamedReport>;
}

/** What a service has left that was killed while it wrote a backup goes away first: nobody else writes there. */
export async function namedBackups({ store, data, backUp, now, log }: NamedBackupDeps): Promise<NamedBackups> {
  const place = join(data, backupsFolder);
  for (const name of await readdir(place).catch(() => [])) {
    if (!isHalf(name)) continue;
    await rm(join(place, name), { recursive: true, force: true }).catch((error: unknown) =>
      log.warn({ backup: name, error }, 'what is left of an interrupted backup could not be removed'),
    );
  }
  return {
    write: async (name, actor) => {
      const folder = join(place, checkedName(name));
      const report = await backUp(folder).catch(async (error: unknown) => {
        // Asked afterwards: of two that write it at once, one is the first.
        if (await pathExists(folder)) {
          const fix = 'a backup is never written over: choose another name';
          throw failure('operator.conflict', { backup: name }, fix, error);
        }
        throw notWritten(name, error);
      });
      const detail = { rows: report.rows, bytes: report.bytes };
      await store.commit({ audit: { at: now(), actor, action: 'service.backup', target: `backup ${name}`, detail } });
      return { name, rows: report.rows, bytes: report.bytes };
    },
  };
}

/** @throws FirstbootError operator.input */
function checkedName(name: string): string {
  if (new RegExp(backupName).test(name)) return name;
  throw failure('operator.input', { name }, 'name the backup with letters, digits, dots, dashes and underlines');
}

/** The log of the service has the rest. */
function notWritten(name: string, error: unknown): unknown {
  if (!(error instanceof FirstbootError && error.code === 'command.file')) return error;
  const { found = 'a file that cannot be backed up' } = error.evidence;
  const room = ['ENOSPC', 'EDQUOT'].includes(String(found));
  const fix = room
    ? "make room on the disk of the service's data folder; nothing is left of this backup"
    : "the service's log names the file; nothing is left of this backup";
  return failure('service.backup', { backup: name, found }, fix, error);
}
