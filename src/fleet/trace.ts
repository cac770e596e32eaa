import type { Clock, Millis } from '../core/clock.ts';
import { limits } from '../core/limits.ts';

/** The last doings of a device, each with its time after the start of the run. */
export class Trace {
  private readonly clock: Clock;
  private readonly start: Millis;
  private readonly kept: string[] = [];

  constructor(clock: Clock, start: Millis) {
    this.clock = clock;
    this.start = start;
  }

  add(text: string): void {
    if (this.kept.length === limits.fleet.trace) this.kept.shift();
    const at = ((this.clock.now() - this.start) / 1000).toFixed(3);
    this.kept.push(`${at} s ${text.slice(0, limits.fleet.traceText)}`);
  }

  /** Oldest first. */
  get lines(): readonly string[] {
    return this.kept;
  }
}
