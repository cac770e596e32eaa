import { FirstbootError, type Refusal } from '../core/errors.ts';
import type { Log, LogFields } from '../core/log.ts';

/**
 * What a device is told when its question ended in an exception: a fault of ours by its code, anything unexpected as
 * service.internal. The text of an unexpected error goes to the log and nowhere else.
 */
export function refusalOfFault(error: unknown, log: Log, fields: LogFields): Refusal {
  if (error instanceof FirstbootError) {
    const { code, evidence, fix } = error;
    log.warn({ ...fields, error }, 'a question could not be answered');
    return { code, evidence, fix };
  }
  log.error({ ...fields, error }, 'an unexpected error');
  return { code: 'service.internal', evidence: {}, fix: 'see the log of the service' };
}
