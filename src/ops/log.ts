import { type DestinationStream, pino } from 'pino';
import { FirstbootError } from '../core/errors.ts';
import { terminalJson } from '../core/json.ts';
import type { Log } from '../core/log.ts';

export const logLevels = ['silent', 'error', 'warn', 'info', 'debug'] as const;
export type LogLevel = (typeof logLevels)[number];

/**
 * The service's log: one JSON object a line, on standard error, so that standard output stays the command's own.
 * Secrets redact themselves by type (core/secret.ts), not by the name of the field.
 */
export function createLog(
  level: LogLevel,
  destination: DestinationStream = pino.destination({ fd: 2, sync: false }),
): Log {
  const timestamp = pino.stdTimeFunctions.isoTime;
  const serializers = { error: (error: unknown) => errorFields(error, 3) };
  const log = pino({ level, base: null, timestamp, serializers, hooks: { streamWrite: terminalJson } }, destination);
  return {
    debug: (fields, text) => log.debug(fields, text),
    info: (fields, text) => log.info(fields, text),
    warn: (fields, text) => log.warn(fields, text),
    error: (fields, text) => log.error(fields, text),
  };
}

/** An error as a line tells it, with so many causes: JSON by itself shows nothing of one. */
function errorFields(error: unknown, causes: number): unknown {
  if (!(error instanceof Error)) return error;
  const cause = causes > 0 && error.cause !== undefined ? { cause: errorFields(error.cause, causes - 1) } : {};
  if (error instanceof FirstbootError) {
    const { code, evidence, fix } = error;
    return { code, evidence, fix, ...cause };
  }
  const { name, message, stack = '', code } = error as NodeJS.ErrnoException;
  // What cannot be parsed is quoted in the message, and may have been a token.
  const text = error instanceof SyntaxError ? {} : { message };
  const at = stack.split('\n').filter((line) => /^ {4}at /.test(line));
  return { name, ...text, ...(code !== undefined && { code }), at: at.map((line) => line.trim()), ...cause };
}
