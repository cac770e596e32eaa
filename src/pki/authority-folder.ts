import { join } from 'node:path';
import { encodeCertificates } from '../codec/pem.ts';
import { isoTime, type Millis } from '../core/clock.ts';
import { failure } from '../core/errors.ts';
import {
  type FolderContent,
  listFolder,
  pathExists,
  privateKeyFile,
  readIssuer,
  requirePrivateFolder,
} from './files.ts';
import { changeFolder, type FolderChange, finishChange } from './folder-change.ts';
import type { Issuer } from './issuer.ts';
import { type AuthorityState, authorityOf, keyIdOf } from './roll-over.ts';
import { signatureAlgorithmFor, verifyWithSpki } from './signature.ts';

/**
 * Reads an authority's folder. A change that was cut off in its middle counts as done once all of it is on the disk.
 * @throws FirstbootError service.config: keys that others can read, files that are missing or do not belong together, an
 *   authority that has expired.
 */
export async function readAuthorityState(folder: string, now: Millis): Promise<AuthorityState> {
  await requirePrivateFolder(folder);
  const pending = join(folder, pendingFolder);
  try {
    return await readState((await pathExists(pending)) ? pending : folder, now);
  } catch (error) {
    // Another process may be changing the folder just now.
    const again = await pathExists(pending);
    try {
      return await readState(again ? pending : folder, now);
    } catch {
      throw error;
    }
  }
}

/**
 * Puts another state into the folder, at once or not at all, whenever the process may be killed. A change that was cut off
 * is carried to its end first.
 * @throws FirstbootError operator.conflict when somebody else changes the folder at the same time; service.config
 */
export async function writeAuthorityState(folder: string, state: AuthorityState): Promise<void> {
  await changeFolder(changeOf(folder), authorityFolder(state));
}

/** Carries a change to its end that was cut off, so that the folder's own files are the present ones again. */
export async function finishAuthorityChange(folder: string): Promise<void> {
  await finishChange(changeOf(folder));
}

/** The files of an authority's folder. */
export function authorityFolder(state: AuthorityState): FolderContent {
  const { root, issuing, next, previous, retired } = state;
  return {
    ...issuerFiles('root', root),
    ...issuerFiles('issuing', issuing),
    [files.anchors]: publicFile(authorityOf(state).trustAnchors),
    ...(next && issuerFiles('next/root', next)),
    ...(previous && issuerFiles('previous/root', previous)),
    ...Object.assign({}, ...retired.map((issuer) => issuerFiles(`retired/${keyIdOf(issuer)}/issuing`, issuer))),
  };
}

const files = { root: 'root.pem', issuing: 'issuing.pem', anchors: 'anchors.pem', retired: 'retired' } as const;

/** Holds the whole of the new folder while it takes the place of the old one. */
const pendingFolder = 'change';

const changeOf = (folder: string): FolderChange => ({
  folder,
  pending: pendingFolder,
  owned: ['next', 'previous', files.retired],
});

async function readState(folder: string, now: Millis): Promise<AuthorityState> {
  const issuer = (path: string): Promise<Issuer> =>
    readIssuer(join(folder, `${path}.pem`), join(folder, `${path}-key.pem`));
  const alive = ({ certificate }: Issuer): boolean => certificate.notAfter > now;
  // A device takes an expired anchor for a reason to provision itself again.
  const optional = async (part: string): Promise<Issuer | undefined> =>
    (await pathExists(join(folder, part))) ? [await issuer(join(part, 'root'))].find(alive) : undefined;
  const root = await issuer('root');
  const issuing = await issuer('issuing');
  requireSigned(folder, root, issuing);
  for (const { certificate } of [issuing, root]) {
    const { notAfter, subject } = certificate;
    if (notAfter > now) continue;
    const evidence = { folder, authority: subject.text, notAfter: isoTime(notAfter) };
    throw failure('service.config', evidence, 'the authority has expired: make a new one, or check the clock');
  }
  const retired = (await pathExists(join(folder, files.retired))) ? await listFolder(join(folder, files.retired)) : [];
  const old = await Promise.all(retired.map((name) => issuer(join(files.retired, name, 'issuing'))));
  return {
    root,
    issuing,
    next: await optional('next'),
    previous: await optional('previous'),
    retired: old.filter(alive).toSorted((a, b) => b.certificate.notBefore - a.certificate.notBefore),
  };
}

function requireSigned(folder: string, root: Issuer, { certificate }: Issuer): void {
  const algorithm = signatureAlgorithmFor(root.privateKey);
  if (verifyWithSpki(algorithm, certificate.tbs, root.certificate.spki, certificate.signature)) return;
  throw failure('service.config', { folder }, `${files.issuing} is not signed by ${files.root}: restore the folder`);
}

const issuerFiles = (path: string, { certificate, privateKey }: Issuer): FolderContent => ({
  [`${path}.pem`]: publicFile([certificate.der]),
  [`${path}-key.pem`]: privateKeyFile(privateKey),
});

const publicFile = (chain: readonly Uint8Array[]): { readonly text: string; readonly mode: number } => ({
  text: encodeCertificates(chain),
  mode: 0o644,
});
