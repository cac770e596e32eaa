import { earlier, type ManualTimers, type Millis } from '../../src/core/clock.ts';
import { type RandomSource, randomFraction } from '../../src/core/random.ts';

export type Side = 'left' | 'right';

/** What a network does to datagrams. Probabilities are 0 .. 1, times in ms. */
export interface LinkFaults {
  readonly loss: number;
  readonly duplicate: number;
  /** Probability that one is held back by up to four times the delay and jitter, so that later ones overtake it. */
  readonly reorder: number;
  readonly delay: Millis;
  /** Added to the delay, evenly spread over 0 .. jitter. Keeps the order unless `reorder` strikes. */
  readonly jitter: Millis;
  /** Larger datagrams are dropped; on a stream, the largest piece delivered at once. */
  readonly mtu: number;
}

const perfectLink: LinkFaults = { loss: 0, duplicate: 0, reorder: 0, delay: 5, jitter: 0, mtu: 65_535 };

/** One piece of traffic as it is sent: `index` counts those of its direction from 0. */
export interface Sent {
  readonly from: Side;
  readonly index: number;
  readonly bytes: Uint8Array;
}

export interface SimulatedLinkOptions {
  readonly timers: ManualTimers;
  /** Every fault is drawn from it: the same seed gives the same run. */
  readonly random: RandomSource;
  /** `stream`: nothing is lost, doubled or overtaken, but it arrives in pieces of any size. Default `datagram`. */
  readonly kind?: 'datagram' | 'stream';
  readonly faults?: Partial<LinkFaults>;
  /** A fault of one's own, before the drawn ones: what to do with just this one. */
  readonly intercept?: (sent: Sent) => 'pass' | 'drop' | 'duplicate';
}

/** Counts of one direction. */
export interface Traffic {
  sent: number;
  bytes: number;
  lost: number;
  duplicated: number;
  oversized: number;
}

/** A network of two ends on a stepped clock. Give it `deliver`, call `send`, advance the timers. */
export class SimulatedLink {
  deliver: (to: Side, bytes: Uint8Array) => void = () => undefined;
  readonly traffic: Readonly<Record<Side, Traffic>> = { left: noTraffic(), right: noTraffic() };
  private readonly options: SimulatedLinkOptions;
  private readonly faults: LinkFaults;
  /** Arrival of the latest in-order delivery, by sender. */
  private readonly latest: Record<Side, Millis> = { left: 0, right: 0 };
  private severed = false;

  constructor(options: SimulatedLinkOptions) {
    this.options = options;
    this.faults = { ...perfectLink, ...options.faults };
  }

  send(from: Side, bytes: Uint8Array): void {
    const traffic = this.traffic[from];
    const index = traffic.sent++;
    traffic.bytes += bytes.length;
    const verdict = this.severed ? 'drop' : (this.options.intercept?.({ from, index, bytes }) ?? 'pass');
    if (verdict === 'drop') {
      traffic.lost++;
    } else if (this.options.kind === 'stream') {
      this.sendPieces(from, bytes);
    } else if (bytes.length > this.faults.mtu) {
      traffic.oversized++;
    } else if (this.strikes(this.faults.loss)) {
      traffic.lost++;
    } else {
      this.schedule(from, bytes);
      if (verdict === 'duplicate' || this.strikes(this.faults.duplicate)) {
        traffic.duplicated++;
        this.schedule(from, bytes);
      }
    }
  }

  /** From now on everything is lost, both ways. What is on its way still arrives. */
  sever(): void {
    this.severed = true;
  }

  restore(): void {
    this.severed = false;
  }

  private sendPieces(from: Side, bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length; ) {
      const size = 1 + Math.floor(this.draw() * Math.min(this.faults.mtu, bytes.length - at));
      this.schedule(from, bytes.subarray(at, at + size));
      at += size;
    }
  }

  private schedule(from: Side, bytes: Uint8Array): void {
    const { delay, jitter, reorder } = this.faults;
    let at = this.options.timers.now() + delay + jitter * this.draw();
    if (this.options.kind !== 'stream' && this.strikes(reorder)) {
      at += 4 * (delay + jitter) * this.draw();
    } else {
      at = Math.max(at, this.latest[from]);
      this.latest[from] = at;
    }
    // A copy: what is on the wire no longer belongs to the sender.
    const copy = new Uint8Array(bytes);
    this.options.timers.schedule(at, () => this.deliver(from === 'left' ? 'right' : 'left', copy));
  }

  private strikes(probability: number): boolean {
    return probability > 0 && this.draw() < probability;
  }

  private draw(): number {
    return randomFraction(this.options.random);
  }
}

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

const noTraffic = (): Traffic => ({ sent: 0, bytes: 0, lost: 0, duplicated: 0, oversized: 0 });
