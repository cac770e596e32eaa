import type { Figures } from './figures.ts';
import type { BudgetRule } from './scenario.ts';
import { parseDuration } from './units.ts';

/** What became of one rule. */
export interface BudgetResult {
  readonly rule: BudgetRule;
  /** In the unit of the rule (bytes, a count, mJ or ms); undefined when no device arrived, and then the rule is not met. */
  readonly found: number | undefined;
  readonly met: boolean;
}

/**
 * The rules of `bytes<=7500,rtt<=10,p99<=10s`. Amounts: bytes plain, in kB (1000) or KiB (1024); datagrams, rtt and
 * retransmissions plain; energy in mJ or J; p50, p95 and p99 in ms, s or min. Empty text is no rule at all.
 *
 * @throws RangeError naming the entry and what can be written.
 */
export function parseBudget(text: string): readonly BudgetRule[] {
  if (text.trim() === '') return [];
  const seen = new Set<string>();
  return text.split(',').map((entry) => {
    const rule = parseRule(entry.trim());
    if (seen.has(rule.figure)) throw new RangeError(`"${entry.trim()}": there is a rule for ${rule.figure} already`);
    seen.add(rule.figure);
    return rule;
  });
}

/** A rule as it is written. */
export function budgetRuleText({ figure, most }: BudgetRule): string {
  return `${figure}<=${measures[figure].write(most)}`;
}

export function judgeBudget(rules: readonly BudgetRule[], figures: Figures): readonly BudgetResult[] {
  return rules.map((rule) => {
    const found = measures[rule.figure].of(figures);
    return { rule, found, met: found !== undefined && found <= rule.most };
  });
}

export type BudgetFigure = BudgetRule['figure'];

interface Measure {
  /** In words. */
  readonly about: string;
  readonly of: (figures: Figures) => number | undefined;
  readonly parse: (amount: string) => number | undefined;
  /** As `parse` takes it. */
  readonly write: (most: number) => string;
  readonly expected: string;
}

const count = {
  parse: (amount: string) => scaled(amount, { '': 1 }),
  write: String,
  expected: 'a number, like 10',
};

const time = {
  parse: parseTime,
  write: (most: number) =>
    most % 60_000 === 0 ? `${most / 60_000}min` : most % 1000 === 0 ? `${most / 1000}s` : `${most}ms`,
  expected: 'a time in ms, s or min, like 10s',
};

/** What can be limited, and how it is measured. */
export const measures: Readonly<Record<BudgetFigure, Measure>> = {
  bytes: {
    about: 'bytes both ways, 95th percentile',
    of: ({ costs }) => costs?.bytes.p95,
    parse: (amount) => scaled(amount, { '': 1, B: 1, kB: 1000, KiB: 1024 }),
    write: String,
    expected: 'bytes, plain or in kB or KiB, like 7500 or 7.5kB',
  },
  datagrams: { about: 'datagrams both ways, 95th percentile', of: ({ costs }) => costs?.datagrams.p95, ...count },
  rtt: { about: 'round trips, 95th percentile', of: ({ costs }) => costs?.roundTrips.p95, ...count },
  retransmissions: {
    about: 'retransmissions, 95th percentile',
    of: ({ costs }) => costs?.retransmissions.p95,
    ...count,
  },
  energy: {
    about: 'estimated energy of the radio, 95th percentile',
    of: ({ costs }) => costs?.energy.p95,
    parse: (amount) => scaled(amount, { mJ: 1, J: 1000 }),
    write: (most) => (most % 1000 === 0 ? `${most / 1000}J` : `${most}mJ`),
    expected: 'an energy in mJ or J, like 2J',
  },
  p50: { about: 'time to arrive, median', of: ({ timeToArrive }) => timeToArrive?.p50, ...time },
  p95: { about: 'time to arrive, 95th percentile', of: ({ timeToArrive }) => timeToArrive?.p95, ...time },
  p99: { about: 'time to arrive, 99th percentile', of: ({ timeToArrive }) => timeToArrive?.p99, ...time },
};

function parseRule(entry: string): BudgetRule {
  const [, name = '', amount = ''] = /^([^<>=\s]+)\s*<=\s*(.+)$/.exec(entry) ?? [];
  if (name === '') throw new RangeError(`"${entry}" is no budget rule: write <figure><=<most>, like bytes<=7500`);
  if (!isFigure(name)) {
    throw new RangeError(`"${entry}": there is no figure "${name}": write one of ${Object.keys(measures).join(', ')}`);
  }
  const most = measures[name].parse(amount);
  if (most === undefined)
    throw new RangeError(`"${entry}": "${amount}" does not fit ${name}: write ${measures[name].expected}`);
  return { figure: name, most };
}

const isFigure = (name: string): name is BudgetFigure => Object.hasOwn(measures, name);

function scaled(amount: string, units: Readonly<Record<string, number>>): number | undefined {
  const [, digits = '', unit = ''] = /^(\d{1,12}(?:\.\d{1,6})?) ?([A-Za-z]*)$/.exec(amount) ?? [];
  const factor = Object.hasOwn(units, unit) ? units[unit] : undefined;
  if (digits === '' || factor === undefined) return undefined;
  // 1.001 kB are 1001 bytes and not a little less.
  return Number((Number(digits) * factor).toFixed(6));
}

/** A bare number is not taken: seconds for one reader, ms for the next. */
function parseTime(amount: string): number | undefined {
  return /(?:ms|s|min)$/.test(amount) ? parseDuration(amount) : undefined;
}
