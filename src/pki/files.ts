import { createPrivateKey, type KeyObject, randomUUID } from 'node:crypto';
import { mkdir, open, readdir, readFile, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { decodeCertificates } from '../codec/pem.ts';
import { equalBytes } from '../core/bytes.ts';
import { type FirstbootError, failure } from '../core/errors.ts';
import { parseUuid } from '../core/ids.ts';
import { parseCertificate } from './certificate.ts';
import type { Issuer, KeyedChain } from './issuer.ts';
import { spkiOf } from './public-key.ts';

/** Relative path -> text and mode. Folders are made 0700. */
export type FolderContent = Readonly<Record<string, { readonly text: string; readonly mode: number }>>;

/**
 * Writes a folder that appears whole or not at all: beside it, synced, then renamed into place. A folder that is there
 * already (and not empty) is left as it is.
 * @returns false when it was there already.
 */
export async function writeFolder(folder: string, content: FolderContent): Promise<boolean> {
  const parent = dirname(folder);
  const fresh = freshBeside(folder);
  try {
    await mkdir(parent, { recursive: true });
    await mkdir(fresh, { mode: 0o700 });
  } catch (error) {
    throw unusable(parent, error);
  }
  try {
    for (const [path, { text, mode }] of Object.entries(content)) {
      const target = join(fresh, path);
      await mkdir(dirname(target), { recursive: true, mode: 0o700 });
      await writeSynced(target, text, mode);
    }
    for (const inner of new Set(Object.keys(content).map((path) => dirname(path))))
      await syncFolder(join(fresh, inner));
    await syncFolder(fresh);
    await rename(fresh, folder);
  } catch (error) {
    await rm(fresh, { recursive: true, force: true });
    if (hasCode(error, 'ENOTEMPTY') || hasCode(error, 'EEXIST')) return false;
    // Another process was first, and took ours for a leftover.
    if (hasCode(error, 'ENOENT') && (await pathExists(folder))) return false;
    throw unusable(folder, error);
  }
  await syncFolder(parent);
  await removeLeftovers(folder);
  return true;
}

export async function pathExists(path: string): Promise<boolean> {
  try {
    await stat(path);
    return true;
  } catch (error) {
    if (hasCode(error, 'ENOENT') || hasCode(error, 'ENOTDIR')) return false;
    throw unusable(path, error);
  }
}

/** The names in a folder, sorted. @throws FirstbootError service.config */
export async function listFolder(folder: string): Promise<string[]> {
  try {
    return (await readdir(folder)).toSorted();
  } catch (error) {
    throw unusable(folder, error);
  }
}

/** @throws FirstbootError service.config when others may list or enter it. */
export async function requirePrivateFolder(folder: string): Promise<void> {
  await requirePrivate(folder, '700');
}

/** Reads PEM certificates in their order. @throws FirstbootError service.config */
export async function readCertificates(file: string): Promise<Uint8Array[]> {
  return usable(file, decodeCertificates, await read(file));
}

/**
 * Reads a PEM private key (SEC1 or PKCS #8, not encrypted).
 * @param others 'refuse': a file that group or others can read is an error.
 * @throws FirstbootError service.config
 */
async function readPrivateKey(file: string, others: 'refuse' | 'accept' = 'refuse'): Promise<KeyObject> {
  const pem = await read(file);
  if (others === 'refuse') await requirePrivate(file, '600');
  return usable(file, (text) => createPrivateKey(text), pem);
}

/** Reads a chain and its key, and checks that they belong together. @throws FirstbootError service.config */
export async function readKeyedChain(
  chainFile: string,
  keyFile: string,
  others: 'refuse' | 'accept' = 'refuse',
): Promise<KeyedChain> {
  const chain = await readCertificates(chainFile);
  const privateKey = await readPrivateKey(keyFile, others);
  const [leaf] = chain;
  const certificate = leaf && usable(chainFile, parseCertificate, leaf);
  if (!certificate || !equalBytes(certificate.spki, spkiOf(privateKey))) {
    throw failure('service.config', { file: keyFile }, `give the key of the first certificate in ${chainFile}`);
  }
  return { chain, privateKey };
}

/** Reads an authority's certificate and key. @throws FirstbootError service.config */
export async function readIssuer(certificateFile: string, keyFile: string): Promise<Issuer> {
  const { chain, privateKey } = await readKeyedChain(certificateFile, keyFile);
  const [der] = chain;
  const certificate = der && parseCertificate(der);
  if (!certificate?.basicConstraints?.authority) {
    throw failure('service.config', { file: certificateFile }, 'give the certificate of an authority (CA:TRUE)');
  }
  return { certificate, privateKey };
}

/** PKCS #8, which every peer reads; for its owner only. */
export const privateKeyFile = (key: KeyObject): { readonly text: string; readonly mode: number } => ({
  text: key.export({ format: 'pem', type: 'pkcs8' }).toString(),
  mode: 0o600,
});

async function read(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    throw unusable(file, error);
  }
}

async function requirePrivate(path: string, mode: string): Promise<void> {
  const found = (await stat(path)).mode & 0o777;
  // Windows has no such bits and reports every file as readable by all.
  if (process.platform === 'win32' || (found & 0o077) === 0) return;
  const evidence = { file: path, mode: found.toString(8).padStart(3, '0') };
  throw failure('service.config', evidence, `others can read a private key: chmod ${mode} ${path}`);
}

/** Makes a new file that is on the disk when this resolves. */
export async function writeSynced(file: string, text: string, mode: number): Promise<void> {
  const handle = await open(file, 'wx', mode);
  try {
    await handle.chmod(mode);
    await handle.writeFile(text);
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** A new name in a folder is safe from a power cut only when the folder is on the disk, too. */
export async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** Under which name a folder is written, beside its place, before it appears there. */
export const freshBeside = (folder: string): string =>
  join(dirname(folder), `.${basename(folder)}.new-${randomUUID()}`);

/** Name of the folder that one of such a name would have become; undefined: it is somebody else's. */
export function halfOf(name: string): string | undefined {
  const [, whole, id = ''] = /^\.(.+)\.new-([^.]+)$/s.exec(name) ?? [];
  return parseUuid(id) && whole;
}

/**
 * What crashed runs have left of a folder: keys that nobody will use. One that cannot be removed is no fault of the folder that is
 * there now: it stays for the next run, or its own if that still writes it.
 */
export async function removeLeftovers(folder: string): Promise<void> {
  const parent = dirname(folder);
  for (const name of await readdir(parent)) {
    if (halfOf(name) === basename(folder)) {
      await rm(join(parent, name), { recursive: true, force: true }).catch(() => undefined);
    }
  }
}

function usable<I, O>(file: string, parse: (input: I) => O, input: I): O {
  try {
    return parse(input);
  } catch (error) {
    throw unusable(file, error);
  }
}

function unusable(file: string, error: unknown): FirstbootError {
  // Node repeats the path: ENOENT: no such file or directory, open '...'.
  const found = error instanceof Error ? error.message.replace(/, \w+ '.*'$/, '') : String(error);
  return failure(
    'service.config',
    { file, found },
    'check that the file is there, readable, and what it is said to be',
    error,
  );
}

/** Whether a file system call failed for this reason. */
export const hasCode = (error: unknown, code: string): boolean =>
  error instanceof Error && 'code' in error && error.code === code;
