import { Readable } from 'node:stream';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { Timers } from '../core/clock.ts';
import { failure } from '../core/errors.ts';
import { limits } from '../core/limits.ts';
import type { Log } from '../core/log.ts';
import type { Operations } from '../operator/operations.ts';
import type { Store } from '../store/store.ts';
import type { Caller } from './authentication.ts';
import { etagOf, noneMatchHas, readIfMatch } from './conditional.ts';
import { changes, type Door } from './door.ts';
import {
  type AnswerToKeep,
  type Idempotency,
  type RequestDigest,
  requestDigest,
  requireSameRequest,
} from './idempotency.ts';
import { routerPath } from './paths.ts';
import type { Principal } from './principal.ts';
import { requestText, requireLength } from './request-text.ts';
import { sameRights } from './roles.ts';
import type { Call, Reply, Route } from './route.ts';
import type { ApiService } from './service.ts';
import { type QueryText, type RouteChecks, routeChecks } from './validation.ts';

export interface RegisterDeps {
  readonly door: Door;
  readonly operationsFor: (principal: Principal) => Operations;
  readonly storeFor: (principal: Principal) => Store;
  readonly service: ApiService;
  readonly idempotency: Idempotency;
  /** Aborts when the service drains. */
  readonly draining: AbortSignal;
  readonly timers: Timers;
  readonly log: Log;
  /** Whether an answer that is not what its route says becomes service.internal: for tests. */
  readonly checkAnswers: boolean;
}

/** Puts routes on a server. Who calls and what it may is judged before anything else of the request is looked at. */
export function registerRoutes(server: FastifyInstance, routes: readonly Route[], deps: RegisterDeps): void {
  for (const route of routes) {
    const served = new ServedRoute(route, deps);
    void server.register((scope, _options, done) => {
      if (route.consumes) {
        scope.removeAllContentTypeParsers();
        scope.addContentTypeParser([...route.consumes], (_request, body, read) => read(null, body));
      }
      scope.route({
        method: route.method,
        url: routerPath(route),
        // A stream of events has no end to wait for.
        exposeHeadRoute: route.method === 'GET' && route.produces !== 'text/event-stream',
        onRequest: (request) => served.admit(request),
        handler: (request, reply) => served.answer(request, reply),
      });
      done();
    });
  }
}

/** What is answered, before it is written to the wire. */
interface Answer extends AnswerToKeep {
  readonly reply: Reply<unknown> | undefined;
  readonly replayed: boolean;
}

/** A change that is done once for its key, however often it comes. */
interface KeyedChange {
  readonly key: string;
  readonly principal: Principal;
  readonly digest: RequestDigest;
}

class ServedRoute {
  private readonly route: Route;
  private readonly deps: RegisterDeps;
  private readonly checks: RouteChecks;

  constructor(route: Route, deps: RegisterDeps) {
    this.route = route;
    this.deps = deps;
    this.checks = routeChecks(route);
  }

  /** @throws FirstbootError api.*, request.too-large */
  async admit(request: FastifyRequest): Promise<void> {
    const { role, unbound, consumes } = this.route;
    if (role !== undefined) await this.deps.door.enter(request, { role, unbound });
    requireLength(request.headers['content-length'], consumes ? limits.api.importBytes : limits.api.requestBytes);
  }

  async answer(request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
    const gone = new AbortController();
    reply.raw.once('close', () => gone.abort());
    const caller = this.deps.door.callerOf(request);
    const keyed = keyedChange(request, caller);
    const call = this.callOf(request, caller, {
      digest: keyed?.digest,
      gone: AbortSignal.any([gone.signal, this.deps.draining]),
    });
    const answer = await (keyed ? this.once(keyed, call) : this.do(call));
    if (answer.reply?.body instanceof Readable) this.watch(request, answer.reply.body, gone);
    return this.send(request, reply, answer);
  }

  private callOf(
    request: FastifyRequest,
    caller: Caller | undefined,
    { digest, gone }: { readonly digest: RequestDigest | undefined; readonly gone: AbortSignal },
  ): ErasedCall {
    const { door, operationsFor, storeFor, service, timers } = this.deps;
    const { consumes, conditional = false } = this.route;
    const {
      'if-match': ifMatchHeader,
      'last-event-id': lastEventId,
      'content-type': contentType = '',
    } = request.headers;
    const params = this.checks.params(request.params as Record<string, string>);
    const query = this.checks.query(request.query as QueryText);
    if (consumes && request.body === undefined) throw noBody(consumes);
    const body = consumes ? undefined : this.checks.body(request.body);
    if (!consumes) digest?.update(JSON.stringify(body) ?? '');
    const ifMatch = readIfMatch(ifMatchHeader);
    if (ifMatch !== undefined && !conditional && changes(request)) {
      throw failure('request.malformed', { at: 'header.if-match' }, 'this does not go by a revision: leave it out');
    }
    return {
      params,
      query,
      body,
      stream: consumes ? requestText(request.body as Readable, (piece) => digest?.update(piece)) : nothing(),
      get principal() {
        return requireCaller(caller).principal;
      },
      get operations() {
        return operationsFor(requireCaller(caller).principal);
      },
      get store() {
        return storeFor(requireCaller(caller).principal);
      },
      ifMatch,
      now: timers.now(),
      contentType: (contentType.split(';')[0] ?? '').trim().toLowerCase(),
      lastEventId: typeof lastEventId === 'string' ? lastEventId : undefined,
      service,
      signIn: door.signIn(request),
      gone,
    };
  }

  /** Does what is asked, or finds that it has been done. */
  private async once({ key, principal, digest }: KeyedChange, call: ErasedCall): Promise<Answer> {
    const begun = await this.deps.idempotency.begin(principal, key);
    if (begun.type === 'kept') {
      for await (const _piece of call.stream);
      requireSameRequest(begun.request, digest);
      if (this.route.secret) {
        const fix =
          'it was done, and its answer held a secret that is told once: undo it, and do it again with another key';
        throw failure('operator.conflict', {}, fix);
      }
      return { ...begun.answer, reply: undefined, replayed: true };
    }
    let answer: Answer | undefined;
    try {
      answer = await this.do(call);
      return answer;
    } finally {
      const kept = answer && (this.route.secret ? { ...answer, body: '' } : answer);
      await begun.done(kept, digest);
    }
  }

  private async do(call: ErasedCall): Promise<Answer> {
    const { status = 200, produces } = this.route;
    const reply: Reply<unknown> = await this.route.handle(call as unknown as Parameters<Route['handle']>[0]);
    const body = produces === undefined ? (JSON.stringify(reply.body) ?? '') : '';
    if (this.deps.checkAnswers && produces === undefined) this.check(body);
    const created = status === 201 && call.query.dryRun === true ? 200 : status;
    const etag = reply.revision === undefined ? undefined : etagOf(reply.revision);
    return { status: created, body, etag, reply, replayed: false };
  }

  private send(
    request: FastifyRequest,
    reply: FastifyReply,
    { status, body, etag, reply: own, replayed }: Answer,
  ): FastifyReply {
    const { produces } = this.route;
    if (etag !== undefined) reply.header('etag', etag);
    if (replayed) reply.header('idempotency-replayed', 'true');
    for (const [name, value] of Object.entries(own?.headers ?? {})) reply.header(name, value);
    if (etag !== undefined && !changes(request) && noneMatchHas(request.headers['if-none-match'], etag)) {
      return reply.code(304).send();
    }
    if (produces !== undefined)
      return this.sendOther(request, reply.code(status).header('content-type', produces), own?.body);
    if (body === '') return reply.code(status).send();
    return reply.code(status).header('content-type', 'application/json; charset=utf-8').send(body);
  }

  private sendOther(request: FastifyRequest, reply: FastifyReply, body: unknown): FastifyReply {
    // Nobody reads the stream of a HEAD.
    if (request.method === 'HEAD' && body instanceof Readable) {
      body.destroy();
      return reply.send();
    }
    const bytes = body instanceof Uint8Array && !Buffer.isBuffer(body);
    return reply.send(bytes ? Buffer.from(body.buffer, body.byteOffset, body.byteLength) : body);
  }

  /** An endless answer ends when its reader would not be let in any more, or to see other things: it comes back for those. */
  private watch(request: FastifyRequest, stream: Readable, gone: AbortController): void {
    const { door, timers } = this.deps;
    const { role, unbound } = this.route;
    if (role === undefined) return;
    const begun = door.callerOf(request)?.principal;
    const later = (): (() => void) => timers.schedule(timers.now() + limits.api.streamRecheck, look);
    const look = (): void => {
      void door.enter(request, { role, unbound }).then(
        () => {
          if (!sameRights(begun, door.callerOf(request)?.principal)) gone.abort();
          else if (!stream.destroyed) cancel = later();
        },
        // The route ends it: a stream that waits for what comes next cannot be ended from outside.
        () => gone.abort(),
      );
    };
    let cancel = later();
    stream.once('close', () => cancel());
  }

  private check(body: string): void {
    const fault = this.checks.answerFault(body === '' ? undefined : JSON.parse(body));
    if (fault === undefined) return;
    this.deps.log.error({ route: this.route.id, fault }, 'an answer is not what its route says');
    throw new TypeError(`the answer of ${this.route.id} is not what its route says: ${fault}`);
  }
}

type ErasedCall = Call<Readonly<Record<string, unknown>>, Readonly<Record<string, unknown>>, unknown>;

function keyedChange(request: FastifyRequest, caller: Caller | undefined): KeyedChange | undefined {
  const { 'idempotency-key': key, 'content-type': contentType = '' } = request.headers;
  if (typeof key !== 'string' || caller === undefined || !changes(request)) return undefined;
  return { key, principal: caller.principal, digest: requestDigest(request.method, request.url, contentType) };
}

/** A route for everybody has no business with a principal. */
function requireCaller(caller: Caller | undefined): Caller {
  if (caller) return caller;
  throw new TypeError('a route without a role asks who calls');
}

const noBody = (types: readonly string[]) =>
  failure('request.content-format', {}, `send a body of ${types.join(' or ')}, and its Content-Type`);

async function* nothing(): AsyncGenerator<string> {}
