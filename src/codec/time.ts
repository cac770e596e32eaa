import type { Millis } from '../core/clock.ts';

/** UTCTime covers 1950 to 2049; other years need GeneralizedTime (RFC 5280 §4.1.2.5). */
const utcYears = { first: 1950, last: 2049 } as const;

export interface EncodedTime {
  readonly form: 'utc' | 'generalized';
  /** The digits and the Z, ASCII. */
  readonly octets: Uint8Array;
}

/** The form that RFC 5280 demands for `time` (ms; whole seconds are kept, the rest is cut off). */
export function encodeTime(time: Millis): EncodedTime {
  const date = new Date(time);
  const year = date.getUTCFullYear();
  if (!(year >= 0 && year <= 9999)) throw new RangeError(`no ASN.1 time for ${time}`);
  const form = year >= utcYears.first && year <= utcYears.last ? 'utc' : 'generalized';
  const pairs = [year % 100, date.getUTCMonth() + 1, date.getUTCDate()];
  pairs.push(date.getUTCHours(), date.getUTCMinutes(), date.getUTCSeconds());
  if (form === 'generalized') pairs.unshift(Math.floor(year / 100));
  const octets = new Uint8Array(2 * pairs.length + 1).fill(0x5a);
  pairs.forEach((pair, k) => {
    octets[2 * k] = 0x30 + Math.floor(pair / 10);
    octets[2 * k + 1] = 0x30 + (pair % 10);
  });
  return { form, octets };
}

/**
 * Milliseconds of YYMMDDHHMMSSZ (utc) or YYYYMMDDHHMMSSZ (generalized) in `octets` from `start` to `stop`; undefined
 * for any other form, and for dates that do not exist.
 */
export function decodeTime(
  form: EncodedTime['form'],
  octets: Uint8Array,
  start: number,
  stop: number,
): Millis | undefined {
  const day0 = stop - 11;
  if (stop - start !== (form === 'utc' ? 13 : 15) || octets[stop - 1] !== 0x5a) return undefined;
  const short = pair(octets, day0 - 2);
  const century = form === 'utc' ? (short < utcYears.first % 100 ? 20 : 19) : pair(octets, start);
  const month = pair(octets, day0);
  const day = pair(octets, day0 + 2);
  const hour = pair(octets, day0 + 4);
  const minute = pair(octets, day0 + 6);
  const second = pair(octets, day0 + 8);
  const date = new Date(0);
  const midnight = date.setUTCFullYear(century * 100 + short, month - 1, day);
  // NaN, from a character that is no digit, fails every comparison.
  const exists = date.getUTCMonth() === month - 1 && date.getUTCDate() === day;
  if (!exists || !(hour < 24 && minute < 60 && second < 60)) return undefined;
  return midnight + ((hour * 60 + minute) * 60 + second) * 1000;
}

function pair(octets: Uint8Array, at: number): number {
  const tens = (octets[at] ?? 0) - 0x30;
  const ones = (octets[at + 1] ?? 0) - 0x30;
  return tens >= 0 && tens <= 9 && ones >= 0 && ones <= 9 ? tens * 10 + ones : Number.NaN;
}
