import { expect, test } from 'vitest';
import { ManualTimers } from '../../../src/core/clock.ts';
import { randomUint32, seededRandom } from '../../../src/core/random.ts';

test('ten thousand timers fire in order of time, then of scheduling, whatever was cancelled in between', () => {
  const timers = new ManualTimers(0);
  const random = seededRandom(3);
  const fired: { readonly at: number; readonly id: number }[] = [];
  const expected: { readonly at: number; readonly id: number }[] = [];
  for (let id = 0; id < 10_000; id++) {
    const at = randomUint32(random) % 500;
    const cancel = timers.schedule(at, () => fired.push({ at: timers.now(), id }));
    if (randomUint32(random) % 3 === 0) cancel();
    else expected.push({ at, id });
  }
  expected.sort((a, b) => a.at - b.at || a.id - b.id);
  timers.advanceTo(500);
  expect(fired).toEqual(expected);
});

test('cancelled timers do not pile up', () => {
  const timers = new ManualTimers(0);
  const waiting = Array.from({ length: 100 }, (_, n) => timers.schedule(1000 + n, () => undefined));
  for (let n = 0; n < 100_000; n++) {
    timers.schedule(10_000 + n, () => undefined)();
    expect(timers.held).toBeLessThanOrEqual(2 * waiting.length + 130);
  }
  for (const cancel of waiting) cancel();
  expect(timers.next()).toBeUndefined();
  expect(timers.held).toBe(0);
});

test('a timer that has fired cannot be cancelled any more, and is not counted as cancelled', () => {
  const timers = new ManualTimers(0);
  const cancels = Array.from({ length: 1000 }, () => timers.schedule(1, () => undefined));
  timers.advanceTo(1);
  const seen: number[] = [];
  timers.schedule(2, () => seen.push(2));
  for (const cancel of cancels) cancel();
  timers.advanceTo(2);
  expect(seen).toEqual([2]);
});

test('a timer that cancels another one due at the same moment is obeyed', () => {
  const timers = new ManualTimers(0);
  const seen: string[] = [];
  timers.schedule(5, () => cancel());
  const cancel = timers.schedule(5, () => seen.push('cancelled'));
  timers.schedule(5, () => seen.push('kept'));
  timers.advanceTo(5);
  expect(seen).toEqual(['kept']);
});

test('of fifty thousand timers, the half that is not cancelled fires', () => {
  const timers = new ManualTimers(0);
  let fired = 0;
  for (let n = 0; n < 50_000; n++) {
    const cancel = timers.schedule(n % 977, () => {
      fired += 1;
    });
    if (n % 2 === 0) cancel();
  }
  timers.advanceTo(1000);
  expect(fired).toBe(25_000);
});

test('a burst stops after so many timers, at the time of the last one', () => {
  const timers = new ManualTimers(0);
  const fired: number[] = [];
  for (let at = 1; at <= 5; at++) timers.schedule(at, () => fired.push(at));
  timers.advanceTo(10, 3);
  expect([fired.length, timers.now()]).toEqual([3, 3]);
  timers.advanceTo(10, 3);
  expect([fired.length, timers.now()]).toEqual([5, 10]);
});
