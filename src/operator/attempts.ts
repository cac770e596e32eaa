import type { Millis } from '../core/clock.ts';
import { errorTable, failure } from '../core/errors.ts';
import type { Uuid } from '../core/ids.ts';
import { limits } from '../core/limits.ts';
import type { Attempt, AttemptSummary, Verdict } from '../store/model.ts';
import type { Store } from '../store/store.ts';
import { type AttemptPeer, peerHas, peerOf } from './attempt-peer.ts';
import { findDevice, findGroup } from './find.ts';
import { everyAttempt, everyAttemptBy, listOf, type Page } from './scan.ts';

/**
 * The attempt with this id, or the only one whose id begins so; limits.operator.idPrefix characters at least.
 * @throws FirstbootError operator.not-found, operator.ambiguous, operator.input
 */
export async function findAttempt(store: Store, text: string): Promise<Attempt> {
  const wanted = text.trim().toLowerCase();
  const { idPrefix, candidates, page } = limits.operator;
  const evidence = { attempt: text.slice(0, limits.policy.text) };
  if (!/^[0-9a-f-]+$/.test(wanted) || wanted.length < idPrefix || wanted.length > lastUuid.length) {
    throw failure('operator.input', evidence, `write an attempt id, or the first ${idPrefix} characters or more of it`);
  }
  const exact = await store.attempt(wanted);
  if (exact) return exact;
  const before = wanted + lastUuid.slice(wanted.length);
  // They stand together, newest first.
  const found = (await store.attempts({ before, limit: page })).filter(({ id }) => id.startsWith(wanted));
  if (found.length > 1) {
    const others = found.length - candidates;
    const some = found.slice(0, candidates).map(({ id }) => id);
    const more = others > 0 ? ` and ${others}${found.length === page ? ' or' : ''} more` : '';
    const fix = `write more of the id: ${some.join(', ')}${more}`;
    throw failure('operator.ambiguous', evidence, fix);
  }
  const attempt = found[0] && (await store.attempt(found[0].id));
  if (attempt) return attempt;
  throw failure('operator.not-found', evidence, '`firstboot attempt list` shows those that are on record');
}

export interface AttemptFilter {
  /** As findDevice takes it. */
  readonly device?: string | undefined;
  readonly verdict?: Verdict | 'open' | undefined;
  /** Code of the refusal: `bind.device-id-taken`, or `bind` for every one that begins so. */
  readonly code?: string | undefined;
  /** The group that it was matched to: id or name. */
  readonly group?: string | undefined;
  readonly since?: Millis | undefined;
  /** A part of the subject, PSK identity, address, key id or device id, in any case. */
  readonly text?: string | undefined;
}

export type ListedAttempt = AttemptSummary & { readonly peer: AttemptPeer };

/**
 * Attempts, newest first; `next` is where the next page begins (`before`). A page has `limit` rows at most, and may have
 * fewer: it looks through limits.operator.rowsSearched attempts.
 * @throws FirstbootError as findDevice and findGroup
 */
export async function listAttempts(
  store: Store,
  { device, verdict, code, group, since = 0, text }: AttemptFilter,
  { before, limit }: { readonly before?: Uuid | undefined; readonly limit: number },
): Promise<Page<ListedAttempt, Uuid>> {
  const keyId = device === undefined ? undefined : (await findDevice(store, device)).keyId;
  const groupId = group === undefined ? undefined : (await findGroup(store, group)).id;
  const part = text?.toLowerCase();
  const fits = (summary: AttemptSummary): boolean =>
    (verdict === undefined || (summary.verdict ?? 'open') === verdict) &&
    (code === undefined || summary.refusal?.code === code || summary.refusal?.code.startsWith(`${code}.`) === true) &&
    (groupId === undefined || summary.groupId === groupId);
  const found = attemptsFor(store, { keyId, groupId, code, verdict }, before);
  const page = await listOf(withPeers(store, openedSince(found, since), fits), {
    fits: ({ peer }) => peer !== undefined && (part === undefined || peerHas(peer, part)),
    most: limit,
    position: ({ summary }) => summary.id,
  });
  return { ...page, rows: page.rows.flatMap(({ summary, peer }) => (peer ? [{ ...summary, peer }] : [])) };
}

/** Who came, read for those that fit only: an attempt is long. */
async function* withPeers(
  store: Store,
  summaries: AsyncIterable<AttemptSummary>,
  fits: (summary: AttemptSummary) => boolean,
): AsyncGenerator<{ readonly summary: AttemptSummary; readonly peer: AttemptPeer | undefined }> {
  for await (const summary of summaries) {
    const attempt = fits(summary) ? await store.attempt(summary.id) : undefined;
    yield { summary, peer: attempt && peerOf(attempt, summary.keyId) };
  }
}

/** The attempts of which most is asked, by the index that is likely to have the fewest others. */
function attemptsFor(
  store: Store,
  { keyId, groupId, code, verdict }: Readonly<Record<'keyId' | 'groupId' | 'code' | 'verdict', string | undefined>>,
  before: Uuid | undefined,
): AsyncIterable<AttemptSummary> {
  if (keyId !== undefined) return everyAttempt(store, { keyId, before });
  if (code !== undefined && Object.hasOwn(errorTable, code))
    return everyAttemptBy(store, { by: 'code', value: code }, before);
  if (groupId !== undefined) return everyAttemptBy(store, { by: 'group', value: groupId }, before);
  if (verdict !== undefined && verdict !== 'open')
    return everyAttemptBy(store, { by: 'verdict', value: verdict }, before);
  return everyAttempt(store, { before });
}

/** Above every UUIDv7 that is made in our time. */
const lastUuid: Uuid = 'ffffffff-ffff-ffff-ffff-ffffffffffff';

/** Newest first, so the first one that is too old is the end. */
async function* openedSince(attempts: AsyncIterable<AttemptSummary>, since: Millis): AsyncGenerator<AttemptSummary> {
  for await (const attempt of attempts) {
    if (attempt.openedAt < since) return;
    yield attempt;
  }
}
