import type { Millis, Timers } from '../core/clock.ts';
import { type QueuedTimer, TimerQueue } from '../core/timer-queue.ts';

/**
 * Timers that keep their order of time, and for the same time their order of scheduling, as a link needs them whose bytes
 * must not overtake each other. The machine's own do not promise it: when they come to be looked at, and what the event loop
 * takes for the present, shifts them against each other by a millisecond.
 */
export class OrderedTimers implements Timers {
  private readonly base: Timers;
  private readonly queue = new TimerQueue();
  private nextId = 0;
  private armed: { readonly at: Millis; readonly cancel: () => void } | undefined;

  constructor(base: Timers) {
    this.base = base;
  }

  now(): Millis {
    return this.base.now();
  }

  schedule(at: Millis, wake: () => void): () => void {
    const timer: QueuedTimer = { at, id: this.nextId++, wake };
    this.queue.add(timer);
    this.arm();
    return () => this.queue.cancel(timer);
  }

  private arm(): void {
    const first = this.queue.first();
    if (!first || (this.armed && this.armed.at <= first.at)) return;
    this.armed?.cancel();
    this.armed = { at: first.at, cancel: this.base.schedule(first.at, () => this.ring()) };
  }

  private ring(): void {
    this.armed = undefined;
    const now = this.base.now();
    try {
      for (let due = this.queue.takeDue(now); due; due = this.queue.takeDue(now)) due.wake();
    } finally {
      this.arm();
    }
  }
}
