import Type from 'typebox';
import type { BackupReport, ReloadReport } from '../service.ts';
import { closed, count, listOf, resource, text } from './parts.ts';

export const reloadReport = resource<ReloadReport>('ReloadReport', 'What a reload changed.', {
  effects: listOf<string>(Type.String(), 'one line for each thing that changed; none: all was as it is written'),
});

/** A folder of its own: nothing that leads elsewhere. */
export const backupName = '^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$';

export const newBackup = Type.Object(
  {
    name: Type.String({
      pattern: backupName,
      description: "letters, digits, dots, _ and -: a folder of this name in the service's folder of backups",
    }),
  },
  { ...closed, $id: 'NewBackup' },
);

export const backupReport = resource<BackupReport>('BackupReport', 'A backup that was written.', {
  name: text('its name'),
  rows: count('rows of the store in it'),
  bytes: count('its size'),
});
