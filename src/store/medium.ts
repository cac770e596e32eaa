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
 * The rows of the embedded store. Parts of a key are UUIDs, serial numbers and fixed-width numbers: none holds a `!`,
 * and the character after it in ASCII (`"`) ends a range over everything that starts with a prefix.
 */
export const keys = {
  schema: 'meta!schema',
  epoch: 'meta!epoch',
  group: (id: string) => `group!${id}`,
  hub: (id: string) => `hub!${id}`,
  device: (keyId: string) => `device!${keyId}`,
  /** -> key id */
  claim: (deviceId: string) => `claim!${deviceId}`,
  credential: (serial: string) => `credential!${serial}`,
  /** -> nothing: an index, oldest first. */
  credentialOf: (keyId: string, issuedAt: number, serial: string) =>
    `credential-of!${keyId}!${String(issuedAt).padStart(16, '0')}!${serial}`,
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
