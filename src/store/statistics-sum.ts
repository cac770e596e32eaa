import type { ErrorCode } from '../core/errors.ts';
import type { Stage, Statistics, Verdict } from './model.ts';

/** What statistics count, of whatever slot and owner. */
export type Counted = Omit<Statistics, 'slot' | 'ownerId'>;

/** The same while it grows. */
export interface GrowingCounts {
  readonly verdicts: Partial<Record<Verdict, number>>;
  readonly codes: Partial<Record<ErrorCode, number>>;
  bytesIn: number;
  bytesOut: number;
  readonly stages: Partial<Record<Stage | 'handshake', number[]>>;
  readonly runs: number[];
}

/** The counts of both. */
export const addedUp = (a: Counted, b: Counted): GrowingCounts => ({
  verdicts: byName(a.verdicts, b.verdicts, plus),
  codes: byName(a.codes, b.codes, plus),
  bytesIn: a.bytesIn + b.bytesIn,
  bytesOut: a.bytesOut + b.bytesOut,
  stages: byName(a.stages, b.stages, columns),
  runs: columns(a.runs, b.runs),
});

const plus = (a = 0, b = 0): number => a + b;

/** The longer one decides how many there are. */
const columns = (a: readonly number[] = [], b: readonly number[] = []): number[] =>
  Array.from({ length: Math.max(a.length, b.length) }, (_, k) => (a[k] ?? 0) + (b[k] ?? 0));

function byName<K extends string, T, Sum>(
  a: Readonly<Partial<Record<K, T>>>,
  b: Readonly<Partial<Record<K, T>>>,
  add: (a: T | undefined, b: T | undefined) => Sum,
): Partial<Record<K, Sum>> {
  const names = [...new Set([...Object.keys(a), ...Object.keys(b)])] as K[];
  return Object.fromEntries(names.map((name) => [name, add(a[name], b[name])])) as Partial<Record<K, Sum>>;
}
