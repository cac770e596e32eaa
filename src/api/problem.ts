import { describe, type ErrorCode, type Evidence, errorTable, FirstbootError, type Refusal } from '../core/errors.ts';

/** RFC 9457, with what every refusal of this house says. */
export interface Problem {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly detail?: string;
  readonly code: ErrorCode;
  readonly evidence: Evidence;
  readonly fix: string;
  /** Id of the request, as in the log and in the answer's x-request-id. */
  readonly instance: string;
}

export const problemType = 'application/problem+json';

/**
 * What a caller is told of an error. Of what went wrong inside nothing but that it did, unless the caller runs the service:
 * such evidence names files and addresses of the machine.
 */
export function problemOf(
  error: unknown,
  { instance, insider }: { readonly instance: string; readonly insider: boolean },
): Problem {
  const refusal = refusalOf(error);
  const { code } = refusal;
  const { http: status, text: title } = errorTable[code];
  const told = code !== 'service.internal' && (insider || !isInside(code));
  return {
    type: `urn:firstboot:error:${code}`,
    title,
    status,
    ...(told && { detail: describe(refusal) }),
    code,
    evidence: told ? refusal.evidence : {},
    fix: told ? refusal.fix : '',
    instance,
  };
}

/** What went wrong, in the words of the table; an error that nobody expected is service.internal. */
export function refusalOf(error: unknown): Refusal {
  if (error instanceof FirstbootError) return error;
  const { statusCode = 500 } = error instanceof Error ? (error as Error & { readonly statusCode?: number }) : {};
  switch (statusCode) {
    case 413:
      return { code: 'request.too-large', evidence: {}, fix: 'send less at a time' };
    case 415:
      return {
        code: 'request.content-format',
        evidence: {},
        fix: 'send the media type that the API description names',
      };
    case 503:
      return { code: 'service.busy', evidence: {}, fix: 'try again' };
    default:
      return statusCode < 500
        ? { code: 'request.malformed', evidence: {}, fix: 'send a request of the form that the API description gives' }
        : { code: 'service.internal', evidence: {}, fix: '' };
  }
}

const isInside = (code: ErrorCode): boolean => code.startsWith('service.') && code !== 'service.busy';
