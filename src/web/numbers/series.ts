import type { StatisticsSlot, StatisticsView } from '../../operator/statistics-view.ts';

/** One line or one layer of a chart: a value for each time. */
export interface Series {
  readonly label: string;
  /** Name of a CSS property: `--chart-1`. */
  readonly colour: string;
  readonly values: readonly number[];
}

export interface Times {
  /** ms since 1970, the start of each slot, without gaps. */
  readonly at: readonly number[];
  readonly slots: readonly (StatisticsSlot | undefined)[];
}

/** The slots from `since` to `until`, those without anything as well. */
export function timesOf({ step, slots }: StatisticsView, since: number, until: number): Times {
  const found = new Map(slots.map((slot) => [Math.floor(slot.at / step) * step, slot]));
  const first = Math.floor(since / step) * step;
  const at = Array.from({ length: Math.max(0, Math.ceil((until - first) / step)) }, (_, index) => first + index * step);
  return { at, slots: at.map((time) => found.get(time)) };
}

/** Counts by name as layers: the `most` with the greatest sums, the rest as one. */
export function layersOf(
  counts: readonly (Readonly<Partial<Record<string, number>>> | undefined)[],
  most: number,
): readonly Series[] {
  const sums = sumOf(counts);
  const names = Object.keys(sums).toSorted((a, b) => (sums[b] ?? 0) - (sums[a] ?? 0));
  const own = names.slice(0, most);
  const rest = names.slice(most);
  const layers = own.map((label, index) => ({
    label,
    colour: `--chart-${(index % 7) + 1}`,
    values: counts.map((slot) => slot?.[label] ?? 0),
  }));
  if (rest.length === 0) return layers;
  const values = counts.map((slot) => rest.reduce((sum, label) => sum + (slot?.[label] ?? 0), 0));
  return [...layers, { label: `${rest.length} others`, colour: '--chart-rest', values }];
}

export function sumOf(
  counts: readonly (Readonly<Partial<Record<string, number>>> | undefined)[],
): Record<string, number> {
  const sums: Record<string, number> = {};
  for (const slot of counts) {
    for (const [name, value] of Object.entries(slot ?? {})) sums[name] = (sums[name] ?? 0) + (value ?? 0);
  }
  return sums;
}

/** Histograms added up, place by place. */
export function addUp(histograms: readonly (readonly number[] | undefined)[]): readonly number[] {
  const sum: number[] = [];
  for (const counts of histograms)
    for (const [place, value] of (counts ?? []).entries()) sum[place] = (sum[place] ?? 0) + value;
  return Array.from(sum, (value) => value ?? 0);
}

/**
 * The value below which a part of what was counted lies, as good as the bounds allow: within two bounds it is taken to be
 * spread evenly. @returns ms; Infinity above the last bound; undefined when nothing was counted
 */
export function quantile(counts: readonly number[], bounds: readonly number[], part: number): number | undefined {
  const all = counts.reduce((sum, value) => sum + value, 0);
  if (all === 0) return undefined;
  const wanted = all * part;
  let below = 0;
  for (const [place, value] of counts.entries()) {
    if (value > 0 && below + value >= wanted) {
      const upper = bounds[place];
      if (upper === undefined) return Number.POSITIVE_INFINITY;
      const lower = place === 0 ? 0 : (bounds[place - 1] ?? 0);
      return lower + ((upper - lower) * (wanted - below)) / value;
    }
    below += value;
  }
  return Number.POSITIVE_INFINITY;
}
