import type { FastifyReply, FastifyRequest } from 'fastify';
import { describe, errorTable, type Refusal } from '../../core/errors.ts';
import type { Log } from '../../core/log.ts';
import { refusalOf } from '../problem.ts';

/** google.rpc.Status in JSON, as grpc-gateway answers. */
export function refuse(error: unknown, request: FastifyRequest, reply: FastifyReply, log: Log): FastifyReply {
  const refusal = refusalOf(error);
  const { http } = errorTable[refusal.code];
  if (http >= 500) log.error({ request: request.id, error }, 'a request for plgd could not be answered');
  const status = statusOf(refusal);
  if (http === 401) reply.header('www-authenticate', 'Bearer realm="firstboot"');
  return reply
    .code(httpOf(status.code))
    .header('content-type', 'application/json; charset=utf-8')
    .send(JSON.stringify(status));
}

/** Conflicts and what else the store refuses are InvalidArgument in plgd. */
export function statusOf(refusal: Refusal): { code: number; message: string; details: [] } {
  const { http, text } = errorTable[refusal.code];
  const code = codeOf[http] ?? (http < 500 ? 3 : 13);
  return { code, message: http >= 500 ? text : describe(refusal), details: [] };
}

const codeOf: Readonly<Record<number, number>> = { 401: 16, 403: 7, 404: 5, 429: 8, 503: 14 };

/** As grpc-gateway maps codes to HTTP. */
const httpOf = (code: number): number => ({ 3: 400, 5: 404, 7: 403, 8: 429, 14: 503, 16: 401 })[code] ?? 500;
