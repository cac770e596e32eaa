import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import { join } from 'node:path';
import type { Millis } from '../core/clock.ts';
import { type Decision, FirstbootError } from '../core/errors.ts';
import type { RandomSource } from '../core/random.ts';
import { authorityFolder, finishAuthorityChange, readAuthorityState } from './authority-folder.ts';
import type { Certificate } from './certificate.ts';
import { pathExists, writeFolder } from './files.ts';
import { issueCertificate, issueRoot, randomSerial } from './issue.ts';
import type { Authority, Issuer } from './issuer.ts';
import { profiles } from './profile.ts';
import { parsePublicKey, spkiOf } from './public-key.ts';
import { type AuthorityState, authorityOf } from './roll-over.ts';

export interface AuthorityDeps {
  readonly now: Millis;
  readonly random: RandomSource;
  /** Goes into the names: `CN=<name> Root CA`. */
  readonly name: string;
}

/** Makes an authority in memory: two new P-256 keys, two certificates. */
export const createAuthority = (deps: AuthorityDeps): Authority => authorityOf(newState(deps));

function newState(deps: AuthorityDeps): AuthorityState {
  const root = createRoot(`${deps.name} Root CA`, deps);
  const issuing = createIssuing(`${deps.name} Issuing CA`, root, deps);
  return { root, issuing, next: undefined, previous: undefined, retired: [] };
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
  if (!(await pathExists(join(folder, 'root.pem')))) await writeFolder(folder, authorityFolder(newState(deps)));
  await finishAuthorityChange(folder);
  return loadAuthority(folder, deps.now);
}

/** @throws FirstbootError service.config */
export async function loadAuthority(folder: string, now: Millis): Promise<Authority> {
  return authorityOf(await readAuthorityState(folder, now));
}

const newKey = (): KeyObject => generateKeyPairSync('ec', { namedCurve: 'prime256v1' }).privateKey;

/** For certificates whose whole request is ours: a refusal is a fault of ours. */
export function expectIssued(decision: Decision<Certificate>): Certificate {
  if (!decision.ok) throw new FirstbootError(decision.refusal);
  return decision.value;
}
