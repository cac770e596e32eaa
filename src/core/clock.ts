import { type QueuedTimer, TimerQueue } from './timer-queue.ts';

/** Milliseconds since the Unix epoch. The only unit of time inside firstboot; seconds appear on wires only. */
export type Millis = number;

/** Where the time comes from. Cores are handed `now`; only the edge holds a clock. */
export interface Clock {
  now(): Millis;
}

/** A clock that can also wake somebody: what the edge (sockets, simulators) runs its timers on. */
export interface Timers extends Clock {
  /** Calls `wake` once at or after `at`. The returned function cancels it. */
  schedule(at: Millis, wake: () => void): () => void;
}

/** Reads milliseconds with fractions that only count up, from whenever on: what measures how long something took. */
export type Stopwatch = () => Millis;

export const systemStopwatch: Stopwatch = () => performance.now();

export const seconds = (n: number): Millis => n * 1000;
export const minutes = (n: number): Millis => n * 60_000;
export const hours = (n: number): Millis => n * 3_600_000;
export const days = (n: number): Millis => n * 86_400_000;

/** For people and records: ISO 8601, UTC, with ms. */
export const isoTime = (time: Millis): string => new Date(time).toISOString();

/** The earlier of two deadlines, either of which may be missing. */
export const earlier = (a: Millis | undefined, b: Millis | undefined): Millis | undefined =>
  a === undefined ? b : b === undefined ? a : Math.min(a, b);

/** setTimeout's delay is a signed 32-bit number of ms; longer ones fire at once. */
const longestTimeout = 0x7fff_ffff;

/** The machine's clock and timers. */
export const systemTimers: Timers = {
  now: () => Date.now(),
  schedule(at, wake) {
    let timer: NodeJS.Timeout;
    const arm = (): void => {
      const delay = Math.max(0, at - Date.now());
      timer = delay > longestTimeout ? setTimeout(arm, longestTimeout) : setTimeout(wake, delay);
    };
    arm();
    return () => clearTimeout(timer);
  },
};

/** A clock that moves only when told: simulations and tests. Wakes in order of time, then of scheduling. */
export class ManualTimers implements Timers {
  private time: Millis;
  private nextId = 0;
  private readonly queue = new TimerQueue();

  constructor(start: Millis) {
    this.time = start;
  }

  now(): Millis {
    return this.time;
  }

  schedule(at: Millis, wake: () => void): () => void {
    const timer: QueuedTimer = { at: Math.max(at, this.time), id: this.nextId++, wake };
    this.queue.add(timer);
    return () => this.queue.cancel(timer);
  }

  /** When the next timer is due, or undefined when nothing is scheduled. */
  next(): Millis | undefined {
    return this.queue.first()?.at;
  }

  /**
   * Moves to `to`, firing every timer due on the way at its own time.
   * @param most stops after so many of them, at the time of the last one.
   */
  advanceTo(to: Millis, most: number = Number.POSITIVE_INFINITY): void {
    let left = most;
    for (let due = this.queue.takeDue(to); due; due = this.queue.takeDue(to)) {
      this.time = due.at;
      due.wake();
      if (--left <= 0) return;
    }
    this.time = Math.max(this.time, to);
  }

  /** Timers held in memory, cancelled ones that are not swept out yet included: at most twice those that wait, and some. */
  get held(): number {
    return this.queue.size;
  }
}
