import type { Timers } from '../core/clock.ts';
import { randomUint32, seededRandom } from '../core/random.ts';
import { type DeviceConnection, endpointOf, type OpenRequest, shifted } from '../device/network.ts';
import { blockExponentFor } from '../transport/block-size.ts';
import { type DialedSession, dial, sendDatagram } from '../transport/client.ts';
import type { MakeTap } from '../transport/tap.ts';
import { datagramMtu, SimulatedLink } from './link.ts';
import { ContextKeeper, PathLedger, TrustKeeper } from './path.ts';
import type { Path, PathOptions, PathTraffic } from './site.ts';

/** Paths of many devices to real services: a socket for each session, and in front of it the path's own faults. */
export class SocketNetwork {
  private readonly timers: Timers;
  private readonly trusts = new TrustKeeper();

  /** @param timers the machine's, on which the faults of the links run. */
  constructor(timers: Timers) {
    this.timers = timers;
  }

  connect(options: PathOptions): Path {
    return new SocketPath(options, this.timers, this.trusts);
  }
}

class SocketPath implements Path {
  readonly network = { open: (request: OpenRequest): DeviceConnection => this.open(request) };
  private readonly options: PathOptions;
  private readonly timers: Timers;
  private readonly trusts: TrustKeeper;
  private readonly ledger = new PathLedger();
  private readonly contexts = new ContextKeeper();
  private readonly ways = new Set<Way>();
  private reading = true;

  constructor(options: PathOptions, timers: Timers, trusts: TrustKeeper) {
    this.options = options;
    this.timers = timers;
    this.trusts = trusts;
  }

  get traffic(): PathTraffic {
    return this.ledger.traffic;
  }

  rebind(): void {
    for (const { session } of this.ways) session?.rebind();
  }

  cut(): void {
    for (const way of [...this.ways]) {
      way.dead = true;
      way.link?.sever();
      way.session?.cut();
    }
    this.contexts.clear();
  }

  spray(endpoint: string, datagram: Uint8Array): void {
    const to = endpointOf(endpoint);
    const link = this.link('datagram');
    link.deliver = (_, bytes) => sendDatagram(to, bytes);
    link.send('left', datagram);
    this.ledger.sent(datagram.length);
  }

  setReading(reading: boolean): void {
    this.reading = reading;
    for (const { session } of this.ways) session?.setReading(reading);
  }

  private open({ uri, identity, trust, clockOffset, onEvent, createEndpoint }: OpenRequest): DeviceConnection {
    const kind = uri.scheme === 'coaps' ? 'datagram' : 'stream';
    const mtu = datagramMtu(this.options.faults);
    const way: Way = { session: undefined, link: undefined, dead: false };
    const timers = shifted(this.options.timers, clockOffset);
    const session = dial({
      uri,
      context: this.contexts.get({ transport: kind, identity, trust: trust && this.trusts.same(trust), mtu }),
      owner: (opened) => (event) => {
        if (event.type === 'established') this.contexts.clear();
        if (event.type === 'closed') {
          this.ways.delete(way);
          this.ledger.closed(opened);
        }
        if (!way.dead) onEvent(event);
      },
      timers,
      random: this.options.random,
      blockExponent: blockExponentFor(mtu),
      tap: this.tap(kind, way),
      ...(createEndpoint && { createEndpoint }),
    });
    way.session = session;
    this.ledger.opened(session);
    // It may be over already.
    if (session.closed) this.ledger.closed(session);
    else this.ways.add(way);
    if (!this.reading) session.setReading(false);
    return session;
  }

  private tap(kind: 'datagram' | 'stream', way: Way): MakeTap {
    return (ends) => {
      const link = this.link(kind);
      way.link = link;
      link.deliver = (to, bytes) => (to === 'right' ? ends.toSocket(bytes) : ends.toSession(bytes));
      link.ended = (at) => (at === 'right' ? ends.endSocket() : ends.endSession());
      return {
        outgoing: (bytes) => link.send('left', bytes),
        outgoingEnd: () => link.end('left'),
        incoming: (bytes) => link.send('right', bytes),
        incomingEnd: () => link.end('right'),
      };
    };
  }

  /** A seed for each: what one of them draws leaves the next ones as they were. */
  private link(kind: 'datagram' | 'stream'): SimulatedLink {
    const { faults, random } = this.options;
    return new SimulatedLink({
      timers: this.timers,
      random: seededRandom(randomUint32(random)),
      kind,
      fragment: 'none',
      faults,
    });
  }
}

interface Way {
  session: DialedSession | undefined;
  link: SimulatedLink | undefined;
  /** The power is gone: nobody hears of it any more. */
  dead: boolean;
}
