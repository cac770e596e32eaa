import { concatBytes } from '../core/bytes.ts';
import type { Millis, Timers } from '../core/clock.ts';
import { limits } from '../core/limits.ts';

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
  { bytes: most = limits.cloud.tokenBytes, within = limits.cloud.tokenRequest, signal }: FetchBounds = {},
): Promise<Response> {
  const abort = new AbortController();
  const cancel = timers.schedule(timers.now() + within, () => abort.abort());
  try {
    const { method, headers, body } = init;
    const response = await fetch(url, {
      method,
      headers,
      redirect: 'manual',
      signal: signal ? AbortSignal.any([abort.signal, signal]) : abort.signal,
      ...(body && { body }),
    });
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
