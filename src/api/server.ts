import { fastifyCookie } from '@fastify/cookie';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { Millis, Timers } from '../core/clock.ts';
import { failure } from '../core/errors.ts';
import { uuidV7 } from '../core/ids.ts';
import { InFlight } from '../core/in-flight.ts';
import type { JsonObject } from '../core/json.ts';
import { limits } from '../core/limits.ts';
import type { Log } from '../core/log.ts';
import type { RandomSource } from '../core/random.ts';
import type { EventHub } from '../operator/event-hub.ts';
import type { LocalOperations } from '../operator/local-operations.ts';
import type { Revocations } from '../provision/revocations.ts';
import type { Store } from '../store/store.ts';
import { answerErrors, refusePath, refuseUrl, securityHeaders } from './answering.ts';
import { Authentication, type AuthenticationSettings, type EntryRules } from './authentication.ts';
import { ClientAuthorities } from './client-authorities.ts';
import { Connections, connectionBounds, hurry } from './connections.ts';
import { dashboardPaths } from './dashboard.ts';
import { Door } from './door.ts';
import { healthPaths, healthRoutes, type MetricsText } from './health.ts';
import { Idempotency } from './idempotency.ts';
import { type ApiTls, createServer, type ListenOptions, listen, prepareTls } from './listening.ts';
import { openApiDocument } from './openapi.ts';
import { allowedMethods } from './paths.ts';
import { plgdPaths } from './plgd/routes.ts';
import type { Principal } from './principal.ts';
import { registerRoutes } from './register.ts';
import type { Route } from './route.ts';
import type { ApiService } from './service.ts';

export interface ApiOptions extends ListenOptions {
  /** All of them: src/api/routes/index.ts. */
  readonly routes: readonly Route[];
  /** What a principal can do, and sees: for each request. */
  readonly operationsFor: (principal: Principal) => LocalOperations;
  /** What it may see of the store. */
  readonly storeFor: (principal: Principal) => Store;
  readonly store: Pick<Store, 'tokens' | 'keptAnswer' | 'keepAnswer'>;
  readonly authentication?: AuthenticationSettings;
  /** Folder of the built dashboard; undefined: there is none. */
  readonly web?: string | undefined;
  readonly health: ApiService['health'];
  /** Provisioning runs that are under way. */
  readonly openAttempts?: ApiService['openAttempts'];
  /** Folder of the files with secrets that groups and hubs name through the API. */
  readonly secretsFolder: string;
  readonly metrics?: (() => Promise<MetricsText>) | undefined;
  /** Metrics without signing in. */
  readonly openMetrics?: boolean | undefined;
  readonly reload?: ApiService['reload'];
  readonly backup?: ApiService['backup'];
  readonly revocations?: Revocations | undefined;
  /** What happens, as it happens. */
  readonly events?: EventHub | undefined;
  readonly timers: Timers;
  readonly random: RandomSource;
  readonly log: Log;
  readonly version: string;
  /** Told of every request that has been answered: its path as it is documented. */
  readonly answered?:
    | ((request: { readonly route: string; readonly status: number; readonly ms: Millis }) => void)
    | undefined;
  /** Answers are held against their schemas: for tests. */
  readonly checkAnswers?: boolean;
}

/** What can be replaced while it runs. */
export interface ApiMaterial {
  readonly tls?: ApiTls | undefined;
  readonly authentication?: EntryRules;
}

export interface Api {
  readonly url: string;
  /**
   * Judges what it is to be served with. TLS is neither switched on nor off.
   * @returns puts it in force: for new connections, and for the next request of everybody who is there
   * @throws FirstbootError service.config
   */
  prepare(next: ApiMaterial): () => void;
  /** Ends event streams, lets connections go and waits for requests that are under way, limits.api.drain at most. */
  drain(): Promise<void>;
  /** Drains, and frees the port. */
  close(): Promise<void>;
}

/**
 * Starts the API and the dashboard.
 * @throws FirstbootError service.config, service.address-in-use
 */
export async function startApi(options: ApiOptions): Promise<Api> {
  const { routes, store, timers, random, log, version, tls, insecure = false } = options;
  const server = createServer(options, { requestId: () => uuidV7(timers.now(), random), badUrl: refuseUrl });
  const draining = new AbortController();
  const inFlight = new InFlight();
  const secure = tls !== undefined || insecure;
  const settings = options.authentication ?? {};
  const connections = new Connections(connectionBounds({ proxied: insecure }));
  const patience = (options.patience ?? limits.api).body;
  connections.watch(server.server, timers, patience);
  const answers = new WeakMap<FastifyRequest, FastifyReply>();
  const authentication = new Authentication({ store, settings, timers, random, log, secure });
  const authorities = new ClientAuthorities(tls?.clientCas);
  authorities.watch(server.server);
  const door = new Door(authentication, authorities, (request, principal) => {
    const reply = answers.get(request);
    if (reply) connections.serve(principal, request.raw, reply.raw);
  });
  let document: JsonObject | undefined;
  const service: ApiService = {
    version,
    startedAt: timers.now(),
    timers,
    health: options.health,
    openAttempts: options.openAttempts ?? (() => 0),
    secretsFolder: options.secretsFolder,
    document: () => {
      document ??= openApiDocument(routes, version);
      return document;
    },
    revocations: options.revocations,
    events: options.events,
    reload: options.reload,
    backup: options.backup,
  };

  server.addHook('onRequest', async (request, reply) => {
    answers.set(request, reply);
    if (authorities.outdated(request.socket)) reply.header('connection', 'close');
  });
  // Its body is read before anybody knows who sent it.
  server.addHook('preParsing', async (request) => {
    if (!door.callerOf(request)) hurry(request.raw, timers, patience);
  });
  watchRequests(server, { inFlight, draining: draining.signal, log, timers, answered: options.answered });
  answerErrors(server, { log, insider: (request) => door.insider(request) });
  readJson(server);
  void server.register(fastifyCookie);
  registerRoutes(server, routes, {
    door,
    operationsFor: options.operationsFor,
    storeFor: options.storeFor,
    service,
    idempotency: new Idempotency(store, () => timers.now()),
    draining: draining.signal,
    timers,
    log,
    checkAnswers: options.checkAnswers ?? false,
  });
  plgdPaths(server, {
    door,
    operationsFor: options.operationsFor,
    secretsFolder: options.secretsFolder,
    timers,
    random,
    log,
  });
  healthPaths(server, { door, service, metrics: options.metrics, openMetrics: options.openMetrics ?? false });
  const dashboard = await dashboardPaths(options.web);
  const allowed = allowedMethods([...routes, ...healthRoutes]);
  server.setNotFoundHandler((request, reply) => {
    const path = request.url.split('?')[0] ?? '/';
    return dashboard.answer(path, request, reply) ?? refusePath(request, reply, allowed(path));
  });

  const url = await listen(server, options);
  const drain = async (): Promise<void> => {
    draining.abort();
    let cancel = (): void => undefined;
    const late = new Promise<void>((resolve) => {
      cancel = timers.schedule(timers.now() + limits.api.drain, resolve);
    });
    await Promise.race([inFlight.idle(), late]);
    cancel();
  };
  return {
    url,
    prepare: ({ tls: renewed, authentication: rules = {} }) => {
      const both = tls && renewed ? [prepareTls(server, renewed), authorities.prepare(renewed.clientCas)] : [];
      return () => {
        for (const renew of both) renew();
        authentication.judgeBy(rules);
      };
    },
    drain,
    close: async () => {
      await drain();
      await server.close();
    },
  };
}

/** JSON and nothing else; `__proto__` in it is refused. */
function readJson(server: FastifyInstance): void {
  const parse = server.getDefaultJsonParser('error', 'error');
  server.removeAllContentTypeParsers();
  server.addContentTypeParser('application/json', { parseAs: 'string' }, (request, body, done) => {
    if (body === '') done(null, undefined);
    else void parse(request, body.toString(), (error, value) => done(error && noJson(body.toString(), error), value));
  });
}

/** Where a text stops being JSON, and what was expected there; `__proto__` is no question of form. */
function noJson(text: string, refused: Error): Error {
  try {
    JSON.parse(text);
    return refused;
  } catch (error) {
    const found = error instanceof Error ? error.message.slice(0, limits.policy.text) : 'no JSON';
    return failure('request.malformed', { at: 'body', found }, 'send JSON: this is none');
  }
}

function watchRequests(
  server: FastifyInstance,
  {
    inFlight,
    draining,
    log,
    timers,
    answered,
  }: Pick<ApiOptions, 'log' | 'timers' | 'answered'> & { readonly inFlight: InFlight; readonly draining: AbortSignal },
): void {
  server.addHook('onRequest', async (request, reply) => {
    inFlight.begin();
    const begun = timers.now();
    // Told once for each request, whatever becomes of its connection.
    reply.raw.once('close', () => {
      inFlight.end();
      // The pattern of the path and not the path: what stands in that may be anything.
      const { method, routeOptions, id } = request;
      const { statusCode: status } = reply;
      const [route = 'none', ms] = [routeOptions.url, timers.now() - begun];
      log.debug({ request: id, method, route, status, ms }, 'a request');
      answered?.({ route, status, ms });
    });
    reply.headers({ ...securityHeaders, 'x-request-id': request.id });
    if (draining.aborted) reply.header('connection', 'close');
  });
}
