import { beforeAll, describe, expect, test } from 'vitest';
import { createProgram, pathOf, withSubcommands } from '../../src/cli/program.ts';
import { build, firstboot } from '../support/command.ts';

beforeAll(build, 60_000);

const commands = withSubcommands(createProgram('0.0.0'));

describe('help', () => {
  test.each(commands.map((command) => ({ path: pathOf(command), command })))(
    '$path --help names every option, argument and subcommand',
    async ({ path, command }) => {
      const { code, stdout, stderr } = await firstboot([...path.split(' ').slice(1), '--help']);
      expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
      for (const { flags } of command.options) expect(stdout).toContain(flags);
      for (const argument of command.registeredArguments) expect(stdout).toContain(argument.name());
      for (const inner of command.commands) expect(stdout).toMatch(new RegExp(`^  ${inner.name()} `, 'm'));
      for (const line of stdout.split('\n')) expect(line.length).toBeLessThanOrEqual(80);
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
