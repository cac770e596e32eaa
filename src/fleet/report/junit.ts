import { limits } from '../../core/limits.ts';
import { type BudgetResult, budgetRuleText, measures } from '../budget.ts';
import type { NamedCounts } from '../figures.ts';
import type { FleetOutcome, Violation } from '../outcome.ts';
import { linesOf, type Markup, markup } from './markup.ts';
import { amountText, countText, foundText, timeText } from './quantities.ts';
import {
  cutShort,
  faultOf,
  type InvariantResult,
  invariantResults,
  numberOf,
  type Report,
  tooEarly,
  verdict,
} from './report.ts';

/**
 * The run as JUnit XML: one test case for each invariant, each budget rule and each part of the fleet, and one for a
 * run that did not come to its end. Fits the schema that
 * Jenkins reads (xunit plugin, junit-10.xsd) and what GitLab shows: name, classname, time, failure, skipped, system-out.
 */
export function junitXml(report: Report): string {
  const { scenario, outcome, figures, budget } = report;
  const early = cutShort(report);
  const suites: readonly Suite[] = [
    { name: 'invariants', cases: invariantResults(report).map(invariantCase) },
    { name: 'budget', cases: budget.map(budgetCase) },
    { name: 'parts', cases: figures.parts.map(partCase) },
    { name: 'run', cases: early === undefined ? [] : [earlyCase(early, outcome)] },
  ].filter(({ cases }) => cases.length > 0);
  const all = suites.flatMap(({ cases }) => cases);
  // The run is one: its time is told once, on the whole and on the first suite.
  const time = (at: number): string => (at === 0 ? secondsText(outcome.wall) : '0.000');
  const rendered = suites.map(
    ({ name, cases }, at) => markup`
  <testsuite name="${scenario.name}: ${name}" tests="${cases.length}" failures="${failuresIn(cases)}" errors="0" skipped="${
    cases.filter(({ state }) => state === 'skipped').length
  }" time="${time(at)}">${cases.map((test) => caseXml(test, `firstboot.fleet.${name}`))}
  </testsuite>`,
  );
  const whole = markup`<?xml version="1.0" encoding="UTF-8"?>
<testsuites name="${scenario.name}" tests="${all.length}" failures="${failuresIn(all)}" errors="0" time="${time(0)}">${rendered}
</testsuites>
<!-- ${commentText(verdict(report))} -->
`;
  return whole.text;
}

interface Suite {
  readonly name: string;
  readonly cases: readonly TestCase[];
}

interface TestCase {
  readonly name: string;
  readonly state: 'passed' | 'failed' | 'skipped';
  /** Why it failed or was skipped, in a sentence. */
  readonly message: string;
  /** The whole story, in lines. */
  readonly details: readonly string[];
}

function invariantCase({ rule, promise, state, violations }: InvariantResult): TestCase {
  const name = `${rule}: ${promise}`;
  if (state === 'kept') return { name, state: 'passed', message: '', details: [] };
  if (state === 'unchecked') {
    return { name, state: 'skipped', message: "not checked: the service's records were out of reach", details: [] };
  }
  const most = limits.fleet.report.junitViolations;
  const more = violations.length - most;
  return {
    name,
    state: 'failed',
    message: `${numberOf(violations.length, 'violation')}: ${violations[0]?.device}: ${violations[0]?.found}`,
    details: [
      ...violations.slice(0, most).flatMap(violationLines),
      ...(more > 0 ? [`and ${numberOf(more, 'more violation')}`] : []),
    ],
  };
}

const violationLines = ({ device, found, trace }: Violation): string[] => [
  `${device}: ${found}`,
  ...trace.slice(-limits.fleet.trace).map((line) => `    ${line}`),
];

function budgetCase(result: BudgetResult): TestCase {
  const { figure, most } = result.rule;
  const said = `${measures[figure].about}: was ${foundText(result)}, allowed ${amountText(figure, most)}`;
  return { name: budgetRuleText(result.rule), state: result.met ? 'passed' : 'failed', message: said, details: [said] };
}

function partCase(part: NamedCounts): TestCase {
  const fault = faultOf(part);
  const { devices, arrived, refused, timeToArrive: times } = part;
  const details = [
    `${numberOf(devices, 'device')}, ${countText(arrived)} arrived, ${countText(refused)} refused as expected`,
    ...(times
      ? [`time to arrive: p50 ${timeText(times.p50)}, p95 ${timeText(times.p95)}, p99 ${timeText(times.p99)}`]
      : []),
  ];
  return { name: part.name, state: fault ? 'failed' : 'passed', message: fault ?? '', details };
}

const earlyCase = (message: string, outcome: FleetOutcome): TestCase => ({
  name: 'the run comes to its end',
  state: tooEarly(outcome) ? 'failed' : 'passed',
  message,
  details: [outcome.end === 'limit' ? `${message}: give it a longer limit` : message],
});

function caseXml({ name, state, message, details }: TestCase, className: string): Markup {
  const story = linesOf(details);
  const body = {
    failed: markup`<failure type="firstboot" message="${message}">${story}</failure>`,
    skipped: markup`<skipped message="${message}"/>`,
    passed: details.length > 0 ? markup`<system-out>${story}</system-out>` : undefined,
  }[state];
  return markup`
    <testcase name="${name}" classname="${className}" time="0.000">${body}</testcase>`;
}

const failuresIn = (cases: readonly TestCase[]): number => cases.filter(({ state }) => state === 'failed').length;

const secondsText = (ms: number): string => (ms / 1000).toFixed(3);

/** Two hyphens would end a comment. */
const commentText = (text: string): string => text.replaceAll('--', '- -');
