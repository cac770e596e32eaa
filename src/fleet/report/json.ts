import type { Millis } from '../../core/clock.ts';
import { limits } from '../../core/limits.ts';
import { budgetRuleText } from '../budget.ts';
import type { Figures } from '../figures.ts';
import type { FleetOutcome, Invariant, Violation } from '../outcome.ts';
import type { Scenario } from '../scenario.ts';
import { invariantResults, passed, type Report, verdict } from './report.ts';

/**
 * The run for programs. Within one `version` keys are added, never renamed, removed or given another meaning. Times are ms,
 * sizes bytes, energies mJ; what there is no value for is null.
 */
export interface JsonReport {
  readonly format: 'firstboot-fleet-report';
  readonly version: 1;
  /** `verdict` is for people; programs go by `passed`. */
  readonly passed: boolean;
  readonly verdict: string;
  readonly scenario: {
    readonly name: string;
    readonly about: string;
    readonly seed: number;
    readonly clock: Scenario['clock'];
    readonly goal: Scenario['goal'];
    readonly radio: string;
  };
  /** Of the run, of reality, and CPU. */
  readonly time: { readonly took: Millis; readonly wall: Millis; readonly cpu: Millis };
  /** How the run came to its end. */
  readonly end: FleetOutcome['end'];
  /** How many processes shared the run, each with a service of its own. */
  readonly processes: number;
  /** What the run was over too early for. */
  readonly toCome: FleetOutcome['toCome'];
  /** All of them, by part of the population, by transport. */
  readonly counts: Figures['counts'];
  readonly parts: Figures['parts'];
  readonly transports: Figures['transports'];
  /** `arrived[i]` and `booted[i]` are counts of the i-th `bin` ms since the start of the run. */
  readonly arrivals: Figures['arrivals'];
  readonly timeToArrive: Figures['timeToArrive'] | null;
  /** Entry i of 201: the time within which i half percents of the arrived had arrived. */
  readonly distribution: Figures['distribution'];
  readonly steps: Figures['steps'];
  readonly failures: Figures['failures'];
  /** Of one device, up to its first arrival. */
  readonly costs: NonNullable<Figures['costs']> | null;
  readonly radio: { readonly name: string; readonly about: string; readonly source: string };
  readonly invariants: readonly {
    readonly rule: Invariant;
    readonly promise: string;
    readonly state: 'kept' | 'broken' | 'unchecked';
    readonly violations: number;
  }[];
  /** `listed` has at most 1000 of `total`. */
  readonly violations: { readonly total: number; readonly listed: readonly Violation[] };
  readonly budget: readonly {
    readonly rule: string;
    readonly figure: string;
    readonly most: number;
    readonly found: number | null;
    readonly met: boolean;
  }[];
}

export function jsonReport(report: Report): JsonReport {
  const { scenario, outcome, figures } = report;
  const { name, about, seed, clock, goal, radio } = scenario;
  const { took, wall, cpu, violations } = outcome;
  return {
    format: 'firstboot-fleet-report',
    version: 1,
    passed: passed(report),
    verdict: verdict(report),
    scenario: { name, about, seed, clock, goal, radio },
    time: { took, wall, cpu },
    end: outcome.end,
    processes: outcome.processes,
    toCome: outcome.toCome,
    counts: figures.counts,
    parts: figures.parts,
    transports: figures.transports,
    arrivals: figures.arrivals,
    timeToArrive: figures.timeToArrive ?? null,
    distribution: figures.distribution,
    steps: figures.steps,
    failures: figures.failures,
    costs: figures.costs ?? null,
    radio: { name: figures.radio.name, about: figures.radio.about, source: figures.radio.source },
    invariants: invariantResults(report).map(({ rule, promise, state, violations: broken }) => ({
      rule,
      promise,
      state,
      violations: broken.length,
    })),
    violations: { total: violations.length, listed: violations.slice(0, limits.fleet.report.jsonViolations) },
    budget: report.budget.map(({ rule, found, met }) => ({
      rule: budgetRuleText(rule),
      figure: rule.figure,
      most: rule.most,
      found: found ?? null,
      met,
    })),
  };
}
