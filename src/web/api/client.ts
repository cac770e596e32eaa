import type { Outcome } from '../../operator/change.ts';

/** What the API says when it refuses (application/problem+json). */
export interface Problem {
  readonly status: number;
  readonly code: string;
  readonly title: string;
  readonly detail?: string;
  readonly fix?: string;
  readonly evidence?: Readonly<Record<string, unknown>>;
  /** Id of the request, as it is in the service's log. */
  readonly instance?: string;
}

export class ApiProblem extends Error {
  override readonly name = 'ApiProblem';
  readonly problem: Problem;

  constructor(problem: Problem) {
    super(problem.title);
    this.problem = problem;
  }
}

export type QueryValue = string | number | boolean | undefined;
export type Query = Readonly<Record<string, QueryValue>>;

export interface Asked {
  readonly query?: Query | undefined;
  /** Sent as JSON; a Blob as it is. */
  readonly body?: unknown;
  /** If-Match: refused (api.precondition) when the thing has changed since it was read. */
  readonly revision?: number | undefined;
  /** The same request with the same key is done once, however often it is sent. */
  readonly idempotencyKey?: string | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface Answer<T> {
  readonly body: T;
  /** Of the thing that was answered with, from the ETag. */
  readonly revision: number | undefined;
}

export interface ChangeOptions extends Asked {
  /** Says what would happen, and does nothing. */
  readonly dryRun?: boolean;
}

/** The API of the service that the page came from. Everything throws ApiProblem, and AbortError when `signal` says so. */
export interface Api {
  ask<T>(method: Method, path: string, asked?: Asked): Promise<Answer<T>>;
  get<T>(path: string, query?: Query, signal?: AbortSignal): Promise<T>;
  /** A change; `path` is below /api/v1. */
  change<T>(method: 'POST' | 'PUT' | 'DELETE', path: string, options?: ChangeOptions): Promise<Outcome<T>>;
  /** The live events from behind `after` on: a body that does not end. */
  stream(after: string | undefined, signal: AbortSignal): Promise<Response>;
}

export type Method = 'GET' | 'POST' | 'PUT' | 'DELETE';

/** @param signedOut told when the service does not know who asks (any more) */
export function createApi(signedOut: () => void): Api {
  const send = async (
    method: Method,
    path: string,
    { query, body, revision, idempotencyKey, signal }: Asked,
  ): Promise<Response> => {
    const headers = new Headers({ accept: 'application/json, application/problem+json' });
    if (revision !== undefined) headers.set('if-match', `"${revision}"`);
    if (idempotencyKey !== undefined) headers.set('idempotency-key', idempotencyKey);
    if (body instanceof Blob) headers.set('content-type', body.type);
    else if (body !== undefined) headers.set('content-type', 'application/json');
    const init: RequestInit = { method, headers, credentials: 'same-origin', cache: 'no-store' };
    if (body !== undefined) init.body = body instanceof Blob ? body : JSON.stringify(body);
    if (signal) init.signal = signal;
    const response = await reach(urlOf(path, query), init);
    if (response.ok) return response;
    const problem = await problemOf(response);
    if (problem.status === 401 && !(method === 'POST' && path === '/session')) signedOut();
    throw new ApiProblem(problem);
  };
  const ask = async <T>(method: Method, path: string, asked: Asked = {}): Promise<Answer<T>> => {
    const response = await send(method, path, asked);
    const text = await response.text();
    const json = response.headers.get('content-type')?.includes('json') ?? false;
    return { body: (json && text !== '' ? JSON.parse(text) : text) as T, revision: revisionOf(response) };
  };
  return {
    ask,
    get: async <T>(path: string, query?: Query, signal?: AbortSignal) =>
      (await ask<T>('GET', path, { query, signal })).body,
    change: async <T>(
      method: 'POST' | 'PUT' | 'DELETE',
      path: string,
      { dryRun, query, ...asked }: ChangeOptions = {},
    ) => (await ask<Outcome<T>>(method, path, { ...asked, query: { ...query, ...(dryRun && { dryRun }) } })).body,
    stream: async (after, signal) => {
      const headers = new Headers({ accept: 'text/event-stream' });
      if (after !== undefined) headers.set('last-event-id', after);
      const response = await reach(urlOf('/events'), {
        headers,
        credentials: 'same-origin',
        cache: 'no-store',
        signal,
      });
      if (response.ok) return response;
      if (response.status === 401) signedOut();
      throw new ApiProblem(await problemOf(response));
    },
  };
}

/** The problem that an error is about; of what is no answer of the service as well. */
export function problemIn(error: unknown): Problem {
  if (error instanceof ApiProblem) return error.problem;
  return {
    status: 0,
    code: 'dashboard',
    title: 'Something went wrong in this page',
    detail: error instanceof Error ? error.message : String(error),
    fix: 'Load the page again.',
  };
}

export const isAbort = (error: unknown): boolean => error instanceof DOMException && error.name === 'AbortError';

function urlOf(path: string, query: Query = {}): string {
  const parameters = new URLSearchParams();
  for (const [key, value] of Object.entries(query)) {
    if (value !== undefined && value !== '') parameters.set(key, String(value));
  }
  const search = parameters.toString();
  return `/api/v1${path}${search === '' ? '' : `?${search}`}`;
}

async function reach(url: string, init: RequestInit): Promise<Response> {
  try {
    return await fetch(url, init);
  } catch (error) {
    if (isAbort(error)) throw error;
    throw new ApiProblem({
      status: 0,
      code: 'api.unreachable',
      title: 'The service does not answer',
      fix: 'See whether it runs, and whether this machine can reach it.',
    });
  }
}

async function problemOf(response: Response): Promise<Problem> {
  const text = await response.text();
  try {
    const read = JSON.parse(text) as Partial<Problem>;
    if (typeof read.title === 'string') return { code: 'unknown', ...read, title: read.title, status: response.status };
  } catch {
    // A proxy in between may answer with anything.
  }
  return { status: response.status, code: 'unknown', title: `The service answered ${response.status}` };
}

function revisionOf(response: Response): number | undefined {
  const found = /^(?:W\/)?"(\d+)"$/.exec(response.headers.get('etag') ?? '');
  return found ? Number(found[1]) : undefined;
}
