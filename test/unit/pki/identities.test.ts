import { readFile } from 'node:fs/promises';
import { expect, it } from 'vitest';
import { makeIdentities } from '../../support/identities.ts';

it('certs/README.md lists every test identity with its reason and verdict', async () => {
  const readme = await readFile(new URL('../../../certs/README.md', import.meta.url), 'utf8');
  const listed = [...readme.matchAll(/^\| `(\w+)` \| (.*) \| (\S+) \|$/gm)].map(([, ...cells]) => cells);
  const { named } = makeIdentities(Date.parse('2026-11-21T12:00:00Z'));
  expect(listed).toEqual(Object.entries(named).map(([name, { why, expected }]) => [name, why, expected]));
});
