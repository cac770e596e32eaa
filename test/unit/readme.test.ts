import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { createProgram, pathOf, withSubcommands } from '../../src/cli/program.ts';
import { parseConfig } from '../../src/config/file.ts';
import { configSchema } from '../../src/config/schema.ts';
import { settings } from '../../src/config/settings.ts';
import { loadConfig } from '../../src/config.ts';
import { limits } from '../../src/core/limits.ts';
import { keysOf, type SchemaNode } from '../support/schema-keys.ts';

const readme = readFileSync(new URL('../../README.md', import.meta.url), 'utf8');

/** Rows of the tables under a heading, as cells. */
const tableUnder = (heading: string): string[][] =>
  (readme.split(`\n## ${heading}\n`)[1]?.split('\n## ')[0] ?? '')
    .split('\n')
    .filter((line) => line.startsWith('|'))
    .slice(2)
    .map((line) =>
      line
        .split('|')
        .slice(1, -1)
        .map((cell) => cell.trim()),
    );

const code = (text: string): string => `\`${text}\``;

const program = await createProgram('0.0.0');

describe('the commands of the README', () => {
  const operating = tableUnder('Operating');
  const rows = [...tableUnder('Commands'), ...operating];
  // `device` has commands, and does something without one.
  const leaves = withSubcommands(program).filter(
    ({ commands, registeredArguments }) => commands.length === 0 || registeredArguments.length > 0,
  );

  test.each(leaves.map((command) => ({ path: pathOf(command), command })))(
    '$path is there with all of its options, and no others',
    ({ path, command }) => {
      // The longest name that fits: `device list` is no `device`.
      const row = rows
        .filter(([name = '']) => name === code(path) || name.startsWith(`\`${path} `))
        .find(([name = '']) => !command.commands.some((inner) => name.startsWith(`\`${path} ${inner.name()}`)));
      const [, , listed = ''] = row ?? [];
      // Said once, above the table of operators.
      const common =
        row !== undefined && operating.includes(row)
          ? ['--json', '--data', '--server', '--token-file', '--server-ca']
          : ['--json'];
      const options = command.options.map(({ long }) => long).filter((long) => !common.includes(long ?? ''));
      const named = [...listed.matchAll(/--[a-z][a-z0-9-]*/g)].map(([option]) => option);
      expect(named.toSorted()).toEqual(options.toSorted());
      for (const { defaultValue, variadic, long } of command.options) {
        if (
          variadic ||
          common.includes(long ?? '') ||
          typeof defaultValue === 'boolean' ||
          defaultValue === undefined ||
          path.includes('pki')
        )
          continue;
        expect(listed).toContain(code(String(defaultValue)));
      }
    },
  );

  test('there is nothing else', () => {
    expect(rows).toHaveLength(leaves.length);
  });

  test('every environment variable that an option reads is named', () => {
    for (const { envVar } of leaves.flatMap(({ options }) => options)) if (envVar) expect(readme).toContain(envVar);
  });
});

describe('the configuration of the README', () => {
  const rows = tableUnder('Configuration');

  test('has every key, and no others', () => {
    const listed = rows.map(([key = '']) => key.replaceAll('`', ''));
    // A mapping whose keys are listed does not stand for itself, unless it says something.
    const known = keysOf(configSchema as SchemaNode).filter(
      (key) => !['issuer', 'certificate', 'retention', 'api', 'api.tls'].includes(key),
    );
    expect(listed.toSorted()).toEqual(known.toSorted());
  });

  test.each(Object.values(settings))('$key has its flag, environment variable and default', (setting) => {
    const [, flag, variable, fallback] = rows.find(([key]) => key === code(setting.key)) ?? [];
    expect(flag).toBe(code(setting.flag.split(' ')[0] ?? ''));
    expect(variable).toBe(code(setting.variable));
    expect(fallback).toBe(code(setting.fallback));
  });

  test('says the defaults that the code has', () => {
    const fallback = (key: string): string => rows.find(([name]) => name === code(key))?.[3] ?? '';
    expect(fallback('idleSeconds')).toBe(code(`${limits.session.idle / 1000}`));
    expect(fallback('groups[].identityDays')).toBe(code(`${limits.pki.identityDays / 86_400_000}`));
    expect(loadConfig({}, {}, undefined).mtu).toBe(limits.secure.mtu);
  });

  test('shows an example that is accepted', () => {
    const [, example = ''] = /```yaml\n([^`]*)```/.exec(readme) ?? [];
    expect(parseConfig(example, 'README.md').groups).toHaveLength(1);
  });
});
