import Fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify';
import type { Millis, Timers } from '../core/clock.ts';
import { type Decision, errorTable, FirstbootError, failure, type Refusal } from '../core/errors.ts';
import { parseUuid, type Uuid, uuidNamespaces, uuidV5 } from '../core/ids.ts';
import { limits } from '../core/limits.ts';
import type { Log } from '../core/log.ts';
import type { RandomSource } from '../core/random.ts';
import type { TokenSource } from '../provision/ports.ts';
import type { Revocations } from '../provision/revocations.ts';
import { claimNames, grantTypes, type SubjectGrant, TokenIssuer } from './issuer.ts';
import { knownClient, type OauthClient } from './oauth-clients.ts';
import { revocationRoutes } from './revocation-routes.ts';
import { loadOrCreateTokenKey } from './token-key.ts';
import { createTokenSource } from './tokens.ts';

export interface IssuerOptions {
  readonly host: string;
  /** 0: any free port. */
  readonly port: number;
  /** Base URL as others see it; default: http://host:port. */
  readonly url?: string;
  /** PEM file of the signing key; made when missing. */
  readonly keyFile: string;
  /** Who may use the client credentials grant. */
  readonly clients?: readonly OauthClient[];
  /** A cloud has seen the device arrive. */
  readonly confirm: (deviceId: Uuid) => Promise<Decision<unknown>>;
  /** Whether a device may still have new tokens for its old ones. */
  readonly holds: (deviceId: Uuid, ownerId: Uuid | undefined) => Promise<boolean>;
  /** Published here; default: there are none. */
  readonly revocations?: () => Revocations;
  /** Whether authorization servers of owners' hubs may be anywhere that this machine reaches. Default: no. */
  readonly ownersReachPrivate?: boolean | undefined;
  readonly timers: Timers;
  readonly random: RandomSource;
  readonly log: Log;
}

export interface Issuer {
  readonly url: string;
  readonly issuer: TokenIssuer;
  /** Tokens for every kind of hub. */
  readonly tokens: TokenSource;
  close(): Promise<void>;
}

/**
 * Starts the built-in token issuer: OIDC discovery, JWKS, token endpoint, and the place where clouds confirm arrivals.
 * @throws FirstbootError service.address-in-use, service.config
 */
export async function startIssuer(options: IssuerOptions): Promise<Issuer> {
  const key = await loadOrCreateTokenKey(options.keyFile);
  const server = Fastify({ logger: false, bodyLimit: limits.cloud.issuerRequestBytes, forceCloseConnections: true });
  let issuer: TokenIssuer | undefined;
  const ready = (): TokenIssuer => {
    if (issuer) return issuer;
    throw failure('service.busy', {}, 'the issuer is starting');
  };
  acceptForms(server);
  answerErrors(server, options.log);
  routes(server, ready, options);
  if (options.revocations) revocationRoutes(server, options.revocations, () => options.timers.now());
  const address = await listen(server, options);
  issuer = new TokenIssuer({ key, url: options.url?.replace(/\/$/, '') ?? address, random: options.random });
  return {
    url: issuer.url,
    issuer,
    tokens: createTokenSource({
      issuer,
      timers: options.timers,
      ownersReachPrivate: options.ownersReachPrivate,
    }),
    close: () => server.close(),
  };
}

function routes(server: FastifyInstance, issuer: () => TokenIssuer, options: IssuerOptions): void {
  const now = (): number => options.timers.now();

  server.get('/health', async () => ({ status: 'ok' }));
  server.get('/.well-known/jwks.json', async () => ({ keys: [issuer().key.jwk] }));
  server.get('/.well-known/openid-configuration', async () => {
    const { url } = issuer();
    return {
      issuer: url,
      jwks_uri: `${url}/.well-known/jwks.json`,
      token_endpoint: `${url}/oauth/token`,
      token_endpoint_auth_methods_supported: ['client_secret_basic', 'client_secret_post'],
      grant_types_supported: Object.values(grantTypes),
      response_types_supported: ['token'],
      subject_types_supported: ['public'],
      id_token_signing_alg_values_supported: ['ES256'],
    };
  });

  server.post('/oauth/token', async (request, reply) => {
    const form = request.body instanceof URLSearchParams ? request.body : new URLSearchParams();
    const at = now();
    // RFC 6749 §5.1: tokens are kept by nobody on the way.
    reply.header('cache-control', 'no-store');
    switch (form.get('grant_type')) {
      case grantTypes.clientCredentials:
        return clientCredentials(form, request, reply, at);
      case grantTypes.refreshToken:
        return granted(await issuer().refresh(form.get('refresh_token') ?? '', at), reply, at);
      case grantTypes.tokenExchange:
        return granted(await issuer().exchange(form.get('subject_token') ?? '', at), reply, at);
      default:
        return oauthError(reply, 400, 'unsupported_grant_type');
    }
  });

  const clientCredentials = (form: URLSearchParams, request: FastifyRequest, reply: FastifyReply, at: Millis) => {
    const client = knownClient(options.clients ?? [], request.headers.authorization, form);
    if (!client) {
      reply.header('www-authenticate', 'Basic realm="firstboot"');
      return oauthError(reply, 401, 'invalid_client');
    }
    const owner = form.get(claimNames.owner) ?? client.id;
    const deviceId = form.get(claimNames.deviceId);
    if (deviceId !== null && parseUuid(deviceId) === undefined) return oauthError(reply, 400, 'invalid_request');
    const subject = {
      owner,
      ownerId: parseUuid(owner) ?? uuidV5(uuidNamespaces.url, owner),
      deviceId: deviceId === null ? undefined : parseUuid(deviceId),
      audience: form.get('audience') ?? undefined,
    };
    const { token, expiresAt } = issuer().access(subject, at);
    return { access_token: token.reveal(), token_type: 'Bearer', expires_in: wholeSeconds(expiresAt - at) };
  };

  const granted = async (decision: Decision<SubjectGrant>, reply: FastifyReply, at: Millis) => {
    if (!decision.ok) return oauthError(reply, 400, 'invalid_grant');
    const { deviceId, ownerId } = decision.value.subject;
    // A device that was reset, or whose group is disabled, does not live on in its tokens.
    if (deviceId !== undefined && !(await options.holds(deviceId, ownerId)))
      return oauthError(reply, 400, 'invalid_grant');
    const { accessToken, refreshToken, expiresAt } = decision.value;
    return {
      access_token: accessToken.reveal(),
      refresh_token: refreshToken.reveal(),
      token_type: 'Bearer',
      // RFC 8693 §2.2.1
      issued_token_type: 'urn:ietf:params:oauth:token-type:access_token',
      expires_in: wholeSeconds(expiresAt - at),
    };
  };

  server.post('/api/v1/confirmations', async (request, reply) => {
    const [scheme, token = ''] = (request.headers.authorization ?? '').split(' ');
    const bearer = scheme?.toLowerCase() === 'bearer' ? token : '';
    const verified = await issuer().verify(bearer, 'access', now());
    if (!verified.ok) {
      reply.header('www-authenticate', 'Bearer error="invalid_token"');
      return refusal(reply, verified.refusal);
    }
    const { deviceId } = verified.value;
    if (deviceId === undefined) {
      return refusal(reply, { code: 'cloud.token', evidence: {}, fix: 'use the token of a device' });
    }
    const confirmed = await options.confirm(deviceId);
    return confirmed.ok ? reply.code(204).send() : refusal(reply, confirmed.refusal);
  });
}

const wholeSeconds = (time: Millis): number => Math.floor(time / 1000);

/** RFC 6749 §5.2. */
const oauthError = (reply: FastifyReply, status: number, error: string): FastifyReply =>
  reply.code(status).send({ error });

const refusal = (reply: FastifyReply, { code }: Refusal): FastifyReply =>
  reply.code(errorTable[code].http).send({ error: code, message: errorTable[code].text });

function acceptForms(server: FastifyInstance): void {
  server.removeAllContentTypeParsers();
  server.addContentTypeParser('application/x-www-form-urlencoded', { parseAs: 'string' }, (_request, body, done) => {
    done(null, new URLSearchParams(body.toString()));
  });
  // Other bodies are not read: a confirmation has none, a token request must be a form (RFC 6749 §4.4.2).
  server.addContentTypeParser('*', { parseAs: 'string' }, (_request, _body, done) => done(null, undefined));
}

function answerErrors(server: FastifyInstance, log: Log): void {
  server.setNotFoundHandler((_request, reply) =>
    refusal(reply, { code: 'request.unknown-path', evidence: {}, fix: '' }),
  );
  server.setErrorHandler<Error & { statusCode?: number }>((error, request, reply) => {
    if (error instanceof FirstbootError) return refusal(reply, error);
    const status = error.statusCode ?? 500;
    if (status === 413) return refusal(reply, { code: 'request.too-large', evidence: {}, fix: '' });
    if (status < 500) return refusal(reply, { code: 'request.malformed', evidence: {}, fix: '' });
    log.error({ path: request.url, error }, 'an unexpected error of the token issuer');
    return refusal(reply, { code: 'service.internal', evidence: {}, fix: '' });
  });
}

async function listen(server: FastifyInstance, { host, port }: IssuerOptions): Promise<string> {
  try {
    return await server.listen({ host, port });
  } catch (error) {
    await server.close();
    const code = error instanceof Error && 'code' in error ? String(error.code) : 'unknown';
    const refused: Refusal =
      code === 'EADDRINUSE'
        ? {
            code: 'service.address-in-use',
            evidence: { host, port },
            fix: 'stop the other program, or give the token issuer another port with --issuer-port',
          }
        : {
            code: 'service.config',
            evidence: { host, port, code },
            fix: 'give the token issuer an address it can have',
          };
    throw new FirstbootError(refused, { cause: error });
  }
}
