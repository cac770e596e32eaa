import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { startTestApi } from '../support/api.ts';
import { type ConfiguredService, startConfiguredService } from '../support/configured-service.ts';
import { runInProcess } from '../support/run-in-process.ts';

/** `firstboot reload` against a service that was started from a configuration. */

let running: ConfiguredService;
beforeAll(async () => {
  running = await startConfiguredService();
});
afterAll(() => running.close());
beforeEach(() => vi.stubEnv('FIRSTBOOT_TOKEN', running.service.adminToken ?? ''));
afterEach(() => vi.unstubAllEnvs());

const reload = (...more: string[]) => runInProcess(['reload', '--server', running.service.apiUrl ?? '', ...more]);

describe('firstboot reload', () => {
  test('says what has changed, or that nothing has', async () => {
    expect(await reload()).toEqual({ code: undefined, stdout: 'reloaded\n  nothing has changed\n', stderr: '' });
    await running.configure({ group: 'the machines' });
    const { code, stdout, stderr } = await reload();
    expect([code, stderr]).toEqual([undefined, '']);
    expect(stdout).toMatch(/^reloaded\n(?: {2}.*\n)* {2}.*the machines/);
    expect(stdout).not.toContain('nothing has changed');
    const again = await reload('--json');
    expect(JSON.parse(again.stdout)).toEqual({ event: 'reloaded', effects: [] });
  });

  test('says by its key what counts after a restart', async () => {
    await running.configure({ more: ['drainSeconds: 5'] });
    expect((await reload()).stdout).toContain('  drainSeconds has changed: it counts after a restart\n');
    await running.configure({});
    await reload();
  });

  test('says where what is wrong is, that nothing was changed, and ends with 1', async () => {
    await running.configure({ groupMore: 'admision: manual' });
    const { code, stdout, stderr } = await reload();
    expect([code, stdout]).toEqual([1, '']);
    expect(stderr).toMatch(/^firstboot: the reload was refused as a whole: what was in force stays in force\n/);
    expect(stderr).toMatch(/the configuration is wrong \(.*firstboot\.yaml, line \d+, key .*admision/);
    const told = JSON.parse((await reload('--json')).stdout);
    expect(told).toMatchObject({ event: 'error', error: 'service.config', evidence: { line: expect.any(Number) } });
    await running.configure({});
    expect((await reload()).code).toBeUndefined();
  });

  test('says of a file that is named and missing which one it is', async () => {
    const file = join(running.folder, 'extra.pem');
    await running.configure({ groupMore: 'intermediates: [extra.pem]' });
    await writeFile(file, 'no certificate');
    expect((await reload()).stderr).toMatch(/extra\.pem/);
    await rm(file);
    expect((await reload()).stderr).toMatch(/extra\.pem/);
    await running.configure({});
    expect((await reload()).code).toBeUndefined();
  });

  test('needs a token of an admin of the whole service', async () => {
    const api = await startTestApi();
    const asking = (who: keyof typeof api.tokens) => {
      vi.stubEnv('FIRSTBOOT_TOKEN', api.tokens[who]);
      return runInProcess(['reload', '--server', api.url]);
    };
    try {
      for (const who of ['operator', 'acmeAdmin'] as const) {
        const { code, stderr } = await asking(who);
        expect([code, stderr]).toEqual([1, expect.stringContaining('the token does not allow this')]);
      }
      // A service that a program has started has nothing to read again.
      expect(await asking('admin')).toMatchObject({
        code: 1,
        stderr: expect.stringContaining('not started from a configuration'),
      });
    } finally {
      await api.close();
    }
  });
});
