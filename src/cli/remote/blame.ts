import { FirstbootError, failure } from '../../core/errors.ts';
import { isRecord } from '../../core/json.ts';
import type { ApiClient } from './client.ts';

/**
 * What an error is that came while a service was asked. One that nobody expected comes of an answer that is not what the API
 * says, or it is ours: the answers are held against the API's schemas. Those are slow to load, so not before there is such an
 * error. What the two do not understand of each other may come of their versions: then the error says so.
 * @returns api.unreachable that says what was wrong where, or the error itself
 */
export async function blamed(error: unknown, client: ApiClient): Promise<unknown> {
  const refusal = error instanceof FirstbootError ? error : await oddAnswer(error, client);
  return refusal !== undefined && misunderstood(refusal) ? withVersions(refusal, client) : (refusal ?? error);
}

async function oddAnswer(error: unknown, { origin, answers }: ApiClient): Promise<FirstbootError | undefined> {
  if (answers.length === 0) return undefined;
  const [{ routes }, { fitsPath }, { schemaFaults }] = await Promise.all([
    import('../../api/routes/index.ts'),
    import('../../api/paths.ts'),
    import('../../codec/schema-faults.ts'),
  ]);
  for (const { method, path, value } of answers) {
    const answer = routes.find((route) => route.method === method && fitsPath(route, path))?.answer;
    const [fault] = answer === undefined ? [] : schemaFaults(answer, value);
    if (!fault) continue;
    const at = ['answer', ...fault.keys].join('.').slice(0, shownPlace);
    const fix = 'the answer is none of this API: check that this is firstboot, and of the version of this command';
    return failure('api.unreachable', { url: origin, path, at, fault: fault.expected }, fix, error);
  }
  return undefined;
}

const misunderstood = ({ code, evidence }: FirstbootError): boolean =>
  ['request.unknown-path', 'request.malformed'].includes(code) ||
  (code === 'api.unreachable' && (evidence.at !== undefined || evidence.refusal !== undefined));

/** The same, when the service is of another version than this command. */
async function withVersions(error: FirstbootError, { origin, ask }: ApiClient): Promise<FirstbootError> {
  const [{ version }, described] = await Promise.all([
    import('../../version.ts'),
    ask<unknown>('/openapi.json').catch(() => undefined),
  ]);
  const info = isRecord(described) ? described.info : undefined;
  const service = isRecord(info) ? info.version : undefined;
  if (typeof service !== 'string' || service === version) return error;
  const evidence = { ...error.evidence, url: origin, service: service.slice(0, shownPlace), command: version };
  const other = 'the service is of another version: use the command of its version';
  return failure(error.code, evidence, error.code === 'request.malformed' ? `${error.fix}; or ${other}` : other, error);
}

/** Of a path that the answer chose. */
const shownPlace = 200;
