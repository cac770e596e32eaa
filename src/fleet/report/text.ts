import { limits } from '../../core/limits.ts';
import { budgetRuleText, measures } from '../budget.ts';
import { costNames, type NamedCounts, type Spread } from '../figures.ts';
import type { Violation } from '../outcome.ts';
import { amountText, costWords, countText, foundText, shareText, short, shown, timeText } from './quantities.ts';
import { faultOf, invariantResults, numberOf, passed, type Report, sharedText, verdict } from './report.ts';

/** How words are set off. Each takes text and returns it with or without the marks of a terminal. */
export interface TextStyle {
  readonly strong: (text: string) => string;
  readonly faint: (text: string) => string;
  readonly good: (text: string) => string;
  readonly bad: (text: string) => string;
}

/** The summary of a run for a terminal, 80 to 100 columns wide, the verdict last. No line break at the end. */
export function summaryText(report: Report, style: TextStyle = plain): string {
  const sections = [
    heading(report, style),
    groupTable(report, style),
    stepTable(report, style),
    costTable(report, style),
    failureTable(report, style),
    promiseList(report, style),
    budgetTable(report, style),
  ];
  const closing = passed(report) ? style.good(verdict(report)) : style.bad(verdict(report));
  return [...sections.filter((lines) => lines.length > 0).map((lines) => lines.join('\n')), closing].join('\n\n');
}

const same = (text: string): string => text;
const plain: TextStyle = { strong: same, faint: same, good: same, bad: same };

function heading({ scenario, outcome, figures }: Report, { strong, faint }: TextStyle): string[] {
  const { devices, arrived } = figures.counts;
  const rate = arrived === 0 ? '' : `, ${short(figures.arrivals.perSecond)} a second`;
  return [
    strong(shown(scenario.name)),
    `${countText(arrived)} of ${numberOf(devices, 'device')} arrived in ${timeText(outcome.took)}${rate}`,
    faint(`${timeText(outcome.wall)} by the clock on the wall, ${timeText(outcome.cpu)} of CPU, seed ${scenario.seed}`),
    ...(outcome.processes > 1 ? [faint(sharedText(outcome))] : []),
  ];
}

function groupTable({ figures }: Report, style: TextStyle): string[] {
  const row = (counts: Omit<NamedCounts, 'name'>, name: string): string[] => [
    name,
    countText(counts.devices),
    countText(counts.arrived),
    shareText(counts.arrived, counts.devices),
    countText(counts.refused),
    countText(counts.missing),
    ...(figures.counts.intruders > 0 ? [countText(counts.intruders)] : []),
    ...spreadCells(counts.timeToArrive, timeText),
  ];
  const strangers = figures.counts.intruders > 0 ? ['got in'] : [];
  const head = ['', 'devices', 'arrived', '', 'refused', 'missing', ...strangers, ...percentiles];
  const total = { ...figures.counts, timeToArrive: figures.timeToArrive };
  const groups = [...(figures.parts.length > 1 ? figures.parts : []), ...figures.transports];
  const rows = [...groups.map((group) => row(group, shown(group.name, 40))), row(total, 'all')];
  const lines = table([head, ...rows], style);
  // Painted afterwards: widths count plain text.
  const wrong = [...groups, total].map((group) => faultOf(group) !== undefined);
  return lines.map((line, at) => (wrong[at - 1] ? style.bad(line) : line));
}

function stepTable({ figures }: Report, style: TextStyle): string[] {
  if (figures.steps.length === 0) return [];
  const rows = figures.steps.map((step) => [step.name, countText(step.count), ...spreadCells(step, timeText)]);
  return table([['step', 'times', ...percentiles], ...rows], style);
}

function costTable({ figures }: Report, style: TextStyle): string[] {
  const { costs, radio } = figures;
  if (!costs) return [];
  const rows = costNames.map((name) => [costWords[name].name, ...spreadCells(costs[name], costWords[name].text)]);
  return [
    ...table([['one device', ...percentiles], ...rows], style),
    style.faint(`energy: ${radio.name} (${radio.about})`),
  ];
}

function failureTable({ figures }: Report, style: TextStyle): string[] {
  const { failures } = figures;
  if (failures.length === 0) return [];
  const most = limits.fleet.report.reasons;
  const rest = failures.slice(most).reduce((sum, { count }) => sum + count, 0);
  const rows = failures.slice(0, most).map(({ reason, count }) => [shown(reason, 70), countText(count)]);
  if (rest > 0) rows.push([`${failures.length - most} other reasons`, countText(rest)]);
  return table([['failures on the way', 'times'], ...rows], style);
}

function promiseList(report: Report, style: TextStyle): string[] {
  const lines = invariantResults(report).map(({ promise, state, violations }) => {
    if (state === 'kept') return `${style.good('kept')}         ${promise}`;
    if (state === 'unchecked') return `${style.strong('not checked')}  ${promise}`;
    return `${style.bad('broken')}       ${promise}: ${numberOf(violations.length, 'time')}`;
  });
  const { violations } = report.outcome;
  const most = limits.fleet.report.summaryViolations;
  const more = violations.length - most;
  return [
    style.strong('promises'),
    ...lines,
    ...violations.slice(0, most).flatMap((violation) => ['', ...violationLines(violation, style)]),
    ...(more > 0 ? ['', `and ${numberOf(more, 'more violation')}: --json or --html has them`] : []),
  ];
}

function violationLines({ device, rule, found, trace }: Violation, { bad, faint }: TextStyle): string[] {
  const kept = trace.slice(-limits.fleet.trace);
  return [
    `${bad(shown(device))} (${rule}): ${shown(found)}`,
    ...(kept.length < trace.length ? [faint(`    ${numberOf(trace.length - kept.length, 'line')} before`)] : []),
    ...kept.map((line) => faint(`    ${shown(line)}`)),
  ];
}

function budgetTable({ budget }: Report, style: TextStyle): string[] {
  if (budget.length === 0) return [];
  const rows = budget.map((result) => [
    budgetRuleText(result.rule),
    foundText(result),
    amountText(result.rule.figure, result.rule.most),
    result.met ? 'kept' : 'exceeded',
    measures[result.rule.figure].about,
  ]);
  const lines = table([['budget', 'was', 'allowed', '', ''], ...rows], style, [1, 2]);
  return lines.map((line, at) => (budget[at - 1]?.met === false ? style.bad(line) : line));
}

const percentiles = ['p50', 'p95', 'p99', 'max'];

const spreadCells = (spread: Spread | undefined, text: (value: number) => string): string[] =>
  spread === undefined ? ['-', '-', '-', '-'] : [spread.p50, spread.p95, spread.p99, spread.max].map(text);

/** Columns two spaces apart, the first row strong. Right-aligned: all but the first, or just those of `right`. */
function table(rows: readonly (readonly string[])[], { strong }: TextStyle, right?: readonly number[]): string[] {
  const widths = (rows[0] ?? []).map((_, at) => Math.max(...rows.map((row) => row[at]?.length ?? 0)));
  const lines = rows.map((row) =>
    row
      .map((cell, at) => {
        const width = widths[at] ?? 0;
        return (right ? right.includes(at) : at > 0) ? cell.padStart(width) : cell.padEnd(width);
      })
      .join('  ')
      .trimEnd(),
  );
  return lines.map((line, at) => (at === 0 ? strong(line) : line));
}
