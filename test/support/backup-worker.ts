import { backUp } from '../../src/backup.ts';
import { openLevelStore } from '../../src/store/level.ts';

/**
 * A process that kills itself (SIGKILL) in the middle of a backup.
 * Usage: node test/support/backup-worker.ts STORE DATA TARGET store|manifest: after the store is copied, or all but the manifest
 */
const [folder = '', data = '', target = '', moment = ''] = process.argv.slice(2);
const die = (): void => void process.kill(process.pid, 'SIGKILL');
const opened = await openLevelStore(folder);
const store = {
  ...opened,
  copyTo: async (to: string): Promise<number> => {
    const rows = await opened.copyTo(to);
    if (moment === 'store') die();
    return rows;
  },
};
const source = {
  store,
  data,
  outside: [],
  authority: undefined,
  get now() {
    if (moment === 'manifest') die();
    return 0;
  },
};
await backUp(source, target);
process.stdout.write('whole\n');
