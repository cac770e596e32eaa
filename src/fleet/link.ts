import { type Millis, seconds, type Timers } from '../core/clock.ts';
import { limits } from '../core/limits.ts';
import { type RandomSource, randomFraction } from '../core/random.ts';

export type Side = 'left' | 'right';

/** What a network does to datagrams, and to the segments of a stream. Probabilities are 0 .. 1, times in ms. */
export interface LinkFaults {
  /** A stream loses nothing for good: a lost segment holds up it and all behind it for a retransmission timeout. */
  readonly loss: number;
  readonly duplicate: number;
  /** Probability that one is held back by up to four times the delay and jitter, so that later ones overtake it. */
  readonly reorder: number;
  /** One way. */
  readonly delay: Millis;
  /** Added to the delay, evenly spread over 0 .. jitter. Keeps the order unless `reorder` strikes. */
  readonly jitter: Millis;
  /** Larger datagrams are dropped; a stream is cut into segments of at most this. */
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
  /** `stream`: nothing is lost, doubled or overtaken. Default `datagram`. */
  readonly kind?: 'datagram' | 'stream';
  readonly faults?: Partial<LinkFaults>;
  /**
   * Streams: 'any' (the default) delivers in pieces of any size, for readers that must not care; 'none' what was written
   * together in one piece, which is much cheaper.
   */
  readonly fragment?: 'any' | 'none';
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

/** TCP's payload in an Ethernet frame. */
const segmentBytes = 1460;

/** Linux does not wait less for an acknowledgement; RFC 6298 §2.4 asks for a second. */
const shortestRetransmission: Millis = 200;

/** RFC 6298 §2.1: the timeout of a SYN, whose round trip nobody has measured. */
const firstRetransmission: Millis = seconds(1);

/** As many times is a segment, or a SYN, sent again at most: TCP would have given up. */
const mostRetransmissions = 6;

/** A network of two ends. Give it `deliver` and call `send`; what the network does is a matter of its timers. */
export class SimulatedLink {
  deliver: (to: Side, bytes: Uint8Array) => void = () => undefined;
  /** A stream's sender has closed its direction; everything before it has been delivered. */
  ended: (at: Side) => void = () => undefined;
  readonly traffic: Readonly<Record<Side, Traffic>> = { left: noTraffic(), right: noTraffic() };
  private readonly options: SimulatedLinkOptions;
  private readonly faults: LinkFaults;
  /** Arrival of the latest in-order delivery, by sender. */
  private readonly latest: Record<Side, Millis> = { left: 0, right: 0 };
  /** What a stream's sender has written at this moment: it travels together. */
  private readonly writing: Record<Side, Writing | undefined> = { left: undefined, right: undefined };
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
      this.write(from, bytes);
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

  /**
   * Streams, before anything is sent: the left side opens the connection, and what it sends leaves when the handshake of
   * TCP is through. Returns when that is; a lost SYN (either way) costs a second, the next one two, and so on.
   */
  open(): Millis {
    const { timers } = this.options;
    const there = this.transit() + this.repeats(firstRetransmission, 'left');
    const back = this.transit() + this.repeats(firstRetransmission, 'right');
    const through = timers.now() + there + back;
    this.latest.left = Math.max(this.latest.left, through + this.faults.delay);
    return through;
  }

  /** Streams: the sender is done (FIN). */
  end(from: Side): void {
    if (this.severed) return;
    this.writing[from] = undefined;
    const at = Math.max(this.options.timers.now() + this.transit(), this.latest[from]);
    this.latest[from] = at;
    this.options.timers.schedule(at, () => this.ended(other(from)));
  }

  /** From now on everything is lost, both ways. What is on its way still arrives. */
  sever(): void {
    this.severed = true;
  }

  restore(): void {
    this.severed = false;
  }

  private write(from: Side, bytes: Uint8Array): void {
    if (this.options.fragment === 'none') {
      this.append(from, bytes);
      return;
    }
    for (let at = 0; at < bytes.length; ) {
      const size = 1 + Math.floor(this.draw() * Math.min(this.faults.mtu, bytes.length - at));
      this.deliverInOrder(from, copyOf(bytes.subarray(at, at + size)), this.segmentDelay(from, size));
      at += size;
    }
  }

  private append(from: Side, bytes: Uint8Array): void {
    const { timers } = this.options;
    const now = timers.now();
    const writing = this.writing[from];
    const delay = this.segmentDelay(from, bytes.length);
    // Whatever is written while the first piece has not moved yet goes with it, unless a segment of it gets lost.
    if (writing && writing.at === now && now + delay <= writing.arrives) {
      writing.pieces.push(copyOf(bytes));
      return;
    }
    const pieces = [copyOf(bytes)];
    const arrives = Math.max(now + delay, this.latest[from]);
    this.latest[from] = arrives;
    this.writing[from] = { at: now, arrives, pieces };
    timers.schedule(arrives, () => {
      if (this.writing[from]?.pieces === pieces) this.writing[from] = undefined;
      for (const piece of pieces) this.deliver(other(from), piece);
    });
  }

  /** How long a stream's next bytes take, with the loss of any of their segments. */
  private segmentDelay(from: Side, bytes: number): Millis {
    const { delay, jitter, loss, mtu } = this.faults;
    // Without a draw of its own for what goes with bytes under way: sizes vary by a byte or two between runs.
    const writing = this.writing[from];
    const joins = writing !== undefined && writing.at === this.options.timers.now();
    let time = joins ? writing.arrives - writing.at : this.transit();
    if (loss > 0) {
      const timeout = Math.max(shortestRetransmission, 2 * (2 * delay + jitter));
      const segments = Math.ceil(bytes / Math.min(mtu, segmentBytes));
      for (let n = 0; n < segments; n++) time += this.repeats(timeout, from);
    }
    return time;
  }

  /** Time lost by sending again until it gets through: the timeout, doubled each time (RFC 6298 §5.5). */
  private repeats(timeout: Millis, from: Side): Millis {
    let lost = 0;
    for (let n = 0; n < mostRetransmissions && this.strikes(this.faults.loss); n++) {
      lost += timeout * 2 ** n;
      this.traffic[from].lost++;
    }
    return lost;
  }

  private deliverInOrder(from: Side, bytes: Uint8Array, delay: Millis): void {
    const { timers } = this.options;
    const at = Math.max(timers.now() + delay, this.latest[from]);
    this.latest[from] = at;
    timers.schedule(at, () => this.deliver(other(from), bytes));
  }

  private schedule(from: Side, bytes: Uint8Array): void {
    const { delay, jitter, reorder } = this.faults;
    const { timers } = this.options;
    // What is on the wire no longer belongs to the sender.
    const copy = copyOf(bytes);
    const transit = this.transit();
    if (!this.strikes(reorder)) {
      this.deliverInOrder(from, copy, transit);
      return;
    }
    const late = transit + 4 * (delay + jitter) * this.draw();
    timers.schedule(timers.now() + late, () => this.deliver(other(from), copy));
  }

  private transit(): Millis {
    const { delay, jitter } = this.faults;
    return jitter > 0 ? delay + jitter * this.draw() : delay;
  }

  private strikes(probability: number): boolean {
    return probability > 0 && this.draw() < probability;
  }

  private draw(): number {
    return randomFraction(this.options.random);
  }
}

interface Writing {
  readonly at: Millis;
  readonly arrives: Millis;
  readonly pieces: Uint8Array[];
}

const other = (side: Side): Side => (side === 'left' ? 'right' : 'left');

const copyOf = (bytes: Uint8Array): Uint8Array => new Uint8Array(bytes);

const noTraffic = (): Traffic => ({ sent: 0, bytes: 0, lost: 0, duplicated: 0, oversized: 0 });

/** DTLS needs some room, whatever the link lets through. */
const smallestMtu = 300;

/** The datagrams that a device sends over such a link, bytes. */
export const datagramMtu = ({ mtu }: Pick<LinkFaults, 'mtu'>): number =>
  Math.min(limits.secure.mtu, Math.max(smallestMtu, mtu));
