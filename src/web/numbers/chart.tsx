import { useEffect, useRef, useState } from 'preact/hooks';
import uPlot from 'uplot';
import { SimpleTable } from '../parts/simple-table.tsx';
import { themeEvent } from '../parts/theme.tsx';
import { count } from '../parts/words.ts';
import type { Series } from './series.ts';

export interface ChartProps {
  /** What it shows: `Failures by reason`. */
  readonly label: string;
  /** ms since 1970, one for each value. */
  readonly at: readonly number[];
  readonly series: readonly Series[];
  /** bars: layers on top of one another. lines: each by itself. */
  readonly kind: 'bars' | 'lines';
  readonly format?: (value: number) => string;
  readonly empty: string;
}

/** A chart over time, with its legend, and all its numbers as a table. Times are UTC. */
export function Chart({ label, at, series, kind, format = count, empty }: ChartProps) {
  const [pointed, setPointed] = useState<number>();
  const place = useRef<HTMLDivElement>(null);
  const latest = useRef({ at, series, kind, format });
  latest.current = { at, series, kind, format };
  const shape = JSON.stringify([kind, series.map(({ label }) => label)]);
  const plot = useRef<uPlot>(undefined);
  const nothing = series.every(({ values }) => values.every((value) => value === 0));

  useEffect(() => {
    const target = place.current;
    if (!target || nothing) return;
    const draw = () => {
      plot.current?.destroy();
      plot.current = new uPlot(optionsOf(target, latest.current, setPointed), dataOf(latest.current), target);
    };
    draw();
    const colours = matchMedia('(prefers-color-scheme: dark)');
    const width = new ResizeObserver(() => plot.current?.setSize({ width: target.clientWidth, height }));
    width.observe(target);
    colours.addEventListener('change', draw);
    addEventListener(themeEvent, draw);
    return () => {
      width.disconnect();
      colours.removeEventListener('change', draw);
      removeEventListener(themeEvent, draw);
      plot.current?.destroy();
      plot.current = undefined;
    };
  }, [shape, nothing]);
  useEffect(() => plot.current?.setData(dataOf({ at, series, kind, format })), [at, series, kind, format]);

  const shown = pointed !== undefined && pointed < at.length ? pointed : undefined;
  return (
    <figure class="chart">
      <div ref={place} class="plot" aria-hidden="true">
        {nothing ? <p class="empty">{empty}</p> : null}
      </div>
      <figcaption>
        <span class="unseen">{label}</span>
        <ul class="legend">
          {series.map(({ label, colour, values }) => (
            <li key={label}>
              <span class="swatch" aria-hidden="true" style={{ background: `var(${colour})` }} />
              {label}{' '}
              <span class="muted">
                {format(shown === undefined ? values.reduce((sum, value) => sum + value, 0) : (values[shown] ?? 0))}
              </span>
            </li>
          ))}
        </ul>
        <p class="muted small when">{shown === undefined ? 'Sums of the span' : slotName(at[shown] ?? 0)}</p>
      </figcaption>
      {nothing ? null : (
        <details>
          <summary>As a table</summary>
          <div class="numbers-table">
            <SimpleTable
              label={label}
              heads={['Time (UTC)', ...series.map(({ label }) => label)]}
              rows={at
                .map((time, index) => ({
                  key: String(time),
                  cells: [slotName(time), ...series.map(({ values }) => format(values[index] ?? 0))],
                  some: series.some(({ values }) => values[index] !== 0),
                }))
                .filter(({ some }) => some)
                .toReversed()}
            />
          </div>
        </details>
      )}
    </figure>
  );
}

const height = 220;

/** s */
const slotLength = ([first = 0, second = first]: readonly number[]): number => (second - first) / 1000;

const slotName = (at: number): string => new Date(at).toISOString().slice(0, 16).replace('T', ' ');

type Drawn = Pick<ChartProps, 'at' | 'series' | 'kind'> & { readonly format: (value: number) => string };

/** Layers are sums of what is below them, the highest first: the lower ones are drawn over it. */
function dataOf({ at, series, kind }: Drawn): uPlot.AlignedData {
  const seconds = at.map((time) => time / 1000);
  if (kind === 'lines') return [seconds, ...series.map(({ values }) => [...values])];
  const sums: number[][] = [];
  let below = at.map(() => 0);
  for (const { values } of series) {
    below = below.map((value, index) => value + (values[index] ?? 0));
    sums.push(below);
  }
  return [seconds, ...sums.toReversed()];
}

function optionsOf(target: HTMLElement, drawn: Drawn, pointed: (index: number | undefined) => void): uPlot.Options {
  const colourOf = resolver(target);
  const { series, kind, format } = drawn;
  // Two pixels at least: a slot of many would not be seen.
  const bars = uPlot.paths.bars?.({ size: [0.8, 40, 2], align: 1 });
  const lines = series.map(({ label, colour }) => {
    const stroke = colourOf(colour);
    return kind === 'bars' && bars
      ? { label, stroke, fill: stroke, width: 0, paths: bars, points: { show: false } }
      : { label, stroke, width: 2, points: { show: false } };
  });
  const axis = {
    stroke: colourOf('--muted'),
    grid: { stroke: colourOf('--line'), width: 1 },
    ticks: { show: false },
    font: `12px ${getComputedStyle(target).fontFamily}`,
  };
  return {
    width: target.clientWidth,
    height,
    tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1000), 'Etc/UTC'),
    legend: { show: false },
    cursor: { drag: { x: false, y: false }, points: { show: false } },
    // A bar stands behind the beginning of its slot: the last one needs room too.
    scales: {
      x: { range: (_, first, last) => [first, last + (kind === 'bars' ? slotLength(drawn.at) : 0)] },
      y: { range: (_, __, most) => [0, most > 0 ? most * 1.08 : 1] },
    },
    axes: [
      { ...axis, values: timeWords },
      {
        ...axis,
        size: 64,
        values: (_, values) => values.map((value) => (Number.isInteger(value) || value > 10 ? format(value) : '')),
      },
    ],
    series: [{}, ...(kind === 'bars' ? lines.toReversed() : lines)],
    hooks: { setCursor: [({ cursor }) => pointed(cursor.idx ?? undefined)] },
  };
}

/** `14:05`, and at midnight the day. */
const timeWords = (_: uPlot, seconds: readonly number[]): string[] =>
  seconds.map((second) => {
    const iso = new Date(second * 1000).toISOString();
    return iso.slice(11, 16) === '00:00' ? iso.slice(5, 10) : iso.slice(11, 16);
  });

/** Colours as the canvas wants them: of the theme that is worn now. */
function resolver(target: HTMLElement): (property: string) => string {
  return (property) => {
    const probe = document.createElement('span');
    probe.style.color = `var(${property})`;
    target.append(probe);
    const { color } = getComputedStyle(probe);
    probe.remove();
    return color;
  };
}
