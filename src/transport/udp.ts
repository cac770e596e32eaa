import { createSocket, type RemoteInfo, type Socket } from 'node:dgram';
import { isIPv6 } from 'node:net';
import { createDatagramEndpoint } from '../coap/exchange.ts';
import { limits } from '../core/limits.ts';
import type { Association } from '../secure/association.ts';
import { sameHello, startsHandshake } from './hello.ts';
import { listenError } from './listen-error.ts';
import { type CoapServer, type CoapServerOptions, LiveSession } from './session.ts';

/** The system's default of 208 kB overflows in a storm of first boots. */
const socketBuffer = 4 << 20;

/** CoAP over DTLS (coaps, RFC 7252 §9): one socket, peers told apart by address and port. */
export async function listenUdp(options: CoapServerOptions): Promise<CoapServer> {
  const socket = createSocket({
    type: isIPv6(options.host) ? 'udp6' : 'udp4',
    recvBufferSize: socketBuffer,
    sendBufferSize: socketBuffer,
  });
  await new Promise<void>((resolve, reject) => {
    socket.once('error', (error) => reject(listenError(error, 'udp', options)));
    socket.bind(options.port, options.host, resolve);
  });
  socket.removeAllListeners('error');
  return new UdpServer(socket, options);
}

class UdpServer implements CoapServer {
  readonly port: number;
  private readonly socket: Socket;
  private readonly options: CoapServerOptions;
  private readonly peers = new Map<string, PeerSlot>();
  private halfOpen = 0;

  constructor(socket: Socket, options: CoapServerOptions) {
    this.socket = socket;
    this.options = options;
    this.port = socket.address().port;
    socket.on('message', (datagram, from) => this.datagram(datagram, from));
    // An ICMP error for one peer must not end the service for all.
    socket.on('error', () => undefined);
  }

  get sessions(): number {
    return this.peers.size;
  }

  async close(): Promise<void> {
    for (const { current, candidate } of [...this.peers.values()]) {
      candidate?.session.abort({ reason: 'local' });
      current?.session.close();
    }
    await new Promise<void>((resolve) => this.socket.close(() => resolve()));
  }

  private datagram(datagram: Buffer, from: RemoteInfo): void {
    const peer = addressText(from);
    const slot = this.peers.get(peer);
    if (startsHandshake(datagram) && !(slot && repeatsHello(slot, datagram))) {
      this.firstContact(peer, from, datagram);
      return;
    }
    // While a new handshake runs, records of the old session and of the new one come from the same address; DTLS drops
    // silently what it cannot authenticate (RFC 6347 §4.1.2.7), so both may look at them.
    slot?.candidate?.session.receive(datagram);
    slot?.current?.session.receive(datagram);
  }

  /** RFC 6347 §4.2.1 and §4.2.8: nothing is allocated or replaced before the cookie has come back. */
  private firstContact(peer: string, from: RemoteInfo, datagram: Buffer): void {
    if (this.halfOpen >= limits.secure.halfOpen) return;
    if (!this.peers.has(peer) && this.peers.size >= limits.secure.sessions) return;
    const result = this.options.context().listen(peer, datagram, this.options.timers.now());
    if (result.type === 'reply') this.transmit(result.datagram, from);
    if (result.type === 'accepted') this.adopt(peer, from, result.association, datagram);
  }

  private adopt(peer: string, from: RemoteInfo, association: Association, hello: Buffer): void {
    const slot = this.peers.get(peer) ?? { current: undefined, candidate: undefined };
    slot.candidate?.session.abort({ reason: 'replaced' });
    this.peers.set(peer, slot);
    this.halfOpen++;
    let waiting = true;
    const settled = (): void => {
      if (!waiting) return;
      waiting = false;
      this.halfOpen--;
    };
    const session = new LiveSession({
      transport: 'coaps',
      peer,
      association,
      createEndpoint: () => createDatagramEndpoint({ random: this.options.random }),
      transmit: (bytes) => this.transmit(bytes, from),
      timers: this.options.timers,
      idle: this.options.idle,
      owner: this.options.owner,
      onEstablished: () => {
        settled();
        const replaced = slot.current;
        slot.current = handshake;
        slot.candidate = undefined;
        replaced?.session.abort({ reason: 'replaced' });
      },
      onClosed: () => {
        settled();
        if (slot.candidate === handshake) slot.candidate = undefined;
        if (slot.current === handshake) slot.current = undefined;
        if (!slot.candidate && !slot.current && this.peers.get(peer) === slot) this.peers.delete(peer);
      },
    });
    const handshake: Handshake = { session, hello: Buffer.from(hello) };
    slot.candidate = handshake;
    session.start();
  }

  private transmit(bytes: Uint8Array, to: RemoteInfo): void {
    this.socket.send(bytes, to.port, to.address, ignoreSendError);
  }
}

/** A session and the ClientHello that opened it. */
interface Handshake {
  readonly session: LiveSession;
  readonly hello: Buffer;
}

/** What one address has: a session in use, and a handshake that may replace it. */
interface PeerSlot {
  current: Handshake | undefined;
  candidate: Handshake | undefined;
}

const repeatsHello = ({ current, candidate }: PeerSlot, datagram: Buffer): boolean =>
  [current, candidate].some((handshake) => handshake && sameHello(handshake.hello, datagram));

const addressText = ({ address, port, family }: RemoteInfo): string =>
  family === 'IPv6' ? `[${address}]:${port}` : `${address}:${port}`;

/** A datagram that could not be sent is a datagram lost: the protocol above repeats it. */
const ignoreSendError = (): void => undefined;
