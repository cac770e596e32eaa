import { readFile } from 'node:fs/promises';
import { decodeJwt, type JWTPayload } from 'jose';
import * as oauth from 'oauth4webapi';
import type { Millis, Timers } from '../core/clock.ts';
import { type Evidence, FirstbootError, failure } from '../core/errors.ts';
import type { Uuid } from '../core/ids.ts';
import { limits } from '../core/limits.ts';
import { Secret } from '../core/secret.ts';
import type { HubAuthorization } from '../store/model.ts';
import { boundedFetch, FetchFault } from './bounded-fetch.ts';

export type OauthAuthorization = Extract<HubAuthorization, { readonly type: 'client-credentials' }>;

export interface ClientCredentialsDeps {
  readonly timers: Timers;
  readonly allowInsecure: boolean;
}

/**
 * Access tokens by the client credentials grant (RFC 6749 §4.4) from any OpenID provider. Owner and device id go along as
 * form parameters named after the claims, and must come back as claims (contract, plgd-service 2.8).
 */
export class ClientCredentials {
  private readonly deps: ClientCredentialsDeps;
  /** Discovery documents by authority, newest last; requests under way are shared. */
  private readonly servers = new Map<string, Discovered>();
  private underWay = 0;

  constructor(deps: ClientCredentialsDeps) {
    this.deps = deps;
  }

  /**
   * @param publicOnly whether the provider has to be on the public Internet
   * @throws FirstbootError configure.token with the authority, the step and what went wrong; service.busy when
   * limits.cloud.tokenRequestsInFlight are under way
   */
  async accessToken(
    authorization: OauthAuthorization,
    subject: { readonly owner: string; readonly deviceId: Uuid },
    now: Millis,
    { publicOnly = false }: Reach = {},
  ): Promise<Secret<string>> {
    const { authority } = authorization;
    if (this.underWay >= limits.cloud.tokenRequestsInFlight) {
      throw failure('service.busy', { authority, underWay: this.underWay }, 'the authorization server is slow');
    }
    this.underWay++;
    try {
      const url = this.checkedUrl(authority);
      const server = await this.discover(url, { authority, publicOnly }, now);
      const token = await this.request(server, authorization, { ...subject, publicOnly });
      checkClaims(token, authorization, subject, now);
      return new Secret(token);
    } finally {
      this.underWay--;
    }
  }

  private async discover(
    url: URL,
    provider: Required<Reach> & { readonly authority: string },
    now: Millis,
  ): Promise<oauth.AuthorizationServer> {
    // What one may not reach must not fail for others, nor be known to it from them.
    const key = `${provider.publicOnly} ${provider.authority}`;
    const known = this.servers.get(key);
    if (known && now < known.until) return known.server;
    this.servers.delete(key);
    const server = this.fetchDiscovery(url, provider);
    this.servers.set(key, { server, until: now + limits.cloud.discoveryLife });
    const oldest = this.servers.keys().next();
    if (this.servers.size > limits.cloud.authorities && !oldest.done) this.servers.delete(oldest.value);
    try {
      return await server;
    } catch (error) {
      // A failure is not remembered.
      if (this.servers.get(key)?.server === server) this.servers.delete(key);
      throw error;
    }
  }

  private async fetchDiscovery(
    url: URL,
    { authority, publicOnly }: Required<Reach> & { readonly authority: string },
  ): Promise<oauth.AuthorizationServer> {
    try {
      const response = await oauth.discoveryRequest(url, this.options(url, publicOnly));
      return await oauth.processDiscoveryResponse(url, response);
    } catch (error) {
      throw tokenFailure(error, { authority, step: 'discovery' });
    }
  }

  private async request(
    server: oauth.AuthorizationServer,
    authorization: OauthAuthorization,
    { owner, deviceId, publicOnly }: { readonly owner: string; readonly deviceId: Uuid; readonly publicOnly: boolean },
  ): Promise<string> {
    const { authority, clientId, audience, scopes, ownerClaim, deviceIdClaim } = authorization;
    const secret = await readSecret(authorization);
    const client: oauth.Client = { client_id: clientId };
    const parameters = new URLSearchParams({ [ownerClaim]: owner });
    if (deviceIdClaim !== undefined) parameters.set(deviceIdClaim, deviceId);
    if (scopes.length > 0) parameters.set('scope', scopes.join(' '));
    if (audience !== undefined) parameters.set('audience', audience);
    try {
      // Discovery may name an endpoint elsewhere: the secret goes there under the same rule.
      const endpoint = this.checkedUrl(server.token_endpoint ?? authority);
      const response = await oauth.clientCredentialsGrantRequest(
        server,
        client,
        clientAuthentication(server, secret),
        parameters,
        this.options(endpoint, publicOnly),
      );
      return (await oauth.processClientCredentialsResponse(server, client, response)).access_token;
    } catch (error) {
      throw tokenFailure(error, { authority, step: 'token' });
    }
  }

  private options(
    url: URL,
    publicOnly: boolean,
  ): { [oauth.allowInsecureRequests]: boolean; [oauth.customFetch]: typeof customFetch } {
    const customFetch = (
      href: string,
      init: { method: string; headers: Record<string, string>; body?: URLSearchParams | null | undefined },
    ): Promise<Response> =>
      boundedFetch(href, { ...init, body: init.body ?? undefined }, this.deps.timers, { publicOnly });
    return { [oauth.allowInsecureRequests]: url.protocol === 'http:', [oauth.customFetch]: customFetch };
  }

  /** A secret may travel in the clear only to this machine, or when somebody said so. */
  private checkedUrl(text: string): URL {
    const url = URL.canParse(text) ? new URL(text) : undefined;
    const evidence = { authority: text.slice(0, 200) };
    if (url?.protocol === 'https:') return url;
    if (url?.protocol !== 'http:') throw failure('configure.token', evidence, 'name the authority by its https URL');
    if (this.deps.allowInsecure || isLoopback(url.hostname)) return url;
    throw failure('configure.token', evidence, 'use https: the client secret would travel in the clear');
  }
}

/** Of the service, for somebody: what is left out is where this machine reaches. */
interface Reach {
  readonly publicOnly?: boolean;
}

interface Discovered {
  readonly server: Promise<oauth.AuthorizationServer>;
  readonly until: Millis;
}

function clientAuthentication(server: oauth.AuthorizationServer, secret: string): oauth.ClientAuth {
  const methods = server.token_endpoint_auth_methods_supported ?? ['client_secret_basic'];
  const post = methods.includes('client_secret_post') && !methods.includes('client_secret_basic');
  return post ? oauth.ClientSecretPost(secret) : oauth.ClientSecretBasic(secret);
}

/** Read anew each time, so that a changed secret needs no restart. */
async function readSecret({ authority, clientSecretFile }: OauthAuthorization): Promise<string> {
  const text = await readFile(clientSecretFile, 'utf8').catch((error: NodeJS.ErrnoException) => {
    const evidence = { authority, file: clientSecretFile, found: error.code ?? 'an error' };
    throw failure('configure.token', evidence, 'put the client secret into this file');
  });
  const secret = text.trim();
  if (secret !== '') return secret;
  const evidence = { authority, file: clientSecretFile, found: 'nothing' };
  throw failure('configure.token', evidence, 'put the client secret into this file');
}

/** The signature is for the gateway to check; here the question is whether the provider understood us. */
function checkClaims(
  token: string,
  { authority, ownerClaim, deviceIdClaim }: OauthAuthorization,
  { owner, deviceId }: { readonly owner: string; readonly deviceId: Uuid },
  now: Millis,
): void {
  const evidence = { authority, step: 'claims' };
  if (token.length > limits.cloud.accessTokenBytes) {
    throw failure('configure.token', { ...evidence, characters: token.length }, 'devices take up to 4095 characters');
  }
  let claims: JWTPayload;
  try {
    claims = decodeJwt(token);
  } catch {
    throw failure('configure.token', { ...evidence, found: 'no JWT' }, 'have the provider issue JWT access tokens');
  }
  const expected = [[ownerClaim, owner], ...(deviceIdClaim === undefined ? [] : [[deviceIdClaim, deviceId]])];
  for (const [claim = '', value] of expected) {
    if (claims[claim] === value) continue;
    const found = claims[claim] === undefined ? 'missing' : 'another value';
    const fix = `have the provider copy the form parameter "${claim}" of the token request into the claim of that name`;
    throw failure('configure.token', { ...evidence, claim, found }, fix);
  }
  if (claims.exp !== undefined && claims.exp * 1000 <= now) {
    throw failure(
      'configure.token',
      { ...evidence, claim: 'exp', found: 'past' },
      'compare the clocks of both machines',
    );
  }
}

/** Says what happened without the answer's body and without a cause: either could hold the token or the secret. */
function tokenFailure(error: unknown, where: Evidence): FirstbootError {
  if (error instanceof FirstbootError) return error;
  if (error instanceof FetchFault) {
    const fixes = {
      timeout: 'the authorization server is too slow',
      unreachable:
        'check address, DNS and certificate of the authorization server; that of an owner’s hub has to be on the public Internet',
      'too-large': 'this does not look like an OpenID provider',
      redirect: 'name the address to which the server redirects',
    };
    return failure('configure.token', { ...where, problem: error.reason }, fixes[error.reason]);
  }
  if (error instanceof oauth.ResponseBodyError) {
    const evidence = { ...where, status: error.status, error: printable(error.error) };
    return failure('configure.token', evidence, 'check client id, secret, scopes and audience at the provider');
  }
  if (error instanceof oauth.WWWAuthenticateChallengeError) {
    return failure('configure.token', { ...where, status: error.status }, 'check client id and secret at the provider');
  }
  if (error instanceof oauth.OperationProcessingError || error instanceof oauth.UnsupportedOperationError) {
    const status = error.cause instanceof Response ? { status: error.cause.status } : {};
    const problem = printable(error.message);
    return failure(
      'configure.token',
      { ...where, ...status, problem },
      'check the authority: it must be the issuer URL',
    );
  }
  return failure('configure.token', { ...where, problem: 'unexpected' }, 'look at the provider');
}

const printable = (text: string): string => text.replace(/[^\x20-\x7e]/g, '?').slice(0, 120);

const isLoopback = (host: string): boolean => host === 'localhost' || host === '[::1]' || /^127(\.\d+){3}$/.test(host);
