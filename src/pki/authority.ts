import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import { join } from 'node:path';
import { encodePem } from '../codec/pem.ts';
import type { Millis } from '../core/clock.ts';
import { type Decision, FirstbootError, failure } from '../core/errors.ts';
import type { RandomSource } from '../core/random.ts';
import type { Certificate } from './certificate.ts';
import {
  type FolderContent,
  pathExists,
  privateKeyFile,
  readIssuer,
  requirePrivateFolder,
  writeFolder,
} from './files.ts';
import { issueCertificate, issueRoot, randomSerial } from './issue.ts';
import type { Authority, Issuer } from './issuer.ts';
import { profiles } from './profile.ts';
import { parsePublicKey, spkiOf } from './public-key.ts';
import { signatureAlgorithmFor, verifyWithSpki } from './signature.ts';

export interface AuthorityDeps {
  readonly now: Millis;
  readonly random: RandomSource;
  /** Goes into the names: `CN=<name> Root CA`. */
  readonly name: string;
}

/** Makes an authority in memory: two new P-256 keys, two certificates. */
export function createAuthority({ now, random, name }: AuthorityDeps): Authority {
  const root = createRoot(`${name} Root CA`, { now, random, name });
  const issuing = createIssuing(`${name} Issuing CA`, root, { now, random, name });
  return authorityOf(root, issuing);
}

/** A self-signed root with a new key. */
export function createRoot(commonName: string, { now, random, name }: AuthorityDeps): Issuer {
  const privateKey = newKey();
  const subject = { organization: name, commonName };
  const request = { profile: profiles.rootCa, subject, privateKey, now, serial: randomSerial(random) };
  return { certificate: expectIssued(issueRoot(request)), privateKey };
}

/** An authority under `root`, with a new key, that can sign end entities only. */
export function createIssuing(commonName: string, root: Issuer, { now, random, name }: AuthorityDeps): Issuer {
  const privateKey = newKey();
  const certificate = issueCertificate({
    profile: profiles.issuingCa,
    subject: { organization: name, commonName },
    publicKey: parsePublicKey(spkiOf(privateKey)),
    issuer: root,
    now,
    serial: randomSerial(random),
  });
  return { certificate: expectIssued(certificate), privateKey };
}

/**
 * Loads the authority of a folder, or makes it on first start. The folder (0700) and its keys (0600) appear at once or
 * not at all; of two processes that start at the same time both get the same authority.
 * @throws FirstbootError service.config: keys that others can read, files that are missing or do not belong together.
 */
export async function loadOrCreateAuthority(folder: string, deps: AuthorityDeps): Promise<Authority> {
  if (!(await pathExists(join(folder, files.root)))) {
    await writeFolder(folder, authorityFolder(createAuthority(deps)));
  }
  return loadAuthority(folder, deps.now);
}

/** @throws FirstbootError service.config */
export async function loadAuthority(folder: string, now: Millis): Promise<Authority> {
  await requirePrivateFolder(folder);
  const root = await readIssuer(join(folder, files.root), join(folder, files.rootKey));
  const issuing = await readIssuer(join(folder, files.issuing), join(folder, files.issuingKey));
  const { certificate } = issuing;
  const algorithm = signatureAlgorithmFor(root.privateKey);
  if (!verifyWithSpki(algorithm, certificate.tbs, root.certificate.spki, certificate.signature)) {
    throw failure('service.config', { folder }, `${files.issuing} is not signed by ${files.root}: restore the folder`);
  }
  for (const { notAfter, subject } of [certificate, root.certificate]) {
    if (notAfter <= now) {
      const evidence = { folder, authority: subject.text, notAfter: new Date(notAfter).toISOString() };
      throw failure('service.config', evidence, 'the authority has expired: make a new one, or check the clock');
    }
  }
  return authorityOf(root, issuing);
}

/** The files of an authority's folder. */
export function authorityFolder({ root, issuing }: Authority): FolderContent {
  return {
    [files.root]: certificateFile(root.certificate),
    [files.rootKey]: privateKeyFile(root.privateKey),
    [files.issuing]: certificateFile(issuing.certificate),
    [files.issuingKey]: privateKeyFile(issuing.privateKey),
  };
}

const files = {
  root: 'root.pem',
  rootKey: 'root-key.pem',
  issuing: 'issuing.pem',
  issuingKey: 'issuing-key.pem',
} as const;

const newKey = (): KeyObject => generateKeyPairSync('ec', { namedCurve: 'prime256v1' }).privateKey;

const certificateFile = ({ der }: Certificate): { readonly text: string; readonly mode: number } => ({
  text: encodePem('CERTIFICATE', der),
  mode: 0o644,
});

const authorityOf = (root: Issuer, issuing: Issuer): Authority => ({
  root,
  issuing,
  chain: [issuing.certificate.der],
  trustAnchor: root.certificate.der,
});

/** For certificates whose whole request is ours: a refusal is a fault of ours. */
export function expectIssued(decision: Decision<Certificate>): Certificate {
  if (!decision.ok) throw new FirstbootError(decision.refusal);
  return decision.value;
}
