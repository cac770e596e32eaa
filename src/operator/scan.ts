import type { Millis } from '../core/clock.ts';
import type { Uuid } from '../core/ids.ts';
import { limits } from '../core/limits.ts';
import type {
  AccessEntry,
  AccessList,
  AttemptSummary,
  AuditEntry,
  Credential,
  Delivery,
  Device,
} from '../store/model.ts';
import { type AttemptFacet, accessKey, type DeviceFacet, type Store } from '../store/store.ts';

/** Every device, in order of key id, a page in memory at a time; `after` is exclusive and need not be a whole id. */
export async function* everyDevice(store: Store, after?: string): AsyncGenerator<Device> {
  const read = (from: string | undefined, limit: number) =>
    store.devices({ ...(from !== undefined && { after: from }), limit });
  yield* paged(read, ({ keyId }) => keyId, after);
}

/** Every device that an index has under a value, in order of key id. */
export async function* everyDeviceBy(
  store: Store,
  { by, value }: { readonly by: DeviceFacet; readonly value: string },
  after?: string,
): AsyncGenerator<Device> {
  const read = (from: string | undefined, limit: number) =>
    store.devicesBy({ by, value, ...(from !== undefined && { after: from }), limit });
  yield* paged(read, ({ keyId }) => keyId, after);
}

/** Every device with a text in one of its own, in order of key id. */
export async function* everyDeviceByText(store: Store, text: string, after?: string): AsyncGenerator<Device> {
  const read = (from: string | undefined, limit: number) =>
    store.keyIdsByText({ text, ...(from !== undefined && { after: from }), limit });
  for await (const keyId of paged(read, (last) => last, after)) {
    const device = await store.device(keyId);
    if (device) yield device;
  }
}

/** Every device with where it stands, the one last seen or first stored last in front. */
export async function* everyDeviceByTime(
  store: Store,
  by: 'seen' | 'created',
  before?: string,
): AsyncGenerator<Awaited<ReturnType<Store['devicesByTime']>>[number]> {
  const read = (from: string | undefined, limit: number) =>
    store.devicesByTime({ by, ...(from !== undefined && { before: from }), limit });
  yield* paged(read, ({ cursor }) => cursor, before);
}

/** Every credential, in order of serial. */
export async function* everyCredential(store: Store, after?: string): AsyncGenerator<Credential> {
  const read = (from: string | undefined, limit: number) =>
    store.allCredentials({ ...(from !== undefined && { after: from }), limit });
  yield* paged(read, ({ serial }) => serial, after);
}

/** Every credential that is not revoked and ends in a time, in order of its end, with where it stands. */
export async function* everyCredentialByEnd(
  store: Pick<Store, 'credentialsByEnd'>,
  range: { readonly since: Millis; readonly until: Millis },
  after?: string,
): AsyncGenerator<Awaited<ReturnType<Store['credentialsByEnd']>>[number]> {
  const read = (from: string | undefined, limit: number) =>
    store.credentialsByEnd({ ...range, ...(from !== undefined && { after: from }), limit });
  yield* paged(read, ({ cursor }) => cursor, after);
}

/** Every entry of a group's long lists, or of one of them, in order of accessKey. */
export async function* everyAccessEntry(
  store: Store,
  groupId: Uuid,
  { list, after }: { readonly list?: AccessList | undefined; readonly after?: string | undefined } = {},
): AsyncGenerator<AccessEntry> {
  const which = { groupId, ...(list !== undefined && { list }) };
  const read = (from: string | undefined, limit: number) =>
    store.access({ ...which, limit, ...(from !== undefined && { after: from }) });
  yield* paged(read, (entry) => accessKey(entry.list, entry.device), after);
}

/** Every line of the audit log, oldest first. */
export async function* everyAuditLine(store: Store, after?: number): AsyncGenerator<AuditEntry> {
  const read = (from: number | undefined, limit: number) =>
    store.audit({ ...(from !== undefined && { after: from }), limit });
  yield* paged(read, ({ seq }) => seq, after);
}

/** Every line of the audit log in front of `before`, newest first. */
export async function* everyAuditLineBackwards(store: Store, before?: number): AsyncGenerator<AuditEntry> {
  let end = before ?? ((await store.auditHead())?.seq ?? 0) + 1;
  const { firstPage, page: largest } = limits.operator;
  for (let limit: number = firstPage; end > 1; limit = Math.min(2 * limit, largest)) {
    const after = Math.max(0, end - 1 - limit);
    const lines = await store.audit({ after, limit: end - 1 - after });
    yield* lines.toReversed();
    end = after + 1;
  }
}

/** Every closed attempt that an index has under a value, newest first; `before` is exclusive. */
export async function* everyAttemptBy(
  store: Store,
  { by, value }: { readonly by: AttemptFacet; readonly value: string },
  before?: Uuid,
): AsyncGenerator<AttemptSummary> {
  const read = (from: Uuid | undefined, limit: number) =>
    store.attemptsBy({ by, value, ...(from !== undefined && { before: from }), limit });
  yield* paged(read, ({ id }) => id, before);
}

/** Every attempt, or every one of a device, newest first; `before` is exclusive. */
export async function* everyAttempt(
  store: Store,
  { keyId, before }: { readonly keyId?: Uuid | undefined; readonly before?: Uuid | undefined } = {},
): AsyncGenerator<AttemptSummary> {
  const which = { ...(keyId !== undefined && { keyId }) };
  const read = (from: Uuid | undefined, limit: number) =>
    store.attempts({ ...which, limit, ...(from !== undefined && { before: from }) });
  yield* paged(read, ({ id }) => id, before);
}

/** Everything that waits for a webhook or could not be delivered, or one of the two, in order of event. */
export async function* everyDelivery(
  store: Pick<Store, 'deliveries'>,
  webhookId: Uuid,
  { dead, after }: { readonly dead?: boolean | undefined; readonly after?: string | undefined } = {},
): AsyncGenerator<Delivery> {
  const which = { webhookId, ...(dead !== undefined && { dead }) };
  const read = (from: string | undefined, limit: number) =>
    store.deliveries({ ...which, limit, ...(from !== undefined && { after: from }) });
  yield* paged(read, ({ event }) => event.id, after);
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

interface ListRules<T> {
  readonly fits: (row: T) => boolean | Promise<boolean>;
  readonly most: number;
  readonly position: (row: T) => string;
  readonly hidden?: (last: string, told: string | undefined) => string | undefined;
}

/**
 * A page of an answer to people: limits.operator.listed rows at most, of limits.operator.rowsSearched that are looked through.
 * It may be short, or empty, and have a next one. With `hidden`, positions of rows that do not fit are not told: it makes a
 * place out of that of the last one, and of the last one that fits, to go on from; undefined: there is none here.
 */
export async function listOf<T>(
  rows: AsyncIterable<T>,
  { fits, most, position, hidden = (last) => last }: ListRules<T>,
): Promise<Page<T, string>> {
  const found: T[] = [];
  let last: T | undefined;
  let searched = 0;
  for await (const row of rows) {
    const full = found.length >= Math.min(most, limits.operator.listed);
    if (last !== undefined && (full || searched >= limits.operator.rowsSearched)) {
      const told = found.at(-1);
      const next = last === told ? position(last) : hidden(position(last), told && position(told));
      if (next !== undefined) return { rows: found, next };
    }
    last = row;
    searched++;
    if (await fits(row)) found.push(row);
  }
  return { rows: found, next: undefined };
}

/** The first page is a small one: who lists fifty rows shall not pay for five hundred. The following ones grow. */
async function* paged<T, P>(
  read: (behind: P | undefined, limit: number) => Promise<readonly T[]>,
  position: (row: T) => P,
  behind: P | undefined,
): AsyncGenerator<T> {
  const { firstPage, page: largest } = limits.operator;
  let from = behind;
  for (let limit: number = firstPage; ; limit = Math.min(2 * limit, largest)) {
    const page = await read(from, limit);
    yield* page;
    const last = page.at(-1);
    if (last === undefined || page.length < limit) return;
    from = position(last);
  }
}
