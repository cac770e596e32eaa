import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { openLevelStore } from '../../../src/store/level.ts';
import { type OperatorFolder, operatorFolder } from '../../support/operator-folder.ts';
import { runInProcess } from '../../support/run-in-process.ts';

/** `firstboot token` and `firstboot webhook` over a data folder. */

let folder: OperatorFolder;
beforeEach(async () => {
  folder = await operatorFolder();
});
afterEach(() => folder.remove());

const run = (...args: string[]) => runInProcess([...args, '--data', join(folder.cwd, 'firstboot-data')]);
const json = async (...args: string[]) =>
  (await run(...args, '--json')).stdout
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));

describe('firstboot token', () => {
  test('makes a token, tells it once, lists whose it is, and takes it back', async () => {
    const dry = await run('token', 'create', 'grafana', '--role', 'viewer', '--dry-run');
    expect(dry.stdout).toMatch(/token grafana is made: viewer\na dry run/);
    const made = await run('token', 'create', 'grafana', '--role', 'viewer', '--owner', 'acme', '--expires', '30d');
    expect(made).toMatchObject({ code: undefined, stderr: '' });
    const [, token = ''] = /^(fb_[0-9a-f]{32}_[\w-]{43})$/m.exec(made.stdout) ?? [];
    expect(token).not.toBe('');
    const listed = await run('token', 'list');
    expect(listed.stdout).toMatch(/grafana +viewer/);
    expect(listed.stdout).not.toContain(token);
    expect(await json('token', 'list')).toMatchObject([{ event: 'token', name: 'grafana', role: 'viewer' }]);
    const again = await run('token', 'create', 'grafana', '--role', 'admin');
    expect([again.code, again.stderr]).toEqual([1, expect.stringContaining('another token has this name')]);
    expect((await run('token', 'revoke', 'grafana')).stdout).toContain('of no use any more');
    expect((await run('token', 'list')).stdout).toContain('there are no tokens');
    expect((await run('token', 'revoke', 'grafana')).stderr).toContain('token grafana');
    expect((await run('audit', 'list')).stdout).toMatch(/token\.create[\s\S]*token\.revoke/);
  });

  test('with --json tells it in the one object', async () => {
    const lines = await json('token', 'create', 'ci', '--role', 'operator');
    expect(lines).toMatchObject([{ event: 'change', applied: true, token: { token: expect.stringMatching(/^fb_/) } }]);
  });

  test('needs a role', async () => {
    expect(await run('token', 'create', 'ci')).toMatchObject({ code: 2 });
    expect(await run('token', 'create', 'ci', '--role', 'king')).toMatchObject({ code: 2 });
  });
});

describe('firstboot webhook', () => {
  const url = 'https://shop.example.com/devices';

  test('makes a webhook, tells its key once, changes what is named, and deletes it', async () => {
    expect((await run('webhook', 'create', 'shop', '--url', url, '--dry-run')).stdout).not.toContain('whsec_');
    const made = await run('webhook', 'create', 'shop', '--url', url, '--types', 'device, attempt.closed');
    expect(made.stdout).toMatch(/^whsec_\S{32,}$/m);
    const shown = await run('webhook', 'show', 'shop');
    expect(shown.stdout).toMatch(/is told of +device, attempt\.closed/);
    expect(shown.stdout).not.toContain('whsec_');
    const off = await run('webhook', 'update', 'shop', '--disable');
    expect(off.stdout).toContain('enabled true -> false');
    expect(await json('webhook', 'list')).toMatchObject([
      { name: 'shop', url, types: ['device', 'attempt.closed'], enabled: false, waiting: 0, dead: 0, revision: 2 },
    ]);
    expect((await run('webhook', 'update', 'shop', '--enable', '--types', '')).stdout).not.toContain('whsec_');
    expect((await run('webhook', 'list')).stdout).toMatch(/shop +https\S+ +on +all/);
    expect(await run('webhook', 'update', 'shop', '--enable', '--disable')).toMatchObject({ code: 2 });
    expect((await run('webhook', 'delete', 'shop')).stdout).toContain('webhook shop is deleted');
    expect((await run('webhook', 'list')).stdout).toContain('there are no webhooks');
  });

  test('takes a key of a file', async () => {
    const file = join(folder.cwd, 'key');
    await writeFile(file, `${Buffer.alloc(32, 7).toString('base64')}\n`);
    expect((await run('webhook', 'create', 'shop', '--url', url, '--secret-file', file)).code).toBeUndefined();
    await writeFile(file, 'short');
    const wrong = await run('webhook', 'update', 'shop', '--secret-file', file);
    expect([wrong.code, wrong.stderr]).toEqual([1, expect.stringContaining('field secret')]);
    expect((await run('webhook', 'update', 'shop', '--secret-file', `${file}.not`)).stderr).toContain('ENOENT');
  });

  test('shows what waits and what was given up, and tries that again', async () => {
    await run('webhook', 'create', 'shop', '--url', url);
    const store = await openLevelStore(join(folder.cwd, 'firstboot-data', 'store'));
    const [webhook] = await store.webhooks.list();
    const delivery = (n: number, dueAt: number | undefined) => ({
      webhookId: webhook?.id ?? '',
      event: { id: `1-${n}`, at: 0, type: 'device.enrolled', ownerId: undefined, data: {} },
      attempts: 9,
      dueAt,
      error: 'status 500',
      lastTriedAt: 0,
    });
    await store.commitDeliveries({
      webhookId: webhook?.id ?? '',
      put: [delivery(1, undefined), delivery(2, Date.now() + 90_000)],
    });
    await store.close();
    expect((await run('webhook', 'deliveries', 'shop')).stdout).toMatch(/1-1 .*given up +status 500\n1-2 .*in 1 min/);
    expect(await json('webhook', 'deliveries', 'shop', '--dead')).toMatchObject([
      { event: 'delivery', of: { id: '1-1' }, attempts: 9 },
    ]);
    expect(await json('webhook', 'deliveries', 'shop', '--no-dead')).toMatchObject([{ of: { id: '1-2' } }]);
    expect((await run('webhook', 'show', 'shop')).stdout).toMatch(/last error +status 500/);
    expect((await run('webhook', 'redeliver', 'shop', '--event', '1-2')).code).toBe(1);
    expect((await run('webhook', 'redeliver', 'shop')).stdout).toContain('tried again');
    expect((await run('webhook', 'deliveries', 'shop', '--dead')).stdout).toContain('nothing waits');
  });
});
