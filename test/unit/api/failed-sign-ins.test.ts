import { describe, expect, it } from 'vitest';
import { FailedSignIns } from '../../../src/api/failed-sign-ins.ts';
import { ManualTimers } from '../../../src/core/clock.ts';
import { limits } from '../../../src/core/limits.ts';
import { type Log, silentLog } from '../../../src/core/log.ts';

function bench() {
  const timers = new ManualTimers(1_000_000);
  const lines: Readonly<Record<string, unknown>>[] = [];
  const log: Log = { ...silentLog, warn: (fields) => void lines.push(fields) };
  return { timers, lines, failed: new FailedSignIns({ timers, log }) };
}

/** How long a failure from an address waits, ms. */
async function waitOf({ timers, failed }: ReturnType<typeof bench>, address: string): Promise<number> {
  const begun = timers.now();
  const noted = failed.note(address, 'wrong');
  timers.advanceTo(timers.next() ?? begun);
  await noted;
  return timers.now() - begun;
}

describe('failed sign-ins', () => {
  it('wait twice as long each time, up to a bound, by address', async () => {
    const here = bench();
    const waits: number[] = [];
    for (let count = 0; count < 8; count++) waits.push(await waitOf(here, '192.0.2.1'));
    expect(waits).toEqual([100, 200, 400, 800, 1600, 3200, 5000, 5000]);
    expect(await waitOf(here, '192.0.2.2')).toBe(100);
  });

  it('count a network of IPv6 as one address', async () => {
    const here = bench();
    expect(await waitOf(here, '2001:db8:1:2::1')).toBe(100);
    expect(await waitOf(here, '2001:db8:1:2:3:4:5:6')).toBe(200);
    expect(await waitOf(here, '2001:db8:1:3::1')).toBe(100);
    expect(await waitOf(here, '::ffff:192.0.2.1')).toBe(100);
    expect(await waitOf(here, '::ffff:192.0.2.2')).toBe(100);
  });

  it('are forgotten after a while', async () => {
    const here = bench();
    await waitOf(here, '192.0.2.1');
    here.timers.advanceTo(here.timers.now() + limits.api.failedMemory);
    expect(await waitOf(here, '192.0.2.1')).toBe(100);
  });

  it('are told at once that they are too many when many wait already', async () => {
    const { timers, failed } = bench();
    const waiting = Array.from({ length: limits.api.failedWaiting }, () => failed.note('192.0.2.1', 'wrong'));
    await expect(failed.note('192.0.2.1', 'wrong')).rejects.toMatchObject({ code: 'api.too-many' });
    timers.advanceTo(timers.now() + limits.api.failedDelayMax);
    await Promise.all(waiting);
  });

  it('are logged the first few times, then each time their number doubles', async () => {
    const here = bench();
    for (let count = 0; count < 40; count++) await waitOf(here, '192.0.2.1');
    expect(here.lines.map(({ failures }) => failures)).toEqual([1, 2, 3, 4, 8, 16, 32]);
    expect(here.lines[0]).toEqual({ address: '192.0.2.1', why: 'wrong', failures: 1 });
  });

  it('are counted for a bounded number of addresses', async () => {
    const here = bench();
    await waitOf(here, '192.0.2.1');
    for (let count = 0; count < limits.api.failedCallers; count++) {
      const address = `10.${count >> 16}.${(count >> 8) & 255}.${count & 255}`;
      await waitOf(here, address);
    }
    expect(await waitOf(here, '192.0.2.1')).toBe(100);
  });
});
