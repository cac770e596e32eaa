import type { Millis, Timers } from '../core/clock.ts';
import type { ClockFault } from './scenario.ts';

/** The same timers as a device sees them whose clock is wrong or does not keep time. It is set at the moment of this call. */
export function skewedTimers(timers: Timers, { shows, drift }: ClockFault): Timers {
  if (shows === 'right' && drift === 0) return timers;
  const began = timers.now();
  const shown = shows === 'right' ? began : shows;
  // A clock that stands still would never wake anybody.
  const rate = Math.max(slowest, 1 + drift / 1000);
  const timeAt = (at: Millis): Millis => Math.floor(shown + (at - began) * rate);
  return {
    now: () => timeAt(timers.now()),
    schedule(at, wake) {
      let due = Math.ceil(began + (at - shown) / rate);
      // Rounding must not wake anybody too early: it would ask for the same moment again and again.
      while (timeAt(due) < at) due++;
      return timers.schedule(due, wake);
    },
  };
}

const slowest = 0.01;
