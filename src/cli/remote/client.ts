import { type IncomingMessage, request as requestHttp } from 'node:http';
import { request as requestHttps } from 'node:https';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { Millis } from '../../core/clock.ts';
import { FirstbootError, failure } from '../../core/errors.ts';
import { limits } from '../../core/limits.ts';
import { readAnswer, readText, refusalOf, unreached } from './answers.ts';

/** Where the API of a running service is, and as who it is asked. */
export interface ServerAddress {
  /** `https://host:port`; `/api/v1` is added. */
  readonly url: string;
  readonly token: string;
  /** PEM of the authorities that vouch for it; default: those that Node knows. */
  readonly ca?: string | undefined;
}

export interface ApiRequest {
  readonly method?: 'GET' | 'POST' | 'PUT' | 'DELETE';
  /** What is undefined is left out. */
  readonly query?: Readonly<Record<string, string | number | boolean | undefined>>;
  /** JSON. */
  readonly body?: unknown;
  /** A body that is no JSON, in pieces. */
  readonly stream?: { readonly type: string; readonly pieces: AsyncIterable<string> };
  readonly headers?: Readonly<Record<string, string>>;
}

/** The API of a running service over HTTP. */
export interface ApiClient {
  /**
   * Asks and reads the answer.
   * @param path below /api/v1, `/devices`
   * @throws FirstbootError what the service refuses with; api.unreachable
   */
  ask<T>(path: string, request?: ApiRequest): Promise<T>;
  /** The same for an answer that has no end. @param signal ends it */
  open(path: string, request: ApiRequest, signal: AbortSignal): Promise<IncomingMessage>;
  /** Of the service, as it was given. */
  readonly origin: string;
  /** The last answers that could be read, for when they turn out to be odd (blame.ts). */
  readonly answers: readonly ApiAnswer[];
}

export interface ApiAnswer {
  readonly method: string;
  readonly path: string;
  readonly value: unknown;
}

/** @throws FirstbootError command.usage when the URL cannot be one of an API */
export function createApiClient({ url, token, ca }: ServerAddress): ApiClient {
  const answers: ApiAnswer[] = [];
  const base = baseOf(url);
  const origin = base.href.replace(/\/$/, '');
  const send = async (path: string, question: ApiRequest, bounds: Bounds): Promise<IncomingMessage> => {
    try {
      return await exchange(new URL(`${origin}/api/v1${path}${queryText(question.query)}`), question, {
        ...bounds,
        token,
        ca,
      });
    } catch (error) {
      throw unreached(error, origin);
    }
  };
  return {
    origin,
    answers,
    async ask<T>(path: string, question: ApiRequest = {}) {
      const answer = await send(path, question, { silence: limits.client.silence });
      const text = await readText(answer, origin);
      const value = readAnswer<T>(answer, text, origin);
      answers.push({ method: question.method ?? 'GET', path, value });
      if (answers.length > limits.client.answers) answers.shift();
      return value;
    },
    async open(path, question, signal) {
      const answer = await send(path, question, { silence: limits.client.streamSilence, signal });
      if (answer.statusCode === 200) return answer;
      throw refusalOf(answer, await readText(answer, origin), origin);
    },
  };
}

/** A part of a path: ids and names may hold anything. */
export const segment = (text: string): string => encodeURIComponent(text);

interface Bounds {
  readonly silence: Millis;
  readonly signal?: AbortSignal;
}

function exchange(
  url: URL,
  { method = 'GET', body, stream, headers = {} }: ApiRequest,
  { silence, signal, token, ca }: Bounds & Omit<ServerAddress, 'url'>,
): Promise<IncomingMessage> {
  const json = body === undefined ? undefined : Buffer.from(JSON.stringify(body));
  return new Promise((resolve, reject) => {
    const request = (url.protocol === 'https:' ? requestHttps : requestHttp)(url, {
      method,
      headers: {
        accept: 'application/json, text/event-stream',
        authorization: `Bearer ${token}`,
        ...(json && { 'content-type': 'application/json', 'content-length': json.length }),
        ...(stream && { 'content-type': stream.type }),
        ...headers,
      },
      ...(ca !== undefined && { ca }),
      ...(signal && { signal }),
      timeout: silence,
    });
    request.on('timeout', () => request.destroy(Object.assign(new Error('silence'), { code: 'silence' })));
    request.on('response', resolve).on('error', reject);
    if (!stream) {
      request.end(json);
      return;
    }
    // A service that has answered already need not take the rest.
    pipeline(Readable.from(stream.pieces), request).catch((error: unknown) => {
      if (error instanceof FirstbootError) request.destroy();
      reject(error);
    });
  });
}

function queryText(query: ApiRequest['query'] = {}): string {
  const given = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) if (value !== undefined) given.set(name, String(value));
  return given.size === 0 ? '' : `?${given}`;
}

function baseOf(text: string): URL {
  const url = URL.parse(text);
  if (url && ['http:', 'https:'].includes(url.protocol) && url.username === '' && url.search === '') return url;
  const fix = 'give the address of its API: http://127.0.0.1:20090 or https://host:port';
  throw failure('command.usage', { option: '--server', found: text.replace(/\/\/[^/]*@/, '//…@') }, fix);
}
