import type { Millis } from '../../core/clock.ts';
import { limits } from '../../core/limits.ts';
import type { BudgetResult } from '../budget.ts';
import type { CostName } from '../figures.ts';
import type { BudgetRule } from '../scenario.ts';

/** `0 ms`, `830 ms`, `1.25 s`, `12.5 s`, `2 min 5 s`, `3 h 20 min`, `2 d 4 h`. */
export function timeText(ms: Millis): string {
  if (ms < 999.5) return `${short(ms)} ms`;
  if (ms < 59_950) return `${short(ms / 1000)} s`;
  const whole = Math.round(ms / 1000);
  if (whole < 3600) return pair(Math.floor(whole / 60), 'min', whole % 60, 's');
  const minutes = Math.round(whole / 60);
  if (minutes < 48 * 60) return pair(Math.floor(minutes / 60), 'h', minutes % 60, 'min');
  const hours = Math.round(minutes / 60);
  return pair(Math.floor(hours / 24), 'd', hours % 24, 'h');
}

/** `950 B`, `7.32 kB`, `1.5 MB`: powers of ten. */
export function bytesText(bytes: number): string {
  if (bytes < 1000) return `${short(bytes)} B`;
  return bytes < 999_500 ? `${short(bytes / 1000)} kB` : `${short(bytes / 1e6)} MB`;
}

/** `3.2 mJ`, `840 mJ`, `1.21 J`. */
export const energyText = (millijoules: number): string =>
  millijoules < 999.5 ? `${short(millijoules)} mJ` : `${short(millijoules / 1000)} J`;

/** Whole numbers in groups of three: `10 000`. */
export const countText = (count: number): string => String(Math.round(count)).replace(/\B(?=(\d{3})+$)/g, ' ');

/** Three digits that matter. */
export function short(value: number): string {
  if (value >= 99.95) return countText(value);
  return String(Number(value.toFixed(value >= 9.995 ? 1 : 2)));
}

export const shareText = (part: number, whole: number): string => {
  if (whole === 0) return '-';
  // Never `100 %` when one is missing, never `0 %` when there is one.
  const percent = (100 * part) / whole;
  if (part === 0 || part === whole) return `${percent} %`;
  return `${Math.min(99.9, Math.max(0.1, percent)).toFixed(1)} %`;
};

/** The costs of a device: how they are called and written. */
export const costWords: Readonly<
  Record<CostName, { readonly name: string; readonly text: (value: number) => string }>
> = {
  bytesOut: { name: 'sent', text: bytesText },
  bytesIn: { name: 'received', text: bytesText },
  bytes: { name: 'both ways', text: bytesText },
  datagrams: { name: 'datagrams', text: countText },
  roundTrips: { name: 'round trips', text: countText },
  retransmissions: { name: 'retransmissions', text: countText },
  sessions: { name: 'sessions', text: countText },
  ms: { name: 'time', text: timeText },
  energy: { name: 'radio energy (estimate)', text: energyText },
};

/** An amount of a budget's figure. */
export function amountText(figure: BudgetRule['figure'], amount: number): string {
  if (figure === 'bytes') return bytesExactly(amount);
  if (figure === 'energy') return energyText(amount);
  return figure === 'p50' || figure === 'p95' || figure === 'p99' ? timeText(amount) : countText(amount);
}

/** What was found by a rule. */
export const foundText = ({ rule, found }: BudgetResult): string =>
  found === undefined ? 'no device arrived' : amountText(rule.figure, found);

/** Text of a run for people: bounded, and without characters that steer a terminal or that XML cannot hold. */
export function shown(text: string, most: number = limits.fleet.report.text): string {
  const clean = text.replace(unprintable, '\u{fffd}');
  return clean.length <= most ? clean : `${clean.slice(0, most - 1).replace(/[\ud800-\udbff]$/, '')}…`;
}

/** Controls, halves of surrogate pairs, line and paragraph separators, marks that turn the direction of text, and no characters. */
const unprintable = /[\p{Cc}\p{Cs}\p{Zl}\p{Zp}\p{Bidi_Control}\ufffe\uffff]/gu;

/** A budget is judged by the byte, so 7504 against 7500 must not both be `7.5 kB`. */
const bytesExactly = (bytes: number): string => `${countText(bytes)} B`;

const pair = (large: number, largeUnit: string, small: number, smallUnit: string): string =>
  small === 0 ? `${large} ${largeUnit}` : `${large} ${largeUnit} ${small} ${smallUnit}`;
