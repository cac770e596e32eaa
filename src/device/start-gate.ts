import type { Millis } from '../core/clock.ts';

/** Why a provisioning run is about to begin. */
export type RunReason = 'first-boot' | 'missing' | 'forced' | 'renewal' | 'hub-changed' | 'gateways-exhausted';

/**
 * `ignore`: not now; a renewal is asked about again at its next schedule, everything else when something new wants to run.
 * `reschedule`: ask again after so many ms.
 */
export type StartDecision = 'apply' | 'ignore' | { readonly reschedule: Millis };

/** Asked before every run; what a run does to get to its end (tries, steps from the start) is not asked about. */
export type StartHook = (reason: RunReason) => StartDecision;

/** Stands before every run and lets it begin, drops it, or holds it back, as the hook says. Without a hook all is let through. */
export class StartGate {
  private readonly hook: StartHook | undefined;
  private readonly begin: (reason: RunReason, now: Millis) => void;
  private held: { readonly reason: RunReason; readonly at: Millis } | undefined;
  private begun = 0;

  constructor(hook: StartHook | undefined, begin: (reason: RunReason, now: Millis) => void) {
    this.hook = hook;
    this.begin = begin;
  }

  /** A run waits for its time. */
  get holding(): boolean {
    return this.held !== undefined;
  }

  /** What came of it, or of what the hook asked for in its stead. A later request takes the place of the one that is held back. */
  request(reason: RunReason, now: Millis): 'begun' | 'ignored' | 'held' {
    const mine = { reason, at: now };
    this.held = mine;
    const { begun } = this;
    const decision = this.hook?.(reason) ?? 'apply';
    // The hook may have stopped the device, or asked for another run.
    if (this.held !== mine) return this.held !== undefined ? 'held' : this.begun > begun ? 'begun' : 'ignored';
    if (typeof decision === 'object') {
      this.held = { reason, at: now + Math.max(0, decision.reschedule) };
      return 'held';
    }
    this.held = undefined;
    if (decision === 'ignore') return 'ignored';
    this.begun++;
    this.begin(reason, now);
    return 'begun';
  }

  clear(): void {
    this.held = undefined;
  }

  nextTimeout(): Millis | undefined {
    return this.held?.at;
  }

  /** The run that is due, which has to be requested again. */
  due(now: Millis): RunReason | undefined {
    if (!this.held || now < this.held.at) return undefined;
    const { reason } = this.held;
    this.held = undefined;
    return reason;
  }
}
