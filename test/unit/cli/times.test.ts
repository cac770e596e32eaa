import { describe, expect, test } from 'vitest';
import { atTime, lengthWords, moment, momentWords, sinceTime, whenWords } from '../../../src/cli/times.ts';
import { days, hours, minutes, seconds } from '../../../src/core/clock.ts';

const now = Date.UTC(2026, 10, 21, 12);

describe('a time in words', () => {
  test.each([
    [undefined, 'never'],
    [now + 500, 'now'],
    [now - seconds(8), '8 s ago'],
    [now - minutes(5), '5 min ago'],
    [now - hours(23), '23 h ago'],
    [now - days(1), '1 day ago'],
    [now + days(12), 'in 12 days'],
    [now + days(12) + hours(23), 'in 12 days'],
  ])('%j is %j', (at, words) => {
    expect(whenWords(at, now)).toBe(words);
  });

  test('and as a date', () => {
    expect(moment(now)).toBe('2026-11-21 12:00:00Z');
    expect(momentWords(now - hours(3), now)).toBe('2026-11-21 09:00:00Z (3 h ago)');
    expect(lengthWords(0)).toBe('0 s');
  });
});

describe('a time on the command line', () => {
  test.each([
    ['2026-11-21', Date.UTC(2026, 10, 21)],
    ['2026-11-21T12:00', now],
    ['2026-11-21 12:00:00', now],
    ['2026-11-21T12:00:00Z', now],
    ['2026-11-21T13:00:00+01:00', now],
  ])('%s', (text, at) => {
    expect(atTime(text)).toBe(at);
  });

  test('--since takes how long ago it was, too', () => {
    const before = Date.now();
    const since = sinceTime('30d') + days(30);
    expect(since).toBeGreaterThanOrEqual(before);
    expect(since).toBeLessThanOrEqual(Date.now());
    expect(sinceTime('2026-11-21')).toBe(Date.UTC(2026, 10, 21));
  });

  test.each(['', 'yesterday', '2026-13-01', '2026-11-21T25:00', '21.11.2026', '30'])('%j is refused', (text) => {
    expect(() => sinceTime(text)).toThrow(/2026-11-01/);
  });
});
