import { execFile } from 'node:child_process';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { beforeAll, expect, test } from 'vitest';
import { build, freePorts } from '../support/command.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

beforeAll(build);

const run = promisify(execFile);
const root = fileURLToPath(new URL('../../', import.meta.url));
const page = await readFile(join(root, 'docs/testing-devices.md'), 'utf8');

/** The only code block of a language. */
function block(language: string): string {
  const [found, ...more] = [...page.matchAll(new RegExp(`\`\`\`${language}\\n(.*?)\`\`\``, 'gs'))];
  expect(more).toEqual([]);
  return found?.[1] ?? '';
}

test('the ten lines in vitest are ten at most, and pass', async () => {
  const code = block('ts');
  const lines = code.split('\n').filter((line) => line !== '');
  expect(lines.length).toBeLessThanOrEqual(10);
  // Inside the package, which imports itself by name.
  const folder = join(root, 'node_modules/.cache/firstboot-page');
  await mkdir(folder, { recursive: true });
  try {
    await writeFile(join(folder, 'page.test.ts'), code);
    const vitest = join(root, 'node_modules/vitest/vitest.mjs');
    const alias = JSON.stringify({ firstboot: join(root, 'dist/index.js') });
    await writeFile(join(folder, 'vitest.config.mjs'), `export default { resolve: { alias: ${alias} } };`);
    const { stdout } = await run(process.execPath, [vitest, 'run', '--root', folder], {
      env: { ...process.env, NO_COLOR: '1', VITEST: undefined },
      timeout: 100_000,
    });
    expect(stdout).toMatch(/Tests {2}1 passed/);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});

test('the ten lines in a shell are ten at most, and succeed with their reports', async () => {
  const { path: cwd, remove } = await temporaryFolder();
  const [port = 0, issuer = 0, gateway = 0] = await freePorts(3);
  const script = block('sh');
  expect(script.trimEnd().split('\n').length).toBeLessThanOrEqual(10);
  // As it stands, but for the ports, and for npx, which would take the package from the registry here.
  const adapted = script
    .replaceAll('npx firstboot', `"${process.execPath}" "${join(root, 'dist/cli/main.js')}"`)
    .replaceAll(':20030', `:${port}`);
  const env = {
    ...process.env,
    FIRSTBOOT_PORT: `${port}`,
    FIRSTBOOT_ISSUER_PORT: `${issuer}`,
    FIRSTBOOT_ISSUER: `http://127.0.0.1:${issuer}`,
    FIRSTBOOT_GATEWAY: `coaps+tcp://127.0.0.1:${gateway}`,
    FIRSTBOOT_GATEWAY_PORT: `${gateway}`,
  };
  try {
    const { stdout } = await run('bash', ['-ec', adapted], { cwd, env, timeout: 100_000 });
    expect(stdout).toContain('50 of 50 devices arrived');
    expect(await readFile(join(cwd, 'fleet.xml'), 'utf8')).toMatch(/<testsuites[^>]* failures="0"/);
    expect(await readFile(join(cwd, 'fleet.html'), 'utf8')).toContain('<svg');
  } finally {
    await remove();
  }
});
