import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { appearing } from '../../src/appearing-folder.ts';
import { silentLog } from '../../src/core/log.ts';
import { namedBackups } from '../../src/named-backups.ts';
import { freshBeside } from '../../src/pki/files.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { until } from '../support/until.ts';

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
/** Everything of a folder that is still written to: what is removed of it comes again, so that it cannot be removed. */
let endWriting: () => Promise<void>;
beforeEach(async () => {
  folder = await temporaryFolder();
  endWriting = async () => undefined;
});
afterEach(async () => {
  await endWriting();
  await folder.remove();
});

/** Resolves once there is something to remove. */
async function keepWriting(half: string): Promise<void> {
  let [goesOn, written] = [true, 0];
  const write = async (): Promise<void> => {
    while (goesOn) {
      await mkdir(half, { recursive: true });
      await writeFile(join(half, `part ${written++}`), 'x').catch(() => undefined);
    }
  };
  const writing = Promise.all(Array.from({ length: 4 }, write));
  endWriting = async () => {
    goesOn = false;
    await writing;
  };
  await until(() => written > 100);
}

test('a folder that is there whole is a success, also when another one that was to go there is still written', async () => {
  const target = join(folder.path, 'monday');
  await keepWriting(freshBeside(target));
  await expect(
    appearing(target, async (fresh) => {
      await writeFile(join(fresh, 'whole'), 'x');
      return 'done';
    }),
  ).resolves.toBe('done');
  expect(await readdir(target)).toEqual(['whole']);
});

test('a service starts although half a backup cannot be removed', async () => {
  const half = freshBeside(join(folder.path, 'backups', 'monday'));
  await keepWriting(half);
  const deps = {
    store: { commit: async () => true },
    data: folder.path,
    backUp: async () => ({ rows: 0, files: 0, bytes: 0 }),
    now: () => 0,
  };
  await expect(namedBackups({ ...deps, log: silentLog })).resolves.toBeDefined();
});
