import type { Readable } from 'node:stream';
import type { Static, TObject, TSchema } from 'typebox';
import type { Millis } from '../core/clock.ts';
import type { ErrorCode } from '../core/errors.ts';
import type { Operations } from '../operator/operations.ts';
import type { Role } from '../store/model.ts';
import type { Store } from '../store/store.ts';
import type { Principal } from './principal.ts';
import type { ApiService, SignIn } from './service.ts';

export type { Principal };

/** One way into the API: everything that its handler, the documentation and the tests need to know of it. */
export interface Route<
  Params extends TObject = TObject,
  Query extends TObject = TObject,
  Body extends TSchema = TSchema,
  Answer extends TSchema = TSchema,
> {
  /** operationId: `approveDevice`. */
  readonly id: string;
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE';
  /** Below /api/v1 (or `base`), with parameters in braces: `/devices/{device}`. */
  readonly path: string;
  /** Default: `/api/v1`. */
  readonly base?: string;
  readonly tag: string;
  /** One line, imperative, without a full stop. */
  readonly summary: string;
  readonly description?: string;
  /** The least role; undefined: everybody, signed in or not. */
  readonly role: Role | undefined;
  /** Not for principals that are bound to an owner. */
  readonly unbound?: boolean;
  readonly params?: Params;
  readonly query?: Query;
  /** JSON. */
  readonly body?: Body;
  /** Of an answer with `status`; undefined: there is no body, or `produces` says what it is. */
  readonly answer?: Answer;
  /** Default: 200. */
  readonly status?: 200 | 201 | 204;
  /** Media type of an answer that is not JSON: `Reply.body` is then a text, bytes, or a stream that is sent as it comes. */
  readonly produces?: string;
  /** Media types of a body that is not JSON and is read as it comes (`Call.stream`). */
  readonly consumes?: readonly string[];
  /** It goes by If-Match (`Call.ifMatch`). A change elsewhere is refused when it comes with one: it would not be kept. */
  readonly conditional?: boolean;
  /** The answer holds a secret that is told once: it is not kept for the idempotency key, and a repetition is refused. */
  readonly secret?: boolean;
  /** What it refuses with, beside what every route does (api.*, request.*, service.*). */
  readonly errors: readonly ErrorCode[];
  handle(call: Call<Static<Params>, Static<Query>, Static<Body>>): Promise<Reply<Static<Answer>>>;
}

export interface Call<Params, Query, Body> {
  readonly params: Params;
  readonly query: Query;
  readonly body: Body;
  /** For a route that `consumes`: the body in pieces. */
  readonly stream: AsyncIterable<string>;
  readonly principal: Principal;
  /** In the name of the principal, with what it may see. */
  readonly operations: Operations;
  /** What the principal may see (owner-view.ts), for what is counted and no operation: the overview, the expiry horizon. */
  readonly store: Store;
  /** The revision that If-Match names; undefined: there is none, or it is `*`. */
  readonly ifMatch: number | undefined;
  readonly now: Millis;
  /** Media type, without parameters, of the body that `stream` reads; '' when there is none. */
  readonly contentType: string;
  /** Value of the Last-Event-ID header (SSE). */
  readonly lastEventId: string | undefined;
  /** What the running service can do beside operations. */
  readonly service: ApiService;
  /** For the dashboard's sign-in. */
  readonly signIn: SignIn;
  /** Aborts when the caller has gone, and when the service drains: an endless answer ends then. */
  readonly gone: AbortSignal;
}

export interface Reply<Answer> {
  readonly body: Answer | Readable;
  /** Becomes the ETag. */
  readonly revision?: number | undefined;
  readonly headers?: Readonly<Record<string, string>>;
}

/** Checks a route's handler against its schemas. */
export const route = <P extends TObject, Q extends TObject, B extends TSchema, A extends TSchema>(
  it: Route<P, Q, B, A>,
): Route => it as unknown as Route;
