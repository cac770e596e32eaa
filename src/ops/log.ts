import { pino } from 'pino';
import { terminalJson } from '../core/json.ts';
import type { Log } from '../core/log.ts';

export const logLevels = ['silent', 'error', 'warn', 'info', 'debug'] as const;
export type LogLevel = (typeof logLevels)[number];

/**
 * The service's log: one JSON object a line on standard error, so that standard output stays the command's own.
 * Secrets redact themselves by type (core/secret.ts), not by the name of the field.
 */
export function createLog(level: LogLevel): Log {
  const destination = pino.destination({ fd: 2, sync: false });
  const timestamp = pino.stdTimeFunctions.isoTime;
  const log = pino({ level, base: null, timestamp, hooks: { streamWrite: terminalJson } }, destination);
  return {
    debug: (fields, text) => log.debug(fields, text),
    info: (fields, text) => log.info(fields, text),
    warn: (fields, text) => log.warn(fields, text),
    error: (fields, text) => log.error(fields, text),
  };
}
