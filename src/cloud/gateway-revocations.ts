import { noBytes, toHex } from '../core/bytes.ts';
import { isoTime, type Millis, type Timers } from '../core/clock.ts';
import { failure } from '../core/errors.ts';
import { InFlight } from '../core/in-flight.ts';
import { limits } from '../core/limits.ts';
import type { Log } from '../core/log.ts';
import { tryParseCertificate } from '../pki/certificate.ts';
import { decodeCrls, type RevocationList, readCrl } from '../pki/revocation-list.ts';
import { verifyPath } from '../secure/engine.ts';
import { boundedFetch } from './bounded-fetch.ts';

/**
 * Where revocation lists come from; undefined: they are still those of the version that is known. Rejects when they cannot be
 * had now.
 * @param known version of the lists that were taken last
 */
export type RevocationFetch = (now: Millis, known: string | undefined) => Promise<FetchedLists | undefined>;

export interface FetchedLists {
  /** DER. None: the place says that there is no such thing as lists. */
  readonly lists: readonly Uint8Array[];
  readonly version?: string | undefined;
}

/** A session that ends when its certificate is revoked. */
export interface GuardedSession {
  /** What the peer presented, DER, leaf first. */
  readonly presented: readonly Uint8Array[];
  close(): void;
}

export interface RevocationGuardDeps {
  readonly fetch: RevocationFetch;
  readonly trustAnchors: () => readonly Uint8Array[];
  readonly timers: Timers;
  readonly log: Log;
  /** Counts what is being fetched; default: nobody wants to know. */
  readonly inFlight?: InFlight;
}

/**
 * Keeps a gateway's revocation lists fresh: every limits.cloud.crlRefresh and before they run out, as long as there are
 * sessions, and when somebody comes after a pause. Lists that cannot be had or read, that are older than those before, and
 * lists that are gone where there were some, leave the ones before in force, and the log says so.
 */
export class RevocationGuard {
  private readonly deps: RevocationGuardDeps;
  private readonly inFlight: InFlight;
  private held: HeldLists = noLists;
  /** What was wrong the last time, and when that was said; undefined when nothing was. */
  private trouble: { readonly reason: string; readonly toldAt: Millis } | undefined;
  private readonly sessions = new Map<GuardedSession, string>();
  private refreshAt = Number.NEGATIVE_INFINITY;
  private working: Promise<void> | undefined;
  private cancel: (() => void) | undefined;

  constructor(deps: RevocationGuardDeps) {
    this.deps = deps;
    this.inFlight = deps.inFlight ?? new InFlight();
  }

  /**
   * For the trust of a new handshake; another array when they have changed. Old ones are used and renewed behind it: who is
   * refused by them wrongly gets in at the next try, and who is let in by them is judged again (`enter`).
   */
  crls(): readonly Uint8Array[] {
    void this.fresh(this.deps.timers.now());
    return this.held.lists;
  }

  /** Resolves when the lists are as fresh as they can be had, and sessions of what they revoke have been closed. */
  fresh(now: Millis): Promise<void> {
    if (now < this.refreshAt && !this.working) return Promise.resolve();
    this.working ??= this.inFlight.track(
      this.refresh(now).finally(() => {
        this.working = undefined;
        this.watch();
      }),
    );
    return this.working;
  }

  /** A session is up. Resolves when it has been judged by fresh lists; it may be closed then. */
  async enter(session: GuardedSession, now: Millis): Promise<void> {
    this.sessions.set(session, nameOf(session.presented));
    this.watch();
    await this.fresh(now);
  }

  leave(session: GuardedSession): void {
    this.sessions.delete(session);
    if (this.sessions.size === 0) this.stop();
  }

  stop(): void {
    this.cancel?.();
    this.cancel = undefined;
  }

  private watch(): void {
    if (this.cancel || this.working || this.sessions.size === 0) return;
    const { timers } = this.deps;
    this.cancel = timers.schedule(Math.max(this.refreshAt, timers.now()), () => {
      this.cancel = undefined;
      void this.fresh(timers.now());
    });
  }

  private async refresh(now: Millis): Promise<void> {
    try {
      const fetched = await this.deps.fetch(now, this.held.version);
      if (fetched) this.take(fetched, now);
      this.trouble = undefined;
      this.refreshAt = Math.min(now + limits.cloud.crlRefresh, ...this.held.ends.filter((at) => at > now));
    } catch (error) {
      this.refreshAt = now + limits.cloud.crlRetry;
      this.complain(error, now);
    }
  }

  /** @throws FirstbootError der.malformed, operator.input: then everything is as it was */
  private take(fetched: FetchedLists, now: Millis): void {
    this.held = heldLists(fetched, this.held);
    const trust = gatewayTrust(this.deps.trustAnchors(), this.held.lists);
    for (const [session, name] of [...this.sessions]) {
      if (this.held.revoked.has(name) && isRevoked(session, trust, now)) session.close();
    }
  }

  /** Said at once when the reason is another one than before, and again from time to time while it lasts. */
  private complain(error: unknown, now: Millis): void {
    const reason = String(error);
    const { trouble } = this;
    if (trouble?.reason === reason && now < trouble.toldAt + limits.cloud.crlRefresh) return;
    this.trouble = { reason, toldAt: now };
    this.deps.log.warn({ error }, 'the revocation lists cannot be had: the ones before stay in force');
  }
}

/** Lists that are in force, and what is in them. */
interface HeldLists {
  readonly lists: readonly Uint8Array[];
  readonly version: string | undefined;
  /** What is revoked, as nameOf names it. */
  readonly revoked: ReadonlySet<string>;
  /** When they run out. */
  readonly ends: readonly Millis[];
  /** thisUpdate by issuer. */
  readonly made: ReadonlyMap<string, Millis>;
}

const noLists: HeldLists = { lists: [], version: undefined, revoked: new Set(), ends: [], made: new Map() };

/** @throws FirstbootError der.malformed, operator.input */
function heldLists({ lists, version }: FetchedLists, before: HeldLists): HeldLists {
  if (lists.length === 0 && before.lists.length > 0) {
    throw failure(
      'operator.input',
      { found: 'no revocation lists, where there were some' },
      'look at the token issuer',
    );
  }
  const read = lists.map(readCrl);
  for (const list of read) {
    if (list.thisUpdate >= (before.made.get(issuerOf(list)) ?? list.thisUpdate)) continue;
    const evidence = { issuer: list.issuer.text, made: isoTime(list.thisUpdate) };
    throw failure('operator.input', evidence, 'the list is older than the one before: look at the token issuer');
  }
  return {
    lists,
    version,
    revoked: new Set(read.flatMap(namesOn)),
    ends: read.flatMap(({ nextUpdate }) => (nextUpdate === undefined ? [] : [nextUpdate])),
    made: new Map(read.map((list) => [issuerOf(list), list.thisUpdate])),
  };
}

/** What is on a list is not revoked until the list is known to be the issuer's: the engine judges, as in a handshake. */
function isRevoked({ presented: [leaf, ...untrusted] }: GuardedSession, trust: GatewayTrust, at: Millis): boolean {
  if (!leaf) return false;
  return verifyPath({ leaf, untrusted, trust, at }).errors.some(({ code }) => code === 'CERT_REVOKED');
}

type GatewayTrust = ReturnType<typeof gatewayTrust>;

/** What a gateway asks of devices. A list that has run out still says what was revoked: better than to lock everybody out. */
export const gatewayTrust = (anchors: readonly Uint8Array[], crls: readonly Uint8Array[]) => ({
  anchors,
  crls,
  tolerate: ['CRL_HAS_EXPIRED', 'CRL_NOT_YET_VALID'],
  purpose: 'client' as const,
});

/** From the token issuer of a service: all of its lists in one answer, asked for only when they are new. */
export function revocationsOverHttp(issuerUrl: string, timers: Timers): RevocationFetch {
  const url = `${issuerUrl.replace(/\/$/, '')}/crl.pem`;
  return async (_, known) => {
    const headers = { accept: 'application/x-pem-file', ...(known !== undefined && { 'if-none-match': known }) };
    const bounds = { bytes: limits.crl.documentBytes, within: limits.cloud.crlRequest };
    const response = await boundedFetch(url, { method: 'GET', headers }, timers, bounds);
    if (response.status === 304 && known !== undefined) return undefined;
    // Another issuer's server has no such thing.
    if (response.status === 404) return { lists: [] };
    if (!response.ok) throw new Error(`${url} answered ${response.status}`);
    const lists = decodeCrls(await response.text());
    if (lists.length === 0) throw new Error(`${url} gave no revocation list`);
    return { lists, version: response.headers.get('etag') ?? undefined };
  };
}

/** A certificate among all issuers: key id of the issuer and serial number. */
function nameOf([leaf]: readonly Uint8Array[]): string {
  const certificate = leaf && tryParseCertificate(leaf);
  return certificate ? `${toHex(certificate.authorityKeyId ?? noBytes)}/${certificate.serial}` : '';
}

function namesOn({ authorityKeyId, revoked }: RevocationList): string[] {
  const issuer = toHex(authorityKeyId ?? noBytes);
  return revoked.map(({ serial }) => `${issuer}/${serial}`);
}

const issuerOf = ({ issuer, authorityKeyId }: RevocationList): string =>
  `${toHex(issuer.der)}/${toHex(authorityKeyId ?? noBytes)}`;
