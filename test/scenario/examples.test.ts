import { execFile } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';

const run = promisify(execFile);
const folder = new URL('../../examples/', import.meta.url);

const programs = readdirSync(folder).filter((name) => name.endsWith('.ts'));

test.each(programs)('examples/%s runs as its user would run it', async (name) => {
  // The package imports itself by name, so this is the built library behind its public face.
  const { stdout } = await run(process.execPath, [new URL(name, folder).pathname], { timeout: 100_000 });
  expect(stdout).toMatch(/provisioned in \d+ round trips/);
});
