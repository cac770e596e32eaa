import { cp, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { encodeCertificates } from '../../src/codec/pem.ts';
import { openLevelStore } from '../../src/store/level.ts';
import { startTestApi, type TestApi } from '../support/api.ts';
import { seeded, seedOperations } from '../support/operations-bench.ts';
import { runInProcess } from '../support/run-in-process.ts';
import { someUuid } from '../support/store-records.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

/** The same commands over a data folder and over the API of a service that has a copy of it. */

const { active, pending, quarantined, disabled } = seeded.devices;
let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let api: TestApi;
let closeStore: () => Promise<void>;

beforeAll(async () => {
  vi.useFakeTimers({ toFake: ['Date'], now: Date.now() });
  folder = await temporaryFolder();
  const [here, there] = [join(folder.path, 'here'), join(folder.path, 'there')];
  const seeding = await openLevelStore(join(here, 'store'));
  await seedOperations(seeding, here);
  await seeding.close();
  await cp(here, there, { recursive: true });
  const store = await openLevelStore(join(there, 'store'));
  closeStore = () => store.close();
  api = await startTestApi({ store, authority: join(there, 'authority') });
  vi.stubEnv('FIRSTBOOT_TOKEN', api.tokens.admin);
  const write = (name: string, text: string) => writeFile(join(folder.path, name), text);
  await write(
    'hub.yaml',
    `hubs:\n  - id: ${someUuid(630)}\n    name: staging\n    gateways: ['coaps+tcp://s.example:5684']\n`,
  );
  await write(
    'group.yaml',
    `groups:
  - name: dryers
    owner: acme
    psk: [{identity: dryer, key: '${'ab'.repeat(16)}'}]
    ownerPsk: '${'cd'.repeat(16)}'
    acl: [{subject: owner, permission: all, resources: ['*']}]
    hubs: [${seeded.production}]
`,
  );
  await write(
    'changed.yaml',
    `hubs:\n  - id: ${someUuid(630)}\n    name: moved\n    gateways: ['coaps://m.example:1']\n`,
  );
  await write('ids.csv', 'serial,note\n3fa2b1,first\n3fa2b2,second\n3fa2b1,again\n');
  await write('wrong.csv', 'serial\nnonsense\n');
  await write('good.pem', encodeCertificates(seeded.goodChain));
});

afterAll(async () => {
  await api.close();
  await closeStore();
  await folder.remove();
  vi.useRealTimers();
  vi.unstubAllEnvs();
});

/** In order: those further down go by what those above have changed. */
const commands: readonly (readonly string[])[] = [
  ['group', 'list'],
  ['group', 'show', 'washing machines'],
  ['group', 'show', 'samples'],
  ['group', 'show', 'nowhere'],
  ['hub', 'list'],
  ['hub', 'show', 'production'],
  ['device', 'list'],
  ['device', 'list', '--state', 'pending', '--limit', '1'],
  ['device', 'show', active],
  ['device', 'show', pending.slice(0, 8)],
  ['credential', 'list'],
  ['credential', 'list', '--no-revoked', '--expiring', '60d'],
  ['credential', 'show', 'a1b2c3'],
  ['credential', 'owner-psk', active],
  ['attempt', 'list'],
  ['attempt', 'list', '--verdict', 'refused'],
  ['attempt', 'show', seeded.refused],
  ['attempt', 'refusals'],
  ['explain', seeded.refused, '--group', 'samples'],
  ['ca', 'status'],
  ['ca', 'rehearse', 'root', '--on', '2100-01-01'],
  ['policy', 'show'],
  ['policy', 'show', 'samples'],
  ['policy', 'dry-run', 'HERE/group.yaml', '--since', '1d'],
  ['hub', 'create', '-f', 'HERE/hub.yaml', '--dry-run'],
  ['hub', 'create', '-f', 'HERE/hub.yaml'],
  ['hub', 'create', '-f', 'HERE/hub.yaml'],
  ['hub', 'update', '-f', 'HERE/changed.yaml'],
  ['hub', 'delete', 'moved'],
  ['group', 'create', '-f', 'HERE/group.yaml'],
  ['group', 'update', '-f', 'HERE/group.yaml'],
  ['group', 'show', 'dryers'],
  ['group', 'disable', 'dryers'],
  ['group', 'delete', 'dryers', '--dry-run'],
  ['group', 'delete', 'dryers'],
  ['group', 'access', 'add', 'samples', '--list', 'deny', '--serial', '1', '2', '--note', 'lost'],
  ['group', 'access', 'list', 'samples'],
  ['group', 'access', 'remove', 'samples', '--list', 'deny', '--serial', '1', '7'],
  ['group', 'access', 'import', 'samples', 'HERE/ids.csv', '--list', 'allow'],
  ['group', 'access', 'import', 'samples', 'HERE/wrong.csv', '--list', 'allow'],
  ['device', 'approve', '--all-pending', '--dry-run'],
  ['device', 'approve', pending, active],
  ['device', 'release', quarantined, '--reason', 'looked at it'],
  ['device', 'enable', disabled, 'deadbeef'],
  ['device', 'transfer', active, '--owner', 'bolt'],
  ['device', 'rekey', active, pending],
  ['credential', 'revoke', '--serial', 'a1b2c3', '--reason', 'superseded'],
  ['credential', 'release', '--serial', 'a1b2c3'],
  ['webhook', 'list'],
  ['webhook', 'show', 'nowhere'],
  ['ca', 'rotate', 'root', '--stage', 'retire'],
  ['ca', 'rotate', 'root', '--dry-run', '--json'],
];

const placed = (args: readonly string[]): string[] => args.map((part) => part.replace('HERE', folder.path));
const here = (args: readonly string[]) => runInProcess([...placed(args), '--data', join(folder.path, 'here')]);
const there = (args: readonly string[]) => runInProcess([...placed(args), '--server', api.url]);
/** Where it was asked is the one thing that is not the same. */
const unplaced = (text: string): string => text.replaceAll(`at ${api.url}`, `in ${join(folder.path, 'here')}`);

describe('a command says the same over a data folder and over the API', () => {
  test.each(commands.map((args, at) => ({ name: `${at} ${args.join(' ')}`, args })))('$name', async ({ args }) => {
    if (!args.includes('--json') && readsOnly(args)) {
      const [json, asked] = [await here([...args, '--json']), await there([...args, '--json'])];
      expect(unplaced(asked.stdout)).toBe(json.stdout);
    }
    const [local, remote] = [await here(args), await there(args)];
    expect(unplaced(remote.stdout)).toBe(local.stdout);
    expect(remote.code).toBe(local.code);
    expect(unplaced(remote.stderr)).toBe(local.stderr);
  });

  const readsOnly = ([, verb = '']: readonly string[]): boolean =>
    ['list', 'show', 'refusals', 'status', 'rehearse', 'dry-run', 'owner-psk'].includes(verb) || /^[0-9a-f]/.test(verb);
});

describe('what is refused over a service', () => {
  test.each([
    [['policy', 'show', '--secrets'], 2, /--secrets.*tells nobody its keys/],
    [['ca', 'status', '--authority', 'x'], 2, /--authority.*knows where/],
    [['device', 'list', '--data', 'x'], 2, /--data and --server name two places/],
  ] as const)('%j', async (args, code, words) => {
    const { code: ended, stderr } = await there(args);
    expect(stderr).toMatch(words);
    expect(ended).toBe(code);
  });

  test('the command line counts before the environment, and two places in the environment are one too many', async () => {
    vi.stubEnv('FIRSTBOOT_SERVER', api.url);
    expect((await runInProcess(['hub', 'list', '--data', join(folder.path, 'nowhere')])).stderr).toContain('nowhere');
    expect((await runInProcess(['hub', 'list'])).stdout).toContain('production');
    vi.stubEnv('FIRSTBOOT_DATA', folder.path);
    expect((await runInProcess(['hub', 'list'])).stderr).toMatch(/FIRSTBOOT_DATA and FIRSTBOOT_SERVER/);
    expect((await there(['hub', 'list'])).stdout).toContain('production');
    vi.stubEnv('FIRSTBOOT_DATA', undefined);
    vi.stubEnv('FIRSTBOOT_SERVER', undefined);
  });

  test('a token is needed, and may be in a file', async () => {
    vi.stubEnv('FIRSTBOOT_TOKEN', undefined);
    const { code, stderr } = await there(['hub', 'list']);
    expect([code, stderr]).toEqual([2, expect.stringMatching(/token none.*--token-file/)]);
    const file = join(folder.path, 'token');
    await writeFile(file, `${api.tokens.viewer}\n`);
    expect((await there(['hub', 'list', '--token-file', file])).stdout).toContain('production');
    const refused = await there(['hub', 'delete', 'unused', '--token-file', file]);
    expect([refused.code, refused.stderr]).toEqual([1, expect.stringContaining('does not allow this')]);
    await writeFile(file, 'two words');
    expect((await there(['hub', 'list', '--token-file', file])).stderr).toMatch(/not one word/);
    expect((await there(['hub', 'list', '--token-file', `${file}.not`])).stderr).toMatch(/ENOENT/);
    vi.stubEnv('FIRSTBOOT_TOKEN', `fb_${'0'.repeat(32)}_${'A'.repeat(43)}`);
    expect((await there(['hub', 'list'])).stderr).toMatch(/sign in, or send a token/);
    vi.stubEnv('FIRSTBOOT_TOKEN', api.tokens.admin);
  });
});
