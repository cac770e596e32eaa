const minute = 60_000;
const hour = 60 * minute;
const day = 24 * hour;

export interface Span {
  readonly value: string;
  readonly label: string;
  /** ms, how far back, and how much one slot adds up. */
  readonly length: number;
  readonly step: number;
}

/** What one can look back on, the standard one first. */
export const spans: readonly [Span, ...Span[]] = [
  { value: '24h', label: '24 hours', length: day, step: 30 * minute },
  { value: '1h', label: '1 hour', length: hour, step: 5 * minute },
  { value: '7d', label: '7 days', length: 7 * day, step: 3 * hour },
  { value: '30d', label: '30 days', length: 30 * day, step: 12 * hour },
];

/** From a whole slot to the end of the present one. */
export function rangeOf({ length, step }: Span, now: number): { readonly since: number; readonly until: number } {
  const until = Math.ceil((now + 1) / step) * step;
  return { since: until - length, until };
}
