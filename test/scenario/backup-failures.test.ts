import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { appendFile, cp, mkdir, readdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { backUp } from '../../src/backup.ts';
import { uuidV7 } from '../../src/core/ids.ts';
import { systemRandom } from '../../src/core/random.ts';
import { openLevelStore } from '../../src/store/level.ts';
import type { Store } from '../../src/store/store.ts';
import { runInProcess } from '../support/run-in-process.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

/** Backups that cannot be written, were not written to their end, or are not what they were: nothing of them looks whole. */

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
const someId = '0b1c6f7e-8d52-4a39-9c10-5e7f3a2b4d68';
/** A data folder: its store needs a file of some 4 MB when it is copied, but not when it is opened; and it has a large file. */
let data: string;
const place = (name: string): string => join(folder.path, name);

beforeAll(async () => {
  folder = await temporaryFolder();
  data = place('data');
  await mkdir(data);
  await writeFile(join(data, 'token-key.pem'), 'key');
  await writeFile(join(data, 'large'), Buffer.alloc(3_000_000));
  await writeFile(place('file'), 'no folder');
  await symlink(data, place('link'));
  const store = await openLevelStore(join(data, 'store'), { synced: false });
  const certificates = ['x'.repeat(10_000)];
  for (let at = Date.now(), n = 0; n < 400; n++) {
    await store.appendAttempt(uuidV7(at, systemRandom), [
      { at, type: 'opened', transport: 'coaps', peer: '192.0.2.1:4711' },
      { at, type: 'chain', certificates },
      { at, type: 'closed', verdict: 'failed', bytesIn: 0, bytesOut: 0 },
    ]);
  }
  await store.close();
});
afterAll(() => folder.remove());

/** What a command says when the files that it writes may not be larger than 1 to 2 MB. */
const limited = (
  ...args: readonly string[]
): Promise<{ readonly code: unknown; readonly stdout: string; readonly stderr: string }> =>
  new Promise((resolve) => {
    execFile(
      'sh',
      [...roomFor1MB, program, ...args],
      { env: { ...process.env, NO_COLOR: '1' } },
      (error, stdout, stderr) => resolve({ code: error?.code ?? 0, stdout, stderr }),
    );
  });
const roomFor1MB = ['-c', 'ulimit -f 2000 && exec "$@"', 'sh', process.execPath];
const program = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url));

const backup = (to: string) => runInProcess(['backup', to, '--data', data]);
const restore = (from: string, to: string) => runInProcess(['restore', from, '--data', to]);

describe('a backup over a data folder', () => {
  test('for which there is no room leaves nothing, and says what would help', async () => {
    const { code, stdout, stderr } = await limited('backup', place('large'), '--data', data);
    expect([code, stdout]).toEqual([1, '']);
    expect(stderr).toContain(`the file cannot be used (folder ${place('large')}, found EFBIG)`);
    expect(stderr).toContain('choose a folder on another disk');
    expect((await readdir(folder.path)).filter((name) => name.includes('large'))).toEqual([]);
  }, 20_000);

  test.each([
    ['that is there already', () => data, /never written over/],
    ['below a file', () => place('file/x'), /part of the path is a file/],
    ['in the data folder', () => join(data, 'mine'), /would hold itself.*data\/backups/],
    ['in the data folder by another way', () => place('link/mine'), /would hold itself/],
  ])('is not written to a place %s', async (_, target, words) => {
    const there = async () => [await readdir(folder.path), await readdir(data)];
    const before = await there();
    const { code, stderr } = await backup(target());
    expect(stderr).toMatch(words);
    expect(code).toBe(1);
    expect(await there()).toEqual(before);
  });

  test('is written to the folder that a service has its backups in', async () => {
    expect((await backup(join(data, 'backups', 'sunday'))).code).toBeUndefined();
    expect((await backup(place('monday'))).code).toBeUndefined();
    expect(await readdir(join(place('monday'), 'data'))).toEqual(['large', 'token-key.pem']);
  });

  test('takes away what was left of its own name, and nothing that only looks like it', async () => {
    const parent = place('shelf');
    // Another backup that is being written just now, and files of somebody else.
    const kept = [`.it.new-one.new-${someId}`, '.it.new-ideas', `.it2.new-${someId}`].toSorted();
    for (const name of [...kept, `.it.new-${someId}`]) await mkdir(join(parent, name), { recursive: true });
    expect((await backup(join(parent, 'it'))).code).toBeUndefined();
    expect((await readdir(parent)).toSorted()).toEqual([...kept, 'it'].toSorted());
  });

  test('is not written into a folder that the configuration names', async () => {
    const store = { copyTo: async () => 0 } as unknown as Store;
    await mkdir(place('policy'), { recursive: true });
    const source = { store, data, outside: [place('policy')], authority: undefined, now: 0 };
    await expect(backUp(source, join(place('policy'), 'x'))).rejects.toMatchObject({
      code: 'command.file',
      evidence: { in: place('policy') },
    });
  });
});

describe('a backup that is interrupted', () => {
  test.each(['SIGINT', 'SIGTERM'] as const)('by %s leaves nothing, and is not made later', async (signal) => {
    // As the system would call it as soon as the command listens: the command is in this process.
    const call = (name: string | symbol, listener: (name: NodeJS.Signals) => void): void => {
      if (name !== signal) return;
      process.off('newListener', call);
      queueMicrotask(() => listener(signal));
    };
    process.on('newListener', call);
    expect(await backup(place('interrupted'))).toMatchObject({
      code: signal === 'SIGINT' ? 130 : 143,
      stderr: 'firstboot: interrupted; nothing is left behind\n',
    });
    expect((await readdir(folder.path)).filter((name) => name.includes('interrupted'))).toEqual([]);
  });
});

describe('a backup by a running service', () => {
  test('for which there is no room is answered with 507, without a path, and the service goes on', async () => {
    const home = place('served');
    await cp(join(data, 'store'), join(home, 'store'), { recursive: true });
    // What a service that was killed in the middle has left.
    await mkdir(join(home, 'backups', `.friday.new-${someId}`, 'store'), { recursive: true });
    await mkdir(join(home, 'backups', '.notes.new-ones'));
    const words = ['serve', '--data', home, '--port', '0', '--issuer-port', '0', '--api-port', '0', '--json'];
    const service = spawn('sh', [...roomFor1MB, program, ...words], { stdio: ['ignore', 'pipe', 'pipe'] });
    const ended = once(service, 'exit');
    try {
      let log = '';
      service.stderr.setEncoding('utf8').on('data', (text: string) => {
        log += text;
      });
      const told: Record<string, { readonly api?: string; readonly token?: string }> = {};
      for await (const line of createInterface({ input: service.stdout })) {
        const fact = JSON.parse(line) as { readonly event: string; readonly api?: string; readonly token?: string };
        told[fact.event] = fact;
        if (fact.event === 'admin-token') break;
      }
      const url = told.listening?.api ?? '';
      const headers = { authorization: `Bearer ${told['admin-token']?.token}`, 'content-type': 'application/json' };
      expect(await readdir(join(home, 'backups'))).toEqual(['.notes.new-ones']);

      const answer = await fetch(`${url}/api/v1/backups`, { method: 'POST', headers, body: '{"name":"monday"}' });
      expect([answer.status, answer.headers.get('content-type')]).toEqual([
        507,
        expect.stringMatching(/^application\/problem\+json/),
      ]);
      const text = await answer.text();
      expect(JSON.parse(text)).toMatchObject({
        code: 'service.backup',
        evidence: { backup: 'monday', found: 'EFBIG' },
      });
      expect(text).not.toContain(folder.path);
      expect(await readdir(join(home, 'backups'))).toEqual(['.notes.new-ones']);
      // Whoever looks after the machine finds it.
      await vi.waitFor(() => expect(log).toMatch(/"folder":".*\/backups\/monday/));
      expect((await fetch(`${url}/health/ready`)).status).toBe(200);

      vi.stubEnv('FIRSTBOOT_TOKEN', told['admin-token']?.token);
      const { code, stdout, stderr } = await runInProcess(['backup', 'monday', '--server', url]);
      expect([code, stdout]).toEqual([1, '']);
      expect(stderr).toMatch(/the backup could not be written \(backup monday, found EFBIG\): .*nothing is left/);
    } finally {
      vi.unstubAllEnvs();
      service.kill('SIGINT');
      await ended;
    }
  }, 30_000);
});

describe('a backup that is killed', () => {
  const worker = fileURLToPath(new URL('../support/backup-worker.ts', import.meta.url));
  const killed = (target: string, moment: string): Promise<string> =>
    new Promise((resolve, reject) => {
      const words = [worker, join(data, 'store'), data, target, moment];
      execFile(process.execPath, words, (error, stdout) =>
        error?.signal === 'SIGKILL' ? resolve(stdout) : reject(error ?? new Error('it came to its end')),
      );
    });
  const left = async (name: string): Promise<readonly string[]> =>
    (await readdir(folder.path)).filter((one) => one.includes(name));

  test.each(['store', 'manifest'])(
    'with its %s leaves nothing that looks whole or can be restored',
    async (moment) => {
      const name = `killed-${moment}`;
      expect(await killed(place(name), moment)).toBe('');
      const [half = '', ...others] = await left(name);
      expect([half.startsWith(`.${name}.new-`), others]).toEqual([true, []]);
      for (const part of [half, `${half}/`]) {
        const { code, stderr } = await restore(place(part), place('of-half'));
        expect(stderr).toMatch(/half a backup.*interrupted.*delete this folder/);
        expect(code).toBe(1);
      }
      // Under a name that somebody gave it.
      await cp(place(half), place(`renamed-${moment}`), { recursive: true });
      expect((await restore(place(`renamed-${moment}`), place('of-half'))).stderr).toMatch(/no manifest.*to its end/);
      expect(await left('of-half')).toEqual([]);
      // The next one of that name takes what was left of it away.
      expect((await backup(place(name))).code).toBeUndefined();
      expect(await left(name)).toEqual([name, `renamed-${moment}`].filter((one) => one.includes(name)));
    },
    20_000,
  );
});

describe('a restore', () => {
  let good: string;
  let count = 0;
  beforeEach(async () => {
    const number = count++;
    good = place(`good-${number}`);
    expect((await backup(good)).code).toBeUndefined();
  });
  const manifest = async (change: (text: string) => string): Promise<void> => {
    const file = join(good, 'manifest.json');
    await writeFile(file, change(await readFile(file, 'utf8')));
  };

  test('names the file that has changed', async () => {
    await appendFile(join(good, 'data/token-key.pem'), ' ');
    const { code, stderr } = await restore(good, place('new'));
    expect(stderr).toMatch(/file data\/token-key\.pem, found something else.*take another one/);
    expect(code).toBe(1);
  });

  test('says that a newer version has written the backup', async () => {
    await manifest((text) =>
      text.replace('"format": 1', '"format": 2').replace(/"firstboot": ".*"/, '"firstboot": "9.0.0"'),
    );
    const { code, stderr } = await restore(good, place('new'));
    expect(stderr).toMatch(/format 2, known 1, firstboot 9\.0\.0\): a newer firstboot has written this backup/);
    expect(code).toBe(1);
  });

  test('goes over nothing that is there, not that of a running service either, and not into the backup', async () => {
    const running = await openLevelStore(join(data, 'store'));
    try {
      expect((await restore(good, data)).stderr).toMatch(/nothing is written over what is there/);
    } finally {
      await running.close();
    }
    expect((await restore(good, join(good, 'new'))).stderr).toMatch(/in the backup itself/);
    expect((await restore(good, place('file'))).stderr).toMatch(/part of the path is a file/);
    expect(await readdir(good)).toEqual(['data', 'manifest.json', 'store']);
  });

  test('for which there is no room leaves nothing', async () => {
    const { code, stderr } = await limited('restore', good, '--data', place('no-room'));
    expect([code, stderr]).toEqual([1, expect.stringContaining(`folder ${place('no-room')}, found EFBIG`)]);
    expect((await readdir(folder.path)).filter((name) => name.includes('no-room'))).toEqual([]);
  }, 20_000);
});
