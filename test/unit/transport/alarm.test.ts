import { expect, test } from 'vitest';
import { ManualTimers } from '../../../src/core/clock.ts';
import { Alarm } from '../../../src/transport/alarm.ts';

test('a deadline that moves later makes no new timer; one that moves earlier does', () => {
  const timers = new ManualTimers(0);
  const rung: number[] = [];
  const alarm = new Alarm(timers, (now) => {
    rung.push(now);
    return now < 30 ? 30 : undefined;
  });
  alarm.set(10);
  alarm.set(20);
  expect(timers.next()).toBe(10);
  alarm.set(5);
  expect(timers.next()).toBe(5);
  timers.advanceTo(100);
  expect(rung).toEqual([5, 30]);
});

test('a stopped alarm does not ring', () => {
  const timers = new ManualTimers(0);
  const alarm = new Alarm(timers, () => expect.fail('rang'));
  alarm.set(10);
  alarm.stop();
  timers.advanceTo(20);
  expect(timers.next()).toBeUndefined();
});
