import { days, hours, type Millis, minutes, seconds } from '../core/clock.ts';
import type { Arrival, Range } from './scenario.ts';

/**
 * Quantities as people write them in a scenario. A pattern says what can be written, the function beside it what it means;
 * text that the pattern does not take means nothing to the function either: undefined.
 */

const number = '\\d{1,6}(?:\\.\\d{1,4})?';
const unit = '(?:ms|s|min|h|d)';
const duration = `${number} ?${unit}`;

export const patterns = {
  duration: `^${duration}$`,
  range: `^${duration}(?: ?\\.\\. ?${duration})?$`,
  proportion: '^(?:100|\\d{1,2}(?:\\.\\d{1,4})?) ?%$',
  drift: `^[+-]?${number} ?(?:ms|s|min)/(?:s|min|h|d)$`,
  moment: `^(?:right|[+-]${number} ?(?:${unit}|y)|\\d{4}|\\d{4}-\\d\\d-\\d\\d(?:T\\d\\d:\\d\\d:\\d\\dZ)?)$`,
  arrival: `^(?:at-once|poisson:${number}/(?:s|min|h)|ramp:${duration})$`,
  transport: '^(?:udp|tcp|mix|(?:100|\\d{1,2}) ?% udp)$',
} as const;

const unitLengths: Readonly<Record<string, Millis>> = {
  ms: 1,
  s: seconds(1),
  min: minutes(1),
  h: hours(1),
  d: days(1),
  y: days(365.25),
};

/** `100ms`, `10s`, `1.5min`, `3h`, `2d`, or 0. */
export function parseDuration(text: string | number): Millis | undefined {
  if (text === 0) return 0;
  if (!new RegExp(patterns.duration).test(String(text))) return undefined;
  return lengthOf(String(text));
}

/** `5s..30s`, or `5s`: exactly that. Undefined also when it ends before it begins. */
export function parseRange(text: string | number): Range | undefined {
  const [from, to = from, ...more] = typeof text === 'number' ? [text] : text.split('..').map((end) => end.trim());
  const range = { from: parseDuration(from ?? ''), to: parseDuration(to ?? '') };
  if (more.length > 0 || range.from === undefined || range.to === undefined) return undefined;
  return range.from > range.to ? undefined : { from: range.from, to: range.to };
}

/** `10%` or 0.1, as 0 to 1. */
export function parseProportion(text: string | number): number | undefined {
  if (typeof text === 'number') return text >= 0 && text <= 1 ? text : undefined;
  return new RegExp(patterns.proportion).test(text) ? Number(text.replace(/ ?%$/, '')) / 100 : undefined;
}

/** `200ms/s` or `-10s/d`, as ms gained per second. */
export function parseDrift(text: string | number): number | undefined {
  if (text === 0) return 0;
  if (!new RegExp(patterns.drift).test(String(text))) return undefined;
  const [gained = '', per = ''] = String(text).split('/');
  return (lengthOf(gained) / (unitLengths[per] ?? Number.NaN)) * seconds(1);
}

/** What a clock shows: `right`, a year or date, or so much before or after the true time (`+10y`, `-3h`). @param now the true time */
export function parseMoment(moment: string | number, now: Millis): 'right' | Millis | undefined {
  const text = String(moment);
  if (!new RegExp(patterns.moment).test(text)) return undefined;
  if (text === 'right') return 'right';
  if (/^[+-]/.test(text)) return now + lengthOf(text);
  const at = Date.parse(text);
  return Number.isNaN(at) ? undefined : at;
}

/** `at-once`, `poisson:50/s` (or `/min`, `/h`), `ramp:30s`. Undefined also for a rate of zero. */
export function parseArrival(text: string): Arrival | undefined {
  if (!new RegExp(patterns.arrival).test(text)) return undefined;
  const [kind, how = ''] = text.split(':');
  if (kind === 'at-once') return { kind };
  if (kind === 'ramp') return { kind, over: lengthOf(how) };
  const [count, per = 's'] = how.split('/');
  const perSecond = Number(count) / ((unitLengths[per] ?? Number.NaN) / seconds(1));
  return perSecond > 0 ? { kind: 'poisson', perSecond } : undefined;
}

/** `udp`, `tcp`, `mix` (half and half) or `70% udp`: the share of UDP, 0 to 1. */
export function parseTransport(text: string): number | undefined {
  if (!new RegExp(patterns.transport).test(text)) return undefined;
  if (text === 'udp') return 1;
  if (text === 'tcp') return 0;
  return text === 'mix' ? 0.5 : Number.parseInt(text, 10) / 100;
}

/** Of a text that its pattern has taken. */
function lengthOf(text: string): Millis {
  const [, count = '', name = ''] = /^([+-]?[\d.]+) ?([a-z]+)$/.exec(text.trim()) ?? [];
  return Number(count) * (unitLengths[name] ?? Number.NaN);
}
