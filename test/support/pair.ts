import { earlier, type ManualTimers, type Millis } from '../../src/core/clock.ts';
import type { Side, SimulatedLink } from '../../src/fleet/link.ts';

/** A core without I/O: CoAP endpoint, secure association, or a stack of both. */
export interface Machine {
  receive(bytes: Uint8Array, now: Millis): void;
  takeOutput(): Uint8Array[];
  nextTimeout(): Millis | undefined;
  handleTimeout(now: Millis): void;
}

/** Two machines, a link between them and a stepped clock: minutes of a session in milliseconds. */
export class Pair {
  readonly left: Machine;
  readonly right: Machine;
  readonly link: SimulatedLink;
  readonly timers: ManualTimers;
  private readonly act: () => void;

  /**
   * @param options.act what the owners of the machines do after every input and timeout: take events, answer requests.
   */
  constructor(options: {
    readonly left: Machine;
    readonly right: Machine;
    readonly link: SimulatedLink;
    readonly timers: ManualTimers;
    readonly act?: () => void;
  }) {
    this.left = options.left;
    this.right = options.right;
    this.link = options.link;
    this.timers = options.timers;
    this.act = options.act ?? (() => undefined);
    this.link.deliver = (to, bytes) => {
      this[to].receive(bytes, this.timers.now());
      this.settle();
    };
  }

  get now(): Millis {
    return this.timers.now();
  }

  /** Moves everything that is ready: owners act, output goes on the link. Call it after acting from outside. */
  settle(): void {
    this.act();
    for (let round = 0; this.flush('left') || this.flush('right'); round++) {
      if (round > 10_000) throw new Error('the machines do not settle: output without end at one moment');
      this.act();
    }
  }

  /** Steps the clock until `done` holds. False when nothing is left to happen, or not within `within` ms. */
  run(done: () => boolean, within: Millis = 600_000): boolean {
    const limit = this.now + within;
    let idleSteps = 0;
    for (this.settle(); !done(); ) {
      const next = this.nextStep();
      if (next === undefined || next > limit) return false;
      idleSteps = next > this.now ? 0 : idleSteps + 1;
      if (idleSteps > 10_000) throw new Error('the machines do not settle: timeouts without end at one moment');
      this.timers.advanceTo(Math.max(next, this.now));
      for (const machine of [this.left, this.right]) {
        if ((machine.nextTimeout() ?? Number.POSITIVE_INFINITY) <= this.now) machine.handleTimeout(this.now);
      }
      this.settle();
    }
    return true;
  }

  private flush(side: Side): boolean {
    const output = this[side].takeOutput();
    for (const bytes of output) this.link.send(side, bytes);
    return output.length > 0;
  }

  private nextStep(): Millis | undefined {
    return earlier(this.timers.next(), earlier(this.left.nextTimeout(), this.right.nextTimeout()));
  }
}
