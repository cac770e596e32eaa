import { SimpleTable } from '../parts/simple-table.tsx';
import { count, duration } from '../parts/words.ts';
import { quantile } from './series.ts';

const parts = [0.5, 0.9, 0.99] as const;

/** How long things took, by name: of counts by bounds (ms), so as exact as the bounds are. */
export function Latency({
  label,
  rows,
}: {
  readonly label: string;
  readonly rows: readonly {
    readonly name: string;
    readonly counts: readonly number[];
    readonly bounds: readonly number[];
  }[];
}) {
  const counted = rows.filter(({ counts }) => counts.some((value) => value > 0));
  const most = Math.max(1, ...counted.map(({ counts, bounds }) => reach(quantile(counts, bounds, 0.99), bounds)));
  return (
    <div class="latency">
      <SimpleTable
        label={label}
        heads={['Stage', 'Count', 'p50', 'p90', 'p99', 'p50 to p99']}
        empty="Nothing was measured in this span."
        rows={counted.map(({ name, counts, bounds }) => {
          const [low, middle, high] = parts.map((part) => quantile(counts, bounds, part));
          return {
            key: name,
            cells: [
              name,
              count(counts.reduce((sum, value) => sum + value, 0)),
              ...[low, middle, high].map((value) => words(value, bounds)),
              <Range key="range" from={reach(low, bounds) / most} to={reach(high, bounds) / most} />,
            ],
          };
        })}
      />
    </div>
  );
}

const reach = (value: number | undefined, bounds: readonly number[]): number =>
  Math.min(value ?? 0, (bounds.at(-1) ?? 0) * 1.1);

const words = (value: number | undefined, bounds: readonly number[]): string => {
  if (value === undefined) return '';
  if (!Number.isFinite(value)) return `over ${duration(bounds.at(-1) ?? 0)}`;
  return value < 10 ? `${value.toFixed(1)} ms` : duration(value);
};

/** On a logarithmic scale: stages differ by the thousand. */
function Range({ from, to }: { readonly from: number; readonly to: number }) {
  const place = (part: number): number => 100 * Math.max(0, 1 + Math.log10(Math.max(part, 0.0001)) / 4);
  const left = place(from);
  return (
    <svg class="range" viewBox="0 0 100 8" preserveAspectRatio="none" aria-hidden="true" focusable="false">
      <rect class="range-ground" width="100" height="8" />
      <rect class="range-bar" x={left} width={Math.max(1, place(to) - left)} height="8" />
    </svg>
  );
}
