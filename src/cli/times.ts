import { InvalidArgumentError } from 'commander';
import { type Millis, systemTimers } from '../core/clock.ts';
import { parseDuration } from '../fleet/units.ts';

/** "3 h ago", "in 12 days", "now"; "never" where there is no time. */
export function whenWords(at: Millis | undefined, now: Millis): string {
  if (at === undefined) return 'never';
  const away = Math.abs(at - now);
  if (away < 1000) return 'now';
  return at > now ? `in ${lengthWords(away)}` : `${lengthWords(away)} ago`;
}

/** "12 days", "3 h", "5 min", "8 s": the largest unit that it is one of. */
export function lengthWords(time: Millis): string {
  const whole = (unit: Millis): number => Math.floor(time / unit);
  if (whole(86_400_000) >= 1) return whole(86_400_000) === 1 ? '1 day' : `${whole(86_400_000)} days`;
  if (whole(3_600_000) >= 1) return `${whole(3_600_000)} h`;
  if (whole(60_000) >= 1) return `${whole(60_000)} min`;
  return `${whole(1000)} s`;
}

/** `2026-11-21 19:11:55Z` */
export const moment = (at: Millis): string =>
  new Date(at)
    .toISOString()
    .replace('T', ' ')
    .replace(/\.\d+Z$/, 'Z');

/** `2026-11-21 19:11:55Z (3 h ago)` */
export const momentWords = (at: Millis, now: Millis): string => `${moment(at)} (${whenWords(at, now)})`;

/** Option parser: how long ago (`30d`, `12h`, `5min`) or a date (`2026-11-01`, `2026-11-01T12:00:00Z`), as a time. */
export function sinceTime(text: string): Millis {
  const ago = parseDuration(text);
  if (ago !== undefined) return systemTimers.now() - ago;
  return atTime(text);
}

/** Option parser: a date or a time in ISO 8601; without a zone it is UTC. */
export function atTime(text: string): Millis {
  const [, day, time = '00:00:00', zone = 'Z'] = iso.exec(text) ?? [];
  const at = day === undefined ? Number.NaN : Date.parse(`${day}T${time}${zone}`);
  if (!Number.isNaN(at)) return at;
  throw new InvalidArgumentError(
    'expected a date (2026-11-01, 2026-11-01T12:00:00Z) or, for the past, a time ago (30d).',
  );
}

const iso = /^(\d{4}-\d{2}-\d{2})(?:[T ](\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?))?(Z|[+-]\d{2}:\d{2})?$/;
