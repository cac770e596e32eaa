import { describe, expect, it } from 'vitest';
import { seconds } from '../../../src/core/clock.ts';
import { seededRandom } from '../../../src/core/random.ts';
import { documentedRetry, parseRetryTable, RetryCounter } from '../../../src/device/retry.ts';

describe('the documented retry rule', () => {
  it('waits 10, 20, 40, 80, 120 s and starts over, for ever', () => {
    const counter = new RetryCounter(documentedRetry, seededRandom(1));
    const delays: number[] = [];
    const usedUp: boolean[] = [];
    for (let k = 0; k < 12; k++) {
      delays.push(counter.delay('failure') / 1000);
      usedUp.push(counter.advance());
    }
    expect(delays).toEqual([10, 20, 40, 80, 120, 10, 20, 40, 80, 120, 10, 20]);
    expect(usedUp.map((used, k) => (used ? k : undefined)).filter((k) => k !== undefined)).toEqual([4, 9]);
  });

  it('waits as long after a timeout, and gives each try the time of its interval', () => {
    const counter = new RetryCounter(documentedRetry, seededRandom(1));
    counter.advance();
    expect(counter.delay('timeout')).toBe(seconds(20));
    expect(counter.timeout).toBe(seconds(20));
  });

  it('starts from the first interval after a reset', () => {
    const counter = new RetryCounter(documentedRetry, seededRandom(1));
    counter.advance();
    counter.advance();
    counter.reset();
    expect(counter.delay('failure')).toBe(seconds(10));
  });
});

describe('the retry rule of 2025', () => {
  it('waits half of the interval and up to half of it more, not always the same', () => {
    const counter = new RetryCounter({ ...documentedRetry, variant: '2025' }, seededRandom(2));
    const delays = Array.from({ length: 200 }, () => counter.delay('failure'));
    expect(Math.min(...delays)).toBeGreaterThanOrEqual(seconds(5));
    expect(Math.max(...delays)).toBeLessThan(seconds(10));
    expect(new Set(delays).size).toBeGreaterThan(150);
  });

  it('does not wait after a timeout', () => {
    const counter = new RetryCounter({ ...documentedRetry, variant: '2025' }, seededRandom(2));
    expect(counter.delay('timeout')).toBe(0);
  });
});

describe('a retry table on the command line', () => {
  it('is seconds, separated by commas', () => {
    expect(parseRetryTable('10,20, 40')).toEqual([10_000, 20_000, 40_000]);
  });

  it.each(['', '0', '256', '10,,20', 'ten', '1.5', '1,2,3,4,5,6,7,8,9'])('"%s" is refused', (text) => {
    expect(() => parseRetryTable(text)).toThrow(RangeError);
  });
});
