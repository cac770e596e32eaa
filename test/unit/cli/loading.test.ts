import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';

/** A command that asks a service over the network starts quickly: what it does not need is not loaded. */

const program = fileURLToPath(new URL('../../../src/cli/main.ts', import.meta.url));
const hooks = `
  import { registerHooks } from 'node:module';
  const urls = [];
  registerHooks({ load(url, context, next) { urls.push(url); return next(url, context); } });
  process.on('exit', () => process.stderr.write('LOADED ' + JSON.stringify(urls)));`;

const loadedBy = (args: readonly string[]): Promise<readonly string[]> =>
  new Promise((resolve) => {
    const words = ['--import', `data:text/javascript,${encodeURIComponent(hooks)}`, program, ...args];
    const env = { ...process.env, FIRSTBOOT_TOKEN: 'x', NODE_OPTIONS: '' };
    execFile(process.execPath, words, { env }, (_, __, stderr) => {
      resolve(JSON.parse(stderr.slice(stderr.indexOf('LOADED ') + 7)) as string[]);
    });
  });

/** The validator, the engine of secure sessions, the store, the service, YAML. */
const heavy = /typebox|src\/secure\/|level|src\/(composition|main|serving)\.ts|node_modules\/yaml\//;

describe('what is loaded', () => {
  test('for --version is next to nothing', async () => {
    const loaded = await loadedBy(['--version']);
    expect(loaded.filter((url) => /src\/(operator|store|provision|pki)\//.test(url))).toEqual([]);
    expect(loaded.length).toBeLessThan(40);
  });

  test.each([['group', 'list'], ['hub', 'list'], ['attempt', 'list'], ['token', 'list'], ['events']])(
    'for %s %s over a service has no engine, store or validator in it',
    async (...words) => {
      const loaded = await loadedBy([...words.filter((word) => word !== undefined), '--server', 'http://127.0.0.1:1']);
      expect(loaded.some((url) => url.endsWith('/cli/remote/client.ts'))).toBe(true);
      expect(loaded.filter((url) => heavy.test(url))).toEqual([]);
    },
    20_000,
  );
});
