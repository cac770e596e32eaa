import { createDatagramEndpoint } from '../coap/exchange.ts';
import { limits } from '../core/limits.ts';
import type { Association } from '../secure/association.ts';
import { blockExponentFor } from './block-size.ts';
import { HalfOpenSessions } from './half-open.ts';
import { sameHello, startsHandshake } from './hello.ts';
import { type CoapServerOptions, LiveSession } from './session.ts';

export interface DatagramServerOptions extends Omit<CoapServerOptions, 'host' | 'port'> {
  /** Puts a datagram on its way to `peer`; one that cannot be sent is lost, as on any network. */
  readonly transmit: (datagram: Uint8Array, peer: string) => void;
}

/**
 * The server side of coaps without its socket: tells peers apart by address, sends strangers through the cookie, and lets
 * a known peer's new handshake replace its session only when it is through.
 */
export class DatagramServer {
  private readonly options: DatagramServerOptions;
  private readonly peers = new Map<string, PeerSlot>();
  private readonly handshakes = new HalfOpenSessions();
  private accepting = true;

  constructor(options: DatagramServerOptions) {
    this.options = options;
  }

  /** Addresses that have a session or a handshake. */
  get sessions(): number {
    return this.peers.size;
  }

  get halfOpen(): number {
    return this.handshakes.size;
  }

  /** From now on ClientHellos are left unanswered. */
  refuseNew(): void {
    this.accepting = false;
  }

  /** Says goodbye to every peer. */
  close(): void {
    for (const { current, candidate } of [...this.peers.values()]) {
      candidate?.session.abort({ reason: 'local' });
      current?.session.close();
    }
  }

  /** @param peer address and port of the sender. */
  receive(datagram: Buffer, peer: string): void {
    const slot = this.peers.get(peer);
    if (startsHandshake(datagram) && !(slot && repeatsHello(slot, datagram))) {
      this.firstContact(peer, datagram);
      return;
    }
    // While a new handshake runs, records of the old session and of the new one come from the same address; DTLS drops
    // silently what it cannot authenticate (RFC 6347 §4.1.2.7), so both may look at them.
    slot?.candidate?.session.receive(datagram);
    slot?.current?.session.receive(datagram);
  }

  /** RFC 6347 §4.2.1 and §4.2.8: nothing is allocated or replaced before the cookie has come back. */
  private firstContact(peer: string, datagram: Buffer): void {
    if (!this.accepting) return;
    if (!this.peers.has(peer) && this.peers.size >= limits.secure.sessions) return;
    const result = this.options.context().listen(peer, datagram, this.options.timers.now());
    if (result.type === 'reply') this.options.transmit(result.datagram, peer);
    if (result.type === 'accepted') this.adopt(peer, result.association, datagram);
  }

  private adopt(peer: string, association: Association, hello: Buffer): void {
    const slot = this.peers.get(peer) ?? { current: undefined, candidate: undefined };
    slot.candidate?.session.abort({ reason: 'replaced' });
    this.peers.set(peer, slot);
    const { random, mtu = limits.secure.mtu } = this.options;
    const blockExponent = blockExponentFor(mtu);
    const session = new LiveSession({
      transport: 'coaps',
      peer,
      association,
      createEndpoint: () => createDatagramEndpoint({ random, blockExponent }),
      transmit: (bytes) => this.options.transmit(bytes, peer),
      timers: this.options.timers,
      idle: this.options.idle,
      owner: this.options.owner,
      onEstablished: () => {
        this.handshakes.settled(session);
        const replaced = slot.current;
        slot.current = handshake;
        slot.candidate = undefined;
        replaced?.session.abort({ reason: 'replaced' });
      },
      onClosed: () => {
        this.handshakes.settled(session);
        if (slot.candidate === handshake) slot.candidate = undefined;
        if (slot.current === handshake) slot.current = undefined;
        if (!slot.candidate && !slot.current && this.peers.get(peer) === slot) this.peers.delete(peer);
      },
    });
    const handshake: Handshake = { session, hello: Buffer.from(hello) };
    slot.candidate = handshake;
    this.handshakes.add(session);
    session.start();
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
