import { describe, expect, it } from 'vitest';
import { ManualTimers, type Millis, type Timers } from '../../../src/core/clock.ts';
import { randomFraction, seededRandom } from '../../../src/core/random.ts';
import { OrderedTimers } from '../../../src/fleet/ordered-timers.ts';

/** As the machine's are: each timer goes off up to 2 ms late, whatever its neighbours do. */
function sloppy(timers: ManualTimers): Timers {
  const random = seededRandom(1);
  return {
    now: () => Math.floor(timers.now()),
    schedule: (at: Millis, wake: () => void) => timers.schedule(at + 2 * randomFraction(random), wake),
  };
}

const wakes = (timers: Timers, manual: ManualTimers): number[] => {
  const woken: number[] = [];
  for (let k = 0; k < 200; k++) timers.schedule(100 + k * 0.1, () => woken.push(k));
  manual.advanceTo(1000);
  return woken;
};

const inOrder = Array.from({ length: 200 }, (_, k) => k);

describe('ordered timers', () => {
  it('go off in the order of their times, where those below them do not', () => {
    const manual = new ManualTimers(0);
    expect(wakes(sloppy(manual), manual)).not.toEqual(inOrder);
    const other = new ManualTimers(0);
    expect(wakes(new OrderedTimers(sloppy(other)), other)).toEqual(inOrder);
  });

  it('keep the order of scheduling for one time, can be cancelled, and take an earlier one that comes later', () => {
    const manual = new ManualTimers(0);
    const timers = new OrderedTimers(manual);
    const woken: string[] = [];
    timers.schedule(50, () => woken.push('a'));
    timers.schedule(50, () => woken.push('b'));
    timers.schedule(50, () => woken.push('never'))();
    timers.schedule(10, () => {
      woken.push('first');
      timers.schedule(20, () => woken.push('from inside'));
    });
    manual.advanceTo(60);
    expect(woken).toEqual(['first', 'from inside', 'a', 'b']);
  });
});
