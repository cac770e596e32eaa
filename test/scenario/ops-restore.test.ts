import { createHash } from 'node:crypto';
import { mkdir, readdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { backUp, restore } from '../../src/backup.ts';
import { openLevelStore } from '../../src/store/level.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

/** A backup that somebody has tampered with writes nothing outside of the folder that it is restored to. */

let place: Awaited<ReturnType<typeof temporaryFolder>>;
let backup: string;
const home = (): string => join(place.path, 'home');

beforeEach(async () => {
  place = await temporaryFolder();
  await mkdir(join(place.path, 'data'));
  await mkdir(home());
  await writeFile(join(home(), '.profile'), 'mine');
  await writeFile(join(place.path, 'data', 'key.pem'), 'key');
  backup = join(place.path, 'backup');
  const store = await openLevelStore(join(place.path, 'store'), { synced: false });
  const source = { store, data: join(place.path, 'data'), outside: [], authority: undefined, now: 0 };
  await backUp(source, backup);
  await store.close();
});
afterEach(() => place.remove());

const tampered = 'tampered';
const sha256 = createHash('sha256').update(tampered).digest('hex');

async function list(path: string): Promise<void> {
  const file = join(backup, 'manifest.json');
  const manifest = JSON.parse(await readFile(file, 'utf8')) as { files: object[] };
  manifest.files.push({ path, bytes: tampered.length, sha256 });
  await writeFile(file, JSON.stringify(manifest));
}

/** Puts a file where a path of the manifest leads, as it stands. */
async function plant(path: string): Promise<void> {
  if (path.includes('\0')) return;
  const file = path.startsWith('/') ? path : join(backup, path);
  await mkdir(dirname(file), { recursive: true });
  await writeFile(file, tampered);
}

const restored = () => restore(backup, join(home(), 'restored'), 0);

async function expectRefused(): Promise<void> {
  await expect(restored()).rejects.toMatchObject({ code: 'command.file' });
  expect(await readdir(home())).toEqual(['.profile']);
  expect(await readFile(join(home(), '.profile'), 'utf8')).toBe('mine');
}

describe('a restore', () => {
  it('puts back what was backed up', async () => {
    await restored();
    expect(await readFile(join(home(), 'restored', 'key.pem'), 'utf8')).toBe('key');
  });

  it.each([
    'data/../.profile',
    'data/../.ssh/authorized_keys',
    'data//etc',
    'data/./key2.pem',
    './data/key2.pem',
    'data/..',
    '..',
    'data\\..\\.profile',
    'data/key2.pem\0.txt',
    'data/',
  ])('refuses the path %j', async (path) => {
    await list(path);
    if (!path.endsWith('..') && !path.endsWith('/')) await plant(path);
    await expectRefused();
  });

  it('refuses an absolute path', async () => {
    const path = join(place.path, 'elsewhere');
    await plant(path);
    await list(path);
    await expectRefused();
  });

  it('refuses a file that is a symbolic link', async () => {
    await writeFile(join(place.path, 'secret'), tampered);
    await symlink(join(place.path, 'secret'), join(backup, 'data', 'link'));
    await list('data/link');
    await expectRefused();
  });

  it('refuses a file in a folder that is a symbolic link', async () => {
    await mkdir(join(place.path, 'secrets'));
    await writeFile(join(place.path, 'secrets', 'one'), tampered);
    await symlink(join(place.path, 'secrets'), join(backup, 'data', 'folder'));
    await list('data/folder/one');
    await expectRefused();
  });

  it('refuses two files for one place', async () => {
    await plant('key.pem');
    await list('key.pem');
    await expectRefused();
  });
});

describe('a backup', () => {
  it('does not take a file that could not be restored', async () => {
    await writeFile(join(place.path, 'data', 'a\\b'), 'x');
    const store = await openLevelStore(join(place.path, 'store'), { synced: false });
    const source = { store, data: join(place.path, 'data'), outside: [], authority: undefined, now: 0 };
    const other = join(place.path, 'other');
    await expect(backUp(source, other)).rejects.toMatchObject({
      code: 'command.file',
      evidence: { file: 'data/a\\b' },
    });
    await store.close();
    expect(await readdir(place.path)).not.toContain('other');
  });
});
