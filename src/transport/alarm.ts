import type { Millis, Timers } from '../core/clock.ts';

/**
 * One wake-up for a core that names its next deadline. Deadlines mostly move later, so the timer is left as it is
 * and asks again when it fires: no timer is made and cancelled for every datagram.
 */
export class Alarm {
  private readonly timers: Timers;
  private readonly ring: (now: Millis) => Millis | undefined;
  private armedFor: Millis | undefined;
  private cancel: (() => void) | undefined;

  /** @param ring does what is due and returns the next deadline. */
  constructor(timers: Timers, ring: (now: Millis) => Millis | undefined) {
    this.timers = timers;
    this.ring = ring;
  }

  /** Makes sure that the alarm rings at `deadline` or before. */
  set(deadline: Millis | undefined): void {
    if (deadline === undefined || (this.armedFor !== undefined && this.armedFor <= deadline)) return;
    this.cancel?.();
    this.armedFor = deadline;
    this.cancel = this.timers.schedule(deadline, () => {
      this.armedFor = undefined;
      this.cancel = undefined;
      this.set(this.ring(this.timers.now()));
    });
  }

  stop(): void {
    this.cancel?.();
    this.cancel = undefined;
    this.armedFor = undefined;
  }
}
