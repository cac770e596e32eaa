import { describe, expect, it } from 'vitest';
import { days, ManualTimers, seconds } from '../../../src/core/clock.ts';
import { failure } from '../../../src/core/errors.ts';
import { systemRandom } from '../../../src/core/random.ts';
import { type HealthDeps, readiness, StoreHealth } from '../../../src/ops/health.ts';
import { createAuthority } from '../../../src/pki/authority.ts';

const start = Date.UTC(2026, 0, 1);
const authority = createAuthority({ now: start, random: systemRandom, name: 'Test' });
const writable = (): StoreHealth => new StoreHealth({ probe: async () => undefined }, new ManualTimers(start));

const deps = (changes: Partial<HealthDeps> = {}): HealthDeps => ({
  authority: () => authority,
  identityEnds: () => start + days(365),
  draining: () => false,
  reloadFailure: () => undefined,
  store: writable(),
  now: () => start,
  ...changes,
});

describe('a service', () => {
  it('is ready when nothing is wrong', () => {
    expect(readiness(deps())).toEqual({ ready: true, reasons: [], codes: [] });
  });

  it.each([
    ['it drains', { draining: () => true }, /^draining/, 'draining'],
    [
      'its certificate has expired',
      { identityEnds: () => start },
      /^the certificate of the service has expired$/,
      'certificate-expired',
    ],
    ['its root has expired', { now: () => start + days(366 * 20) }, /^the root .* has expired$/, 'authority-expired'],
  ])('is not ready when %s', (_, changes, reason, code) => {
    const { ready, reasons, codes } = readiness(deps(changes));
    expect([ready, reasons[0], codes[0]]).toEqual([false, expect.stringMatching(reason), code]);
  });

  it.each([
    [
      'its certificate ends soon',
      { identityEnds: () => start + days(3) },
      'the certificate of the service expires in 3 days',
      'certificate-expires-soon',
    ],
    [
      'the last reload was refused',
      { reloadFailure: () => 'no such file' },
      'the last reload was refused: no such file',
      'reload-refused',
    ],
  ])('is ready and says so when %s', (_, changes, reason, code) => {
    expect(readiness(deps(changes))).toEqual({ ready: true, reasons: [reason], codes: [code] });
  });
});

describe('the health of the store', () => {
  it('is looked at every ten seconds, whether or not somebody writes, and gets well again', async () => {
    const timers = new ManualTimers(start);
    let fault: Error | undefined;
    const store = new StoreHealth({ probe: () => (fault ? Promise.reject(fault) : Promise.resolve()) }, timers);
    const settled = () => new Promise((resolve) => setImmediate(resolve));
    await settled();
    expect(readiness(deps({ store })).ready).toBe(true);
    fault = failure('service.store', { code: 'ENOSPC' }, 'make room');
    timers.advanceTo(start + seconds(10));
    await settled();
    const { ready, reasons } = readiness(deps({ store }));
    expect([ready, reasons[0]]).toEqual([false, expect.stringMatching(/^the store cannot be written: .*ENOSPC/)]);
    fault = undefined;
    timers.advanceTo(start + seconds(20));
    await settled();
    expect(readiness(deps({ store })).ready).toBe(true);
    await store.stop();
    expect(timers.next()).toBeUndefined();
  });
});
