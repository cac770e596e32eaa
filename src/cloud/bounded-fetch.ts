import type { IncomingMessage } from 'node:http';
import { Readable } from 'node:stream';
import { concatBytes } from '../core/bytes.ts';
import type { Millis, Timers } from '../core/clock.ts';
import { limits } from '../core/limits.ts';
import { requestPublic } from './public-request.ts';

/** Why a server's answer could not be had. */
export class FetchFault extends Error {
  readonly reason: 'timeout' | 'unreachable' | 'too-large' | 'redirect';

  constructor(reason: FetchFault['reason'], options?: { readonly cause?: unknown }) {
    super(reason, options);
    this.name = 'FetchFault';
    this.reason = reason;
  }
}

export interface FetchBounds {
  /** Of the answer's body; default: limits.cloud.tokenBytes. */
  readonly bytes?: number;
  /** ms; default: limits.cloud.tokenRequest. */
  readonly within?: Millis;
  /** Gives up when the asker goes away. */
  readonly signal?: AbortSignal;
  /** Whether the server has to be one of the public Internet: any other one is `unreachable`. Default: no. */
  readonly publicOnly?: boolean;
}

/**
 * `fetch` for servers that may be slow or hostile: the whole answer within limits.cloud.tokenRequest, no more of it than
 * limits.cloud.tokenBytes unless other bounds are given, and no redirects (a token request must not be carried elsewhere).
 * @throws FetchFault
 */
export async function boundedFetch(
  url: string,
  init: {
    readonly method: string;
    readonly headers: Record<string, string>;
    readonly body?: URLSearchParams | string | undefined;
  },
  timers: Timers,
  {
    bytes: most = limits.cloud.tokenBytes,
    within = limits.cloud.tokenRequest,
    signal,
    publicOnly = false,
  }: FetchBounds = {},
): Promise<Response> {
  const abort = new AbortController();
  const cancel = timers.schedule(timers.now() + within, () => abort.abort());
  try {
    const { method, headers, body } = init;
    const request = {
      method,
      headers,
      signal: signal ? AbortSignal.any([abort.signal, signal]) : abort.signal,
    };
    const response = await (publicOnly
      ? requestPublic(url, { ...request, body: body?.toString() }).then(responseOf)
      : fetch(url, { ...request, redirect: 'manual', ...(body && { body }) }));
    if (response.status >= 300 && response.status < 400 && response.status !== 304) throw new FetchFault('redirect');
    const bytes = await readBounded(response, most);
    // 204 and its like may not even have an empty body (Fetch, null body status).
    return new Response(bytes.length === 0 ? null : bytes, { status: response.status, headers: response.headers });
  } catch (error) {
    const late = abort.signal.aborted;
    // Ends an answer that is not worth reading on.
    abort.abort();
    if (error instanceof FetchFault) throw error;
    throw new FetchFault(late ? 'timeout' : 'unreachable', { cause: error });
  } finally {
    cancel();
  }
}

/** As `fetch` would have it. @throws RangeError a status that no answer has */
export function responseOf(answer: IncomingMessage): Response {
  const { statusCode: status = 0, headersDistinct } = answer;
  const headers = Object.entries(headersDistinct).flatMap(([name, values = []]) =>
    values.map((value): [string, string] => [name, value]),
  );
  // These may not even have an empty body (Fetch, null body status).
  const bodiless = status === 204 || status === 205 || status === 304;
  if (bodiless) answer.destroy();
  const body = bodiless ? null : (Readable.toWeb(answer) as ConstructorParameters<typeof Response>[0]);
  return new Response(body, { status, headers });
}

async function readBounded(response: Response, most: number): Promise<Uint8Array<ArrayBuffer>> {
  const parts: Uint8Array[] = [];
  let size = 0;
  for await (const part of response.body ?? []) {
    size += part.length;
    if (size > most) throw new FetchFault('too-large');
    parts.push(part);
  }
  return new Uint8Array(concatBytes(...parts));
}
