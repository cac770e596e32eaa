import { fastifyCookie } from '@fastify/cookie';
import type { Millis, Timers } from '../core/clock.ts';
import { FirstbootError, failure } from '../core/errors.ts';
import { limits } from '../core/limits.ts';
import type { Log } from '../core/log.ts';
import type { RandomSource } from '../core/random.ts';
import type { Store } from '../store/store.ts';
import type { ClientCertificate } from '../transport/client-certificate.ts';
import { type CertificateRule, certificatePrincipal } from './client-certificates.ts';
import { FailedSignIns } from './failed-sign-ins.ts';
import { presentPrincipal, tokenPrincipal } from './local-tokens.ts';
import { type JwtClaims, JwtIssuers, type OidcSettings } from './oidc.ts';
import type { Principal } from './principal.ts';
import { SignedIn } from './signed-in.ts';

/** Who may come in, beside the holders of the store's tokens. */
export interface EntryRules {
  readonly oidc?: readonly OidcSettings[];
  readonly certificates?: readonly CertificateRule[];
}

export interface AuthenticationSettings extends EntryRules {
  /** Between two times that an OIDC issuer is asked. Default: limits.api.oidcPause. */
  readonly oidcPause?: Millis;
  /** How long the first failed sign-in of an address waits for its answer. Default: limits.api.failedDelay. */
  readonly failedDelay?: Millis;
}

/** What a request shows of its caller. */
export interface Credentials {
  /** Address and port. */
  readonly from: string;
  readonly address: string;
  readonly authorization: string | undefined;
  /** Value of the dashboard's cookie. */
  readonly session: string | undefined;
  readonly certificate: ClientCertificate | undefined;
}

export interface Caller {
  readonly principal: Principal;
  /** A browser sends a cookie by itself, whoever made it ask. */
  readonly via: 'authorization' | 'cookie' | 'certificate';
}

/** What is judged by, as one: each request goes by all of the old or all of the new. */
interface Judges {
  readonly issuers: JwtIssuers;
  readonly certificates: readonly CertificateRule[];
}

/** Who holds a bearer token. */
interface Holder {
  readonly principal: Principal;
  /** Undefined: the token is one of the store. */
  readonly claims: JwtClaims | undefined;
}

/** Finds out who calls: a bearer token (one of the store's, or a JWT), the dashboard's cookie, a certificate, in this order. */
export class Authentication {
  private readonly store: Pick<Store, 'tokens'>;
  private readonly timers: Timers;
  private judges: Judges;
  private readonly signedIn: SignedIn;
  private readonly failed: FailedSignIns;
  private readonly secure: boolean;

  constructor({
    store,
    settings: { oidc = [], certificates = [], oidcPause, failedDelay },
    timers,
    random,
    log,
    secure,
  }: {
    readonly store: Pick<Store, 'tokens'>;
    readonly settings: AuthenticationSettings;
    readonly timers: Timers;
    readonly random: RandomSource;
    readonly log: Log;
    /** Whether cookies are for https only. */
    readonly secure: boolean;
  }) {
    this.store = store;
    this.timers = timers;
    this.judges = { issuers: new JwtIssuers(oidc, timers, oidcPause), certificates };
    this.signedIn = new SignedIn(random);
    this.failed = new FailedSignIns({ timers, log, delay: failedDelay });
    this.secure = secure;
  }

  /** Whoever asks from now on is judged by these, dashboards that are signed in included. */
  judgeBy({ oidc = [], certificates = [] }: EntryRules): void {
    this.judges = { issuers: this.judges.issuers.by(oidc), certificates };
  }

  /** @throws FirstbootError api.unauthenticated, api.forbidden, api.too-many, service.busy, service.store */
  async caller(shown: Credentials): Promise<Caller> {
    const tried = shown.authorization !== undefined;
    return tried ? this.slowed(shown.address, () => this.find(shown)) : this.find(shown);
  }

  /** Gives a cookie for a token. */
  async signIn(token: string, { from, address }: Credentials): Promise<{ principal: Principal; cookie: string }> {
    const holder = await this.slowed(address, () => this.holder(token, from));
    const { principal } = holder;
    const { value, until } = this.signedIn.open(holder, this.timers.now());
    const maxAge = Math.max(0, Math.floor((until - this.timers.now()) / 1000));
    return { principal: { ...principal, expiresAt: until }, cookie: this.cookie(value, maxAge) };
  }

  /** Ends the session of a cookie. @returns what takes the cookie back */
  signOut({ session }: Credentials): string {
    if (session !== undefined) this.signedIn.close(session);
    return this.cookie('', 0);
  }

  private async find({ authorization, session, certificate, from }: Credentials): Promise<Caller> {
    if (authorization !== undefined) {
      const { principal } = await this.holder(bearerIn(authorization), from);
      return { principal, via: 'authorization' };
    }
    if (session !== undefined) return { principal: await this.signedInAs(session, from), via: 'cookie' };
    if (certificate) {
      const principal = certificatePrincipal(certificate, this.judges.certificates, { from, now: this.timers.now() });
      return { principal, via: 'certificate' };
    }
    throw failure('api.unauthenticated', {}, 'send Authorization: Bearer <token>, or sign in at the dashboard');
  }

  private async holder(token: string, from: string): Promise<Holder> {
    if (token.length > limits.api.bearer) {
      throw failure('api.unauthenticated', { token: 'too long' }, 'send a token of this service or of its issuers');
    }
    if (token.split('.').length === 3) {
      const { issuers } = this.judges;
      const claims = await issuers.verified(token);
      return { principal: issuers.principal(claims, from), claims };
    }
    const principal = await tokenPrincipal(this.store, token, { from, now: this.timers.now() });
    return { principal, claims: undefined };
  }

  /** A session ends with its token, or with the issuer that vouched for it, and is never worth more than that is now. */
  private async signedInAs(session: string, from: string): Promise<Principal> {
    const now = this.timers.now();
    const { principal, claims, until } = this.signedIn.find(session, now);
    try {
      const present =
        claims === undefined
          ? await presentPrincipal(this.store, principal.id, { from, now })
          : this.judges.issuers.principal(claims, from);
      return { ...present, expiresAt: until };
    } catch (error) {
      if (error instanceof FirstbootError && error.code === 'api.unauthenticated') this.signedIn.close(session);
      throw error;
    }
  }

  /** Who has no token, or a session that has ended, has tried nothing: only wrong tokens come here. */
  private async slowed<T>(address: string, find: () => Promise<T>): Promise<T> {
    try {
      return await find();
    } catch (error) {
      if (error instanceof FirstbootError && error.code === 'api.unauthenticated') {
        const [why = 'refused'] = Object.values(error.evidence);
        await this.failed.note(address, String(why));
      }
      throw error;
    }
  }

  private cookie(value: string, maxAge: number): string {
    return fastifyCookie.serialize(cookieName, value, {
      httpOnly: true,
      sameSite: 'strict',
      path: '/',
      secure: this.secure,
      maxAge,
    });
  }
}

/** SameSite holds other sites off; a page on another port of this host counts as the same site, so the browser's own word is asked for. */
export function requireSameOrigin(headers: {
  readonly host?: string | undefined;
  readonly origin?: string | undefined;
  readonly 'sec-fetch-site'?: string | string[] | undefined;
}): void {
  const { host, origin, 'sec-fetch-site': site } = headers;
  if (site === 'same-origin') return;
  if (site === undefined && origin !== undefined && host !== undefined && hostOf(origin) === host.toLowerCase()) return;
  throw failure(
    'api.forbidden',
    { site: 'another' },
    'a browser changes things from the dashboard only, whatever it signs in with',
  );
}

const hostOf = (origin: string): string | undefined => (URL.canParse(origin) ? new URL(origin).host : undefined);

export const cookieName = 'firstboot-session';

function bearerIn(authorization: string): string {
  const [, token] = /^bearer +(\S+) *$/i.exec(authorization) ?? [];
  if (token !== undefined) return token;
  throw failure('api.unauthenticated', { authorization: 'not a bearer token' }, 'send Authorization: Bearer <token>');
}
