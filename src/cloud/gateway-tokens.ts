import { createRemoteJWKSet, customFetch, type JWTVerifyGetKey, errors as joseErrors, jwtVerify } from 'jose';
import type { Millis, Timers } from '../core/clock.ts';
import { type Decision, decided, errorTable, failure, type Refusal, refused } from '../core/errors.ts';
import type { Uuid } from '../core/ids.ts';
import { Secret } from '../core/secret.ts';
import { boundedFetch } from './bounded-fetch.ts';
import { claimNames, grantTypes, readClaims, type TokenFacts, type TokenGrant, type TokenIssuer } from './issuer.ts';

/** What a gateway does with tokens. A refusal is about the token; temporary faults throw `configure.token` (5.03). */
export interface GatewayTokens {
  /** Whether `token` is good, and for `deviceId`. */
  verify(token: string, deviceId: Uuid, now: Millis): Promise<Decision<TokenFacts>>;
  /** The gateway's own tokens for a verified sign-up token. */
  exchange(token: string, deviceId: Uuid, now: Millis): Promise<Decision<GatewayGrant>>;
  refresh(refreshToken: string, deviceId: Uuid, now: Millis): Promise<Decision<GatewayGrant>>;
}

export interface GatewayGrant extends Omit<TokenGrant, 'expiresAt'> {
  readonly expiresAt: Millis | undefined;
  readonly subject: { readonly owner: string };
}

/** Tells the provisioning service, in the name of the device, that it has arrived. */
export type ConfirmArrival = (deviceId: Uuid, accessToken: Secret<string>, now: Millis) => Promise<Decision<unknown>>;

/** For a gateway in the process of the built-in issuer. */
export function localGatewayTokens(issuer: TokenIssuer, audience: string): GatewayTokens {
  const judged = <T extends { readonly subject: Binding }>(decision: Decision<T>, deviceId: Uuid): Decision<T> =>
    decision.ok ? (unfit(decision.value.subject, deviceId, audience) ?? decision) : decision;
  return {
    async verify(token, deviceId, now) {
      const verified = await issuer.verify(token, 'access', now);
      return verified.ok ? (unfit(verified.value, deviceId, audience) ?? verified) : verified;
    },
    exchange: async (token, deviceId, now) => judged(await issuer.exchange(token, now), deviceId),
    refresh: async (token, deviceId, now) => judged(await issuer.refresh(token, now), deviceId),
  };
}

export interface RemoteTokensOptions {
  /** Issuer URL: discovery at /.well-known/openid-configuration. */
  readonly authority: string;
  /** `aud` that tokens must have; undefined: any. */
  readonly audience: string | undefined;
  readonly ownerClaim?: string;
  /** undefined: tokens are not bound to a device. Default: the built-in issuer's claim. */
  readonly deviceIdClaim?: string | undefined;
  readonly timers: Timers;
}

/**
 * For a gateway anywhere: keys from the provider's JWKS, new tokens from its token endpoint when it knows token exchange
 * (the built-in issuer does), else the sign-up token itself until it ends.
 * @throws FirstbootError configure.token when discovery fails; service.config for a claim that cannot name an owner
 */
export async function remoteGatewayTokens(options: RemoteTokensOptions): Promise<GatewayTokens> {
  const { authority, audience, timers, ownerClaim = claimNames.owner } = options;
  const deviceIdClaim = 'deviceIdClaim' in options ? options.deviceIdClaim : claimNames.deviceId;
  if (ownerClaim === 'sub') {
    const fix = 'in tokens got by client credentials `sub` is the client: have the provider set a claim for the owner';
    throw failure('service.config', { ownerClaim }, fix);
  }
  const provider = await discover(authority, timers);
  const keys = remoteKeys(provider.jwks_uri, timers);
  const names = { owner: ownerClaim, deviceId: deviceIdClaim };

  const verify = async (token: string, deviceId: Uuid, now: Millis): Promise<Decision<TokenFacts>> => {
    try {
      const { payload } = await jwtVerify(token, keys, {
        algorithms: ['ES256', 'ES384', 'RS256', 'PS256', 'EdDSA'],
        issuer: provider.issuer,
        currentDate: new Date(now),
        requiredClaims: [ownerClaim],
        ...(audience !== undefined && { audience }),
      });
      const facts = readClaims(payload, names);
      if (deviceIdClaim !== undefined && facts.deviceId !== deviceId) return wrongDevice(facts.deviceId, deviceId);
      return decided(facts);
    } catch (error) {
      return judgeFault(error, authority);
    }
  };

  const askFor = async (form: Record<string, string>, deviceId: Uuid, now: Millis): Promise<Decision<GatewayGrant>> => {
    const answer = await postForm(provider.token_endpoint, form, timers);
    if (!answer.ok) return answer;
    const { access_token: accessToken, refresh_token: refreshToken = accessToken } = answer.value;
    const verified = await verify(accessToken, deviceId, now);
    if (!verified.ok) return verified;
    const { expiresAt, owner } = verified.value;
    const tokens = { accessToken: new Secret(accessToken), refreshToken: new Secret(refreshToken) };
    return decided({ ...tokens, expiresAt, subject: { owner } });
  };

  const sameAgain = async (token: string, deviceId: Uuid, now: Millis): Promise<Decision<GatewayGrant>> => {
    const verified = await verify(token, deviceId, now);
    if (!verified.ok) return verified;
    const { expiresAt, owner } = verified.value;
    return decided({ accessToken: new Secret(token), refreshToken: new Secret(token), expiresAt, subject: { owner } });
  };

  if (!provider.grant_types_supported?.includes(grantTypes.tokenExchange)) {
    return { verify, exchange: sameAgain, refresh: sameAgain };
  }
  const tokenType = 'urn:ietf:params:oauth:token-type:access_token';
  return {
    verify,
    exchange: (token, deviceId, now) =>
      askFor(
        { grant_type: grantTypes.tokenExchange, subject_token: token, subject_token_type: tokenType },
        deviceId,
        now,
      ),
    refresh: (token, deviceId, now) =>
      askFor({ grant_type: grantTypes.refreshToken, refresh_token: token }, deviceId, now),
  };
}

/** Confirms at the built-in issuer of another process: POST with the device's own token. */
export function confirmOverHttp(issuerUrl: string, timers: Timers): ConfirmArrival {
  const url = `${issuerUrl.replace(/\/$/, '')}/api/v1/confirmations`;
  return async (_deviceId, accessToken) => {
    const headers = { authorization: `Bearer ${accessToken.reveal()}` };
    const response = await boundedFetch(url, { method: 'POST', headers }, timers);
    if (response.ok) return decided(undefined);
    const answer = (await response.json().catch(() => ({}))) as { readonly error?: unknown };
    const code = typeof answer.error === 'string' && answer.error in errorTable ? answer.error : 'cloud.token';
    return refused(code as Refusal['code'], { url, status: response.status }, 'look at the provisioning service');
  };
}

interface Binding {
  readonly deviceId?: Uuid | undefined;
  readonly audience?: string | readonly string[] | undefined;
}

function unfit(subject: Binding, deviceId: Uuid, audience: string): ReturnType<typeof refused> | undefined {
  if (subject.deviceId !== deviceId) return wrongDevice(subject.deviceId, deviceId);
  const found = [subject.audience ?? []].flat();
  if (found.includes(audience)) return undefined;
  const evidence = { reason: 'audience', found: found.join(' ') || 'none' };
  return refused('cloud.token', evidence, 'sign up at the gateway of the hub that the token is for');
}

const wrongDevice = (found: string | undefined, deviceId: Uuid): ReturnType<typeof refused> =>
  refused('cloud.device-id', { claim: found ?? 'none', certificate: deviceId }, "use the device's own token");

/** A bad token is a refusal; a provider that does not answer is a fault that will pass. */
function judgeFault(error: unknown, authority: string): ReturnType<typeof refused> {
  const unreachable = error instanceof joseErrors.JWKSTimeout || error instanceof joseErrors.JWKSInvalid;
  if (error instanceof joseErrors.JOSEError && error.code !== 'ERR_JOSE_GENERIC' && !unreachable) {
    return refused('cloud.token', { reason: error.code }, 'ask for a new token');
  }
  throw failure(
    'configure.token',
    { authority, step: 'jwks' },
    'the keys of the authorization server cannot be had',
    error,
  );
}

interface Provider {
  readonly issuer: string;
  readonly jwks_uri: string;
  readonly token_endpoint: string;
  readonly grant_types_supported?: readonly string[];
}

async function discover(authority: string, timers: Timers): Promise<Provider> {
  const base = authority.replace(/\/$/, '');
  try {
    const url = `${base}/.well-known/openid-configuration`;
    const response = await boundedFetch(url, { method: 'GET', headers: { accept: 'application/json' } }, timers);
    const found = (await response.json()) as Partial<Provider>;
    const { issuer, jwks_uri, token_endpoint } = found;
    if (response.ok && issuer?.replace(/\/$/, '') === base && jwks_uri && token_endpoint) {
      return { ...found, issuer, jwks_uri, token_endpoint };
    }
  } catch (error) {
    throw failure(
      'configure.token',
      { authority, step: 'discovery' },
      'start the service (firstboot serve) first: its token issuer must answer here',
      error,
    );
  }
  throw failure('configure.token', { authority, step: 'discovery' }, 'name the issuer by the URL it calls itself');
}

function remoteKeys(uri: string, timers: Timers): JWTVerifyGetKey {
  return createRemoteJWKSet(new URL(uri), {
    [customFetch]: (href, { method, headers }) =>
      boundedFetch(href, { method, headers: Object.fromEntries(headers.entries()) }, timers),
  });
}

async function postForm(
  url: string,
  form: Record<string, string>,
  timers: Timers,
): Promise<Decision<{ readonly access_token: string; readonly refresh_token?: string }>> {
  const headers = { accept: 'application/json', 'content-type': 'application/x-www-form-urlencoded' };
  let response: Response;
  try {
    response = await boundedFetch(url, { method: 'POST', headers, body: new URLSearchParams(form) }, timers);
  } catch (error) {
    throw failure(
      'configure.token',
      { authority: url, step: 'token' },
      'the authorization server does not answer',
      error,
    );
  }
  const answer = (await response.json().catch(() => undefined)) as
    | { readonly access_token?: unknown; readonly refresh_token?: unknown }
    | undefined;
  if (response.status >= 500 || answer === undefined) {
    throw failure(
      'configure.token',
      { authority: url, status: response.status },
      'the authorization server has a fault',
    );
  }
  const { access_token, refresh_token } = answer;
  if (!response.ok || typeof access_token !== 'string') {
    return refused('cloud.token', { status: response.status }, 'sign up with a new token');
  }
  return decided({ access_token, ...(typeof refresh_token === 'string' && { refresh_token }) });
}
