import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, test } from 'vitest';
import { readScenario } from '../../src/fleet/scenario-file.ts';
import { build, firstboot, Running } from '../support/command.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

beforeAll(build);

const folder = fileURLToPath(new URL('../../examples/scenarios/', import.meta.url));
const files = readdirSync(folder).filter((name) => name.endsWith('.yaml'));

describe('the example scenarios', () => {
  test('are the six of the book', () => {
    expect(files.toSorted()).toEqual([
      'bad-cell-network.yaml',
      'ca-outage.yaml',
      'factory-reset-storm.yaml',
      'first-day.yaml',
      'hostile-neighbourhood.yaml',
      'hub-failover.yaml',
    ]);
  });

  test.each(files)('%s keeps every promise and budget in its short form', async (name) => {
    const { code, stdout, stderr } = await firstboot(['fleet', join(folder, name), '--short', '--json', '-']);
    expect({ code, stderr }).toMatchObject({ code: 0, stderr: expect.stringContaining('Passed: no violation') });
    const short = readScenario(readFileSync(join(folder, name), 'utf8'), name, { short: true });
    expect(JSON.parse(stdout)).toMatchObject({
      passed: true,
      scenario: { name: short.name, seed: short.seed },
      counts: { devices: short.devices, missing: 0, intruders: 0 },
    });
  });

  test.each(files)('%s has a long form that is at least thirty times as large', (name) => {
    const text = readFileSync(join(folder, name), 'utf8');
    const sizes = [false, true].map((short) => readScenario(text, name, { short }).devices);
    expect(sizes[0]).toBeGreaterThanOrEqual(30 * (sizes[1] ?? 0));
  });
});

describe('firstboot fleet', () => {
  test('gives the same run for the same seed', async () => {
    const run = async (seed: string): Promise<unknown> => {
      const { stdout } = await firstboot(['fleet', '-n', '10', '--loss', '20%', '--seed', seed, '--json', '-']);
      const { time, counts } = JSON.parse(stdout) as { time: { took: number }; counts: unknown };
      return { took: time.took, counts };
    };
    expect(await run('7')).toEqual(await run('7'));
    expect(await run('8')).not.toEqual(await run('7'));
  });

  test('fails when a budget is exceeded, and says so in every report', async () => {
    const { path: reports, remove } = await temporaryFolder();
    const [junit, json, html] = ['a.xml', 'a.json', 'a.html'].map((name) => join(reports, name));
    const { code, stdout } = await firstboot([
      ...['fleet', '-n', '5', '--budget', 'rtt<=1'],
      ...['--junit', junit ?? '', '--json', json ?? '', '--html', html ?? ''],
    ]);
    expect(code).toBe(1);
    expect(stdout).toContain('Failed: 1 of 1 budget exceeded');
    expect(readFileSync(junit ?? '', 'utf8')).toMatch(/<testsuites[^>]* failures="1"/);
    expect(JSON.parse(readFileSync(json ?? '', 'utf8'))).toMatchObject({ passed: false });
    expect(readFileSync(html ?? '', 'utf8')).toContain('<svg');
    await remove();
  });

  test('fails when devices do not arrive before the limit', async () => {
    const { code, stdout } = await firstboot([
      'fleet',
      '-n',
      '5',
      '--loss',
      '100%',
      '--transport',
      'udp',
      '--limit',
      '2min',
    ]);
    expect(code).toBe(1);
    expect(stdout).toMatch(/0 of 5 devices arrived/);
  });

  test('fails when it is over before everything has happened, and ends then also in real time', async () => {
    const { path: reports, remove } = await temporaryFolder();
    const [scenario = '', junit = ''] = ['a.yaml', 'a.xml'].map((name) => join(reports, name));
    writeFileSync(scenario, 'clock: real\ndevices: 2\nlimit: 6s\nresets: { count: 1, after: 10min }\n');
    const { code, stdout } = await firstboot(['fleet', scenario, '--junit', junit]);
    expect(code).toBe(1);
    expect(stdout).toContain('Failed: the run was cut by its limit of 6 s before 2 factory resets.');
    expect(readFileSync(junit, 'utf8')).toMatch(/<testsuites[^>]* failures="1"/);
    await remove();
  });

  test('shares its devices among processes', async () => {
    const { code, stdout } = await firstboot(['fleet', '-n', '21', '--workers', '2', '--json', '-']);
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ counts: { devices: 21, arrived: 21 }, processes: 2, end: 'complete' });
  });

  test('ends at SIGINT and reports what there is', async () => {
    const running = new Running([
      'fleet',
      '-n',
      '2000',
      '--loss',
      '30%',
      '--workers',
      '2',
      '--arrival',
      'ramp:5h',
      '--limit',
      '9h',
    ]);
    await running.noted(/ of 2 000 arrived/);
    const { code, stdout, stderr } = await running.stop('SIGINT');
    expect(stderr).toContain('interrupted');
    expect(stdout).toMatch(/\d+ of 2 000 devices arrived/);
    expect(stdout).toContain('2 processes shared the devices, each with a service of its own');
    expect(stdout).toMatch(/Failed: .*the run was interrupted after /);
    expect(code).toBe(1);
  });

  // The whole table, in one process: test/unit/cli/usage.test.ts.
  test.each([
    [['--endpoint', 'coaps://127.0.0.1:1', '--factory', 'nowhere'], /nowhere.*device folders/],
    [['--bogus'], /unknown option '--bogus'/],
  ] as const)('%j is a usage error', async (args, reason) => {
    const { code, stdout, stderr } = await firstboot(['fleet', ...args]);
    expect(stderr).toMatch(reason);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
  });
});
