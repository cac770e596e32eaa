import { expect, it } from 'vitest';
import { minutes, seconds } from '../../../src/core/clock.ts';
import { renewalDelay } from '../../../src/device/renewal.ts';

it.each([
  [5, 0],
  [30, 10],
  [65, 60],
  [170, 60],
  [350, 120],
  [400, 266],
  [7200, 4800],
])('a certificate with %i s left is renewed in %i s', (left, expected) => {
  expect(Math.floor(renewalDelay(seconds(left), seconds(10)) / 1000)).toBe(expected);
});

it('a certificate that is expiring already is renewed at once', () => {
  expect(renewalDelay(minutes(59), minutes(60))).toBe(0);
  expect(renewalDelay(-1, minutes(60))).toBe(0);
});
