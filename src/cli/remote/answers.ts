import type { IncomingMessage } from 'node:http';
import { type ErrorCode, type Evidence, errorTable, FirstbootError, failure } from '../../core/errors.ts';
import { isRecord } from '../../core/json.ts';
import { limits } from '../../core/limits.ts';

/** All of an answer. @throws FirstbootError api.unreachable: it broke off, or is too much */
export async function readText(answer: IncomingMessage, origin: string): Promise<string> {
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

/**
 * What an answer says: JSON, a policy as YAML, or nothing.
 * @throws FirstbootError what the service refuses with; api.unreachable: this is none of its answers
 */
export function readAnswer<T>(answer: IncomingMessage, text: string, origin: string): T {
  const { statusCode = 0, headers } = answer;
  if (statusCode < 200 || statusCode >= 300) throw refusalOf(answer, text, origin);
  if (statusCode === 204) return undefined as T;
  // The one text that is asked for.
  if (headers['content-type']?.startsWith('application/yaml') === true) return text as T;
  const value = jsonOf(text);
  if (value !== undefined) return value as T;
  const meant = headers['content-type']?.startsWith('application/json') === true;
  const evidence = { url: origin, status: statusCode, answered: meant ? 'no whole JSON' : 'no JSON' };
  throw failure('api.unreachable', evidence, meant ? cutOff : notTheApi);
}

/** Why the service, or whoever answers in its place, refuses. */
export function refusalOf({ statusCode = 0, headers }: IncomingMessage, text: string, origin: string): FirstbootError {
  const problem = jsonOf(text);
  if (isRecord(problem)) {
    const { code, type, evidence = {}, fix = '' } = problem;
    if (isCode(code) && isEvidence(evidence) && typeof fix === 'string')
      return failure(code, aboutToken.has(code) ? { ...evidence, url: origin } : evidence, fix);
    if (typeof code === 'string' && type === `urn:firstboot:error:${code}`) {
      const told = { url: origin, status: statusCode, refusal: code.slice(0, shownText) };
      return failure(
        'api.unreachable',
        told,
        'this command does not know that refusal: use one of the version of the service',
      );
    }
  }
  const { location } = headers;
  const evidence = { url: origin, status: statusCode, ...(location && { location: location.slice(0, shownText) }) };
  return failure('api.unreachable', evidence, gatewayStatuses.has(statusCode) ? proxyAnswers : notTheApi);
}

/** What went wrong on the way, by the codes of Node and OpenSSL; what is told already stays as it is. */
export function unreached(error: unknown, url: string): unknown {
  if (error instanceof FirstbootError) return error;
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  const found = code === '' && error instanceof Error ? error.message : code;
  const names = namesIn(error);
  return failure('api.unreachable', { url, found, ...(names !== undefined && { names }) }, fixFor(code), error);
}

/** What is refused because of the token that this service was shown. */
const aboutToken: ReadonlySet<ErrorCode> = new Set(['api.unauthenticated', 'api.forbidden']);

/** RFC 9110 §15.6: who answers is in front of the service. */
const gatewayStatuses: ReadonlySet<number> = new Set([502, 503, 504]);

/** Characters of what the answer chose. */
const shownText = 200;

const isEvidence = (value: unknown): value is Evidence =>
  isRecord(value) && Object.values(value).every((one) => ['string', 'number', 'boolean'].includes(typeof one));

const isCode = (code: unknown): code is ErrorCode => typeof code === 'string' && Object.hasOwn(errorTable, code);

const notTheApi =
  'this is not the API of firstboot: give its address, http://127.0.0.1:20090 unless the service says another one';

const proxyAnswers =
  'a proxy answers in place of the service: is the service running, and does the proxy know its address?';

const cutOff = 'the answer was cut off or changed on its way: look at the proxy in between, if there is one';

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** Of a certificate for another name: those that it is for. */
function namesIn(error: unknown): string | undefined {
  const certificate = error instanceof Error && 'cert' in error ? error.cert : undefined;
  const names = isRecord(certificate) ? certificate.subjectaltname : undefined;
  return typeof names === 'string' ? names.slice(0, shownText) : undefined;
}

function fixFor(code: string): string {
  if (/CERT|ISSUER|SELF_SIGNED|UNABLE_TO/.test(code)) {
    if (code === 'ERR_TLS_CERT_ALTNAME_INVALID') return 'its certificate is for other names: use one of those';
    if (code === 'CERT_HAS_EXPIRED') return 'its certificate has expired: give it a new one';
    if (code === 'CERT_NOT_YET_VALID') return 'its certificate is not valid yet: check the clocks of both machines';
    return 'nobody known here vouches for its certificate: name its authority with --server-ca <file>';
  }
  if (code === 'ECONNREFUSED') return 'nobody listens there: is the service running, with its API on, at this port?';
  if (code === 'ENOTFOUND' || code === 'EAI_AGAIN') return 'there is no such host: check the name';
  if (code === 'EPROTO' || code.startsWith('ERR_SSL'))
    return 'it does not speak TLS there: try http://, or another port';
  if (code === 'ECONNRESET' || code === 'HPE_INVALID_CONSTANT')
    return 'it broke off: check http against https, and the log of the service';
  if (code === 'silence')
    return 'it takes too long: look at the log of the service, which may go on with what was asked';
  return 'check the address, and whether the service is running';
}
