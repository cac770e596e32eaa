import { utf8 } from '../core/bytes.ts';
import {
  type Decision,
  decided,
  type ErrorCode,
  errorTable,
  FirstbootError,
  type Refusal,
  refused,
} from '../core/errors.ts';
import type { IncomingRequest, Method, OutgoingResponse } from './endpoint.ts';

/** One line of a table of resources. `Handler` is whatever the owner of the table calls. */
export interface Route<Handler> {
  readonly method: Method;
  /** Absolute, e.g. `/x.plgd.dev/time`. */
  readonly path: string;
  readonly handler: Handler;
}

export interface Router<Handler> {
  /** The handler of a request; refused with 4.04 for an unknown path, 4.05 for a known path with another method. */
  find(request: Pick<IncomingRequest, 'method' | 'path'>): Decision<Handler>;
}

/** @throws RangeError when a method and path are given twice: our own fault. */
export function createRouter<Handler>(routes: readonly Route<Handler>[]): Router<Handler> {
  const resources = new Map<string, Map<Method, Handler>>();
  for (const { method, path, handler } of routes) {
    const resource = resources.get(path) ?? new Map<Method, Handler>();
    if (resource.has(method)) throw new RangeError(`${method} ${path} has two handlers`);
    resources.set(path, resource.set(method, handler));
  }
  return {
    find({ method, path }) {
      const name = formatPath(path);
      // A segment with a slash in it would read like two.
      const resource = path.some((segment) => segment.includes('/')) ? undefined : resources.get(name);
      if (resource === undefined) {
        const known = [...resources.keys()].join(' ');
        return refused('request.unknown-path', { path: name.slice(0, 200) }, `the paths are ${known}`);
      }
      const handler = resource.get(method);
      if (handler !== undefined) return decided(handler);
      return refused('request.method', { method, path: name }, `use ${[...resource.keys()].join(' or ')}`);
    },
  };
}

/** `['a', 'b']` as `/a/b`. */
const formatPath = (path: readonly string[]): string => `/${path.join('/')}`;

/**
 * The response to a refusal or to anything that was thrown: the code and the public text of the error table, as a
 * diagnostic payload without Content-Format (RFC 7252 §5.5.2; the reference device closes the session on an error that has
 * one). What an unexpected error says never leaves the process: it is 5.00 `internal error`.
 */
export function errorResponse(problem: unknown): OutgoingResponse {
  const { coap, text } = errorTable[errorCodeOf(problem)];
  return { code: coap, payload: utf8(text) };
}

/** The response to a request that carries a fault (IncomingRequest.fault). */
export const faultResponse = (fault: { readonly code: number; readonly text: string }): OutgoingResponse => ({
  code: fault.code,
  payload: utf8(fault.text),
});

function errorCodeOf(problem: unknown): ErrorCode {
  if (problem instanceof FirstbootError || isRefusal(problem)) return problem.code;
  return 'service.internal';
}

const isRefusal = (problem: unknown): problem is Refusal =>
  typeof problem === 'object' &&
  problem !== null &&
  'code' in problem &&
  typeof problem.code === 'string' &&
  Object.hasOwn(errorTable, problem.code) &&
  'evidence' in problem;
