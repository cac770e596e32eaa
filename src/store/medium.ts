/** An ordered key-value medium as the embedded store sees it. Reads are of what has been written; faults throw. */
export interface Medium {
  /** Straight from the block cache in the usual case: some microseconds. */
  get(key: string): string | undefined;
  /** Rows in order of their keys. */
  rows(range: KeyRange): Promise<readonly (readonly [key: string, value: string])[]>;
  keys(range: KeyRange): Promise<readonly string[]>;
  /** All rows as they are now, whatever is written meanwhile: at most `size` at a time, in order. */
  snapshot(size: number): AsyncIterable<readonly (readonly [key: string, value: string])[]>;
}

/** Both ends exclusive. */
export interface KeyRange {
  readonly after: string;
  readonly before: string;
  readonly reverse?: boolean;
  readonly limit?: number;
}

export type WriteOp =
  | { readonly type: 'put'; readonly key: string; readonly value: string }
  | { readonly type: 'del'; readonly key: string };

export const put = (key: string, value: string): WriteOp => ({ type: 'put', key, value });

export const del = (key: string): WriteOp => ({ type: 'del', key });

/**
 * The rows of the embedded store. Parts of a key are UUIDs, serial numbers, codes and fixed-width numbers: none holds a `!`,
 * and the character after it in ASCII (`"`) ends a range over everything that starts with a prefix. Only the last part of
 * an access key, and of that of a kept answer, is somebody's text: it is escaped.
 */
export const keys = {
  schema: 'meta!schema',
  epoch: 'meta!epoch',
  /** -> when it was last tried whether the store can be written. */
  probe: 'meta!probe',
  group: (id: string) => `group!${id}`,
  hub: (id: string) => `hub!${id}`,
  crl: (id: string) => `crl!${id}`,
  token: (id: string) => `token!${id}`,
  webhook: (id: string) => `webhook!${id}`,
  device: (keyId: string) => `device!${keyId}`,
  /** -> nothing: indexes, in order of key id, by minute and by time. */
  deviceBy: (facet: string, value: string, keyId: string) => `device-by!${facet}!${value}!${keyId}`,
  deviceSeen: (minute: number, keyId: string) => `device-seen!${padded(minute)}!${keyId}`,
  deviceCreated: (at: number, keyId: string) => `device-created!${padded(at)}!${keyId}`,
  /** -> nothing: the same of one owner. */
  deviceSeenOf: (ownerId: string, minute: number, keyId: string) =>
    `device-seen-of!${ownerId}!${padded(minute)}!${keyId}`,
  deviceCreatedOf: (ownerId: string, at: number, keyId: string) =>
    `device-created-of!${ownerId}!${padded(at)}!${keyId}`,
  /** -> how many there are of this kind. */
  deviceCount: (kind: readonly string[]) => `device-count!${kind.join('!')}`,
  /** -> key id */
  claim: (deviceId: string) => `claim!${deviceId}`,
  credential: (serial: string) => `credential!${serial}`,
  /** -> the owner for whom it is counted, or nothing: an index, oldest first. */
  credentialOf: (keyId: string, issuedAt: number, serial: string) =>
    `credential-of!${keyId}!${padded(issuedAt)}!${serial}`,
  /** -> nothing: an index of those that are not revoked, in order of notAfter. */
  expires: (notAfter: number, serial: string) => `expires!${padded(notAfter)}!${serial}`,
  /** -> how many of those end on a day. */
  expiryCount: (day: number, groupId: string, issuerKeyId: string, ownerId: string) =>
    `expiry-count!${padded(day)}!${groupId}!${issuerKeyId}!${ownerId}`,
  /** -> how many that are revoked end on a day. */
  revokedCount: (day: number, groupId: string, issuerKeyId: string, ownerId: string) =>
    `revoked-count!${padded(day)}!${groupId}!${issuerKeyId}!${ownerId}`,
  /** -> notAfter: an index. */
  revoked: (issuerKeyId: string, serial: string) => `revoked!${issuerKeyId}!${serial}`,
  /** -> how often its revocations have changed. */
  revocationTurn: (issuerKeyId: string) => `revocation-turn!${issuerKeyId}`,
  /** -> the last one that was given out. */
  crlNumber: (issuerKeyId: string) => `crl-number!${issuerKeyId}`,
  access: (groupId: string, accessKey: string) => `access!${groupId}!${ordered(accessKey)}`,
  /** -> the subject: those of an access list that hold a `*`, which are kept in memory. */
  accessPattern: (groupId: string, accessKey: string) => `access-pattern!${groupId}!${ordered(accessKey)}`,
  audit: (seq: number) => `audit!${padded(seq)}`,
  /** -> what a line of the audit log is about, until events that tell of it are written. */
  untold: (seq: number) => `untold!${padded(seq)}`,
  /** -> seq and hash of the last line */
  auditHead: 'meta!audit-head',
  refusals: (hour: number, code: string) => `refusals!${padded(hour)}!${code}`,
  /** -> a piece of an attempt's entries; pieces sort by time of append. */
  attemptPiece: (id: string, piece: string) => `attempt!${id}!${piece}`,
  /** -> when it was opened. */
  attemptOpened: (id: string) => `summary!${id}!opened`,
  /** -> verdict and refusal. */
  attemptClosed: (id: string) => `summary!${id}!closed`,
  /** -> the key id under which it is filed. */
  attemptFiled: (id: string) => `summary!${id}!filed`,
  /** -> nothing: an index, oldest first. */
  attemptOf: (keyId: string, id: string) => `attempt-of!${keyId}!${id}`,
  attemptCount: (keyId: string) => `attempt-count!${keyId}`,
  /** -> nothing: an index of closed ones, oldest first. */
  attemptBy: (facet: string, value: string, id: string) => `attempt-by!${facet}!${value}!${id}`,
  statistics: (slot: number, ownerId: string) => `statistics!${padded(slot)}!${ownerId}`,
  /** `place` sorts as the events happened. */
  event: (place: string) => `event!${place}`,
  eventCount: 'meta!event-count',
  /** -> place of the last one that was removed. */
  eventsRemoved: 'meta!events-removed',
  /** -> id of the last event that a webhook was told of. */
  webhookCursor: (webhookId: string) => `webhook-cursor!${webhookId}`,
  delivery: (webhookId: string, place: string) => `delivery!${webhookId}!${place}`,
  /** A delivery that was given up. */
  deadLetter: (webhookId: string, place: string) => `dead-letter!${webhookId}!${place}`,
  keptAnswer: (key: string) => `kept-answer!${ordered(key)}`,
  /** -> key of the answer: an index, oldest first. */
  keptAt: (at: number, key: string) => `kept-at!${padded(at)}!${ordered(key)}`,
  /** -> key of the answer: an index by whose it is, oldest first. */
  keptBy: (by: string, at: number, key: string) => `kept-by!${by}!${padded(at)}!${ordered(key)}`,
  keptCount: 'meta!kept-count',
  keptCountBy: (by: string) => `meta!kept-count-by!${by}`,
} as const;

/** Everything whose key starts with `prefix` and a `!`. */
export const under = (prefix: string): { readonly after: string; readonly before: string } => ({
  after: `${prefix}!`,
  before: `${prefix}"`,
});

/** The part of a key after its last `!`. */
export const lastPart = (key: string): string => key.slice(key.lastIndexOf('!') + 1);

export const fixedHex = (n: number, digits: number): string => n.toString(16).padStart(digits, '0');

/** Decimal digits that sort as the number does. */
export const padded = (n: number): string => String(n).padStart(16, '0');

/** Any text as ASCII without blanks, different for different texts, in the order that JavaScript gives them. */
const ordered = (text: string): string =>
  text.replace(/[^!-}]/g, (unit) => (unit <= ' ' ? ' ' : '~') + unit.charCodeAt(0).toString(16).padStart(4, '0'));
