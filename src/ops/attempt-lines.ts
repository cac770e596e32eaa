import { uuidV7Time } from '../core/ids.ts';
import type { Log } from '../core/log.ts';
import type { EntryListener } from '../provision/ports.ts';

/** Puts every attempt into the log: a line as it ends, and at level debug one for each stage. All carry its id. */
export const logAttempts =
  (log: Log): EntryListener =>
  (attemptId, entry, device) => {
    if (entry.type === 'stage') {
      const { stage, result, refusal } = entry;
      log.debug({ attemptId, stage, result, code: refusal?.code, keyId: device?.keyId }, 'a stage has decided');
    }
    if (entry.type !== 'closed') return;
    const { verdict, refusal, groupId, at } = entry;
    const keyId = device?.keyId ?? refusal?.evidence.keyId;
    log.info(
      { attemptId, verdict, code: refusal?.code, keyId, groupId, ms: at - uuidV7Time(attemptId) },
      'an attempt ended',
    );
  };
