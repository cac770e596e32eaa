import { describe, expect, it } from 'vitest';
import { days, ManualTimers, seconds } from '../../../src/core/clock.ts';
import { skewedTimers } from '../../../src/fleet/skewed-clock.ts';

const start = Date.UTC(2026, 5, 1, 12);

describe("a device's clock", () => {
  it('that is right is the clock of the run itself', () => {
    const timers = new ManualTimers(start);
    expect(skewedTimers(timers, { shows: 'right', drift: 0 })).toBe(timers);
  });

  it('of 1970 goes on from there and wakes at its own times', () => {
    const timers = new ManualTimers(start);
    const clock = skewedTimers(timers, { shows: 0, drift: 0 });
    const woken: number[] = [];
    clock.schedule(seconds(5), () => woken.push(timers.now() - start));
    timers.advanceTo(start + seconds(7));
    expect(clock.now()).toBe(seconds(7));
    expect(woken).toEqual([seconds(5)]);
  });

  it.each([25, -25, 333.3, -900])('that gains %d ms a second never wakes before its time, nor much after', (drift) => {
    const timers = new ManualTimers(start);
    const clock = skewedTimers(timers, { shows: start + days(3650), drift });
    timers.advanceTo(start + 12_345);
    expect((clock.now() - days(3650) - start) / 12_345).toBeCloseTo(1 + drift / 1000, 2);
    for (const after of [0, 1, 7, 999, 10_001]) {
      const at = clock.now() + after;
      let seen: number | undefined;
      clock.schedule(at, () => {
        seen = clock.now();
      });
      timers.advanceTo(timers.now() + 200_000);
      expect(seen).toBeGreaterThanOrEqual(at);
      expect(seen).toBeLessThanOrEqual(at + 2);
    }
  });

  it('that loses more than a second a second is kept from standing still', () => {
    const timers = new ManualTimers(start);
    const clock = skewedTimers(timers, { shows: 'right', drift: -2000 });
    timers.advanceTo(start + seconds(100));
    expect(clock.now()).toBe(start + seconds(1));
  });
});
