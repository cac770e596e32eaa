import { days, type Millis } from '../core/clock.ts';
import { failure } from '../core/errors.ts';
import type { Uuid } from '../core/ids.ts';
import { limits } from '../core/limits.ts';
import type { Statistics } from '../store/model.ts';
import { addedUp } from '../store/statistics-sum.ts';
import type { Store } from '../store/store.ts';

export interface StatisticsQuestion {
  readonly since: Millis;
  /** Exclusive. */
  readonly until: Millis;
  /** ms, a multiple of limits.store.statisticsSlot. */
  readonly step: Millis;
  /** Of this owner only; undefined: of everybody. */
  readonly ownerId?: Uuid | undefined;
}

/** What ended in `step` ms from `at` on. */
export type StatisticsSlot = Omit<Statistics, 'slot' | 'ownerId'> & { readonly at: Millis };

export interface StatisticsView {
  readonly step: Millis;
  /** In order; those without anything are left out. */
  readonly slots: readonly StatisticsSlot[];
  /** Upper bounds, ms, of the counts of stages and runs; the last count is of what took longer. */
  readonly bounds: { readonly stages: readonly Millis[]; readonly runs: readonly Millis[] };
}

/**
 * Statistics added up over owners and time; slots begin at multiples of `step`.
 * @throws FirstbootError operator.input (the step is no multiple; too many slots)
 */
export async function viewStatistics(
  store: Pick<Store, 'statistics'>,
  { since, until, step, ownerId }: StatisticsQuestion,
): Promise<StatisticsView> {
  const { statisticsSlot, statisticsAge, stageBounds, runBounds } = limits.store;
  if (step < statisticsSlot || step > statisticsAge || step % statisticsSlot !== 0) {
    throw failure('operator.input', { field: 'step', step }, `ask for a multiple of ${statisticsSlot} ms`);
  }
  const from = Math.floor(Math.max(since, until - statisticsAge - step) / step) * step;
  const asked = Math.ceil((until - from) / step);
  if (asked > limits.statistics.answered) {
    const fix = `ask for ${limits.statistics.answered} slots at most: a longer step, or less time`;
    throw failure('operator.input', { field: 'step', slots: asked }, fix);
  }
  const sums = new Map<Millis, Statistics>();
  // A day at a time: there may be many owners.
  for (let begin = from; begin < until; begin += days(1)) {
    const range = { since: begin, until: Math.min(begin + days(1), until), ...(ownerId !== undefined && { ownerId }) };
    for (const row of await store.statistics(range)) {
      const at = Math.floor(row.slot / step) * step;
      const sum = sums.get(at);
      sums.set(at, sum ? { ...sum, ...addedUp(sum, row) } : row);
    }
  }
  const slots = [...sums].map(([at, { slot: _, ownerId: _owner, ...sum }]) => ({ at, ...sum }));
  return { step, slots, bounds: { stages: stageBounds, runs: runBounds } };
}
