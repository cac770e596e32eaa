import { mkdir, readdir, realpath, rename, rm } from 'node:fs/promises';
import { basename, dirname, isAbsolute, join, relative, resolve, sep } from 'node:path';
import { makeFolder } from './backup-files.ts';
import { FirstbootError, failure } from './core/errors.ts';
import { freshBeside, halfOf, removeLeftovers, syncFolder } from './pki/files.ts';

/**
 * Makes a folder that appears whole or not at all, also when the process is killed: it is filled under another name beside its
 * place, which `isHalf` knows. What killed ones have left of the same name goes away with the next that comes to its end.
 * @param target a new folder, or an empty one that is there already
 * @throws FirstbootError command.file: it cannot be written, with the reason of the system; something is there
 */
export async function appearing<T>(target: string, fill: (fresh: string) => Promise<T>): Promise<T> {
  const fresh = freshBeside(target);
  try {
    await mkdir(dirname(target), { recursive: true, mode: 0o700 });
    await makeFolder(fresh);
    const result = await fill(fresh);
    await syncFolder(fresh);
    await rename(fresh, target);
    await syncFolder(dirname(target));
    await removeLeftovers(target);
    return result;
  } catch (error) {
    // Where it could not be made it cannot be removed either.
    await rm(fresh, { recursive: true, force: true }).catch(() => undefined);
    // Another one was first, and took ours for a leftover.
    await requireFree(target);
    throw whyNot(error, { target, fresh });
  }
}

/** Nothing is written over. @throws FirstbootError command.file: there is something at this place */
export async function requireFree(target: string): Promise<void> {
  const found = await readdir(target).catch(codeOf);
  if (found === 'ENOENT' || found.length === 0) return;
  if (typeof found === 'string') throw failure('command.file', { folder: target, found }, fixFor(found));
  const fix = 'nothing is written over what is there: name a new folder';
  throw failure('command.file', { folder: target, found: 'something' }, fix);
}

/** Whether this is what a killed process has left of a folder. */
export const isHalf = (folder: string): boolean => halfOf(basename(resolve(folder))) !== undefined;

/** Undefined: it is not within the folder. Both are taken as they are written. */
export function pathWithin(folder: string, path: string): string | undefined {
  const way = relative(resolve(folder), resolve(path));
  return way === '' || way === '..' || way.startsWith(`..${sep}`) || isAbsolute(way) ? undefined : way;
}

/** The same wherever symbolic links lead, and of places where nothing is yet. */
export const reallyWithin = async (folder: string, path: string): Promise<string | undefined> =>
  pathWithin(await realPlace(resolve(folder)), await realPlace(resolve(path)));

const realPlace = async (path: string): Promise<string> =>
  realpath(path).catch(async () =>
    dirname(path) === path ? path : join(await realPlace(dirname(path)), basename(path)),
  );

/** Which file or folder it was that could not be read or written, and what would help. */
function whyNot(error: unknown, { target, fresh }: { readonly target: string; readonly fresh: string }): unknown {
  if (error instanceof FirstbootError) {
    const { folder, code } = error.evidence;
    const ours =
      error.code === 'service.store' && typeof folder === 'string' && pathWithin(fresh, folder) !== undefined;
    if (!ours) return error;
    if (code === undefined) return failure(error.code, { ...error.evidence, folder: target }, error.fix, error);
    return failure('command.file', { folder: target, found: code }, remedies[String(code)] ?? error.fix, error);
  }
  if (!(error instanceof Error && 'syscall' in error)) return error;
  const found = codeOf(error);
  const path = 'path' in error ? String(error.path) : target;
  if (Object.hasOwn(remedies, found) || path === dirname(target) || path === fresh || pathWithin(fresh, path))
    return failure('command.file', { folder: target, found }, fixFor(found), error);
  const fix = found === 'ENOENT' ? 'it has gone meanwhile: try again' : 'see to it that firstboot may read it';
  return failure('command.file', { file: path, found }, fix, error);
}

const codeOf = (error: unknown): string =>
  error instanceof Error && 'code' in error ? String(error.code) : String(error);

const fixFor = (found: string): string => remedies[found] ?? 'choose a folder that firstboot may write';

const noRoom = 'make room on the disk, or choose a folder on another one';

/** Of what only a place that is written to can have. */
const remedies: Readonly<Record<string, string>> = {
  ENOSPC: noRoom,
  EDQUOT: noRoom,
  EFBIG: 'no file may be so large there: raise the limit (ulimit -f), or choose a folder on another disk',
  EROFS: 'the disk is read-only: choose a folder on another one',
  EIO: 'the disk is faulty: look at the log of the system, and choose a folder on another one',
  ENAMETOOLONG: 'choose a shorter name',
  ENOTDIR: 'a part of the path is a file: choose a folder',
  EEXIST: 'a part of the path is a file: choose a folder',
};
