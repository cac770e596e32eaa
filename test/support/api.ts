import { confined } from '../../src/api/confined.ts';
import type { Problem } from '../../src/api/problem.ts';
import { routes as everyRoute } from '../../src/api/routes/index.ts';
import { type ApiOptions, startApi } from '../../src/api/server.ts';
import { hours, systemTimers } from '../../src/core/clock.ts';
import type { Uuid } from '../../src/core/ids.ts';
import { silentLog } from '../../src/core/log.ts';
import { systemRandom } from '../../src/core/random.ts';
import { createToken } from '../../src/operator/tokens.ts';
import { openLevelStore } from '../../src/store/level.ts';
import type { Role } from '../../src/store/model.ts';
import type { Store } from '../../src/store/store.ts';
import { someActor } from './operator-bench.ts';
import { someUuid } from './store-records.ts';
import { temporaryFolder } from './temporary-folder.ts';

/** Two owners that tokens of a test API are bound to. */
export const owners = { acme: someUuid(2_000_001), bolt: someUuid(2_000_002) } as const;

export interface TestApi {
  readonly url: string;
  readonly store: Store;
  /** Of an admin, an operator and a viewer of everything, and of the same three bound to owners.acme and owners.bolt. */
  readonly tokens: Readonly<Record<TokenName, string>>;
  /** In the name of one of the tokens, or of nobody. */
  as(who: TokenName | undefined): ApiClient;
  /** With any Authorization header. */
  with(headers: Readonly<Record<string, string>>): ApiClient;
  close(): Promise<void>;
}

export type TokenName = Role | `${keyof typeof owners}${Capitalize<Role>}`;

/** Requests; paths are below /api/v1 unless they begin with `//`, which stands for the root. */
export interface ApiClient {
  get(path: string, options?: CallOptions): Promise<ApiAnswer>;
  post(path: string, body?: unknown, options?: CallOptions): Promise<ApiAnswer>;
  put(path: string, body?: unknown, options?: CallOptions): Promise<ApiAnswer>;
  del(path: string, options?: CallOptions): Promise<ApiAnswer>;
  call(method: string, path: string, body?: unknown, options?: CallOptions): Promise<ApiAnswer>;
}

export interface CallOptions {
  readonly headers?: Readonly<Record<string, string>>;
}

export interface ApiAnswer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  /** The JSON of the body; undefined when it is none. */
  // biome-ignore lint/suspicious/noExplicitAny: tests say what they expect of it
  readonly body: any;
  /** The body of a refusal. */
  readonly problem: Problem | undefined;
}

export type TestApiOptions = Partial<ApiOptions> & {
  /** A store of the test's own, which it closes; default: a new one in a temporary folder. */
  readonly store?: Store;
  /** Of that store already; default: they are made. */
  readonly tokens?: TestApi['tokens'];
  /** Folder of an authority. */
  readonly authority?: string;
  /** Default: true, unlike that of a service. */
  readonly ownersAttest?: boolean;
};

/** The API over a store, with a token for each role; answers are held against their schemas. */
export async function startTestApi(options: TestApiOptions = {}): Promise<TestApi> {
  const folder = await temporaryFolder();
  const { timers = systemTimers, random = systemRandom, authority, ownersAttest = true } = options;
  const store = options.store ?? (await openLevelStore(folder.path, { synced: false }));
  const now = (): number => timers.now();
  const tokens = options.tokens ?? (await makeTokens(store, now));
  const api = await startApi({
    host: '127.0.0.1',
    port: 0,
    routes: everyRoute,
    ...confined({ store, ownersAttest, now, random, authority }),
    health: () => ({ ready: true, reasons: [], codes: [] }),
    secretsFolder: folder.path,
    timers,
    random,
    log: silentLog,
    version: '0.0.0',
    checkAnswers: true,
    ...options,
    // Failed sign-ins are answered at once.
    authentication: { failedDelay: 0, ...options.authentication },
    store,
  });
  const client = (headers: Readonly<Record<string, string>>) => apiClient(api.url, headers);
  return {
    url: api.url,
    store,
    tokens,
    as: (who) => client(who === undefined ? {} : { authorization: `Bearer ${tokens[who]}` }),
    with: client,
    close: async () => {
      await api.close();
      if (!options.store) await store.close();
      await folder.remove();
    },
  };
}

/** Speaks to an API at a URL. */
export function apiClient(url: string, own: Readonly<Record<string, string>> = {}): ApiClient {
  const call: ApiClient['call'] = async (method, path, body, { headers = {} } = {}) => {
    const target = path.startsWith('//') ? `${url}${path.slice(1)}` : `${url}/api/v1${path}`;
    const raw = typeof body === 'string' || body instanceof Uint8Array || body instanceof ReadableStream;
    const answer = await fetch(target, {
      method,
      redirect: 'manual',
      headers: { ...(body !== undefined && !raw && { 'content-type': 'application/json' }), ...own, ...headers },
      ...(body !== undefined && {
        body: raw ? (body as NonNullable<RequestInit['body']>) : JSON.stringify(body),
        duplex: 'half',
      }),
    });
    const text = await answer.text();
    const type = answer.headers.get('content-type') ?? '';
    const json = text !== '' && /^application\/(problem\+)?json/.test(type) ? JSON.parse(text) : undefined;
    const problem = type.startsWith('application/problem+json') ? (json as Problem) : undefined;
    return { status: answer.status, headers: answer.headers, text, body: json, problem };
  };
  return {
    get: (path, options) => call('GET', path, undefined, options),
    post: (path, body, options) => call('POST', path, body, options),
    put: (path, body, options) => call('PUT', path, body, options),
    del: (path, options) => call('DELETE', path, undefined, options),
    call,
  };
}

async function makeTokens(store: Store, now: () => number): Promise<Record<TokenName, string>> {
  const make = async (name: TokenName, role: Role, owner?: Uuid): Promise<readonly [TokenName, string]> => {
    const deps = { store, now, actor: someActor, random: systemRandom };
    const made = await createToken(deps, { name, role, owner, expiresAt: now() + hours(1000) });
    return [name, made.result.token];
  };
  const made: (readonly [TokenName, string])[] = [];
  for (const [role, suffix] of [
    ['viewer', 'Viewer'],
    ['operator', 'Operator'],
    ['admin', 'Admin'],
  ] as const) {
    made.push(await make(role, role));
    made.push(await make(`acme${suffix}`, role, owners.acme), await make(`bolt${suffix}`, role, owners.bolt));
  }
  return Object.fromEntries(made) as Record<TokenName, string>;
}
