import { hash } from 'node:crypto';
import { share } from '../core/bytes.ts';
import type { Millis } from '../core/clock.ts';
import { failure } from '../core/errors.ts';
import { limits } from '../core/limits.ts';
import type { RandomSource } from '../core/random.ts';
import type { JwtClaims } from './oidc.ts';
import type { Principal } from './principal.ts';

/** Who signed in with what: the row of a token is read again, the claims of a JWT are judged again. */
interface Signed {
  readonly principal: Principal;
  /** Of the JWT; undefined: it was a token of the store. */
  readonly claims: JwtClaims | undefined;
  readonly until: Millis;
}

/**
 * Dashboards that are signed in, in memory: whoever is signed in when the service starts again signs in again. Room for a new
 * one is made among those of the same principal, or of the one that has most: nobody pushes somebody else out.
 */
export class SignedIn {
  private readonly random: RandomSource;
  /** By SHA-256 of the cookie: how long a look-up takes tells nothing of it. Oldest first. */
  private readonly sessions = new Map<string, Signed>();

  constructor(random: RandomSource) {
    this.random = random;
  }

  /** @returns the value of the cookie, and when it ends */
  open(
    { principal, claims }: Pick<Signed, 'principal' | 'claims'>,
    now: Millis,
  ): { readonly value: string; readonly until: Millis } {
    this.sweep(now);
    this.makeRoom(principal);
    const value = share(this.random.bytes(32)).toString('base64url');
    const until = Math.min(now + limits.api.signedInLife, principal.expiresAt ?? Number.POSITIVE_INFINITY);
    this.sessions.set(keyOf(value), { principal, claims, until });
    return { value, until };
  }

  /** Who signed in. @throws FirstbootError api.unauthenticated when that has ended */
  find(value: string, now: Millis): Signed {
    const session = this.sessions.get(keyOf(value));
    if (session && now < session.until) return session;
    this.close(value);
    throw failure('api.unauthenticated', { session: 'ended' }, 'sign in again');
  }

  close(value: string): void {
    this.sessions.delete(keyOf(value));
  }

  private makeRoom({ id }: Principal): void {
    const own = this.of(id);
    if (own.length >= limits.api.signedInEach) this.sessions.delete(own[0] ?? '');
    if (this.sessions.size < limits.api.signedIn) return;
    const ids = new Set([...this.sessions.values()].map(({ principal }) => principal.id));
    const [most = []] = [...ids].map((one) => this.of(one)).toSorted((a, b) => b.length - a.length);
    this.sessions.delete(most[0] ?? '');
  }

  /** Keys of the sessions of a principal, oldest first. */
  private of(id: string): readonly string[] {
    return [...this.sessions].filter(([, { principal }]) => principal.id === id).map(([key]) => key);
  }

  private sweep(now: Millis): void {
    for (const [key, { until }] of this.sessions) if (until <= now) this.sessions.delete(key);
  }
}

const keyOf = (value: string): string => hash('sha256', value, 'hex');
