import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { FirstbootError, failure } from '../core/errors.ts';
import type { Log } from '../core/log.ts';
import { problemOf, problemType } from './problem.ts';

/** What every answer says to browsers: keep nothing, guess nothing, frame nothing. */
export const securityHeaders = {
  'cache-control': 'no-store',
  'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
} as const;

/** Every error becomes a problem document; what nobody expected goes to the log, and nothing of it to the caller. */
export function answerErrors(
  server: FastifyInstance,
  { log, insider }: { readonly log: Log; readonly insider: (request: FastifyRequest) => boolean },
): void {
  server.setErrorHandler((error, request, reply) => {
    sendProblem(error, request, reply, insider(request));
    const { statusCode } = reply;
    if (statusCode < 500) return reply;
    const line = { request: request.id, method: request.method, route: request.routeOptions.url, error };
    if (error instanceof FirstbootError) log.warn(line, 'a request could not be answered');
    else log.error(line, 'an unexpected error of the API');
    return reply;
  });
}

function sendProblem(error: unknown, request: FastifyRequest, reply: FastifyReply, insider: boolean): FastifyReply {
  const problem = problemOf(error, { instance: request.id, insider });
  if (problem.status === 401) reply.header('www-authenticate', challengeFor(request));
  if (problem.code === 'api.too-many' || problem.code === 'service.busy') reply.header('retry-after', '5');
  // The rest of a body that is not wanted is not waited for.
  if (problem.status === 413) reply.header('connection', 'close');
  return reply.code(problem.status).header('content-type', problemType).send(JSON.stringify(problem));
}

/** RFC 6750 §3: the error is named only to who has sent a token. */
const challengeFor = ({ headers }: FastifyRequest): string =>
  headers.authorization === undefined ? 'Bearer realm="firstboot"' : 'Bearer realm="firstboot", error="invalid_token"';

/** @param allowed methods that the path knows; none: there is no such path */
export function refusePath(request: FastifyRequest, reply: FastifyReply, allowed: readonly string[]): FastifyReply {
  if (allowed.length === 0) {
    const fix = 'GET /api/v1/openapi.json describes all paths';
    return sendProblem(failure('request.unknown-path', {}, fix), request, reply, false);
  }
  reply.header('allow', allowed.join(', '));
  const error = failure('request.method', { method: request.method }, `use ${allowed.join(' or ')}`);
  return sendProblem(error, request, reply, false);
}

export function refuseUrl(error: unknown, request: FastifyRequest, reply: FastifyReply): void {
  reply.headers({ ...securityHeaders, 'x-request-id': request.id });
  sendProblem(error, request, reply, false);
}
