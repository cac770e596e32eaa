import { hours, minutes, seconds } from '../../core/clock.ts';
import { type Markup, markup, pathOf } from './markup.ts';
import { shown, timeText } from './quantities.ts';

/** Drawings in SVG, colours and type left to the page's style. All coordinates are of a box 480 wide. */

/** What every drawing tells those who do not see it. */
export interface Caption {
  /** Unique on the page. */
  readonly id: string;
  readonly title: string;
  /** What it shows, in a sentence with the figures that matter. */
  readonly about: string;
}

export interface Line {
  readonly name: string;
  /** Style class. */
  readonly mark: string;
  /** x is a time in ms; in order of x. */
  readonly points: readonly (readonly [number, number])[];
}

export interface LinePlot extends Caption {
  readonly lines: readonly Line[];
  readonly yText: (value: number) => string;
  readonly xLabel: string;
  /** Top of the y axis; the bottom is 0. */
  readonly yMax: number;
  /** The x axis in powers of ten, when the largest is far from the middle. */
  readonly logarithmic?: boolean;
  /** x values that are worth a vertical line with a name. */
  readonly markers?: readonly { readonly at: number; readonly name: string }[];
}

const width = 480;
const frame = { left: 48, right: 12, top: 22, bottom: 40 } as const;
const plotHeight = 240;
const inner = { width: width - frame.left - frame.right, height: plotHeight - frame.top - frame.bottom } as const;

/** Lines over time. */
export function linePlot(plot: LinePlot): Markup {
  const xs = plot.lines.flatMap(({ points }) => points.map(([x]) => x));
  const axis = xAxis(xs, plot.logarithmic ?? false);
  const yOf = (value: number): number => frame.top + inner.height * (1 - value / Math.max(plot.yMax, 1e-9));
  const grid = niceTicks(0, plot.yMax, 4).map(
    (value) => markup`
<path class="grid" d="M${frame.left} ${point(yOf(value))}h${inner.width}"/>
<text class="tick end" x="${frame.left - 6}" y="${point(yOf(value) + 4)}">${plot.yText(value)}</text>`,
  );
  const ticks = axis.ticks.map(
    (value) => markup`
<text class="tick ${axis.place(value) > width - 40 ? 'end' : 'middle'}" x="${point(
      axis.place(value) > width - 40 ? width - 2 : axis.place(value),
    )}" y="${plotHeight - 22}">${timeText(value)}</text>`,
  );
  const markers = (plot.markers ?? []).map(
    ({ at, name }, index) => markup`
<path class="marker" d="M${point(axis.place(at))} ${frame.top}v${inner.height}"/>
<text class="tick ${axis.place(at) > width - 90 ? 'end' : ''}" x="${point(
      axis.place(at) + (axis.place(at) > width - 90 ? -4 : 4),
    )}" y="${frame.top + inner.height - 8 - index * 15}">${name}</text>`,
  );
  return svg(
    plot,
    plotHeight,
    markup`${grid}${markers}${plot.lines.map(
      ({ mark, points }) => markup`
<path class="line ${mark}" d="${pathOf(points.map(([x, y]) => [axis.place(x), yOf(y)]))}"/>`,
    )}${ticks}
<text class="tick middle" x="${frame.left + inner.width / 2}" y="${plotHeight - 5}">${plot.xLabel}</text>${legend(plot.lines)}`,
  );
}

export interface Bar {
  readonly name: string;
  /** Lengths one below the other: value, style class, what stands behind the bar. */
  readonly values: readonly { readonly value: number; readonly mark: string; readonly text: string }[];
}

export interface BarPlot extends Caption {
  readonly bars: readonly Bar[];
  /** What the style classes mean; nothing for a single one. */
  readonly legend: readonly { readonly name: string; readonly mark: string }[];
}

const rowHeight = 16;

/** Horizontal bars with their name above and their value behind them: names may be long. */
export function barPlot(plot: BarPlot): Markup {
  const largest = Math.max(1e-9, ...plot.bars.flatMap(({ values }) => values.map(({ value }) => value)));
  const room = width - 110;
  const rows: Markup[] = [];
  let y = plot.legend.length > 0 ? 24 : 4;
  for (const { name, values } of plot.bars) {
    y += 14;
    rows.push(markup`
<text class="name" x="4" y="${y}">${shown(name, 64)}</text>`);
    y += 5;
    for (const { value, mark, text } of values) {
      const length = Math.max(1, (value / largest) * room);
      rows.push(markup`
<rect class="bar ${mark}" x="4" y="${y}" width="${point(length)}" height="${rowHeight - 4}" rx="2"/>
<text class="tick" x="${point(length + 10)}" y="${y + rowHeight - 6}">${text}</text>`);
      y += rowHeight;
    }
    y += 6;
  }
  return svg(plot, y + 2, markup`${rows}${legend(plot.legend)}`);
}

/** The points of a line that keeps each count over the width of its bin. */
export function staircase(counts: readonly number[], bin: number): readonly (readonly [number, number])[] {
  return counts.flatMap((count, at) => [[at * bin, count] as const, [(at + 1) * bin, count] as const]);
}

function svg({ id, title, about }: Caption, height: number, content: Markup): Markup {
  return markup`<svg viewBox="0 0 ${width} ${height}" role="img" aria-labelledby="${id}-title ${id}-about">
<title id="${id}-title">${title}</title>
<desc id="${id}-about">${about}</desc>${content}
</svg>`;
}

function legend(entries: readonly { readonly name: string; readonly mark: string }[]): Markup | undefined {
  if (entries.length < 2) return undefined;
  let x: number = frame.left;
  const parts = entries.map(({ name, mark }) => {
    const at = x;
    x += 30 + name.length * 7;
    return markup`
<rect class="bar ${mark}" x="${at}" y="4" width="12" height="10" rx="2"/><text class="tick" x="${at + 17}" y="13">${name}</text>`;
  });
  return markup`${parts}`;
}

interface Axis {
  readonly place: (value: number) => number;
  readonly ticks: readonly number[];
}

function xAxis(values: readonly number[], logarithmic: boolean): Axis {
  const most = values.reduce((largest, value) => Math.max(largest, value), 1);
  if (!logarithmic) {
    return { place: (value) => frame.left + (inner.width * value) / most, ticks: timeTicks(most, 5) };
  }
  const positive = values.filter((value) => value > 0);
  const least = Math.max(
    1,
    positive.reduce((smallest, value) => Math.min(smallest, value), most),
  );
  const from = Math.floor(Math.log10(least));
  const to = Math.max(from + 1, Math.ceil(Math.log10(most) * 10) / 10);
  const place = (value: number): number =>
    frame.left + (inner.width * (Math.max(from, Math.log10(Math.max(value, 1e-9))) - from)) / (to - from);
  const powers = Array.from({ length: Math.floor(to) - from + 1 }, (_, at) => 10 ** (from + at));
  return { place, ticks: powers };
}

/** At most `wanted` and the zero, at times that are round on a clock. */
function timeTicks(to: number, wanted: number): readonly number[] {
  const step = roundTimes.find((time) => to / time <= wanted) ?? niceTicks(0, to, wanted)[1] ?? to;
  return Array.from({ length: Math.floor(to / step) + 1 }, (_, at) => at * step);
}

const roundTimes: readonly number[] = [
  ...[1, 2, 5, 10, 20, 50, 100, 200, 500],
  ...[1, 2, 5, 10, 15, 30].map(seconds),
  ...[1, 2, 5, 10, 15, 30].map(minutes),
  ...[1, 2, 3, 6, 12, 24, 48].map(hours),
];

/** Up to about `wanted` round numbers between the two. */
function niceTicks(from: number, to: number, wanted: number): readonly number[] {
  if (!(to > from)) return [from];
  const rough = (to - from) / wanted;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * (rough / power > 5 ? 10 : rough / power > 2 ? 5 : rough / power > 1 ? 2 : 1);
  return Array.from({ length: Math.floor((to - from) / step + 1e-9) + 1 }, (_, at) => from + at * step);
}

/** A tenth of a point is finer than any screen. */
const point = (value: number): number => Number(value.toFixed(1));
