import fc from 'fast-check';
import { expect, test } from 'vitest';
import { count, quantile, sum } from '../../../src/fleet/histogram.ts';
import { mergeProgress } from '../../../src/fleet/progress.ts';

const of = (times: readonly number[]): number[] => {
  const histogram: number[] = [];
  for (const ms of times) count(histogram, ms);
  return histogram;
};
const times = fc.array(fc.double({ min: 0, max: 1e8, noNaN: true }), { minLength: 1, maxLength: 200 });

test('a quantile is never too short, and at most a tenth too long', () => {
  fc.assert(
    fc.property(times, fc.constantFrom(0.5, 0.95, 0.99, 1), (all, share) => {
      const sorted = all.toSorted((a, b) => a - b);
      const exact = sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? 0;
      const estimate = quantile(of(all), share) ?? Number.NaN;
      expect(estimate).toBeGreaterThanOrEqual(exact * (1 - 1e-9));
      expect(estimate).toBeLessThanOrEqual(Math.max(1, exact) * 1.0906);
    }),
    { seed: 1 },
  );
});

test('two are added up as if they had been one', () => {
  fc.assert(
    fc.property(times, times, (a, b) => {
      expect(sum(of(a), of(b))).toEqual(of([...a, ...b]));
    }),
    { seed: 1 },
  );
});

test('of nothing there is no quantile, and what takes for ever is in the last bin', () => {
  expect(quantile([], 0.5)).toBeUndefined();
  expect(of([1e300])).toHaveLength(224);
});

test('the progress of two processes is that of one fleet, as far as the slower one is', () => {
  const one = {
    at: 5000,
    devices: 10,
    booted: 8,
    arrived: 3,
    failures: 2,
    steps: { time: of([10]) },
    reasons: { a: 2 },
  };
  const other = { at: 4000, devices: 11, booted: 9, arrived: 4, failures: 3, provisioned: 5, reasons: { a: 1, b: 2 } };
  expect(mergeProgress([one, other])).toEqual({
    at: 4000,
    devices: 21,
    booted: 17,
    arrived: 7,
    failures: 5,
    provisioned: 5,
    steps: { time: of([10]) },
    reasons: { a: 3, b: 2 },
  });
});
