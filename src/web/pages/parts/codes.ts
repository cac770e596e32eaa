import { type ErrorCode, errorTable } from '../../../core/errors.ts';

/** What a code means, in the words that a peer hears; the code itself when this dashboard is older than the service. */
export const codeText = (code: string): string =>
  Object.hasOwn(errorTable, code) ? errorTable[code as ErrorCode].text : code;

/** All codes that an attempt can end with, for a filter. */
export const attemptCodes: readonly string[] = Object.keys(errorTable).filter((code) =>
  /^(attest|match|admit|bind|csr|issue|configure|confirm|session|request|service)\./.test(code),
);
