import type { Millis, Timers } from '../core/clock.ts';
import { type RandomSource, randomFraction } from '../core/random.ts';

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

export const perfectLink: LinkFaults = { loss: 0, duplicate: 0, reorder: 0, delay: 5, jitter: 0, mtu: 65_535 };

/** One piece of traffic as it is sent: `index` counts those of its direction from 0. */
export interface Sent {
  readonly from: Side;
  readonly index: number;
  readonly bytes: Uint8Array;
}

export interface SimulatedLinkOptions {
  readonly timers: Timers;
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

/** A network of two ends. Give it `deliver` and call `send`; what the network does is a matter of its timers. */
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

const noTraffic = (): Traffic => ({ sent: 0, bytes: 0, lost: 0, duplicated: 0, oversized: 0 });
