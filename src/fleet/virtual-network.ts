import { createDatagramEndpoint } from '../coap/exchange.ts';
import { createStreamEndpoint } from '../coap/stream.ts';
import { formatHostPort } from '../coap/uri.ts';
import type { Timers } from '../core/clock.ts';
import { randomUint32, seededRandom } from '../core/random.ts';
import { type DeviceConnection, endpointOf, type OpenRequest, shifted } from '../device/network.ts';
import { blockExponentFor } from '../transport/block-size.ts';
import type { ConnectionEvent } from '../transport/connection.ts';
import { LiveSession, type LiveSessionOptions } from '../transport/session.ts';
import { datagramMtu, SimulatedLink } from './link.ts';
import { ContextKeeper, PathLedger, TrustKeeper } from './path.ts';
import type { Path, PathOptions, PathTraffic } from './site.ts';

/** What listens at an address of a virtual network. */
export interface VirtualHost {
  /** Undefined: nothing listens on UDP. */
  readonly receive?: (datagram: Uint8Array, peer: string) => void;
  /** Undefined: nothing listens on TCP, connections are refused. */
  readonly accept?: (peer: string, wire: StreamWire) => StreamEnd;
}

/** A host's way of writing to one of its streams. */
export interface StreamWire {
  send(bytes: Uint8Array): void;
  /** No more follows (FIN). */
  end(): void;
}

/** A host's end of a stream. */
export interface StreamEnd {
  receive(bytes: Uint8Array): void;
  receiveEnd(): void;
  /** The other side does not read: its buffers are full. */
  stall(): void;
  resume(): void;
}

/** A network in memory: hosts with names, devices with addresses, and between the two links that are not perfect. */
export class VirtualNetwork {
  readonly timers: Timers;
  /** Sessions that devices have opened. */
  opened = 0;
  /** For paths. */
  readonly trusts = new TrustKeeper();
  private readonly hosts = new Map<string, VirtualHost>();
  /** By the address and port at which a device is now. */
  private readonly routes = new Map<string, Way>();
  private addresses = 0;

  constructor(timers: Timers) {
    this.timers = timers;
  }

  /** Puts a host at a name and port, in the place of one that is there. Returns how to take it away. */
  listen({ host, port }: { readonly host: string; readonly port: number }, listener: VirtualHost): () => void {
    const address = formatHostPort(host, port);
    this.hosts.set(address, listener);
    return () => {
      if (this.hosts.get(address) === listener) this.hosts.delete(address);
    };
  }

  /** A host's datagram to a device; lost when no device has that address any more. */
  transmit(datagram: Uint8Array, peer: string): void {
    this.routes.get(peer)?.link.send('right', datagram);
  }

  /** From now on the session of this peer is cut off: everything is lost, both ways. */
  sever(peer: string): void {
    this.routes.get(peer)?.link.sever();
  }

  connect(options: PathOptions): Path {
    return new VirtualPath(this, options);
  }

  /** For paths. */
  at(address: string): VirtualHost | undefined {
    return this.hosts.get(address);
  }

  route(peer: string, way: Way | undefined): void {
    if (way) this.routes.set(peer, way);
    else this.routes.delete(peer);
  }

  newAddress(): string {
    const n = this.addresses++;
    return `10.${(n >> 16) & 255}.${(n >> 8) & 255}.${n & 255}`;
  }
}

/** A session under way: the device's end and the link that it hangs on. */
interface Way {
  readonly link: SimulatedLink;
  readonly live: LiveSession;
  peer: string;
  readonly moves: boolean;
  /** The power is gone: nobody hears of it any more. */
  dead: boolean;
  far: StreamEnd | undefined;
  /** A stream's bytes that the device does not read. */
  unread: Uint8Array[];
  unreadBytes: number;
  unreadEnd: boolean;
}

/** What both sides' buffers of a TCP connection take before the sender must wait. */
const streamWindow = 64 * 1024;

class VirtualPath implements Path {
  readonly network = { open: (request: OpenRequest): DeviceConnection => this.open(request) };
  private readonly hosts: VirtualNetwork;
  private readonly options: PathOptions;
  private readonly mtu: number;
  private readonly ledger = new PathLedger();
  private readonly contexts = new ContextKeeper();
  private readonly ways = new Set<Way>();
  private address: string;
  private port = firstPort;
  private reading = true;

  constructor(hosts: VirtualNetwork, options: PathOptions) {
    this.hosts = hosts;
    this.options = options;
    this.mtu = datagramMtu(options.faults);
    this.address = hosts.newAddress();
  }

  get traffic(): PathTraffic {
    return this.ledger.traffic;
  }

  rebind(): void {
    this.address = this.hosts.newAddress();
    for (const way of this.ways) {
      if (!way.moves) continue;
      this.hosts.route(way.peer, undefined);
      way.peer = this.nextPeer();
      this.hosts.route(way.peer, way);
    }
  }

  cut(): void {
    for (const way of [...this.ways]) {
      way.dead = true;
      way.link.sever();
      way.live.abort({ reason: 'local' });
    }
    this.contexts.clear();
  }

  spray(endpoint: string, datagram: Uint8Array): void {
    const { host, port } = endpointOf(endpoint);
    const { timers } = this.hosts;
    const link = new SimulatedLink({ timers, random: this.options.random, faults: this.options.faults });
    const peer = `${this.hosts.newAddress()}:${firstPort}`;
    link.deliver = (_, bytes) => this.hosts.at(formatHostPort(host, port))?.receive?.(bytes, peer);
    link.send('left', datagram);
    this.ledger.sent(datagram.length);
  }

  setReading(reading: boolean): void {
    this.reading = reading;
    if (reading) for (const way of [...this.ways]) this.readAgain(way);
  }

  private open(request: OpenRequest): DeviceConnection {
    const { uri, onEvent } = request;
    this.hosts.opened++;
    const kind = uri.scheme === 'coaps' ? 'datagram' : 'stream';
    // A seed for each session: what one of them draws leaves the next ones as they were.
    const random = seededRandom(randomUint32(this.options.random));
    const link = new SimulatedLink({
      timers: this.hosts.timers,
      random,
      kind,
      fragment: 'none',
      faults: this.options.faults,
    });
    let way: Way | undefined;
    const live = this.session(
      request,
      kind,
      link,
      (event) => {
        if (event.type === 'established') this.contexts.clear();
        if (!way?.dead) onEvent(event);
      },
      () => way && this.closed(way),
    );
    way = {
      link,
      live,
      peer: this.nextPeer(),
      moves: kind === 'datagram',
      dead: false,
      far: undefined,
      unread: [],
      unreadBytes: 0,
      unreadEnd: false,
    };
    this.ways.add(way);
    this.ledger.opened(live);
    this.hosts.route(way.peer, way);
    const address = formatHostPort(uri.host, uri.port);
    if (kind === 'datagram') this.joinDatagrams(way, address);
    else this.joinStream(way, address);
    live.start();
    return live;
  }

  private session(
    { uri, identity, trust, clockOffset, createEndpoint }: OpenRequest,
    kind: 'datagram' | 'stream',
    link: SimulatedLink,
    onEvent: (event: ConnectionEvent) => void,
    onClosed: () => void,
  ): LiveSession {
    const { mtu, options } = this;
    const { random } = options;
    const context = this.contexts.get({
      transport: kind,
      identity,
      trust: trust && this.hosts.trusts.same(trust),
      clock: 'simulated',
      mtu,
    });
    const timers = shifted(options.timers, clockOffset);
    const coap = (): ReturnType<typeof createDatagramEndpoint> =>
      kind === 'datagram'
        ? createDatagramEndpoint({ random, blockExponent: blockExponentFor(mtu) })
        : createStreamEndpoint({ random });
    return new DeviceSession(link, {
      transport: uri.scheme,
      peer: uri.host,
      association: context.connect(timers.now()),
      createEndpoint: createEndpoint ?? coap,
      transmit: (bytes) => link.send('left', bytes),
      timers,
      idle: undefined,
      owner: () => onEvent,
      onClosed,
    });
  }

  private joinDatagrams(way: Way, address: string): void {
    way.link.deliver = (to, bytes) => {
      if (to === 'right') this.hosts.at(address)?.receive?.(bytes, way.peer);
      else if (this.reading) way.live.receive(bytes);
    };
  }

  private joinStream(way: Way, address: string): void {
    const { link, live } = way;
    const wire: StreamWire = { send: (bytes) => link.send('right', bytes), end: () => link.end('right') };
    this.hosts.timers.schedule(link.open(), () => {
      if (live.closed) return;
      const accept = this.hosts.at(address)?.accept;
      if (accept) way.far = accept(way.peer, wire);
      else live.abort({ reason: 'unreachable', text: `connect ECONNREFUSED ${address}` });
    });
    link.deliver = (to, bytes) => {
      if (to === 'right') way.far?.receive(bytes);
      else if (this.reading && way.unread.length === 0) live.receive(bytes);
      else this.leaveUnread(way, bytes);
    };
    link.ended = (at) => {
      if (at === 'right') way.far?.receiveEnd();
      else if (this.reading && way.unread.length === 0) live.receiveEnd();
      else way.unreadEnd = true;
    };
  }

  private leaveUnread(way: Way, bytes: Uint8Array): void {
    way.unread.push(bytes);
    way.unreadBytes += bytes.length;
    if (way.unreadBytes > streamWindow) way.far?.stall();
  }

  private readAgain(way: Way): void {
    for (const bytes of way.unread.splice(0)) way.live.receive(bytes);
    if (way.unreadBytes > streamWindow) way.far?.resume();
    way.unreadBytes = 0;
    if (way.unreadEnd) way.live.receiveEnd();
  }

  private closed(way: Way): void {
    this.ways.delete(way);
    this.ledger.closed(way.live);
    this.hosts.route(way.peer, undefined);
    if (!way.moves) way.link.end('left');
  }

  private nextPeer(): string {
    this.port = this.port === lastPort ? firstPort : this.port + 1;
    return `${this.address}:${this.port}`;
  }
}

/** One that is abandoned has no power any more: the network does not even see its connection end. */
class DeviceSession extends LiveSession {
  private readonly link: SimulatedLink;

  constructor(link: SimulatedLink, options: LiveSessionOptions) {
    super(options);
    this.link = link;
  }

  override abandon(): void {
    this.link.sever();
    super.abandon();
  }
}

/** Ports that a system gives to clients (RFC 6335 §6). */
const firstPort = 49_152;
const lastPort = 65_535;
