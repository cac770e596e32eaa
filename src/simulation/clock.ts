import { setImmediate } from 'node:timers/promises';
import { ManualTimers, type Millis, type Timers } from '../core/clock.ts';
import type { InFlight } from '../core/in-flight.ts';

/**
 * Steps simulated time. What is due within one step happens together, each thing at its own time; then reality gets its
 * turn, until nothing but the passing of simulated time can make anything happen: so a thousand devices share one turn
 * and one write of the store.
 */
export class SteppedClock {
  readonly timers: ManualTimers;
  /** Real waits that are fulfilled as soon as everything else stands still: the store's collecting of writes. */
  readonly patience: Timers;
  private readonly step: Millis;
  private readonly inFlight: InFlight;
  private patient = new Set<() => void>();
  private asked: (() => void) | undefined;
  private stepping = false;

  /** @param step 0: every timer is a step of its own. */
  constructor(start: Millis, step: Millis, inFlight: InFlight) {
    this.timers = new ManualTimers(start);
    this.step = step;
    this.inFlight = inFlight;
    this.patience = {
      now: () => this.timers.now(),
      schedule: (_, wake) => {
        this.patient.add(wake);
        this.asked?.();
        if (!this.stepping) globalThis.setImmediate(() => this.fulfil());
        return () => this.patient.delete(wake);
      },
    };
  }

  /** Steps until `done` holds; false when it does not up to `limit`, which it then is. */
  async run(done: () => boolean, limit: Millis): Promise<boolean> {
    this.stepping = true;
    try {
      return await this.stepUntil(done, limit);
    } finally {
      this.stepping = false;
      this.fulfil();
    }
  }

  private async stepUntil(done: () => boolean, limit: Millis): Promise<boolean> {
    for (;;) {
      await this.quiet();
      if (done()) return true;
      const next = this.timers.next();
      if (next === undefined || next > limit) {
        this.timers.advanceTo(limit);
        return false;
      }
      const end = this.step === 0 ? next : Math.min(limit, Math.ceil(next / this.step) * this.step);
      this.timers.advanceTo(end, burst);
    }
  }

  /** Waits until nothing but the passing of simulated time can make anything happen. */
  async quiet(): Promise<void> {
    for (;;) {
      await setImmediate();
      if (this.fulfil()) continue;
      if (!this.inFlight.busy) return;
      await Promise.race([this.inFlight.idle(), this.asking()]);
      this.asked = undefined;
    }
  }

  private fulfil(): boolean {
    const { patient } = this;
    if (patient.size === 0) return false;
    this.patient = new Set();
    for (const wake of patient) wake();
    return true;
  }

  private asking(): Promise<void> {
    return new Promise((resolve) => {
      this.asked = resolve;
    });
  }
}

/**
 * Timers that fire between two turns of reality, at most: all that ten thousand devices want at one moment would overflow
 * the queue of the store, which in reality would have begun to write meanwhile.
 */
const burst = 500;
