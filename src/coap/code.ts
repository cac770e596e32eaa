import type { Method } from './endpoint.ts';

/**
 * Message codes (RFC 7252 §12.1, RFC 7959 §6, RFC 8132 §6, RFC 8323 §11.1). Inside firstboot a code is the number
 * class * 100 + detail: 205 for 2.05, 1 for 0.01 (GET), 701 for 7.01 (CSM). On the wire it is one byte, class << 5 | detail.
 */
const names: Readonly<Record<number, string>> = {
  0: 'Empty',
  1: 'GET',
  2: 'POST',
  3: 'PUT',
  4: 'DELETE',
  5: 'FETCH',
  6: 'PATCH',
  7: 'iPATCH',
  201: 'Created',
  202: 'Deleted',
  203: 'Valid',
  204: 'Changed',
  205: 'Content',
  231: 'Continue',
  400: 'Bad Request',
  401: 'Unauthorized',
  402: 'Bad Option',
  403: 'Forbidden',
  404: 'Not Found',
  405: 'Method Not Allowed',
  406: 'Not Acceptable',
  408: 'Request Entity Incomplete',
  409: 'Conflict',
  412: 'Precondition Failed',
  413: 'Request Entity Too Large',
  415: 'Unsupported Content-Format',
  422: 'Unprocessable Entity',
  429: 'Too Many Requests',
  500: 'Internal Server Error',
  501: 'Not Implemented',
  502: 'Bad Gateway',
  503: 'Service Unavailable',
  504: 'Gateway Timeout',
  505: 'Proxying Not Supported',
  701: 'CSM',
  702: 'Ping',
  703: 'Pong',
  704: 'Release',
  705: 'Abort',
};

/** Codes that this layer itself sends or looks for. */
export const code = {
  empty: 0,
  continue: 231,
  badRequest: 400,
  badOption: 402,
  notFound: 404,
  methodNotAllowed: 405,
  requestEntityIncomplete: 408,
  requestEntityTooLarge: 413,
  internalServerError: 500,
  serviceUnavailable: 503,
  proxyingNotSupported: 505,
  csm: 701,
  ping: 702,
  pong: 703,
  release: 704,
  abort: 705,
} as const;

const methods: readonly (Method | undefined)[] = [
  undefined,
  'GET',
  'POST',
  'PUT',
  'DELETE',
  'FETCH',
  'PATCH',
  'iPATCH',
];

/** The method of a request code, or undefined when it is none that we know. */
export const methodOf = (requestCode: number): Method | undefined => methods[requestCode];

export const codeOf = (method: Method): number => methods.indexOf(method);

/** What a code is about: a response of class 2, 4 or 5; `reserved` classes are 1, 3 and 6. */
export type CodeKind = 'empty' | 'request' | 'response' | 'signal' | 'reserved';

const kindOfClass: readonly CodeKind[] = [
  'request',
  'reserved',
  'response',
  'reserved',
  'response',
  'response',
  'reserved',
  'signal',
];

export const kindOf = (value: number): CodeKind =>
  value === code.empty ? 'empty' : (kindOfClass[Math.floor(value / 100)] ?? 'reserved');

/** Whether a response code says success (class 2). */
export const isSuccess = (value: number): boolean => value >= 200 && value < 300;

export const codeFromByte = (byte: number): number => (byte >> 5) * 100 + (byte & 0x1f);

export const codeToByte = (value: number): number => (Math.floor(value / 100) << 5) | (value % 100);

/** For people: `4.04 Not Found`, `GET`, `2.29` when it has no name. */
export function describeCode(value: number): string {
  const name = names[value];
  if (value < 100 && name !== undefined) return name;
  const dotted = `${Math.floor(value / 100)}.${String(value % 100).padStart(2, '0')}`;
  return name === undefined ? dotted : `${dotted} ${name}`;
}
