import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { build, type Finished, type Line, Running } from '../support/command.ts';
import { type OperatorFolder, operatorFolder } from '../support/operator-folder.ts';

/** `firstboot group access import`, as a process, over a data folder that nobody else has open. */

let folder: OperatorFolder;

beforeAll(async () => {
  build();
  folder = await operatorFolder();
});

afterAll(() => folder.remove());

test('a CSV goes on a list, and again: what is there already is told and left alone', async () => {
  const file = await written('ids.csv', 'serial,note\r\n3FA2B1,"first, of all"\r\n003fa2b2,\r\n');
  expect((await imported(file, 'preauthorized', '--dry-run')).stdout).toMatch(
    /2 devices come on the preauthorized list of group washing machines\na dry run: nothing was changed\n$/,
  );
  expect(await entries('preauthorized')).toEqual([]);
  expect(await imported(file, 'preauthorized')).toMatchObject({ code: 0, stderr: '' });
  expect(await entries('preauthorized')).toMatchObject([
    { device: { by: 'serial', value: '3fa2b1' }, note: 'first, of all' },
    { device: { by: 'serial', value: '3fa2b2' } },
  ]);
  const again = await imported(file, 'preauthorized');
  expect(again.stdout).toMatch(
    /line 2: is on the list already\n.*line 3: is on the list already\nthere is nothing to do\n$/,
  );
});

test('NDJSON does the same, by key and by subject', async () => {
  const file = await written(
    'ids.ndjson',
    '{"subject":"CN=lab-*","note":"lab"}\n{"key":"3FA2B1C4-0000-4000-8000-000000000001"}\n',
  );
  const { code, stdout } = await imported(file, 'allow', '--json');
  expect(code).toBe(0);
  expect(parsed(stdout)).toMatchObject([
    { event: 'import-line', line: 1, outcome: 'added' },
    { event: 'import-line', line: 2, outcome: 'added' },
    { event: 'import', applied: true, added: 2, problems: 0 },
  ]);
});

test('a broken line is named with line, field and what belongs there, and nothing at all is changed', async () => {
  const file = await written('broken.csv', 'serial,note\n77aa01,one\nzz,two\n77aa02,three\n77aa03,four,five\n');
  const { code, stdout, stderr } = await imported(file, 'deny');
  expect(code).toBe(1);
  expect(stdout).toMatch(/broken\.csv, line 3, field serial: expected a serial number/);
  expect(stdout).toMatch(/broken\.csv, line 5, field \S+.*: expected 2 fields/);
  expect(stderr).toMatch(/broken\.csv, problems 2\): nothing was changed.*--partial/);
  expect(await entries('deny')).toEqual([]);

  const partial = await imported(file, 'deny', '--partial', '--json');
  expect(partial.code).toBe(0);
  expect(parsed(partial.stdout).at(-1)).toMatchObject({ event: 'import', applied: true, added: 2, problems: 2 });
  expect(await entries('deny')).toHaveLength(2);
});

test.each([
  ['no-header.csv', '3fa2b1\n', /no-header\.csv, line 1/],
  ['empty.csv', '', /empty\.csv, line 1/],
  ['ids.txt', 'serial\n1\n', /ids\.txt\).*--format/],
])('%s cannot be used, and that is said', async (name, text, reason) => {
  const { code, stderr } = await imported(await written(name, text), 'deny');
  expect(stderr).toMatch(reason);
  expect(code).toBe(name.endsWith('.txt') ? 2 : 1);
});

test('a file that is not there, and a group that is not', async () => {
  expect((await imported('nowhere.csv', 'deny')).stderr).toMatch(/file nowhere\.csv, found ENOENT/);
  const file = await written('one.csv', 'serial\n1\n');
  const { stderr } = await folder.run('group', 'access', 'import', 'dryers', file, '--list', 'deny');
  expect(stderr).toMatch(/group dryers\): there are: washing machines/);
});

test('100,000 lines are in, in one piece', async () => {
  const rows = Array.from({ length: 100_000 }, (_, n) => `${(n + 0x10_0000).toString(16)},lot ${n % 100}`);
  const file = await written('many.csv', `serial,note\n${rows.join('\n')}\n`);
  const begun = performance.now();
  const { code, stdout } = await imported(file, 'preauthorized');
  const took = performance.now() - begun;
  expect(code).toBe(0);
  expect(stdout).toMatch(/^100000 devices come on the preauthorized list/m);
  process.stdout.write(`100,000 lines of CSV in ${(took / 1000).toFixed(1)} s\n`);
});

test('an import that is interrupted has taken all lines or none', async () => {
  const rows = Array.from({ length: 60_000 }, (_, n) => (n + 0x50_0000).toString(16));
  const file = await written('cut.csv', `serial\n${rows.join('\n')}\n`);
  const before = await entries('deny');
  const args = ['group', 'access', 'import', 'washing machines', file, '--list', 'deny'];
  const importing = new Running(args, { cwd: folder.cwd });
  await new Promise((resolve) => setTimeout(resolve, 1_000));
  const { code, stderr } = await importing.stop('SIGINT');
  expect(stderr).not.toMatch(/unexpected/);
  expect([0, 130, null]).toContain(code);
  const { length } = await entries('deny');
  expect([before.length, before.length + rows.length]).toContain(length);
});

const imported = (file: string, list: string, ...options: readonly string[]): Promise<Finished> =>
  folder.run('group', 'access', 'import', 'washing machines', file, '--list', list, ...options);

async function entries(list: string): Promise<Line[]> {
  const { stdout } = await folder.run(
    'group',
    'access',
    'list',
    'washing machines',
    '--list',
    list,
    '--limit',
    'all',
    '--json',
  );
  return parsed(stdout);
}

async function written(name: string, text: string): Promise<string> {
  await writeFile(join(folder.cwd, name), text);
  return name;
}

const parsed = (stdout: string): Line[] =>
  stdout
    .split('\n')
    .slice(0, -1)
    .map((line) => JSON.parse(line) as Line);
