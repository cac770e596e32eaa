import { cp, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { createProgram, pathOf, withSubcommands } from '../../src/cli/program.ts';
import { encodeCertificates } from '../../src/codec/pem.ts';
import { openLevelStore } from '../../src/store/level.ts';
import type { Store } from '../../src/store/store.ts';
import { startTestApi, type TestApi } from '../support/api.ts';
import { seeded, seedOperations } from '../support/operations-bench.ts';
import { runInProcess } from '../support/run-in-process.ts';
import { commandFiles, type SameCommand, sameCommands } from '../support/same-output.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

/** Every command of operators, once over a data folder and once over the API of a service that has a copy of it. */

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let store: Store;
let api: TestApi;

beforeAll(async () => {
  vi.useFakeTimers({ toFake: ['Date'], now: Date.now() });
  folder = await temporaryFolder();
  const [here, there] = [join(folder.path, 'here'), join(folder.path, 'there')];
  const authority = join(there, 'authority');
  const open = () => openLevelStore(join(there, 'store'));
  store = await open();
  await seedOperations(store, there);
  const { tokens, ...before } = await startTestApi({ store, authority });
  await before.close();
  await store.close();
  await cp(there, here, { recursive: true });
  store = await open();
  api = await startTestApi({ store, authority, tokens });
  vi.stubEnv('FIRSTBOOT_TOKEN', tokens.admin);
  for (const [name, text] of Object.entries(commandFiles)) await writeFile(join(folder.path, name), text);
  await writeFile(join(folder.path, 'good.pem'), encodeCertificates(seeded.goodChain));
});

afterAll(async () => {
  await api.close();
  await store.close();
  await folder.remove();
  vi.useRealTimers();
  vi.unstubAllEnvs();
});

const program = await createProgram('0.0.0');
const commands = withSubcommands(program).filter(({ options }) => options.some(({ long }) => long === '--server'));
const pathsOf = (taking: string): readonly string[] =>
  commands.filter(({ options }) => options.some(({ long }) => long === taking)).map(pathOf);
const [changing, overFolders] = [pathsOf('--dry-run'), pathsOf('--data')];
/** The longest path that fits: `group access list` is no `group`. */
const pathFor = (args: readonly string[]): string | undefined =>
  commands.map(pathOf).find((path) => `firstboot ${args.join(' ')} `.startsWith(`${path} `));

async function expectSame({ args, but }: SameCommand): Promise<void> {
  const placed = args.map((part) => part.replace('HERE', folder.path));
  const local = await runInProcess([...placed, '--data', join(folder.path, 'here')]);
  const remote = await runInProcess([...placed, '--server', api.url]);
  const without = but?.without ?? ((text: string) => text);
  expect(without(unplaced(remote.stdout))).toBe(without(local.stdout));
  expect(without(unplaced(remote.stderr))).toBe(without(local.stderr));
  expect(remote.code).toBe(local.code);
}

/** Where it was asked is the one thing that is never the same. */
const unplaced = (text: string): string => text.replaceAll(`at ${api.url}`, `in ${join(folder.path, 'here')}`);

describe('a command says the same over a data folder and over the API, as a dry run and with --json, too', () => {
  test.each(sameCommands.map((command, at) => ({ name: `${at} ${command.args.join(' ')}`, command })))(
    '$name',
    async ({ command }) => {
      const { args } = command;
      const dry = !args.includes('--dry-run') && changing.includes(pathFor(args) ?? '') ? ['--dry-run'] : [];
      const json = args.includes('--json') ? [] : ['--json'];
      if (dry.length > 0) await expectSame({ ...command, args: [...args, ...dry] });
      if (json.length > 0 && (dry.length > 0 || !changing.includes(pathFor(args) ?? '')))
        await expectSame({ ...command, args: [...args, ...dry, ...json] });
      await expectSame(command);
    },
  );

  test('and every command that works on a data folder is among them', () => {
    const tried = new Set(sameCommands.map(({ args }) => pathFor(args)));
    // Over a folder it is given a folder, over a service the name of a backup: cli-backup.test.ts.
    expect(overFolders.filter((path) => !tried.has(path))).toEqual(['firstboot backup']);
    // Nothing is running to be asked in a folder.
    expect(commands.map(pathOf).filter((path) => !overFolders.includes(path))).toEqual([
      'firstboot reload',
      'firstboot events',
    ]);
  });
});
