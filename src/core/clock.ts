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

export const seconds = (n: number): Millis => n * 1000;
export const minutes = (n: number): Millis => n * 60_000;
export const hours = (n: number): Millis => n * 3_600_000;
export const days = (n: number): Millis => n * 86_400_000;

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
  private readonly pending: { readonly at: Millis; readonly id: number; readonly wake: () => void }[] = [];

  constructor(start: Millis) {
    this.time = start;
  }

  now(): Millis {
    return this.time;
  }

  schedule(at: Millis, wake: () => void): () => void {
    const entry = { at: Math.max(at, this.time), id: this.nextId++, wake };
    let index = this.pending.length;
    while (index > 0 && (this.pending[index - 1]?.at ?? 0) > entry.at) index--;
    this.pending.splice(index, 0, entry);
    return () => {
      const found = this.pending.indexOf(entry);
      if (found >= 0) this.pending.splice(found, 1);
    };
  }

  /** When the next timer is due, or undefined when nothing is scheduled. */
  next(): Millis | undefined {
    return this.pending[0]?.at;
  }

  /** Moves to `to`, firing every timer due on the way at its own time. */
  advanceTo(to: Millis): void {
    for (let due = this.pending[0]; due && due.at <= to; due = this.pending[0]) {
      this.pending.shift();
      this.time = due.at;
      due.wake();
    }
    this.time = Math.max(this.time, to);
  }
}
