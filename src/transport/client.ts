import { createSocket, type Socket as DatagramSocket } from 'node:dgram';
import { connect, isIPv6 } from 'node:net';
import type { CoapEndpoint } from '../coap/endpoint.ts';
import { createDatagramEndpoint } from '../coap/exchange.ts';
import type { CoapUri } from '../coap/uri.ts';
import type { Timers } from '../core/clock.ts';
import type { RandomSource } from '../core/random.ts';
import type { SecureContext } from '../secure/association.ts';
import { LiveSession, type Session, type SessionOwner } from './session.ts';
import { type MakeTap, noTap } from './tap.ts';
import { streamSession } from './tcp.ts';

export interface DialOptions {
  readonly uri: CoapUri;
  /** Its transport must be that of the URI's scheme: 'datagram' for coaps, 'stream' for coaps+tcp. */
  readonly context: SecureContext;
  readonly owner: SessionOwner;
  readonly timers: Timers;
  readonly random: RandomSource;
  /** Default: CoAP of the transport. */
  readonly createEndpoint?: () => CoapEndpoint;
  /** Default: nothing stands between session and socket. */
  readonly tap?: MakeTap;
  /** Of a coaps session: what fits into the datagrams that it sends (RFC 7959 §2.2). */
  readonly blockExponent?: number;
}

/** A session and its socket, for those who do to it what networks and power supplies do. */
export interface DialedSession extends Session {
  readonly closed: boolean;
  /** Over UDP: goes on from another local port. */
  rebind(): void;
  /** Its socket is gone at once, without a goodbye. */
  cut(): void;
  /** Whether what arrives is read. Over UDP what is not read is lost. */
  setReading(reading: boolean): void;
}

/** Opens a session to a server, each over a socket of its own. Failures come as the session's `closed` event. */
export function dial(options: DialOptions): DialedSession {
  const session = options.uri.scheme === 'coaps' ? new DatagramDial(options) : dialTcp(options);
  session.start();
  return session;
}

/** Sends one datagram that belongs to no session, from a port of its own. */
export function sendDatagram({ host, port }: Pick<CoapUri, 'host' | 'port'>, datagram: Uint8Array): void {
  const socket = createSocket(isIPv6(host) ? 'udp6' : 'udp4');
  socket.on('error', () => socket.close());
  socket.send(datagram, port, host, () => socket.close());
}

class DatagramDial extends LiveSession implements DialedSession {
  private readonly wire: DatagramWire;

  constructor({ uri, context, owner, timers, random, createEndpoint, tap = noTap, blockExponent }: DialOptions) {
    const wire = new DatagramWire(uri);
    const taps = tap({
      toSocket: (bytes) => wire.send(bytes),
      endSocket: () => wire.close(),
      toSession: (bytes) => this.receive(bytes),
      endSession: () => undefined,
    });
    super({
      transport: 'coaps',
      peer: `${uri.host}:${uri.port}`,
      association: context.connect(timers.now()),
      createEndpoint:
        createEndpoint ??
        (() => createDatagramEndpoint({ random, ...(blockExponent !== undefined && { blockExponent }) })),
      transmit: (bytes) => taps.outgoing(bytes),
      timers,
      idle: undefined,
      owner,
      onClosed: () => taps.outgoingEnd(),
    });
    this.wire = wire;
    wire.received = (bytes) => taps.incoming(bytes);
    wire.failed = (text) => this.abort({ reason: 'unreachable', text });
    wire.open();
  }

  rebind(): void {
    this.wire.open();
  }

  cut(): void {
    this.wire.close();
    this.abandon();
  }

  setReading(reading: boolean): void {
    this.wire.reading = reading;
  }
}

/** The socket of a session; a new one takes the place of the old when the port is to change. */
class DatagramWire {
  received: (bytes: Uint8Array) => void = () => undefined;
  failed: (text: string) => void = () => undefined;
  reading = true;
  private readonly uri: CoapUri;
  private socket: DatagramSocket | undefined;
  private connected = false;
  private closed = false;
  /** What was sent before the socket was ready. */
  private waiting: Uint8Array[] = [];

  constructor(uri: CoapUri) {
    this.uri = uri;
  }

  open(): void {
    if (this.closed) return;
    this.socket?.close();
    this.connected = false;
    const { host, port } = this.uri;
    const socket = createSocket(isIPv6(host) ? 'udp6' : 'udp4');
    this.socket = socket;
    socket.on('message', (datagram) => {
      if (this.reading && this.socket === socket) this.received(datagram);
    });
    socket.on('error', (error) => {
      if (this.socket === socket) this.failed(error.message);
    });
    socket.connect(port, host, () => {
      if (this.closed || this.socket !== socket) return;
      this.connected = true;
      const { waiting } = this;
      this.waiting = [];
      for (const bytes of waiting) socket.send(bytes, ignoreSendError);
    });
  }

  send(bytes: Uint8Array): void {
    if (this.closed) return;
    if (this.connected) this.socket?.send(bytes, ignoreSendError);
    else this.waiting.push(bytes);
  }

  close(): void {
    if (this.closed) return;
    this.closed = true;
    const { socket } = this;
    // After what is queued has left.
    setImmediate(() => socket?.close());
  }
}

function dialTcp({
  uri,
  context,
  owner,
  timers,
  random,
  createEndpoint,
  tap,
}: DialOptions): LiveSession & DialedSession {
  const socket = connect({ host: uri.host, port: uri.port, noDelay: true, allowHalfOpen: true });
  const session = streamSession(socket, {
    association: context.connect(timers.now()),
    timers,
    random,
    idle: undefined,
    owner,
    ...(createEndpoint && { createEndpoint }),
    ...(tap && { tap }),
  });
  return Object.assign(session, {
    // A connection of TCP does not outlive the change of an address.
    rebind: () => undefined,
    cut: () => {
      socket.destroy();
      session.abandon();
    },
  });
}

/** A datagram that could not be sent is a datagram lost: the protocol above repeats it. */
const ignoreSendError = (): void => undefined;
