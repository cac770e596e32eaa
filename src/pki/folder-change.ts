import { randomUUID } from 'node:crypto';
import { mkdir, readdir, readFile, rename, rm, stat } from 'node:fs/promises';
import { dirname, join, sep } from 'node:path';
import { failure } from '../core/errors.ts';
import { type FolderContent, hasCode, pathExists, syncFolder, writeFolder, writeSynced } from './files.ts';

export interface FolderChange {
  readonly folder: string;
  /** Name of the subfolder that holds all of the new content while it is put into place; readers go by it while it is there. */
  readonly pending: string;
  /** Subfolders whose entries belong to the content: what the new one lacks is removed. Other files stay as they are. */
  readonly owned: readonly string[];
}

/**
 * Replaces the content of a folder. The new content is written whole beside the old and renamed to `pending`, which is the
 * moment of the change; then its files are put into place one by one, which can be repeated as often as it is cut off.
 * @throws FirstbootError operator.conflict when somebody else changes the folder at the same time; service.config
 */
export async function changeFolder(change: FolderChange, content: FolderContent): Promise<void> {
  await finishChange(change);
  const { folder, pending } = change;
  if (!(await writeFolder(join(folder, pending), content))) {
    throw failure('operator.conflict', { folder }, 'somebody else changes the folder: look at what it is now');
  }
  await finishChange(change);
}

/** Carries a change to its end that was cut off; does nothing when there is none. */
export async function finishChange({ folder, pending, owned }: FolderChange): Promise<void> {
  const source = join(folder, pending);
  if (await pathExists(source)) {
    try {
      await putIntoPlace(source, folder, owned);
      // In one step: readers must never find half of it.
      await rename(source, join(folder, `${leftover}${randomUUID()}`));
      await syncFolder(folder);
    } catch (error) {
      // Another process that finishes the same change was faster.
      if (!hasCode(error, 'ENOENT') || (await pathExists(source))) throw error;
    }
  }
  await removeLeftovers(folder);
}

const leftover = '.old-';

async function putIntoPlace(source: string, folder: string, owned: readonly string[]): Promise<void> {
  const paths = await filesIn(source);
  for (const path of paths) {
    const target = join(folder, path);
    await mkdir(dirname(target), { recursive: true, mode: 0o700 });
    const beside = join(dirname(target), `${leftover}${randomUUID()}`);
    const { mode } = await stat(join(source, path));
    await writeSynced(beside, await readFile(join(source, path), 'utf8'), mode & 0o777);
    await rename(beside, target);
  }
  for (const part of owned) {
    const at = join(folder, part);
    if (!(await pathExists(at))) continue;
    const kept = new Set(paths.filter((path) => path.startsWith(`${part}${sep}`)).map((path) => path.split(sep)[1]));
    for (const name of await readdir(at)) {
      if (!kept.has(name)) await rm(join(at, name), { recursive: true, force: true });
    }
    if (kept.size === 0) await rm(at, { recursive: true, force: true });
  }
  for (const path of new Set(paths.map((each) => dirname(each)))) await syncFolder(join(folder, path));
  await syncFolder(folder);
}

/** Relative paths of all files, sorted. */
async function filesIn(folder: string): Promise<string[]> {
  const found = await readdir(folder, { recursive: true, withFileTypes: true });
  return found
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(folder.length + 1))
    .toSorted();
}

/** What is no longer needed, and what crashed runs have left. */
async function removeLeftovers(folder: string): Promise<void> {
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    if (entry.name.startsWith(leftover)) await rm(join(entry.parentPath, entry.name), { recursive: true, force: true });
  }
}
