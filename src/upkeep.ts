import type { Millis, Timers } from './core/clock.ts';
import { InFlight } from './core/in-flight.ts';
import { limits } from './core/limits.ts';
import type { Log } from './core/log.ts';
import type { Store } from './store/store.ts';
import { Alarm } from './transport/alarm.ts';

export interface UpkeepDeps {
  readonly store: Store;
  readonly timers: Timers;
  readonly log: Log;
  /** Counts clean-ups that are under way. */
  readonly inFlight?: InFlight;
}

/** Removes what the store has kept for long enough: now, and then regularly. @returns ends it, when the last piece is done */
export function keepTidy({ store, timers, log, inFlight = new InFlight() }: UpkeepDeps): () => Promise<void> {
  let stopped = false;
  let last: Promise<void> = Promise.resolve();
  const clean = async (now: Millis): Promise<void> => {
    try {
      while (!stopped && (await store.prune(now)));
    } catch (error) {
      log.warn({ error }, 'old records could not be removed; this is tried again later');
    }
  };
  const alarm = new Alarm(timers, (now) => {
    last = inFlight.track(last.then(() => clean(now)));
    return now + limits.store.pruneInterval;
  });
  alarm.set(timers.now());
  return () => {
    stopped = true;
    alarm.stop();
    return last;
  };
}
