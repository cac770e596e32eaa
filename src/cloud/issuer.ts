import { sign } from 'node:crypto';
import { type JWTPayload, errors as joseErrors, jwtVerify } from 'jose';
import { DerReader } from '../codec/der.ts';
import { share, toHex, utf8 } from '../core/bytes.ts';
import type { Millis } from '../core/clock.ts';
import { type Decision, decided, refused } from '../core/errors.ts';
import type { Uuid } from '../core/ids.ts';
import { limits } from '../core/limits.ts';
import type { RandomSource } from '../core/random.ts';
import { Secret } from '../core/secret.ts';
import type { TokenKey } from './token-key.ts';

/** Names of the claims in the built-in issuer's tokens; plgd's gateways are configured with such names (ownerClaim, deviceIDClaim). */
export const claimNames = { owner: 'https://plgd.dev/owner', deviceId: 'https://plgd.dev/deviceId' } as const;

/** Grant types of its token endpoint (RFC 6749 §4.4, §6; RFC 8693 §2.1). */
export const grantTypes = {
  clientCredentials: 'client_credentials',
  refreshToken: 'refresh_token',
  tokenExchange: 'urn:ietf:params:oauth:grant-type:token-exchange',
} as const;

/** For whom a token speaks. */
export interface TokenSubject {
  /** The owner as text, not its UUID (contract, plgd-service 1.10: `uid`). */
  readonly owner: string;
  readonly ownerId: Uuid | undefined;
  readonly deviceId: Uuid | undefined;
  /** Whose gateways it is for: hub ids, or what a client asked for. */
  readonly audience: string | readonly string[] | undefined;
}

/** What a verified token says. */
export interface TokenFacts extends TokenSubject {
  /** undefined: it has no end. */
  readonly expiresAt: Millis | undefined;
}

export interface TokenGrant {
  readonly accessToken: Secret<string>;
  readonly refreshToken: Secret<string>;
  /** End of the access token. */
  readonly expiresAt: Millis;
}

/** Tokens, and whose they are. */
export interface SubjectGrant extends TokenGrant {
  readonly subject: TokenSubject;
}

export interface TokenIssuerDeps {
  readonly key: TokenKey;
  /** `iss`: the base URL under which discovery is served. */
  readonly url: string;
  readonly random: RandomSource;
}

/**
 * The built-in token issuer without its HTTP: ES256 JSON Web Tokens (RFC 7519, RFC 9068) with owner and device id claims.
 * Signs with node:crypto: 58 µs of CPU a token, where WebCrypto (jose's SignJWT) takes 130 µs for one at a time.
 */
export class TokenIssuer {
  readonly url: string;
  readonly key: TokenKey;
  private readonly random: RandomSource;

  constructor({ key, url, random }: TokenIssuerDeps) {
    this.key = key;
    this.url = url;
    this.random = random;
  }

  /** A token with which a device signs up, or a client acts. Good for limits.cloud.tokenLife. */
  access(subject: TokenSubject, now: Millis): { readonly token: Secret<string>; readonly expiresAt: Millis } {
    const expiresAt = now + limits.cloud.tokenLife;
    return { token: this.sign('access', subject, now, expiresAt), expiresAt };
  }

  /** A token of either use that we gave and that is still good. */
  async verify(token: string, use: TokenUse, now: Millis): Promise<Decision<TokenFacts>> {
    try {
      const { payload } = await jwtVerify(token, this.key.publicKey, {
        algorithms: ['ES256'],
        issuer: this.url,
        typ: tokenTypes[use],
        currentDate: new Date(now),
        requiredClaims: ['exp', use === 'access' ? claimNames.owner : 'renews'],
      });
      return decided(use === 'access' ? readClaims(payload, claimNames) : readRefresh(payload));
    } catch (error) {
      if (!(error instanceof joseErrors.JOSEError)) throw error;
      return refused('cloud.token', { reason: error.code }, 'ask for a new token');
    }
  }

  /**
   * What a gateway gives a device for its sign-up token: tokens of its own. The same token may come again: a device whose
   * answer was lost signs up twice (plgd hub #396).
   */
  async exchange(token: string, now: Millis): Promise<Decision<SubjectGrant>> {
    return this.grant(await this.verify(token, 'access', now), now);
  }

  /** New tokens for a refresh token. */
  async refresh(token: string, now: Millis): Promise<Decision<SubjectGrant>> {
    return this.grant(await this.verify(token, 'refresh', now), now);
  }

  private grant(verified: Decision<TokenSubject>, now: Millis): Decision<SubjectGrant> {
    if (!verified.ok) return verified;
    const { owner, ownerId, deviceId, audience } = verified.value;
    const subject = { owner, ownerId, deviceId, audience };
    const { token, expiresAt } = this.access(subject, now);
    const refreshToken = this.sign('refresh', subject, now, now + limits.cloud.refreshLife);
    return decided({ accessToken: token, refreshToken, expiresAt, subject });
  }

  private sign(use: TokenUse, subject: TokenSubject, now: Millis, expiresAt: Millis): Secret<string> {
    const claims = {
      iss: this.url,
      sub: subject.ownerId ?? subject.owner,
      ...(use === 'access' ? accessClaims(subject) : { aud: this.url, renews: subject }),
      iat: Math.floor(now / 1000),
      exp: Math.floor(expiresAt / 1000),
      jti: toHex(this.random.bytes(16)),
    };
    const signed = `${part({ alg: 'ES256', typ: tokenTypes[use], kid: this.key.kid })}.${part(claims)}`;
    // JWS wants r and s side by side (RFC 7518 §3.4), not the DER that X.509 uses.
    const signature = fixedWidth(sign('sha256', utf8(signed), this.key.privateKey));
    return new Secret(`${signed}.${signature.toString('base64url')}`);
  }
}

export type TokenUse = 'access' | 'refresh';

/**
 * `at+jwt` is RFC 9068 §2.1. A refresh token must pass for an access token nowhere: it is for the issuer, and what it says
 * stands under a claim that no gateway looks at.
 */
const tokenTypes = { access: 'at+jwt', refresh: 'rt+jwt' } as const;

const accessClaims = ({ owner, deviceId, audience }: TokenSubject): JWTPayload => ({
  [claimNames.owner]: owner,
  ...(deviceId !== undefined && { [claimNames.deviceId]: deviceId }),
  ...(audience !== undefined && { aud: typeof audience === 'string' ? audience : [...audience] }),
});

/** We have signed it, so it is as we wrote it. */
function readRefresh(payload: JWTPayload): TokenFacts {
  const { owner, ownerId, deviceId, audience } = payload.renews as TokenSubject;
  return { owner, ownerId, deviceId, audience, expiresAt: payload.exp === undefined ? undefined : payload.exp * 1000 };
}

/** The claims that mean something to us, under the names that the provider gives them. */
export function readClaims(
  payload: JWTPayload,
  names: { readonly owner: string; readonly deviceId: string | undefined },
): TokenFacts {
  const text = (value: unknown): string | undefined => (typeof value === 'string' ? value : undefined);
  return {
    owner: text(payload[names.owner]) ?? '',
    ownerId: text(payload.sub),
    deviceId: names.deviceId === undefined ? undefined : text(payload[names.deviceId]),
    audience: payload.aud,
    expiresAt: payload.exp === undefined ? undefined : payload.exp * 1000,
  };
}

/**
 * The form of an ES256 signature (RFC 7518 §3.4): both numbers in 32 bytes each. Asking node:crypto for it by an option
 * costs as much as the signature: Node 24 throws and catches errors until it knows that the options are not a key.
 */
function fixedWidth(signature: Uint8Array): Buffer {
  const numbers = DerReader.over(signature).sequence('signature');
  const out = Buffer.alloc(64);
  for (const [at, name] of ['r', 's'].entries()) {
    const octets = numbers.integer(name);
    const magnitude = octets[0] === 0 ? octets.subarray(1) : octets;
    out.set(magnitude, 32 * (at + 1) - magnitude.length);
  }
  return out;
}

const part = (value: unknown): string => share(utf8(JSON.stringify(value))).toString('base64url');
