import type { Millis, Timers } from './core/clock.ts';

export interface DrainDeps {
  /** Sessions that are open, and attempts that have not ended. */
  readonly sessions: () => number;
  readonly attempts: () => number;
  readonly timers: Timers;
  /** How long they have. */
  readonly within: Millis;
}

/**
 * Waits until nobody is in the middle of something: no attempt is open that has a session, or the time is up. Who is to get
 * nothing new has to be refused before that.
 * @returns attempts that were open at the end
 */
export async function drained({ sessions, attempts, timers, within }: DrainDeps): Promise<number> {
  const until = timers.now() + within;
  while (sessions() > 0 && attempts() > 0 && timers.now() < until) {
    await new Promise<void>((resolve) => timers.schedule(Math.min(until, timers.now() + look), resolve));
  }
  return attempts();
}

/** How often it is looked, ms. */
const look = 100;
