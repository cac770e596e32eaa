/** An ordered key-value medium as the embedded store sees it. Reads are of what has been written; faults throw. */
export interface Medium {
  /** Straight from the block cache in the usual case: some microseconds. */
  get(key: string): string | undefined;
  /** Rows in order of their keys. */
  rows(range: KeyRange): Promise<readonly (readonly [key: string, value: string])[]>;
  keys(range: KeyRange): Promise<readonly string[]>;
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
 * an access key is somebody's text: it is escaped.
 */
export const keys = {
  schema: 'meta!schema',
  epoch: 'meta!epoch',
  group: (id: string) => `group!${id}`,
  hub: (id: string) => `hub!${id}`,
  crl: (id: string) => `crl!${id}`,
  device: (keyId: string) => `device!${keyId}`,
  /** -> key id */
  claim: (deviceId: string) => `claim!${deviceId}`,
  credential: (serial: string) => `credential!${serial}`,
  /** -> nothing: an index, oldest first. */
  credentialOf: (keyId: string, issuedAt: number, serial: string) =>
    `credential-of!${keyId}!${padded(issuedAt)}!${serial}`,
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
} as const;

/** Everything whose key starts with `prefix` and a `!`. */
export const under = (prefix: string): { readonly after: string; readonly before: string } => ({
  after: `${prefix}!`,
  before: `${prefix}"`,
});

/** The part of a key after its last `!`. */
export const lastPart = (key: string): string => key.slice(key.lastIndexOf('!') + 1);

/** Decimal digits that sort as the number does. */
const padded = (n: number): string => String(n).padStart(16, '0');

/** Any text as ASCII without blanks, different for different texts, in the order that JavaScript gives them. */
const ordered = (text: string): string =>
  text.replace(/[^!-}]/g, (unit) => (unit <= ' ' ? ' ' : '~') + unit.charCodeAt(0).toString(16).padStart(4, '0'));
