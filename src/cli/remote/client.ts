import { type IncomingMessage, request as requestHttp } from 'node:http';
import { request as requestHttps } from 'node:https';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { Millis } from '../../core/clock.ts';
import { type ErrorCode, type Evidence, errorTable, FirstbootError, failure } from '../../core/errors.ts';
import { isRecord } from '../../core/json.ts';
import { limits } from '../../core/limits.ts';

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
    request.on('timeout', () => request.destroy(Object.assign(new Error('silence'), { code: 'ETIMEDOUT' })));
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

async function readText(answer: IncomingMessage, origin: string): Promise<string> {
  const parts: Buffer[] = [];
  let size = 0;
  try {
    for await (const part of answer as AsyncIterable<Buffer>) {
      size += part.length;
      if (size > limits.client.answerBytes) {
        answer.destroy();
        throw failure('api.unreachable', { url: origin, answered: 'too much' }, 'ask for less at a time');
      }
      parts.push(part);
    }
  } catch (error) {
    throw unreached(error, origin);
  }
  return Buffer.concat(parts).toString('utf8');
}

function readAnswer<T>(answer: IncomingMessage, text: string, origin: string): T {
  const { statusCode = 0, headers } = answer;
  if (statusCode < 200 || statusCode >= 300) throw refusalOf(answer, text, origin);
  if (statusCode === 204) return undefined as T;
  // The one text that is asked for.
  if (headers['content-type']?.startsWith('application/yaml') === true) return text as T;
  const value = jsonOf(text);
  if (value !== undefined) return value as T;
  throw failure('api.unreachable', { url: origin, status: statusCode, answered: 'no JSON' }, notTheApi);
}

function refusalOf({ statusCode = 0 }: IncomingMessage, text: string, origin: string): FirstbootError {
  const problem = jsonOf(text);
  if (isRecord(problem)) {
    const { code, evidence = {}, fix = '' } = problem;
    if (isCode(code) && isEvidence(evidence) && typeof fix === 'string') return failure(code, evidence, fix);
  }
  return failure('api.unreachable', { url: origin, status: statusCode }, notTheApi);
}

const isEvidence = (value: unknown): value is Evidence =>
  isRecord(value) && Object.values(value).every((one) => ['string', 'number', 'boolean'].includes(typeof one));

const isCode = (code: unknown): code is ErrorCode => typeof code === 'string' && Object.hasOwn(errorTable, code);

const notTheApi =
  'this is not the API of firstboot: give its address, http://127.0.0.1:20090 unless the service says another one';

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
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

/** What went wrong on the way, by the codes of Node and OpenSSL. */
function unreached(error: unknown, url: string): unknown {
  if (error instanceof FirstbootError) return error;
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  const found = code === '' && error instanceof Error ? error.message : code;
  return failure('api.unreachable', { url, found }, fixFor(code), error);
}

function fixFor(code: string): string {
  if (/CERT|ISSUER|SELF_SIGNED|UNABLE_TO/.test(code)) {
    if (code === 'ERR_TLS_CERT_ALTNAME_INVALID')
      return 'its certificate is for another name: use the name that is in it';
    if (code === 'CERT_HAS_EXPIRED') return 'its certificate has expired: give it a new one';
    return 'nobody known here vouches for its certificate: name its authority with --server-ca <file>';
  }
  if (code === 'ECONNREFUSED') return 'nobody listens there: is the service running, with its API on, at this port?';
  if (code === 'ENOTFOUND' || code === 'EAI_AGAIN') return 'there is no such host: check the name';
  if (code === 'EPROTO' || code.startsWith('ERR_SSL'))
    return 'it does not speak TLS there: try http://, or another port';
  if (code === 'ECONNRESET' || code === 'HPE_INVALID_CONSTANT')
    return 'it broke off: check http against https, and the log of the service';
  return 'check the address, and whether the service is running';
}
