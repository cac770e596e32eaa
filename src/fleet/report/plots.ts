import { limits } from '../../core/limits.ts';
import type { Figures } from '../figures.ts';
import { type Markup, markup } from './markup.ts';
import { type Bar, barPlot, linePlot, staircase } from './plot.ts';
import { countText, timeText } from './quantities.ts';

/** The figures of the page, each a plot with its numbers in a table below it. What there is nothing to draw of is left out. */
export const pagePlots = (figures: Figures): readonly (Markup | undefined)[] => [
  distribution(figures),
  arrivals(figures),
  steps(figures),
  failures(figures),
];

function distribution({ distribution: times, timeToArrive: spread }: Figures): Markup | undefined {
  if (!spread) return undefined;
  const about =
    `Share of the arrived devices that had arrived within a time: half within ${timeText(spread.p50)}, 95 % within ` +
    `${timeText(spread.p95)}, 99 % within ${timeText(spread.p99)}, all within ${timeText(spread.max)}.`;
  const title = 'Time to arrive';
  const drawing = linePlot({
    id: 'time-to-arrive',
    title,
    about,
    lines: [{ name: 'arrived', mark: 'one', points: times.map((time, at) => [time, at / 2] as const) }],
    yText: (value) => `${value} %`,
    xLabel: 'from switching on',
    yMax: 100,
    // A few stragglers would press all the others against the axis.
    logarithmic: spread.max > 20 * Math.max(1, spread.p50),
    markers: [
      { at: spread.p50, name: 'p50' },
      { at: spread.p95, name: 'p95' },
      { at: spread.p99, name: 'p99' },
    ],
  });
  const rows = [0, 5, 10, 25, 50, 75, 90, 95, 99, 100].map((percent) => [
    percent === 0 ? 'the first' : `${percent} %`,
    timeText(times[percent * 2] ?? Number.NaN),
  ]);
  return figure(title, about, drawing, ['arrived', 'within'], rows);
}

function arrivals({ arrivals: { arrived, booted, bin, perSecond }, counts }: Figures): Markup | undefined {
  if (counts.booted === 0) return undefined;
  const most = Math.max(1, ...arrived, ...booted);
  const about =
    `Devices switched on and devices arrived in each ${timeText(bin)} of the run: at most ${countText(Math.max(...booted))} ` +
    `switched on, at most ${countText(Math.max(...arrived))} arrived; ${perSecond.toFixed(1)} arrivals a second on average.`;
  const title = 'Arrivals over time';
  const drawing = linePlot({
    id: 'arrivals',
    title,
    about,
    lines: [
      { name: 'arrived', mark: 'one', points: staircase(arrived, bin) },
      { name: 'switched on', mark: 'two', points: staircase(booted, bin) },
    ],
    yText: countText,
    xLabel: `since the start of the run, devices in each ${timeText(bin)}`,
    yMax: most,
  });
  const rows = arrived.map((count, at) => [timeText(at * bin), countText(booted[at] ?? 0), countText(count)]);
  return figure(title, about, drawing, ['from', 'switched on', 'arrived'], rows);
}

const percentileMarks = [
  { name: 'p50', mark: 'one' },
  { name: 'p95', mark: 'two' },
  { name: 'p99', mark: 'three' },
] as const;

function steps({ steps: spreads }: Figures): Markup | undefined {
  const slowest = spreads.reduce<Figures['steps'][number] | undefined>(
    (slow, step) => (slow && slow.p99 >= step.p99 ? slow : step),
    undefined,
  );
  if (!slowest) return undefined;
  const about = `How long each step took, tries that failed not counted. The slowest is ${slowest.name}: 99 % within ${timeText(slowest.p99)}.`;
  const title = 'Time by step';
  const bars: Bar[] = spreads.map(({ name, p50, p95, p99 }) => ({
    name,
    values: [p50, p95, p99].map((value, at) => ({
      value,
      mark: percentileMarks[at]?.mark ?? 'one',
      text: timeText(value),
    })),
  }));
  const rows = spreads.map(({ name, count, p50, p95, p99, max }) => [
    name,
    countText(count),
    ...[p50, p95, p99, max].map(timeText),
  ]);
  const drawing = barPlot({ id: 'steps', title, about, bars, legend: percentileMarks });
  return figure(title, about, drawing, ['step', 'times', 'p50', 'p95', 'p99', 'max'], rows);
}

function failures({ failures: reasons }: Figures): Markup | undefined {
  const first = reasons[0];
  if (!first) return undefined;
  const all = reasons.reduce((sum, { count }) => sum + count, 0);
  const most = limits.fleet.report.reasons;
  const rest = reasons.slice(most).reduce((sum, { count }) => sum + count, 0);
  const listed = [
    ...reasons.slice(0, most),
    ...(rest > 0 ? [{ reason: `${reasons.length - most} other reasons`, count: rest }] : []),
  ];
  const about = `${countText(all)} tries failed on the way; most often: ${first.reason}, ${countText(first.count)} times.`;
  const title = 'Failures by reason';
  const bars = listed.map(({ reason, count }) => ({
    name: reason,
    values: [{ value: count, mark: 'two', text: countText(count) }],
  }));
  const drawing = barPlot({ id: 'failures', title, about, bars, legend: [] });
  return figure(
    title,
    about,
    drawing,
    ['reason', 'times'],
    listed.map(({ reason, count }) => [reason, countText(count)]),
  );
}

function figure(
  title: string,
  about: string,
  drawing: Markup,
  head: readonly string[],
  rows: readonly (readonly string[])[],
): Markup {
  const side = (at: number): Markup => (at === 0 ? markup`` : markup` class="n"`);
  const cell = (text: string, at: number): Markup =>
    at === 0 ? markup`<th scope="row">${text}</th>` : markup`<td class="n">${text}</td>`;
  return markup`
<figure>
<figcaption>${title}</figcaption>
<p>${about}</p>
${drawing}
<details><summary>The numbers</summary><div class="wide"><table>
<thead><tr>${head.map((name, at) => markup`<th scope="col"${side(at)}>${name}</th>`)}</tr></thead>
<tbody>${rows.map(
    (row) => markup`<tr>${row.map(cell)}</tr>
`,
  )}</tbody></table></div></details>
</figure>`;
}
