import { type BudgetResult, judgeBudget } from '../budget.ts';
import { type Counts, type Figures, figuresOf } from '../figures.ts';
import type { FleetOutcome, Invariant, Violation } from '../outcome.ts';
import type { Scenario } from '../scenario.ts';
import { countText, timeText } from './quantities.ts';

/** Everything that a report is made from. */
export interface Report {
  readonly scenario: Scenario;
  readonly outcome: FleetOutcome;
  readonly figures: Figures;
  /** The scenario's rules, in its order. */
  readonly budget: readonly BudgetResult[];
}

/** @throws RangeError when the scenario's radio is not known. */
export function reportOn(outcome: FleetOutcome, scenario: Scenario): Report {
  const figures = figuresOf(outcome, scenario);
  return { scenario, outcome, figures, budget: judgeBudget(scenario.budget, figures) };
}

/**
 * A run passes when all that its scenario asks for has happened and nobody interrupted it, all devices did as was expected,
 * no promise was broken and every budget was kept. What could not be checked does not fail it.
 */
export const passed = ({ outcome, figures, budget }: Report): boolean =>
  outcome.violations.length === 0 &&
  faultOf(figures.counts) === undefined &&
  !tooEarly(outcome) &&
  budget.every(({ met }) => met);

/** How a run ended that was over too early, and what it did not come to, in a sentence; undefined: it came to its end. */
export function cutShort({ outcome, scenario }: Pick<Report, 'outcome' | 'scenario'>): string | undefined {
  const left = leftOf(outcome);
  if (outcome.end === 'complete' && left.length === 0) return undefined;
  const ended = {
    complete: 'ended',
    limit: `was cut by its limit of ${timeText(scenario.limit)}`,
    interrupted: `was interrupted after ${timeText(outcome.took)}`,
  }[outcome.end];
  return `the run ${ended}${left.length === 0 ? '' : ` before ${left.join(' and ')}`}`;
}

/** Whether that alone fails it. At its limit a run is judged by what its devices did, unless something was still to happen. */
export const tooEarly = (outcome: FleetOutcome): boolean => outcome.end === 'interrupted' || leftOf(outcome).length > 0;

const leftOf = ({ toCome: { resets, events } }: FleetOutcome): string[] => [
  ...(resets > 0 ? [numberOf(resets, 'factory reset')] : []),
  ...(events > 0 ? [numberOf(events, 'event')] : []),
];

/** The verdict in a sentence. */
export function verdict(report: Report): string {
  const { outcome, figures, budget } = report;
  const fault = faultOf(figures.counts);
  const early = cutShort(report);
  const broken = outcome.violations.length;
  const missed = budget.filter(({ met }) => !met).length;
  const unchecked = invariants.filter((rule) => outcome.unchecked.includes(rule)).length;
  const blind = unchecked === 0 ? '' : `; ${numberOf(unchecked, 'promise')} could not be checked`;
  if (passed(report)) {
    const kept = budget.length === 0 ? '' : ` and ${numberOf(budget.length, 'budget')} kept`;
    return `Passed: no violation${kept}${blind}${early ? `; ${early}` : ''}.`;
  }
  const faults = [
    ...(fault ? [fault] : []),
    ...(early ? [early] : []),
    ...(broken > 0 ? [numberOf(broken, 'violation')] : []),
    ...(missed > 0 ? [`${missed} of ${numberOf(budget.length, 'budget')} exceeded`] : []),
  ];
  return `Failed: ${faults.join(', ')}${blind}.`;
}

/** Who ran it, when it was more than one process. */
export const sharedText = ({ processes }: FleetOutcome): string =>
  `${countText(processes)} processes shared the devices, each with a service of its own`;

/** What became of one invariant. */
export interface InvariantResult {
  readonly rule: Invariant;
  readonly promise: string;
  readonly state: 'kept' | 'broken' | 'unchecked';
  readonly violations: readonly Violation[];
}

export function invariantResults({ outcome }: Report): readonly InvariantResult[] {
  return invariants.map((rule) => {
    const violations = outcome.violations.filter((violation) => violation.rule === rule);
    const state = violations.length > 0 ? 'broken' : outcome.unchecked.includes(rule) ? 'unchecked' : 'kept';
    return { rule, promise: promises[rule], state, violations };
  });
}

/** What is wrong with the devices of a part, in a few words; undefined when all did as was expected. */
export function faultOf({ missing, intruders }: Counts): string | undefined {
  const faults = [
    ...(missing > 0 ? [`${numberOf(missing, 'device')} did not arrive`] : []),
    ...(intruders > 0 ? [`${numberOf(intruders, 'device')} got in that had to be refused`] : []),
  ];
  return faults.length === 0 ? undefined : faults.join(', ');
}

/** `1 violation`, `2 violations`. */
export const numberOf = (count: number, noun: string): string => `${countText(count)} ${noun}${count === 1 ? '' : 's'}`;

const promises: Readonly<Record<Invariant, string>> = {
  arrives: 'every honest device reached its goal and is there at the end',
  bricked: 'every device can go on from what it has stored',
  'two-identities': 'no device has two live identities, no identity two devices',
  'refused-identity': 'who is to be refused got no identity',
  'acknowledged-lost': "what a device was given is on the service's record",
};

const invariants = Object.keys(promises) as readonly Invariant[];
