import { beforeAll, describe, expect, test } from 'vitest';
import { createProgram, pathOf, withSubcommands } from '../../src/cli/program.ts';
import { build, firstboot } from '../support/command.ts';

beforeAll(build);

const commands = withSubcommands(await createProgram('0.0.0'));
const leaves = commands.filter((command) => command.commands.length === 0);

/** What the command prints when it is asked for help. */
function helpOf(command: (typeof commands)[number]): string {
  const help: string[] = [];
  command.configureOutput({ writeOut: (text) => help.push(text) });
  command.outputHelp();
  return help.join('');
}

describe('help', () => {
  test.each(commands.map((command) => ({ path: pathOf(command), command })))(
    '$path --help names every option, argument and subcommand',
    ({ command }) => {
      const help = helpOf(command);
      for (const { flags } of command.options) expect(help).toContain(flags);
      for (const argument of command.registeredArguments) expect(help).toContain(argument.name());
      for (const inner of command.commands) expect(help).toMatch(new RegExp(`^  ${inner.name()} `, 'm'));
      for (const line of help.split('\n')) expect(line.length).toBeLessThanOrEqual(80);
    },
  );

  // Each is a process, and they differ in depth only.
  test.each(['', 'serve', 'group access import'])('firstboot %s --help prints just that', async (path) => {
    const words = path.split(' ').filter((word) => word !== '');
    const command = commands.find((found) => pathOf(found) === ['firstboot', ...words].join(' '));
    const { code, stdout, stderr } = await firstboot([...words, '--help']);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toBe(command && helpOf(command));
  });

  test('the commands stand in groups', async () => {
    const { stdout } = await firstboot(['--help']);
    const headings = stdout.split('\n').filter((line) => /^[A-Z].*:$/.test(line));
    expect(headings).toEqual([
      'Options:',
      'Run:',
      'Who comes in, and what they get:',
      'What is happening, and why:',
      'Certificates:',
      'The API:',
      'Other:',
      'Examples:',
    ]);
  });

  test.each(leaves.map((command) => ({ path: pathOf(command), command })))(
    '$path --help has an example',
    ({ path, command }) => {
      const examples = helpOf(command)
        .replace(/\\\n\s+/g, '')
        .split('\n')
        .filter((line) => line.startsWith(`  $ ${path}`));
      expect(examples.length).toBeGreaterThan(0);
    },
  );

  test('firstboot alone shows the help and fails', async () => {
    const { code, stderr } = await firstboot([]);
    expect(code).toBe(2);
    expect(stderr).toMatch(/^Usage: firstboot/);
  });

  test('--version is the version of the package', async () => {
    expect(await firstboot(['--version'])).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/^\d+\.\d+\.\d+\n$/),
    });
  });
});

describe('a command line that cannot be read ends with 2 and says what is wrong and where help is', () => {
  test.each([
    [['srve'], /unknown command 'srve'\n\(Did you mean serve\?\)\n\(firstboot --help/],
    [['serve', '--bogus'], /unknown option '--bogus'\n\(firstboot serve --help/],
    [['device', 'a', 'coaps://b', 'c'], /too many arguments for 'device'/],
    [['device', 'list', '--state', 'lost'], /'--state <state>'.*pending, active/],
    [['device', 'show'], /missing required argument 'device'\n\(firstboot device show --help/],
    [['group', 'lst'], /unknown command 'lst'\n\(Did you mean list\?\)\n\(firstboot group --help/],
    [['group', 'access', 'add', 'x'], /required option '--list <list>'/],
    [['device', '--retry', '0'], /'--retry <seconds>'.*write 1 to 255/],
    [['gateway', '--port', '70000'], /'--port <number>'.*0 to 65535/],
    [['pki', 'dev'], /required option '--out <folder>'/],
    [['pki', 'dev', '--out', 'x', '--devices', 'many'], /whole number from 1/],
    [['pki', 'dev', '--out', 'x', '--hub-id', 'hub'], /expected a UUID/],
    [['pki', 'inspect'], /missing required argument 'file'\n\(firstboot pki inspect --help/],
  ] as const)('firstboot %j', async (args, reason) => {
    const { code, stdout, stderr } = await firstboot(args);
    expect(stderr).toMatch(reason);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
  });

  test('with --json the reason is an object on standard output', async () => {
    const { code, stdout } = await firstboot(['serve', '--bogus', '--json']);
    expect(code).toBe(2);
    expect(JSON.parse(stdout)).toMatchObject({
      event: 'error',
      error: 'command.usage',
      evidence: { found: expect.stringContaining('--bogus') },
    });
  });
});
