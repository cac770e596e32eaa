import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { chmod, copyFile, lstat, mkdir, open, readdir, readFile, realpath, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import Type, { type Static } from 'typebox';
import Value from 'typebox/value';
import { failure } from './core/errors.ts';
import { isRecord } from './core/json.ts';
import { limits } from './core/limits.ts';

/** The form of manifests that this version writes and reads. */
const known = 1;

/** What a backup says of itself. */
const manifestSchema = Type.Object({
  format: Type.Literal(known),
  /** Version that has made it. */
  firstboot: Type.String(),
  createdAt: Type.String(),
  /** Of the store. */
  rows: Type.Integer({ minimum: 0 }),
  /** All but the manifest. */
  files: Type.Array(
    Type.Object({
      path: Type.String({ minLength: 1 }),
      bytes: Type.Integer({ minimum: 0 }),
      sha256: Type.String({ pattern: '^[0-9a-f]{64}$' }),
    }),
  ),
  /** The configuration, among the files. */
  configuration: Type.Optional(Type.String({ minLength: 1 })),
  /** Files and folders that the configuration names, and where they were. */
  outside: Type.Array(
    Type.Object({
      path: Type.String({ minLength: 1 }),
      from: Type.String(),
      /** It has kept its place beside the configuration. */
      beside: Type.Optional(Type.Boolean()),
    }),
  ),
});

export type Manifest = Static<typeof manifestSchema>;

export type BackedUpFile = Manifest['files'][number];

/** @throws FirstbootError command.file */
export async function readManifest(file: string): Promise<Manifest> {
  const fix = 'name a folder that firstboot backup has written to its end';
  const text = await readFile(file, 'utf8').catch((error: unknown) => {
    throw failure('command.file', { file, found: 'no manifest' }, fix, error);
  });
  let manifest: unknown;
  try {
    manifest = JSON.parse(text);
  } catch (error) {
    throw failure('command.file', { file, found: 'no JSON' }, fix, error);
  }
  if (Value.Check(manifestSchema, manifest)) return manifest;
  if (isRecord(manifest) && typeof manifest.format === 'number' && manifest.format > known) {
    const { format, firstboot } = manifest;
    const newer = 'a newer firstboot has written this backup: restore it with that version';
    throw failure('command.file', { file, format, known, firstboot: String(firstboot) }, newer);
  }
  throw failure('command.file', { file, found: 'something else' }, fix);
}

/**
 * A path of a manifest, which anybody may have written: in its one plain form, below the backup.
 * @throws FirstbootError command.file
 */
export function checkedPath(path: string): string {
  // Backslashes lead elsewhere on some systems, and NUL ends a path.
  const plain = !/[\\\0]/.test(path) && path.split('/').every((part) => part !== '' && part !== '.' && part !== '..');
  if (plain) return path;
  const fix =
    'a path in a backup is relative, without dots, backslashes and empty parts: rename the file, or take another backup';
  throw failure('command.file', { file: path }, fix);
}

/** What a link leads to may be anything. @throws FirstbootError command.file: it is missing, or no file of the folder itself */
export async function requireOwnFile(folder: string, path: string): Promise<void> {
  const file = join(folder, path);
  const found = await lstat(file).catch(() => undefined);
  const own = found?.isFile() === true && (await realpath(file)) === join(await realpath(folder), path);
  if (own) return;
  const evidence = { backup: folder, file: path, found: found === undefined ? 'nothing' : 'a link or no file' };
  throw failure('command.file', evidence, 'the backup is damaged: take another one');
}

/**
 * Paths of the files in a folder, relative to it, in order; for a file the empty path. What is neither file nor folder does
 * not count, nor does what is called so at the top.
 * @throws FirstbootError command.file: too many
 */
export async function filesIn(folder: string, leftOut: ReadonlySet<string> = new Set()): Promise<readonly string[]> {
  const found: string[] = [];
  const look = async (path: string): Promise<void> => {
    const facts = await stat(join(folder, path));
    if (facts.isFile()) found.push(path);
    if (found.length > limits.operations.backupFiles) {
      const fix = 'take what does not belong to the service out of the folder';
      throw failure('command.file', { folder, files: found.length }, fix);
    }
    if (!facts.isDirectory()) return;
    for (const name of (await readdir(join(folder, path))).toSorted()) {
      if (path !== '' || !leftOut.has(name)) await look(join(path, name));
    }
  };
  await look('');
  return found;
}

/** Makes a copy that is on the disk when this resolves, for its owner only. */
export async function copyInto(from: string, to: string): Promise<void> {
  await makeFolder(dirname(to));
  await copyFile(from, to);
  await makePrivate(to);
  await synced(to);
}

export const makePrivate = (file: string): Promise<void> => chmod(file, 0o600);

export async function writePrivate(file: string, text: string): Promise<void> {
  const handle = await open(file, 'wx', 0o600);
  try {
    await handle.writeFile(text);
    await handle.sync();
  } finally {
    await handle.close();
  }
}

export async function makeFolder(folder: string): Promise<void> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
}

export async function hashOf(file: string): Promise<{ readonly bytes: number; readonly sha256: string }> {
  const hash = createHash('sha256');
  let bytes = 0;
  for await (const piece of createReadStream(file)) {
    const chunk = piece as Buffer;
    bytes += chunk.length;
    hash.update(chunk);
  }
  return { bytes, sha256: hash.digest('hex') };
}

async function synced(file: string): Promise<void> {
  const handle = await open(file, 'r+');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
