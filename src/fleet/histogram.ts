import type { Millis } from '../core/clock.ts';

/**
 * How often something took how long, in bins that grow by an eighth of a doubling each: from 1 ms to 4 days in 224 bins, none
 * wider than 9.1 %. It can be added up over processes, and holds no samples. JSON throughout.
 */
export type Histogram = readonly number[];

const bins = 224;
const perDoubling = 8;

/** The bin of a time. */
const binOf = (ms: Millis): number =>
  Math.min(bins - 1, Math.max(0, Math.ceil(perDoubling * Math.log2(Math.max(1, ms)))));

/** Largest time of a bin, ms. */
const mostOf = (bin: number): Millis => 2 ** (bin / perDoubling);

/** Counts in place; bins are made as they are needed. */
export function count(histogram: number[], ms: Millis): void {
  const bin = binOf(ms);
  while (histogram.length <= bin) histogram.push(0);
  histogram[bin] = (histogram[bin] ?? 0) + 1;
}

export function sum(a: Histogram, b: Histogram): Histogram {
  const [longer, shorter] = a.length >= b.length ? [a, b] : [b, a];
  return longer.map((counted, bin) => counted + (shorter[bin] ?? 0));
}

/** The time within which this share (0 to 1) were done, at most 9.1 % too long; undefined when nothing was counted. */
export function quantile(histogram: Histogram, share: number): Millis | undefined {
  const total = histogram.reduce((all, counted) => all + counted, 0);
  if (total === 0) return undefined;
  let below = 0;
  const bin = histogram.findIndex((counted) => {
    below += counted;
    return below >= share * total && counted > 0;
  });
  return mostOf(bin);
}
