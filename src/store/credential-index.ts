import { days, type Millis } from '../core/clock.ts';
import type { Uuid } from '../core/ids.ts';
import type { Counters } from './counters.ts';
import { del, keys, put, type WriteOp } from './medium.ts';
import type { Credential } from './model.ts';

/** A credential, and whose its device is; undefined: the device was not on record when it was added. */
export interface OwnedCredential {
  readonly credential: Credential;
  readonly ownerId: Uuid | undefined;
}

/** What to write beside one that changes: only what changes for the indexes, too. */
export function indexChange(
  before: OwnedCredential | undefined,
  after: OwnedCredential,
  counters: Counters,
): readonly WriteOp[] {
  if (before) counters.add(expiryKey(before), -1);
  counters.add(expiryKey(after), 1);
  const [gone, come] = [before ? credentialIndex(before) : [], credentialIndex(after)];
  return [
    ...gone.filter(([key]) => !come.some(([kept]) => kept === key)).map(([key]) => del(key)),
    ...come
      .filter(([key, value]) => !gone.some(([kept, same]) => kept === key && same === value))
      .map((entry) => put(...entry)),
  ];
}

/** Under which keys the indexes have a credential, and with which values. */
export const credentialIndex = ({
  credential,
  ownerId = '',
}: OwnedCredential): readonly (readonly [key: string, value: string])[] => {
  const { serial, keyId, issuedAt, issuerKeyId, notAfter, revoked } = credential;
  return [
    [keys.credentialOf(keyId, issuedAt, serial), ownerId],
    revoked ? [keys.revoked(issuerKeyId, serial), String(notAfter)] : [keys.expires(notAfter, serial), ''],
  ];
};

/** The counter of credentials that end like this one, revoked or not like it. */
export const expiryKey = ({ credential, ownerId = '' }: OwnedCredential): string => {
  const { notAfter, groupId, issuerKeyId, revoked } = credential;
  return (revoked ? keys.revokedCount : keys.expiryCount)(startOfDay(notAfter), groupId, issuerKeyId, ownerId);
};

export const startOfDay = (at: Millis): Millis => Math.floor(at / days(1)) * days(1);
