import {
  createRemoteJWKSet,
  customFetch,
  decodeJwt,
  errors,
  type JWTPayload,
  jwtVerify,
  type RemoteJWKSet,
} from 'jose';
import { boundedFetch } from '../cloud/bounded-fetch.ts';
import { type Millis, seconds, type Timers } from '../core/clock.ts';
import { FirstbootError, failure } from '../core/errors.ts';
import { limits } from '../core/limits.ts';
import { ownerNamed } from '../provision/owner.ts';
import { type Role, roles } from '../store/model.ts';
import { type Principal, principalName } from './principal.ts';

/** Whose JWTs are taken, and what they are good for. */
export interface OidcSettings {
  /** As its tokens have it in `iss`; `<issuer>/.well-known/openid-configuration` names its keys. */
  readonly issuer: string;
  readonly audience: string;
  /** Claim (dots go into objects) with the owner's name or UUID; undefined: its people see everything. */
  readonly ownerClaim?: string | undefined;
  /** Claim with a value or several of `roles`; default `roles`. */
  readonly roleClaim?: string | undefined;
  /** Value of the claim -> role. The highest counts. */
  readonly roles: Readonly<Record<string, Role>>;
}

/** Asymmetric ones only: a public key must never be taken for a shared secret (RFC 8725 §3.1). */
const algorithms = [
  'ES256',
  'ES384',
  'ES512',
  'PS256',
  'PS384',
  'PS512',
  'RS256',
  'RS384',
  'RS512',
  'EdDSA',
  'Ed25519',
];

/** What a JWT says, of which its issuer's signature was good. */
export type JwtClaims = JWTPayload;

/** Judges JWTs of the configured issuers. Never changes: other settings make another one. */
export class JwtIssuers {
  private readonly settings: readonly OidcSettings[];
  private readonly timers: Timers;
  private readonly pause: Millis;
  private readonly keys: ReadonlyMap<string, IssuerKeys>;

  /** @param pause between two times that an issuer is asked, when it failed or a key is not known */
  constructor(
    settings: readonly OidcSettings[],
    timers: Timers,
    pause: Millis = limits.api.oidcPause,
    known: JwtIssuers['keys'] = new Map(),
  ) {
    this.settings = settings;
    this.timers = timers;
    this.pause = pause;
    this.keys = new Map(
      settings.map(({ issuer }) => [issuer, known.get(issuer) ?? new IssuerKeys(issuer, timers, pause)]),
    );
  }

  /** By other settings; the keys of issuers that stay need not be asked for again. */
  by(settings: readonly OidcSettings[]): JwtIssuers {
    return new JwtIssuers(settings, this.timers, this.pause, this.keys);
  }

  /**
   * @throws FirstbootError api.unauthenticated (not of ours, expired, not signed by its issuer), service.busy (the issuer
   *   cannot be asked for its keys)
   */
  async verified(token: string): Promise<JwtClaims> {
    const issuer = unverified(token) ?? '';
    const issuerKeys = this.keys.get(issuer);
    if (!issuerKeys) throw notOurs();
    const audience = this.settings.filter((one) => one.issuer === issuer).map((one) => one.audience);
    const now = this.timers.now();
    const keys = await issuerKeys.current(now);
    try {
      const { payload } = await jwtVerify(token, keys, {
        issuer,
        audience,
        algorithms,
        currentDate: new Date(now),
        clockTolerance: limits.api.oidcSkew / 1000,
        requiredClaims: ['exp', 'sub'],
      });
      return payload;
    } catch (error) {
      throw refusalOf(error, issuer);
    }
  }

  /**
   * Who they are, by what is configured now: claims may have been verified a while ago.
   * @throws FirstbootError api.unauthenticated (not of ours), api.forbidden (no role, no owner)
   */
  principal(claims: JwtClaims, from: string): Principal {
    const meant = [claims.aud ?? []].flat();
    const settings = this.settings.find(({ issuer, audience }) => issuer === claims.iss && meant.includes(audience));
    if (settings) return principalOf(claims, settings, from);
    throw notOurs();
  }
}

/** An issuer's keys, found by discovery (OpenID Connect Discovery 1.0 §4): asked for when needed, not more often than `pause`. */
class IssuerKeys {
  private readonly issuer: string;
  private readonly timers: Timers;
  private readonly pause: Millis;
  private found: { readonly keys: RemoteJWKSet; readonly until: Millis } | undefined;
  private asking: Promise<RemoteJWKSet> | undefined;
  private failedAt = Number.NEGATIVE_INFINITY;

  constructor(issuer: string, timers: Timers, pause: Millis) {
    this.issuer = issuer;
    this.timers = timers;
    this.pause = pause;
  }

  async current(now: Millis): Promise<RemoteJWKSet> {
    if (this.found && now < this.found.until) return this.found.keys;
    if (now - this.failedAt < this.pause) return this.found?.keys ?? Promise.reject(this.unreachable());
    this.asking ??= this.discover(now).finally(() => {
      this.asking = undefined;
    });
    return this.asking;
  }

  private async discover(now: Millis): Promise<RemoteJWKSet> {
    try {
      const document = await this.fetch(`${this.issuer.replace(/\/$/, '')}/.well-known/openid-configuration`);
      const { issuer, jwks_uri: uri } = (await document.json()) as {
        readonly issuer?: unknown;
        readonly jwks_uri?: unknown;
      };
      if (issuer !== this.issuer || typeof uri !== 'string') throw new TypeError('the document is of another issuer');
      const url = new URL(uri);
      // Keys that come in the clear are anybody's keys.
      if (url.protocol !== new URL(this.issuer).protocol) throw new TypeError('the keys come over another protocol');
      const keys = createRemoteJWKSet(url, {
        timeoutDuration: limits.api.oidcRequest,
        cooldownDuration: this.pause,
        [customFetch]: (target, { headers }) => this.fetch(target, Object.fromEntries(headers)),
      });
      this.found = { keys, until: now + limits.api.oidcAge };
      return keys;
    } catch (error) {
      this.failedAt = now;
      // Keys that were right an hour ago are better than nobody getting in.
      if (this.found) return this.found.keys;
      throw this.unreachable(error);
    }
  }

  private async fetch(url: string, headers: Record<string, string> = {}): Promise<Response> {
    const bounds = { bytes: limits.api.oidcBytes, within: limits.api.oidcRequest };
    const answer = await boundedFetch(
      url,
      { method: 'GET', headers: { accept: 'application/json', ...headers } },
      this.timers,
      bounds,
    );
    if (answer.status === 200) return answer;
    throw new TypeError(`status ${answer.status}`);
  }

  private unreachable(cause?: unknown): FirstbootError {
    const fix =
      'the issuer of the token cannot be asked for its keys: check that the service reaches it, and try again';
    return failure('service.busy', { issuer: this.issuer }, fix, cause);
  }
}

function unverified(token: string): string | undefined {
  try {
    return decodeJwt(token).iss;
  } catch {
    throw refused('it cannot be read', 'send a signed JWT');
  }
}

function refusalOf(error: unknown, issuer: string): FirstbootError {
  if (error instanceof FirstbootError) return error;
  if (error instanceof errors.JWTExpired) return refused('it has expired', 'sign in again');
  if (error instanceof errors.JWTClaimValidationFailed) {
    return refused(`the claim ${error.claim} is not as configured`, 'compare it with api.oidc');
  }
  if (error instanceof errors.JOSEAlgNotAllowed)
    return refused('its algorithm is not allowed', `use ${algorithms[0]} or RS256`);
  if (error instanceof errors.JWKSNoMatchingKey) return refused('its key is not one of the issuer', 'sign in again');
  if (
    error instanceof errors.JWKSTimeout ||
    error instanceof errors.JWKSInvalid ||
    !(error instanceof errors.JOSEError)
  ) {
    const fix = 'the keys of the issuer cannot be had: check that the service reaches it, and try again';
    return failure('service.busy', { issuer }, fix, error);
  }
  return refused('its signature does not verify', 'sign in again');
}

const notOurs = (): FirstbootError => refused('its issuer is not one of api.oidc', 'sign in at a configured issuer');

const refused = (token: string, fix: string): FirstbootError => failure('api.unauthenticated', { token }, fix);

function principalOf(payload: JWTPayload, settings: OidcSettings, from: string): Principal {
  const { sub = '', exp = 0 } = payload;
  const { issuer, roleClaim = 'roles', ownerClaim } = settings;
  const given = textsOf(claimAt(payload, roleClaim));
  const role = roles.findLast((one) =>
    given.some((value) => Object.hasOwn(settings.roles, value) && settings.roles[value] === one),
  );
  if (role === undefined) {
    throw failure('api.forbidden', { claim: roleClaim }, 'no value of this claim has a role under api.oidc[].roles');
  }
  const owner = ownerClaim === undefined ? undefined : claimAt(payload, ownerClaim);
  if (ownerClaim !== undefined && (typeof owner !== 'string' || owner === '')) {
    throw failure('api.forbidden', { claim: ownerClaim }, 'the token does not say whose it is');
  }
  return {
    id: `jwt ${issuer} ${sub}`,
    name: principalName(sub, issuer),
    role,
    ownerId: typeof owner === 'string' ? ownerNamed(owner).id : undefined,
    by: 'jwt',
    from,
    expiresAt: seconds(exp),
  };
}

/** A claim by its whole name, else by a path into objects: `realm_access.roles`. */
function claimAt(payload: JWTPayload, name: string): unknown {
  if (Object.hasOwn(payload, name)) return payload[name];
  let value: unknown = payload;
  for (const key of name.split('.')) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, key)) return undefined;
    value = (value as Readonly<Record<string, unknown>>)[key];
  }
  return value;
}

/** One value, several, or several in one text as `scope` has them. */
const textsOf = (claim: unknown): readonly string[] =>
  typeof claim === 'string'
    ? claim.split(' ')
    : Array.isArray(claim)
      ? claim.filter((one) => typeof one === 'string')
      : [];
