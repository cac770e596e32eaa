import { afterEach, expect, it, vi } from 'vitest';
import { limits } from '../../../src/core/limits.ts';
import { doHere } from '../../../src/secure/pool.ts';

afterEach(() => {
  vi.useRealTimers();
});

it('handshake steps are done on this thread until they have had their share of its time, and again in the next stretch', () => {
  vi.useFakeTimers({ toFake: ['performance'] });
  const { stretch, stretchHandshakes: share } = limits.secure;
  vi.advanceTimersByTime(stretch);
  let done = 0;
  const step = (): void => {
    vi.advanceTimersByTime(1);
    done++;
  };
  for (let at = 0; at < share; at++) expect(doHere(step)).toBe(true);
  expect(doHere(step)).toBe(false);
  expect(done).toBe(share);
  vi.advanceTimersByTime(stretch - share);
  expect(doHere(step)).toBe(true);
  expect(done).toBe(share + 1);
});
