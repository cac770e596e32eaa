import type { Uuid } from '../core/ids.ts';
import { limits } from '../core/limits.ts';
import type { AccessEntry, AccessList, AttemptSummary, AuditEntry, Credential, Device } from '../store/model.ts';
import { accessKey, type Store } from '../store/store.ts';

/** Every device, in order of key id, a page in memory at a time; `after` is exclusive and need not be a whole id. */
export async function* everyDevice(store: Store, after?: string): AsyncGenerator<Device> {
  const read = (from: string | undefined) => store.devices({ ...(from !== undefined && { after: from }), limit });
  yield* paged(read, ({ keyId }) => keyId, after);
}

/** Every credential, in order of serial. */
export async function* everyCredential(store: Store, after?: string): AsyncGenerator<Credential> {
  const read = (from: string | undefined) =>
    store.allCredentials({ ...(from !== undefined && { after: from }), limit });
  yield* paged(read, ({ serial }) => serial, after);
}

/** Every entry of a group's long lists, or of one of them, in order of accessKey. */
export async function* everyAccessEntry(
  store: Store,
  groupId: Uuid,
  { list, after }: { readonly list?: AccessList | undefined; readonly after?: string | undefined } = {},
): AsyncGenerator<AccessEntry> {
  const which = { groupId, ...(list !== undefined && { list }), limit };
  const read = (from: string | undefined) => store.access({ ...which, ...(from !== undefined && { after: from }) });
  yield* paged(read, (entry) => accessKey(entry.list, entry.device), after);
}

/** Every line of the audit log, oldest first. */
export async function* everyAuditLine(store: Store, after?: number): AsyncGenerator<AuditEntry> {
  const read = (from: number | undefined) => store.audit({ ...(from !== undefined && { after: from }), limit });
  yield* paged(read, ({ seq }) => seq, after);
}

/** Every attempt, or every one of a device, newest first; `before` is exclusive. */
export async function* everyAttempt(
  store: Store,
  { keyId, before }: { readonly keyId?: Uuid | undefined; readonly before?: Uuid | undefined } = {},
): AsyncGenerator<AttemptSummary> {
  const which = { ...(keyId !== undefined && { keyId }), limit };
  const read = (from: Uuid | undefined) => store.attempts({ ...which, ...(from !== undefined && { before: from }) });
  yield* paged(read, ({ id }) => id, before);
}

export interface Page<T, P> {
  readonly rows: readonly T[];
  /** Behind which row the next page begins; undefined: there is no more. */
  readonly next: P | undefined;
}

/** The first `most` (at least 1) of what fits. */
export async function firstOf<T, P>(
  rows: AsyncIterable<T>,
  { fits, most, position }: { fits: (row: T) => boolean; most: number; position: (row: T) => P },
): Promise<Page<T, P>> {
  const found: T[] = [];
  for await (const row of rows) {
    if (!fits(row)) continue;
    const last = found.at(-1);
    if (last !== undefined && found.length >= most) return { rows: found, next: position(last) };
    found.push(row);
  }
  return { rows: found, next: undefined };
}

/** The same for an answer to people: limits.operator.listed at most. */
export const listOf: typeof firstOf = (rows, query) =>
  firstOf(rows, { ...query, most: Math.min(query.most, limits.operator.listed) });

const limit = limits.operator.page;

async function* paged<T, P>(
  read: (behind: P | undefined) => Promise<readonly T[]>,
  position: (row: T) => P,
  behind: P | undefined,
): AsyncGenerator<T> {
  for (let from = behind; ; ) {
    const page = await read(from);
    yield* page;
    const last = page.at(-1);
    if (last === undefined || page.length < limit) return;
    from = position(last);
  }
}
