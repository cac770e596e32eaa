import type { Millis, Timers } from '../core/clock.ts';
import { failure } from '../core/errors.ts';
import { limits } from '../core/limits.ts';
import type { Log } from '../core/log.ts';

interface Failures {
  count: number;
  waiting: number;
  lastAt: Millis;
}

/**
 * Makes failed sign-ins slow: the answer to each waits longer than the one before, by address. What is right is never slowed,
 * so that nobody can lock somebody else out. What is logged is bounded, too: the first few, then each time their number doubles.
 */
export class FailedSignIns {
  private readonly timers: Timers;
  private readonly log: Log;
  private readonly delay: Millis;
  /** Longest silent first. */
  private readonly callers = new Map<string, Failures>();
  private waiting = 0;

  constructor({
    timers,
    log,
    delay = limits.api.failedDelay,
  }: { readonly timers: Timers; readonly log: Log; readonly delay?: Millis | undefined }) {
    this.timers = timers;
    this.log = log;
    this.delay = delay;
  }

  /**
   * Counts a failure and waits before it may be told.
   * @param why short, and never the token
   * @throws FirstbootError api.too-many, at once, when too many wait already
   */
  async note(address: string, why: string): Promise<void> {
    const caller = this.of(networkOf(address));
    caller.count++;
    caller.lastAt = this.timers.now();
    const { count } = caller;
    if (count <= loggedOnes || Number.isInteger(Math.log2(count))) {
      this.log.warn({ address, why, failures: count }, 'a sign-in failed');
    }
    if (caller.waiting >= limits.api.failedWaiting || this.waiting >= limits.api.failedWaitingAll) {
      throw failure('api.too-many', { failures: count }, 'wait before you try again');
    }
    caller.waiting++;
    this.waiting++;
    const delay = Math.min(this.delay * 2 ** Math.min(count - 1, 20), limits.api.failedDelayMax);
    await new Promise<void>((resolve) => this.timers.schedule(this.timers.now() + delay, resolve));
    caller.waiting--;
    this.waiting--;
  }

  private of(network: string): Failures {
    const known = this.callers.get(network);
    this.callers.delete(network);
    const fresh = known && this.timers.now() - known.lastAt < limits.api.failedMemory;
    const caller = known && (fresh || known.waiting > 0) ? known : { count: 0, waiting: 0, lastAt: 0 };
    const [oldest] = this.callers.keys();
    if (oldest !== undefined && this.callers.size >= limits.api.failedCallers) this.callers.delete(oldest);
    this.callers.set(network, caller);
    return caller;
  }
}

/** A household has 2^64 addresses of IPv6: they count as one. */
export const networkOf = (address: string): string =>
  address.includes(':') && !address.includes('.') ? address.split(':').slice(0, 4).join(':') : address;

const loggedOnes = 4;
