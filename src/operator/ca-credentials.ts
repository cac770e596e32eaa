import { toHex } from '../core/bytes.ts';
import { days, type Millis } from '../core/clock.ts';
import type { Uuid } from '../core/ids.ts';
import { fingerprint } from '../pki/certificate.ts';
import type { Issuer } from '../pki/issuer.ts';
import { type AuthorityState, keyIdOf } from '../pki/roll-over.ts';
import type { Credential } from '../store/model.ts';
import type { Store } from '../store/store.ts';
import { everyCredential, everyCredentialByEnd } from './scan.ts';

/** There is one for each device: what is not asked of them is not kept in memory. */
export type HeldCredential = Omit<Credential, 'certificate'>;

/** What devices hold of our authorities. */
export interface HeldCredentials {
  /** What each device uses: the last one it got, unless that is revoked or has expired. */
  readonly inUse: ReadonlyMap<Uuid, HeldCredential>;
  /** Key ids of the issuing authorities of all that has not expired, revoked or not. */
  readonly issuers: ReadonlySet<string>;
}

/** Looks through all credentials. @throws FirstbootError service.store */
export async function heldCredentials(store: Store, now: Millis): Promise<HeldCredentials> {
  const inUse = new Map<Uuid, HeldCredential>();
  const issuers = new Set<string>();
  for await (const { certificate: _, ...credential } of everyCredential(store)) {
    if (credential.notAfter <= now) continue;
    const { keyId, issuerKeyId, revoked, issuedAt } = credential;
    issuers.add(issuerKeyId);
    const known = inUse.get(keyId);
    if (!revoked && (known === undefined || known.issuedAt <= issuedAt)) inUse.set(keyId, credential);
  }
  return { inUse, issuers };
}

/**
 * How many certificates of each issuing authority have not expired: read off the counts by day, but for the live ones that end
 * today. A revoked one counts until its last day is over.
 * @throws FirstbootError service.store
 */
export async function issuedCounts(
  store: Pick<Store, 'expiryCounts' | 'credentialsByEnd'>,
  now: Millis,
): Promise<ReadonlyMap<string, { readonly live: number; readonly revoked: number }>> {
  const tomorrow = Math.floor(now / days(1)) * days(1) + days(1);
  const [live, revoked] = [new Map<string, number>(), new Map<string, number>()];
  const add = (issuerKeyId: string, count: number, to = live) =>
    to.set(issuerKeyId, (to.get(issuerKeyId) ?? 0) + count);
  const until = Number.MAX_SAFE_INTEGER;
  for (const { issuerKeyId, count } of await store.expiryCounts({ since: tomorrow, until })) add(issuerKeyId, count);
  for (const { issuerKeyId, count } of await store.expiryCounts({ since: now, until, revoked: true })) {
    add(issuerKeyId, count, revoked);
  }
  for await (const { credential } of everyCredentialByEnd(store, { since: now + 1, until: tomorrow })) {
    add(credential.issuerKeyId, 1);
  }
  const issuers = [...live.keys(), ...revoked.keys()];
  return new Map(issuers.map((id) => [id, { live: live.get(id) ?? 0, revoked: revoked.get(id) ?? 0 }]));
}

/** Every issuing authority of a folder, the present one first. */
export const issuersOf = ({ issuing, retired }: AuthorityState): readonly Issuer[] => [issuing, ...retired];

/** Whether a credential was issued below a root of ours. */
export function isBelow(
  state: AuthorityState,
  root: Issuer,
  { issuerKeyId }: Pick<Credential, 'issuerKeyId'>,
): boolean {
  const issuer = issuersOf(state).find((each) => keyIdOf(each) === issuerKeyId);
  const signer = issuer?.certificate.authorityKeyId;
  return signer !== undefined && toHex(signer) === keyIdOf(root);
}

/** Whether a root of ours was delivered with a credential. */
export const knows = (root: Issuer, { anchors }: Pick<Credential, 'anchors'>): boolean =>
  anchors.includes(fingerprint(root.certificate.der));
