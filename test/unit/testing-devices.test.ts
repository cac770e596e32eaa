import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { createProgram } from '../../src/cli/program.ts';
import { limits } from '../../src/core/limits.ts';
import { scenarioDefaults, scenarioSchema } from '../../src/fleet/scenario-schema.ts';
import { keysOf, type SchemaNode } from '../support/schema-keys.ts';

const page = readFileSync(new URL('../../docs/testing-devices.md', import.meta.url), 'utf8');

const rows = new Map(
  [...page.matchAll(/^\| `([\w[\].]+)` \| (.*?) ?\| /gm)].map(([, key = '', fallback = '']) => [key, fallback]),
);

describe("the test engineer's page", () => {
  test('has every key of a scenario file, and no others', () => {
    const known = keysOf(scenarioSchema as SchemaNode).filter(
      // The short form and the parts have the keys of the top again: they are there once.
      (key) => !key.startsWith('short.') && !/^population\[\]\.(?!name$|share$)/.test(key),
    );
    const invariants = ['arrives', 'bricked'];
    expect([...rows.keys()].filter((key) => !invariants.includes(key)).toSorted()).toEqual(known.toSorted());
  });

  test.each(leavesOf(scenarioDefaults))('says that the default of %s is %s', (key, value) => {
    expect(rows.get(key)).toBe(value === '' ? '' : `\`${value}\``);
  });

  test('names every report and exit code', async () => {
    const fleet = (await createProgram('0.0.0')).commands.find((command) => command.name() === 'fleet');
    for (const { long } of fleet?.options ?? []) {
      if (['--junit', '--json', '--html', '--short', '--workers'].includes(long ?? ''))
        expect(page).toContain(`${long}`);
    }
    for (const code of [0, 1, 2]) expect(page).toMatch(new RegExp(`(xit code ${code}|\\. ${code}): `));
  });

  test('says from how many devices on processes share them', () => {
    expect(page).toContain('more than 1000 devices');
    expect(limits.fleet.workers).toBeGreaterThan(1);
  });
});

function leavesOf(node: object, at = ''): (readonly [string, string])[] {
  return Object.entries(node).flatMap(([key, value]: [string, unknown]): (readonly [string, string])[] => {
    const path = at === '' ? key : `${at}.${key}`;
    return typeof value === 'object' && value !== null ? leavesOf(value, path) : [[path, String(value)]];
  });
}
