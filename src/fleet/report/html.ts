import { limits } from '../../core/limits.ts';
import { budgetRuleText, measures } from '../budget.ts';
import { costNames, type NamedCounts, type Spread } from '../figures.ts';
import type { Violation } from '../outcome.ts';
import { linesOf, type Markup, markup } from './markup.ts';
import { pageStyle } from './page-style.ts';
import { pagePlots } from './plots.ts';
import { amountText, costWords, countText, foundText, shareText, short, timeText } from './quantities.ts';
import { faultOf, invariantResults, numberOf, passed, type Report, sharedText, verdict } from './report.ts';

/**
 * The run as one page that needs nothing else: no network, no script. It is well-formed XML as well, a plot has a title, a
 * description and a table of its numbers, and every text of the run is escaped and bounded.
 */
export function htmlPage(report: Report): string {
  const { scenario } = report;
  const page = markup`<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8"/>
<meta name="viewport" content="width=device-width, initial-scale=1"/>
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'"/>
<title>${passed(report) ? 'Passed' : 'Failed'}: ${scenario.name}</title>
<style>${pageStyle}</style>
</head>
<body>
<header>
<h1>${scenario.name}</h1>
<p class="soft">${scenario.about}</p>
<p class="verdict ${passed(report) ? 'good' : 'bad'}">${verdict(report)}</p>
${tiles(report)}
</header>
<main>
${promises(report)}
${budgets(report)}
<h2>Over time and by step</h2>
<div class="plots">
${pagePlots(report.figures)}
</div>
${groups(report)}
${costs(report)}
</main>
<footer>
<p class="soft">${runLine(report)}</p>
</footer>
</body>
</html>
`;
  return page.text;
}

function tiles({ figures, outcome }: Report): Markup {
  const { counts, timeToArrive, arrivals } = figures;
  const entries: readonly (readonly [string, string])[] = [
    ['devices', countText(counts.devices)],
    [`arrived, ${shareText(counts.arrived, counts.devices)}`, countText(counts.arrived)],
    ['refused as expected', countText(counts.refused)],
    ['arrivals a second', short(arrivals.perSecond)],
    ['median to arrive', timeToArrive ? timeText(timeToArrive.p50) : '-'],
    ['99th percentile', timeToArrive ? timeText(timeToArrive.p99) : '-'],
    ['renewals', countText(counts.renewed)],
    ['factory resets', countText(counts.resets)],
    ['power cuts', countText(counts.powerCuts)],
    ['time of the run', timeText(outcome.took)],
  ];
  return markup`<dl class="tiles">${entries.map(
    ([name, value]) => markup`
<div><dt>${name}</dt><dd>${value}</dd></div>`,
  )}
</dl>`;
}

function promises(report: Report): Markup {
  const marks = { kept: 'good', broken: 'bad', unchecked: 'open' } as const;
  const words = { kept: 'kept', broken: 'broken', unchecked: 'not checked' } as const;
  const rows = invariantResults(report).map(
    ({ rule, promise, state, violations }) => markup`
<tr><th scope="row">${promise}</th><td>${rule}</td><td class="${marks[state]}">${words[state]}${
      violations.length > 0 ? `, ${numberOf(violations.length, 'time')}` : ''
    }</td></tr>`,
  );
  const { violations } = report.outcome;
  const most = limits.fleet.report.pageViolations;
  const more = violations.length - most;
  return markup`<h2>Promises</h2>
<div class="wide"><table>
<thead><tr><th scope="col">promise</th><th scope="col">name</th><th scope="col">result</th></tr></thead>
<tbody>${rows}
</tbody></table></div>${violations.slice(0, most).map(violationOf)}${
    more > 0
      ? markup`
<p class="soft">and ${numberOf(more, 'more violation')}</p>`
      : undefined
  }`;
}

/** The first lines of the first ones are what one comes for, but fifty open traces are a wall. */
function violationOf({ device, rule, found, trace }: Violation, at: number): Markup {
  const open = at < 3 ? markup` open="open"` : undefined;
  return markup`
<details class="violation"${open}><summary><strong>${device}</strong> (${rule}): ${found}</summary>
<pre tabindex="0">${linesOf(trace.slice(-limits.fleet.trace))}</pre></details>`;
}

function budgets({ budget }: Report): Markup | undefined {
  if (budget.length === 0) return undefined;
  const rows = budget.map(
    (result) => markup`
<tr><th scope="row">${budgetRuleText(result.rule)}</th><td>${measures[result.rule.figure].about}</td><td class="n">${foundText(
      result,
    )}</td><td class="n">${amountText(result.rule.figure, result.rule.most)}</td><td class="${result.met ? 'good' : 'bad'}">${
      result.met ? 'kept' : 'exceeded'
    }</td></tr>`,
  );
  return markup`<h2>Budgets</h2>
<div class="wide"><table>
<thead><tr><th scope="col">budget</th><th scope="col">of</th><th scope="col" class="n">was</th><th scope="col" class="n">allowed</th><th scope="col">result</th></tr></thead>
<tbody>${rows}
</tbody></table></div>`;
}

function groups({ figures }: Report): Markup {
  const row = (group: NamedCounts): Markup => markup`
<tr><th scope="row">${group.name}</th><td class="n">${countText(group.devices)}</td><td class="n">${countText(
    group.arrived,
  )}</td><td class="n">${shareText(group.arrived, group.devices)}</td><td class="n">${countText(
    group.refused,
  )}</td><td class="n">${countText(group.renewed)}</td><td class="n">${countText(group.resets)}</td><td class="n">${countText(
    group.powerCuts,
  )}</td>${spreadCells(group.timeToArrive, timeText)}<td class="bad whole">${faultOf(group)}</td></tr>`;
  const names = ['devices', 'arrived', 'share', 'refused', 'renewals', 'resets', 'power cuts', ...percentiles];
  return markup`<h2>Parts of the fleet</h2>
<div class="wide"><table>
<caption>Times are from switching on to arrival.</caption>
<thead><tr><th scope="col">part</th>${names.map(
    (name) => markup`<th scope="col" class="n">${name}</th>`,
  )}<th scope="col">wrong</th></tr></thead>
<tbody>${figures.parts.map(row)}${figures.transports.map(row)}
</tbody></table></div>`;
}

function costs({ figures }: Report): Markup | undefined {
  const { costs: spreads, radio } = figures;
  if (!spreads) return undefined;
  const rows = costNames.map(
    (name) => markup`
<tr><th scope="row">${costWords[name].name}</th>${spreadCells(spreads[name], costWords[name].text)}</tr>`,
  );
  return markup`<h2>What a device needed to arrive</h2>
<div class="wide"><table>
<thead><tr><th scope="col">one device</th>${percentiles.map((name) => markup`<th scope="col" class="n">${name}</th>`)}</tr></thead>
<tbody>${rows}
</tbody></table></div>
<p class="soft">The energy is an estimate for the radio alone: ${radio.about} (${radio.name}). ${radio.source}</p>`;
}

function runLine({ scenario, outcome, figures }: Report): string {
  const { clock, goal, seed } = scenario;
  const shared = outcome.processes > 1 ? ` ${sharedText(outcome)}.` : '';
  return (
    `Goal: ${goal}. ${clock === 'virtual' ? 'Virtual' : 'Real'} clock, seed ${seed}, ${countText(figures.counts.booted)} switched on; ` +
    `${timeText(outcome.wall)} by the clock on the wall, ${timeText(outcome.cpu)} of CPU.${shared} Made by firstboot fleet.`
  );
}

const percentiles = ['p50', 'p95', 'p99', 'max'];

const spreadCells = (spread: Spread | undefined, text: (value: number) => string): Markup[] =>
  (spread ? [spread.p50, spread.p95, spread.p99, spread.max].map(text) : ['-', '-', '-', '-']).map(
    (cell) => markup`<td class="n">${cell}</td>`,
  );
