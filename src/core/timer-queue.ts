/** A timer that waits for its time. */
export interface QueuedTimer {
  readonly at: number;
  /** Counts up: of two timers for the same time the earlier scheduled goes first. */
  readonly id: number;
  /** Undefined once it is cancelled or taken. */
  wake: (() => void) | undefined;
}

/** Below this many cancelled timers a sweep is not worth it. */
const tolerated = 64;

/**
 * Timers in a binary heap: adding and taking cost the logarithm of their number. A cancelled one stays where it is until
 * it comes up, or until as many are cancelled as wait: then all of them are swept out at once.
 */
export class TimerQueue {
  private heap: QueuedTimer[] = [];
  private cancelled = 0;

  get size(): number {
    return this.heap.length;
  }

  add(timer: QueuedTimer): void {
    const { heap } = this;
    let at = heap.length;
    heap.push(timer);
    while (at > 0) {
      const up = (at - 1) >> 1;
      const parent = heap[up];
      if (!parent || before(parent, timer)) break;
      heap[at] = parent;
      at = up;
    }
    heap[at] = timer;
  }

  cancel(timer: QueuedTimer): void {
    if (!timer.wake) return;
    timer.wake = undefined;
    this.cancelled++;
    if (this.cancelled > tolerated && this.cancelled * 2 > this.heap.length) this.sweep();
  }

  /** The next one that is not cancelled. */
  first(): QueuedTimer | undefined {
    while (this.heap[0] && !this.heap[0].wake) {
      this.removeTop();
      this.cancelled--;
    }
    return this.heap[0];
  }

  /** Takes the next one out if it is due at `time`. */
  takeDue(time: number): { readonly at: number; readonly wake: () => void } | undefined {
    const due = this.first();
    if (!due?.wake || due.at > time) return undefined;
    this.removeTop();
    const { at, wake } = due;
    // Cancelling it from now on does nothing.
    due.wake = undefined;
    return { at, wake };
  }

  private removeTop(): void {
    const last = this.heap.pop();
    if (last && this.heap.length > 0) this.sink(0, last);
  }

  private sink(from: number, timer: QueuedTimer): void {
    const { heap } = this;
    let at = from;
    for (;;) {
      let below = 2 * at + 1;
      let child = heap[below];
      if (!child) break;
      const other = heap[below + 1];
      if (other && before(other, child)) {
        child = other;
        below++;
      }
      if (!before(child, timer)) break;
      heap[at] = child;
      at = below;
    }
    heap[at] = timer;
  }

  private sweep(): void {
    this.heap = this.heap.filter(({ wake }) => wake);
    this.cancelled = 0;
    for (let at = (this.heap.length >> 1) - 1; at >= 0; at--) {
      const timer = this.heap[at];
      if (timer) this.sink(at, timer);
    }
  }
}

const before = (a: QueuedTimer, b: QueuedTimer): boolean => a.at < b.at || (a.at === b.at && a.id < b.id);
