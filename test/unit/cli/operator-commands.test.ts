import { mkdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { openLevelStore } from '../../../src/store/level.ts';
import { devicesInStates, machines, type OperatorFolder, operatorFolder } from '../../support/operator-folder.ts';
import { runInProcess } from '../../support/run-in-process.ts';
import { someUuid } from '../../support/store-records.ts';

let folder: OperatorFolder;

beforeEach(async () => {
  folder = await operatorFolder();
});
afterEach(() => folder.remove());

const data = (): string => join(folder.cwd, 'firstboot-data');
const run = (args: readonly string[]) =>
  runInProcess([...args.map((part) => part.replace('HERE', folder.cwd)), '--data', data()]);

const { active, pending, quarantined, disabled, decommissioned } = devicesInStates;

const group = `groups:
  - name: samples
    owner: acme
    pins: ['${'ab'.repeat(32)}']
    hubs: [${someUuid(600)}]
`;
const hub = `hubs:
  - id: ${someUuid(601)}
    name: spare
    gateways: ['coaps+tcp://spare.example.com:5684']
`;

/** Every command that changes something, with arguments that fit what is there. */
const changes: readonly (readonly string[])[] = [
  ['group', 'create', '-f', 'HERE/group.yaml'],
  ['group', 'update', '-f', 'HERE/changed-group.yaml'],
  ['group', 'disable', 'washing machines'],
  ['group', 'delete', 'washing machines', '--force'],
  ['group', 'access', 'add', 'washing machines', '--list', 'deny', '--serial', '3fa2b1'],
  ['group', 'access', 'import', 'washing machines', 'HERE/ids.csv', '--list', 'allow'],
  ['hub', 'create', '-f', 'HERE/hub.yaml'],
  ['hub', 'update', '-f', 'HERE/changed-hub.yaml'],
  ['hub', 'delete', 'unused'],
  ['device', 'approve', pending],
  ['device', 'approve', '--all-pending'],
  ['device', 'approve', '--all-pending', '--group', 'washing machines'],
  ['device', 'approve', pending, decommissioned],
  ['device', 'reject', pending],
  ['device', 'quarantine', active],
  ['device', 'release', quarantined],
  ['device', 'disable', active],
  ['device', 'enable', disabled],
  ['device', 'decommission', active],
  ['device', 'transfer', active, '--owner', 'acme'],
  ['device', 'rekey', active, pending],
  ['device', 'allow-reset', active],
  ['credential', 'revoke', '--serial', 'A1B2C3'],
  ['credential', 'revoke', '--device', active, '--generation', '1'],
  ['credential', 'revoke', '--group', 'washing machines'],
  ['credential', 'release', '--serial', 'D4E5F6'],
];

async function files(): Promise<void> {
  await writeFile(join(folder.cwd, 'group.yaml'), group);
  await writeFile(join(folder.cwd, 'hub.yaml'), hub);
  await writeFile(
    join(folder.cwd, 'changed-group.yaml'),
    group.replace('name: samples', `id: ${machines}\n    name: washing machines\n    admission: manual`),
  );
  await writeFile(
    join(folder.cwd, 'changed-hub.yaml'),
    hub.replace(someUuid(601), someUuid(602)).replace('spare', 'unused'),
  );
  await writeFile(join(folder.cwd, 'homeless.yaml'), group.replace(someUuid(600), someUuid(603)));
  await writeFile(join(folder.cwd, 'ids.csv'), 'serial\n3fa2b1\n');
}

/** All that operators can change. */
async function everything(): Promise<unknown> {
  const store = await openLevelStore(join(data(), 'store'));
  try {
    const page = { limit: 1000 };
    return [
      await store.groups.list(),
      await store.hubs.list(),
      await store.devices(page),
      await store.allCredentials(page),
      await store.access({ groupId: machines, ...page }),
      await store.audit(page),
    ];
  } finally {
    await store.close();
  }
}

describe('a dry run says what would change and changes nothing; the run changes it and is in the audit log', () => {
  test.each(changes.map((args) => ({ name: args.slice(0, 3).join(' '), args })))('$name', async ({ args }) => {
    await files();
    const before = await everything();
    const dry = await run([...args, '--dry-run']);
    expect(dry.stderr).toBe('');
    expect(dry.stdout).toMatch(/\na dry run: nothing was changed\n$/);
    expect(await everything()).toEqual(before);

    const done = await run([...args, '--json']);
    expect(done).toMatchObject({ code: undefined, stderr: '' });
    const said = done.stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, unknown>);
    expect(said.at(-1)).toMatchObject({ applied: true });
    const after = await run(['audit', 'list', '--json']);
    expect(JSON.parse(after.stdout.split('\n')[0] ?? '')).toMatchObject({ seq: 1, actor: { kind: 'operator' } });
  });
});

describe('with --json every line is an object, refusals too', () => {
  test.each([
    [['group', 'list']],
    [['group', 'show', 'washing machines']],
    [['group', 'access', 'list', machines]],
    [['hub', 'list']],
    [['hub', 'show', 'production']],
    [['device', 'list']],
    [['device', 'show', active]],
    [['credential', 'list']],
    [['credential', 'show', 'a1b2c3']],
    [['credential', 'revoke', '--serial', 'ff']],
    [['attempt', 'list']],
    [['attempt', 'refusals']],
    [['attempt', 'show', '00000000']],
    [['audit', 'list']],
    [['audit', 'verify']],
    [['device', 'approve', active, pending]],
  ])('%j', async (args) => {
    const { stdout } = await run([...args, '--json']);
    const lines = stdout.split('\n').slice(0, -1);
    for (const line of lines) expect(JSON.parse(line)).toMatchObject({ event: expect.any(String) });
  });
});

describe('what cannot be done is refused, with what would help', () => {
  test.each([
    [['device', 'show', '00000000'], 1, /device 00000000\).*device list/],
    [['device', 'show', 'abc'], 1, /first 8 characters/],
    [['device', 'approve'], 2, /found neither\).*--all-pending/],
    [['device', 'approve', pending, '--all-pending'], 2, /found both/],
    [['device', 'approve', '--group', 'washing machines'], 2, /found --group alone/],
    [['device', 'approve', '--all-pending', '--group', 'dryers'], 1, /there are: washing machines/],
    [['device', 'approve', active], 1, /state active\).*pending or decommissioned/],
    [['device', 'enable', decommissioned], 1, /state decommissioned/],
    [['device', 'release', active], 1, /state active/],
    [['device', 'quarantine', active, '--reason', 'two\nlines'], 2, /--reason[\s\S]*one line of 1 to 256/],
    [['device', 'transfer', active, '--owner', ''], 1, /owner/],
    [['device', 'transfer', active], 2, /required option '--owner/],
    [['device', 'list', '--state', 'lost'], 2, /pending, active, quarantined/],
    [['device', 'list', '--limit', '0'], 2, /whole number from 1, or all/],
    [['group', 'show', 'dryers'], 1, /there are: washing machines/],
    [['group', 'create', '-f', 'nowhere.yaml'], 1, /file nowhere\.yaml, found ENOENT/],
    [['group', 'create', '-f', 'HERE/homeless.yaml'], 1, /there is no hub .*firstboot hub create/],
    [['device', 'quarantine', active, 'deadbeef'], 1, /device deadbeef/],
    [['device', 'approve', 'deadbeef', pending], 1, /device deadbeef/],
    [['group', 'create', '-f', 'HERE/hub.yaml'], 1, /hub\.yaml, key groups\)/],
    [['group', 'delete', 'washing machines'], 1, /devices 5\)/],
    [['group', 'access', 'add', 'washing machines', '--list', 'deny'], 2, /--key, --serial or --subject/],
    [['group', 'access', 'add', 'washing machines', '--serial', '1'], 2, /required option '--list/],
    [['group', 'access', 'add', 'washing machines', '--list', 'deny', '--key', 'x'], 1, /manufacturer key id/],
    [['group', 'access', 'remove', 'washing machines', '--list', 'deny', '--serial', '1'], 1, /list the entries/],
    [['hub', 'delete', 'production'], 1, /configuration file/],
    [['credential', 'revoke'], 2, /found none\).*--serial/],
    [['credential', 'revoke', '--serial', '1', '--group', 'x'], 2, /--serial and --group/],
    [['credential', 'revoke', '--generation', '1', '--group', 'x'], 2, /--device \(perhaps/],
    [['credential', 'revoke', '--device', active, '--generation', '7'], 1, /generation 7/],
    [['credential', 'revoke', '--serial', 'a1b2c3', '--reason', 'bored'], 2, /keyCompromise/],
    [['credential', 'release', '--serial', 'a1b2c3'], 1, /a1b2c3/],
    [['credential', 'show', 'ff'], 1, /credential list/],
    [['credential', 'owner-psk', active], 1, /ownerPsk none\).*owner key/],
    [['credential', 'owner-psk', pending], 1, /deviceId none yet/],
    [['attempt', 'show', 'x'], 1, /attempt id/],
    [['attempt', 'list', '--code', 'nonsense'], 2, /errors\.md/],
    [['attempt', 'list', '--since', 'lately'], 2, /2026-11-01/],
    [['audit', 'verify', '--head', '4d1f'], 2, /64 hexadecimal digits/],
  ] as const)('%j', async (args, code, reason) => {
    await files();
    const before = await everything();
    const refused = await run(args);
    expect(refused.stderr).toMatch(reason);
    expect(refused.stderr).not.toMatch(/unexpected/);
    expect(refused.code).toBe(code);
    expect(await everything()).toEqual(before);
  });
});

test('of several devices one that is not known keeps all, and one that is named twice is done once', async () => {
  const { code, stdout } = await run(['device', 'quarantine', active, 'deadbeef', 'feedface']);
  expect(stdout).toBe('nothing is changed: give the command again with devices that are all known\n');
  expect(code).toBe(1);
  const twice = await run(['device', 'quarantine', active, active.slice(0, 8)]);
  expect(twice.stdout.match(/-> quarantined/g)).toHaveLength(1);
  expect(twice.code).toBeUndefined();
});

test('of several devices one that is refused does not keep the others', async () => {
  const { code, stdout, stderr } = await run(['device', 'disable', decommissioned, active, pending]);
  expect(stderr).toMatch(/state decommissioned/);
  expect(stdout.match(/-> disabled/g)).toHaveLength(2);
  expect(code).toBe(1);
});

test('a file with a group that conflicts makes none of its groups', async () => {
  await writeFile(
    join(folder.cwd, 'two.yaml'),
    `${group}${group.replace('groups:\n', '').replace('samples', 'washing machines')}`,
  );
  const { code, stderr } = await run(['group', 'create', '-f', 'HERE/two.yaml']);
  expect(stderr).toMatch(/washing machines/);
  expect(code).toBe(1);
  expect((await run(['group', 'list'])).stdout).not.toContain('samples');
});

describe('a list', () => {
  test('says that there is more, and how to get it', async () => {
    const { stdout } = await run(['device', 'list', '--limit', '2']);
    expect(stdout).toMatch(/there are more: --limit 20, or --limit all\n$/);
    expect((await run(['device', 'list', '--limit', 'all'])).stdout).not.toMatch(/there are more/);
  });

  test('says that there is nothing', async () => {
    expect((await run(['attempt', 'list'])).stdout).toBe('there is no such attempt\n');
    expect((await run(['attempt', 'list', '--text', 'x'])).stdout).toBe('there is no such attempt\n');
    expect((await run(['audit', 'list'])).stdout).toBe('there is no such line\n');
  });
});

describe('a folder that is no data folder', () => {
  test.each([
    ['nowhere', /folder .*nowhere, found nothing\).*--data or FIRSTBOOT_DATA/],
    ['', /found no data folder of firstboot\).*firstboot serve/],
    ['firstboot-data/store', /found the store itself\): name the folder above/],
    ['loop/data', /found ELOOP\): check the path, and who may read/],
    ['empty', /found no data folder of firstboot/],
  ])('%j', async (name, reason) => {
    await mkdir(join(folder.cwd, 'empty'), { recursive: true });
    await symlink('loop', join(folder.cwd, 'loop'));
    const { code, stderr } = await runInProcess(['device', 'list', '--data', join(folder.cwd, name)]);
    expect(stderr).toMatch(reason);
    expect(code).toBe(1);
  });

  test('that somebody else has open is named as in use', async () => {
    const store = await openLevelStore(join(data(), 'store'));
    const { code, stderr } = await run(['device', 'list']);
    await store.close();
    expect(stderr).toMatch(/code in use\): a running firstboot.*--server/);
    expect(code).toBe(1);
  });
});
