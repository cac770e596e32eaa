import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { hours } from '../../src/core/clock.ts';
import { systemRandom } from '../../src/core/random.ts';
import { createToken } from '../../src/operator/tokens.ts';
import { openLevelStore } from '../../src/store/level.ts';
import { startTestApi, type TestApi } from '../support/api.ts';
import { seedOperations } from '../support/operations-bench.ts';
import { someActor } from '../support/operator-bench.ts';
import { runInProcess } from '../support/run-in-process.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

/** Commands over the API of a service: where it is, and as who it is asked. That they say the same is in cli-same-output.test.ts. */

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let api: TestApi;
let closeStore: () => Promise<void>;

beforeAll(async () => {
  folder = await temporaryFolder();
  const store = await openLevelStore(join(folder.path, 'store'));
  closeStore = () => store.close();
  await seedOperations(store, folder.path);
  api = await startTestApi({ store, authority: join(folder.path, 'authority') });
  vi.stubEnv('FIRSTBOOT_TOKEN', api.tokens.admin);
});

afterAll(async () => {
  await api.close();
  await closeStore();
  await folder.remove();
  vi.unstubAllEnvs();
});

const there = (args: readonly string[]) => runInProcess([...args, '--server', api.url]);
describe('what is refused over a service', () => {
  test.each([
    [['policy', 'show', '--secrets'], 2, /--secrets.*tells nobody its keys/],
    [['ca', 'status', '--authority', 'x'], 2, /--authority.*knows where/],
    [['device', 'list', '--data', 'x'], 2, /--data and --server name two places/],
  ] as const)('%j', async (args, code, words) => {
    const { code: ended, stderr } = await there(args);
    expect(stderr).toMatch(words);
    expect(ended).toBe(code);
  });

  test('the command line counts before the environment, and two places in the environment are one too many', async () => {
    vi.stubEnv('FIRSTBOOT_SERVER', api.url);
    expect((await runInProcess(['hub', 'list', '--data', join(folder.path, 'nowhere')])).stderr).toContain('nowhere');
    expect((await runInProcess(['hub', 'list'])).stdout).toContain('production');
    vi.stubEnv('FIRSTBOOT_DATA', folder.path);
    expect((await runInProcess(['hub', 'list'])).stderr).toMatch(/FIRSTBOOT_DATA and FIRSTBOOT_SERVER/);
    expect((await there(['hub', 'list'])).stdout).toContain('production');
    vi.stubEnv('FIRSTBOOT_DATA', undefined);
    vi.stubEnv('FIRSTBOOT_SERVER', undefined);
  });

  test('a token is needed, and may be in a file', async () => {
    vi.stubEnv('FIRSTBOOT_TOKEN', undefined);
    const { code, stderr } = await there(['hub', 'list']);
    expect([code, stderr]).toEqual([2, expect.stringMatching(/token none.*--token-file/)]);
    const file = join(folder.path, 'token');
    await writeFile(file, `${api.tokens.viewer}\n`);
    expect((await there(['hub', 'list', '--token-file', file])).stdout).toContain('production');
    const refused = await there(['hub', 'delete', 'unused', '--token-file', file]);
    expect([refused.code, refused.stderr]).toEqual([1, expect.stringContaining('does not allow this')]);
    expect(refused.stderr).toContain(`url ${api.url}`);
    await writeFile(file, 'two words');
    expect((await there(['hub', 'list', '--token-file', file])).stderr).toMatch(/not one word/);
    expect((await there(['hub', 'list', '--token-file', `${file}.not`])).stderr).toMatch(/ENOENT/);
    vi.stubEnv('FIRSTBOOT_TOKEN', `fb_${'0'.repeat(32)}_${'A'.repeat(43)}`);
    const unknown = (await there(['hub', 'list'])).stderr;
    expect(unknown).toMatch(/sign in, or send a token \(token not known, url .*\): it is mistyped, or was revoked/);
    const deps = { store: api.store, now: () => Date.now() - hours(2), actor: someActor, random: systemRandom };
    const made = await createToken(deps, { name: 'brief', role: 'admin', expiresAt: Date.now() - hours(1) });
    vi.stubEnv('FIRSTBOOT_TOKEN', made.result.token);
    const expired = await there(['hub', 'list']);
    expect([expired.code, expired.stderr]).toEqual([1, expect.stringMatching(/token expired, url .*ask an admin/)]);
    vi.stubEnv('FIRSTBOOT_TOKEN', api.tokens.admin);
  });
});
