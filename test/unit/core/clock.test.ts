import { expect, test } from 'vitest';
import { ManualTimers } from '../../../src/core/clock.ts';

test('timers fire in order of time, each at its own time', () => {
  const timers = new ManualTimers(1000);
  const seen: string[] = [];
  timers.schedule(1030, () => seen.push(`c ${timers.now()}`));
  timers.schedule(1010, () => seen.push(`a ${timers.now()}`));
  timers.schedule(1010, () => seen.push(`b ${timers.now()}`));
  timers.advanceTo(1025);
  expect(seen).toEqual(['a 1010', 'b 1010']);
  expect(timers.now()).toBe(1025);
  expect(timers.next()).toBe(1030);
});

test('a timer set by a timer fires within the same advance', () => {
  const timers = new ManualTimers(0);
  const seen: number[] = [];
  timers.schedule(5, () => timers.schedule(7, () => seen.push(timers.now())));
  timers.advanceTo(10);
  expect(seen).toEqual([7]);
});

test('a cancelled timer stays silent, and time never goes back', () => {
  const timers = new ManualTimers(50);
  const cancel = timers.schedule(60, () => expect.fail('was cancelled'));
  cancel();
  timers.advanceTo(70);
  timers.advanceTo(10);
  expect(timers.now()).toBe(70);
});
