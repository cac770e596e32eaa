import { decodeCertificates, encodePem } from '../codec/pem.ts';
import { equalBytes, noBytes } from '../core/bytes.ts';
import type { Millis, Timers } from '../core/clock.ts';
import { describe, FirstbootError, failure } from '../core/errors.ts';
import { type Uuid, uuidNamespaces, uuidV5 } from '../core/ids.ts';
import { limits } from '../core/limits.ts';
import type { Log } from '../core/log.ts';
import { parseCertificate } from '../pki/certificate.ts';
import { crlSignedBy, decodeCrls, type RevocationList, readCrl } from '../pki/revocation-list.ts';
import { isOwnersList } from '../provision/owners-urls.ts';
import type { EnrollmentGroup, FetchedCrl } from '../store/model.ts';
import type { Store } from '../store/store.ts';
import { boundedFetch, FetchFault } from './bounded-fetch.ts';

export interface RevocationListsDeps {
  readonly store: Store;
  /** The groups as they are now. */
  readonly groups: () => Iterable<EnrollmentGroup>;
  /** Told when a list has changed: the policy is to be read again. */
  readonly changed: () => Promise<unknown>;
  readonly timers: Timers;
  readonly log: Log;
  /** Whether URLs that owners have written may be anywhere that this machine reaches; default: on the public Internet only. */
  readonly ownersReachPrivate?: boolean | undefined;
}

/** Manufacturers' revocation lists by URL. */
export interface RevocationLists {
  /** Fetches what is due, and again when the next is due, until `stop`. Resolves when the round is through. Does not reject. */
  refresh(): Promise<void>;
  /** Gives up what is under way. */
  stop(): Promise<void>;
}

/**
 * Keeps the lists of the policy's URLs in the store: fetched once a day or at half of their time, after failures again
 * with growing pauses. A list counts only when one of the authorities of a group that names its URL has signed it, and when
 * it follows the one before: of the same issuer and key, not older, its number not lower. What cannot be fetched or used
 * leaves the list before in force, with the reason beside it. The list of a URL that no group names any more is dropped.
 */
export function createRevocationLists({
  store,
  groups,
  changed,
  timers,
  log,
  ownersReachPrivate = false,
}: RevocationListsDeps): RevocationLists {
  const sources = new Map<string, Source>();
  let working: Promise<void> | undefined;
  let cancel = (): void => undefined;
  const leaving = new AbortController();

  const round = async (): Promise<void> => {
    const named = sitesByUrl(groups());
    for (const url of sources.keys()) if (!named.has(url)) sources.delete(url);
    for (const { id, url } of await store.crls.list()) if (!named.has(url)) await store.crls.delete(id);
    const wanted = bounded(named, log);
    const due = [...wanted].filter(([url]) => (sources.get(url)?.at ?? 0) <= timers.now());
    const news = await Promise.all(
      due.map(async ([url, { signers, ofOwner }]) => {
        const known = sources.get(url) ?? { failures: 0, at: 0, etag: undefined };
        const before = await store.crls.get(idOf(url));
        const publicOnly = ofOwner && !ownersReachPrivate;
        const fetched = await fetchOne({ url, signers, known, before, timers, signal: leaving.signal, publicOnly });
        if (leaving.signal.aborted) return false;
        const { source, row, fresh } = fetched;
        sources.set(url, source);
        await store.crls.put(row);
        if (row.error !== undefined) log.warn({ url, error: row.error }, 'a revocation list could not be fetched');
        return fresh;
      }),
    );
    if (news.includes(true)) await changed();
  };

  const refresh = (): Promise<void> => {
    working ??= round()
      .catch((error: unknown) => log.error({ error }, 'revocation lists could not be kept'))
      .finally(() => {
        working = undefined;
        cancel();
        const next = Math.min(...[...sources.values()].map(({ at }) => at), timers.now() + limits.cloud.crlFetch);
        if (!leaving.signal.aborted)
          cancel = timers.schedule(Math.max(next, timers.now() + leastPause), () => void refresh());
      });
    return working;
  };
  return {
    refresh,
    stop: async () => {
      leaving.abort();
      cancel();
      await working;
    },
  };
}

/** The row of a list in Store.crls. */
const idOf = (url: string): Uuid => uuidV5(uuidNamespaces.url, url);

/** ms; a clock that stands still must not make a busy loop of it. */
const leastPause = 1000;

/** What is remembered of a URL while the service runs. */
interface Source {
  readonly failures: number;
  /** When it is fetched next. */
  readonly at: Millis;
  readonly etag: string | undefined;
}

interface Fetched {
  readonly source: Source;
  readonly row: FetchedCrl;
  readonly fresh: boolean;
}

interface Question {
  readonly url: string;
  /** PEM. */
  readonly signers: readonly string[];
  readonly known: Source;
  readonly before: FetchedCrl | undefined;
  readonly timers: Timers;
  readonly signal: AbortSignal;
  readonly publicOnly: boolean;
}

async function fetchOne(question: Question): Promise<Fetched> {
  const { url, signers, known, before, timers } = question;
  const now = timers.now();
  const kept = { ...(before ?? noList(url)), triedAt: now };
  try {
    const answer = await download(question);
    const der = answer?.der ?? decodeCrls(kept.pem ?? '')[0];
    if (!der) throw unusable('nothing new, and nothing before', "look at the manufacturer's server");
    const list = usable(der, signers);
    const pem = encodePem('X509 CRL', der);
    if (pem !== kept.pem) checkFollows(list, kept.pem);
    const { thisUpdate, nextUpdate } = list;
    const row = { ...kept, pem, thisUpdate, nextUpdate, fetchedAt: now, error: undefined };
    const source = { failures: 0, at: now + pauseOf(list, now), etag: answer ? answer.etag : known.etag };
    return { source, row, fresh: pem !== before?.pem };
  } catch (error) {
    const failures = known.failures + 1;
    const pause = Math.min(limits.cloud.crlFetchRetry * 2 ** (failures - 1), limits.cloud.crlFetchRetryMost);
    return {
      source: { failures, at: now + pause, etag: undefined },
      row: { ...kept, error: reasonOf(error) },
      fresh: false,
    };
  }
}

/** Once a day, or at half of the list's time, and soon when it has run out; never more often than limits say. */
function pauseOf({ thisUpdate, nextUpdate }: RevocationList, now: Millis): Millis {
  const half = nextUpdate === undefined ? limits.cloud.crlFetch : Math.max(0, nextUpdate - thisUpdate) / 2;
  const left = nextUpdate !== undefined && nextUpdate > now ? Math.min(half, nextUpdate - now) : half;
  return Math.max(limits.cloud.crlFetchLeast, Math.min(limits.cloud.crlFetch, left));
}

/** @returns undefined when the server says that the list is still what it was */
async function download({
  url,
  known,
  before,
  timers,
  signal,
  publicOnly,
}: Question): Promise<{ readonly der: Uint8Array; readonly etag: string | undefined } | undefined> {
  const etag = before?.pem === undefined ? undefined : known.etag;
  if (!/^https?:$/.test(URL.parse(url)?.protocol ?? '')) throw unusable('no http or https URL', 'correct the group');
  const headers = { accept: 'application/pkix-crl', ...(etag !== undefined && { 'if-none-match': etag }) };
  const response = await boundedFetch(url, { method: 'GET', headers }, timers, {
    bytes: limits.crl.documentBytes,
    within: limits.cloud.crlRequest,
    signal,
    publicOnly,
  });
  if (response.status === 304) return undefined;
  if (!response.ok) throw unusable(`the server answers ${response.status}`, 'look at the URL and its server');
  const bytes = new Uint8Array(await response.arrayBuffer());
  // RFC 5280 §4.2.1.13 wants DER; servers with PEM are in the field.
  const [der] = bytes[0] === 0x30 ? [bytes] : decodeCrls(bytes);
  if (!der) throw unusable('no revocation list', 'the URL must give one, DER or PEM');
  return { der, etag: response.headers.get('etag') ?? undefined };
}

/** @throws FirstbootError der.malformed, operator.input */
function usable(der: Uint8Array, signers: readonly string[]): RevocationList {
  const list = readCrl(der);
  const certificates = signers.flatMap((pem) => decodeCertificates(pem)).map(parseCertificate);
  if (certificates.some((certificate) => crlSignedBy(list, certificate))) return list;
  throw unusable(
    `a list of ${list.issuer.text}`,
    'it is not signed by an authority of the group: correct the URL, or add the authority to the group',
  );
}

/**
 * Whether a list may take the place of the one that the URL gave before, PEM.
 * @throws FirstbootError operator.input
 */
function checkFollows(list: RevocationList, before: string | undefined): void {
  const last = lastOf(before);
  if (!last) return;
  const sameKey = equalBytes(list.authorityKeyId ?? noBytes, last.authorityKeyId ?? noBytes);
  if (!sameKey || !equalBytes(list.issuer.der, last.issuer.der)) {
    const fix =
      'if the manufacturer has another authority now: take the URL out of the policy, start, and put it in again';
    throw unusable(
      `a list of ${list.issuer.text} in place of one of ${last.issuer.text}, or of another key of it`,
      fix,
    );
  }
  const fix = "look at the manufacturer's server";
  if (list.thisUpdate < last.thisUpdate) throw unusable('a list that is older than the one before', fix);
  if (last.number !== undefined && (list.number === undefined || list.number < last.number)) {
    throw unusable(`a list with number ${list.number ?? 'none'}, after number ${last.number}`, fix);
  }
}

/** Undefined also for a list of the store that cannot be read any more: it is of no use to anybody. */
function lastOf(pem: string | undefined): RevocationList | undefined {
  try {
    const [der] = decodeCrls(pem ?? '');
    return der && readCrl(der);
  } catch {
    return undefined;
  }
}

interface Site {
  /** Authorities that may have signed the list: those of every group that names the URL, PEM. */
  readonly signers: readonly string[];
  /** Nobody but owners has written the URL. */
  readonly ofOwner: boolean;
}

function sitesByUrl(groups: Iterable<EnrollmentGroup>): ReadonlyMap<string, Site> {
  const found = new Map<string, Site>();
  for (const group of groups) {
    const { anchors = [], leads = [], intermediates = [], crlUrls = [] } = group.attestation.x509 ?? {};
    for (const url of crlUrls) {
      const { signers, ofOwner } = found.get(url) ?? { signers: [], ofOwner: true };
      found.set(url, {
        signers: [...signers, ...anchors, ...leads, ...intermediates],
        ofOwner: ofOwner && isOwnersList(group, url),
      });
    }
  }
  return found;
}

function bounded<T>(found: ReadonlyMap<string, T>, log: Log): ReadonlyMap<string, T> {
  const limit = limits.policy.entries;
  if (found.size > limit) log.warn({ urls: found.size, limit }, 'too many URLs of revocation lists: some are left out');
  return new Map([...found].slice(0, limit));
}

const noList = (url: string): FetchedCrl => ({
  id: idOf(url),
  url,
  pem: undefined,
  thisUpdate: undefined,
  nextUpdate: undefined,
  fetchedAt: undefined,
  triedAt: 0,
  error: undefined,
});

const unusable = (found: string, fix: string): FirstbootError => failure('operator.input', { found }, fix);

function reasonOf(error: unknown): string {
  const text =
    error instanceof FetchFault
      ? `the server cannot be used: ${error.reason}`
      : error instanceof FirstbootError
        ? describe(error)
        : String(error);
  return text.slice(0, limits.policy.text);
}
