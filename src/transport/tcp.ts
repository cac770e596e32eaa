import { createServer, type Server, type Socket } from 'node:net';
import type { CoapEndpoint } from '../coap/endpoint.ts';
import { createStreamEndpoint } from '../coap/stream.ts';
import { formatHostPort } from '../coap/uri.ts';
import type { Timers } from '../core/clock.ts';
import { limits } from '../core/limits.ts';
import type { RandomSource } from '../core/random.ts';
import type { Association } from '../secure/association.ts';
import { HalfOpenSessions } from './half-open.ts';
import { listenError } from './listen-error.ts';
import { type CoapServerOptions, LiveSession, type SecureServer, type SessionOwner } from './session.ts';
import { type MakeTap, noTap } from './tap.ts';

/** Pending connections the kernel holds for us: a small queue costs a storm of first boots whole seconds. */
const backlog = 4096;

/** CoAP over TLS over TCP (coaps+tcp, RFC 8323 §8.2). */
export async function listenTcp(options: CoapServerOptions): Promise<SecureServer> {
  const server = createServer({ noDelay: true, allowHalfOpen: true });
  const listening = new TcpServer(server, options);
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error) => reject(listenError(error, 'tcp', options)));
    server.listen({ port: options.port, host: options.host, backlog }, resolve);
  });
  server.removeAllListeners('error');
  return listening;
}

class TcpServer implements SecureServer {
  private readonly server: Server;
  private readonly open = new Set<LiveSession>();
  private readonly handshakes = new HalfOpenSessions();
  private closed: Promise<void> | undefined;
  private boundPort = 0;

  constructor(server: Server, options: CoapServerOptions) {
    this.server = server;
    server.on('connection', (socket) => this.adopt(socket, options));
  }

  get port(): number {
    const address = this.server.address();
    if (typeof address === 'object' && address) this.boundPort = address.port;
    return this.boundPort;
  }

  get halfOpen(): number {
    return this.handshakes.size;
  }

  refuseNew(): void {
    this.closed ??= new Promise((resolve) => this.server.close(() => resolve()));
  }

  get sessions(): number {
    return this.open.size;
  }

  async close(): Promise<void> {
    this.refuseNew();
    for (const session of [...this.open]) session.close();
    await this.closed;
  }

  private adopt(socket: Socket, options: CoapServerOptions): void {
    if (this.open.size >= limits.secure.sessions) {
      socket.destroy();
      return;
    }
    const session = streamSession(socket, {
      association: options.context().accept(options.timers.now()),
      timers: options.timers,
      random: options.random,
      idle: options.idle,
      owner: options.owner,
      onEstablished: () => this.handshakes.settled(session),
      onClosed: () => {
        this.handshakes.settled(session);
        this.open.delete(session);
      },
    });
    this.open.add(session);
    this.handshakes.add(session);
    session.start();
  }
}

export interface StreamSessionOptions {
  readonly association: Association;
  readonly timers: Timers;
  readonly random: RandomSource;
  readonly idle: number | undefined;
  readonly owner: SessionOwner;
  /** Default: CoAP over TCP. */
  readonly createEndpoint?: () => CoapEndpoint;
  readonly onEstablished?: () => void;
  readonly onClosed?: () => void;
  /** Default: nothing stands between session and socket. */
  readonly tap?: MakeTap;
}

/** How long a closing socket waits for the peer's FIN while it drops what still arrives: an early RST could eat our alert. */
const linger = 2_000;

export interface StreamSession extends LiveSession {
  /** Whether the socket is read: a slow reader does not. */
  setReading(reading: boolean): void;
}

/** Joins a connected socket to a session; used by servers and clients alike. */
export function streamSession(socket: Socket, options: StreamSessionOptions): StreamSession {
  let unstall: (() => void) | undefined;
  let reading = true;
  let paused = false;
  const flow = (): void => {
    if (reading && !paused) socket.resume();
    else socket.pause();
  };
  const tap = (options.tap ?? noTap)({
    toSocket: (bytes) => {
      if (socket.destroyed) return;
      // One write an output: each is a TLS record, and a record holds one CoAP message (plgd-device c2).
      socket.write(bytes, () => {
        if (unstall && socket.writableLength <= limits.secure.queuedBytes / 2) unstall();
      });
      if (!unstall && socket.writableLength > limits.secure.queuedBytes) stall();
    },
    endSocket: () => {
      socket.end();
      const cancel = options.timers.schedule(options.timers.now() + linger, () => socket.destroy());
      socket.once('close', cancel);
    },
    toSession: (bytes) => session.receive(bytes),
    endSession: () => session.receiveEnd(),
  });
  const session = new LiveSession({
    transport: 'coaps+tcp',
    peer: addressText(socket),
    association: options.association,
    createEndpoint: options.createEndpoint ?? (() => createStreamEndpoint({ random: options.random })),
    transmit: (bytes) => tap.outgoing(bytes),
    timers: options.timers,
    idle: options.idle,
    owner: options.owner,
    onPause: (wanted) => {
      paused = wanted;
      flow();
    },
    ...(options.onEstablished && { onEstablished: options.onEstablished }),
    onClosed: () => {
      tap.outgoingEnd();
      options.onClosed?.();
    },
  });
  const stall = (): void => {
    session.stall();
    const giveUp = options.timers.schedule(options.timers.now() + limits.session.stall, () => {
      session.abort({ reason: 'stalled' });
      socket.destroy();
    });
    unstall = () => {
      unstall = undefined;
      giveUp();
      session.resume();
    };
  };
  socket.on('data', (bytes) => tap.incoming(bytes));
  socket.on('end', () => tap.incomingEnd());
  socket.on('error', (error) => session.abort({ reason: 'unreachable', text: error.message }));
  socket.on('close', () => session.abort({ reason: 'truncated' }));
  return Object.assign(session, {
    setReading: (wanted: boolean) => {
      reading = wanted;
      flow();
    },
  });
}

const addressText = ({ remoteAddress = '?', remotePort = 0 }: Socket): string =>
  formatHostPort(remoteAddress, remotePort);
