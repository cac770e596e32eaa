import { FirstbootError, failure } from '../../core/errors.ts';
import type { ApiClient } from './client.ts';

/**
 * What an error is that came while the answers of a service were worked on. One that nobody expected comes of an answer that
 * is not what the API says, or it is ours: the answers are held against the API's schemas. Those are slow to load, so not
 * before there is such an error.
 * @returns api.unreachable that says what was wrong where, or the error itself
 */
export async function blamed(error: unknown, { origin, answers }: ApiClient): Promise<unknown> {
  if (error instanceof FirstbootError || answers.length === 0) return error;
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
  return error;
}

/** Of a path that the answer chose. */
const shownPlace = 200;
