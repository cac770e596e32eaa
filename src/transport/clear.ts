import type { CoapEndpoint, CoapEvent, OutgoingResponse } from '../coap/endpoint.ts';
import { createDatagramEndpoint } from '../coap/exchange.ts';
import type { Timers } from '../core/clock.ts';
import { limits } from '../core/limits.ts';
import type { RandomSource } from '../core/random.ts';
import { Alarm } from './alarm.ts';
import type { CoapServer } from './session.ts';
import { bindUdp, closeUdp, peerOf, sendTo, type UdpAddress } from './udp-socket.ts';

/** What came from one address in the clear. There is no session to speak of: anybody may have sent it. */
export interface ClearSession {
  readonly transport: 'coap';
  readonly peer: string;
  respond(id: number, response: OutgoingResponse): void;
  notify(id: number, response: OutgoingResponse): void;
}

export type ClearEvent =
  | Extract<CoapEvent, { type: 'request' | 'unobserved' }>
  /** The address is forgotten, or the server closes. Always the last event. */
  | { readonly type: 'closed' };

export interface ClearServerOptions extends UdpAddress {
  /** Decides what becomes of a new address: returns the receiver of its events. */
  readonly owner: (session: ClearSession) => (event: ClearEvent) => void;
  readonly timers: Timers;
  readonly random: RandomSource;
  /** Addresses that are remembered; default limits.device.clearPeers. */
  readonly peers?: number;
}

/**
 * CoAP over UDP without security (coap, RFC 7252 §6.1), for what a device tells everybody. Addresses are remembered for
 * duplicates, blocks and observations, in a bounded table: a new one puts out the one that has been silent longest, one that
 * observes nothing before one that does.
 */
export async function listenClearUdp(options: ClearServerOptions): Promise<CoapServer> {
  const socket = await bindUdp(options);
  const table = new ClearPeers(options, (datagram, peer) => sendTo(socket, datagram, peer));
  socket.on('message', (datagram, from) => table.receive(datagram, peerOf(from)));
  return {
    port: socket.address().port,
    get sessions() {
      return table.size;
    },
    close: async () => {
      table.close();
      await closeUdp(socket);
    },
  };
}

class ClearPeers {
  private readonly options: ClearServerOptions;
  private readonly transmit: (datagram: Uint8Array, peer: string) => void;
  /** Silent longest first. */
  private readonly peers = new Map<string, ClearPeer>();

  constructor(options: ClearServerOptions, transmit: (datagram: Uint8Array, peer: string) => void) {
    this.options = options;
    this.transmit = transmit;
  }

  get size(): number {
    return this.peers.size;
  }

  receive(datagram: Uint8Array, address: string): void {
    const peer = this.peers.get(address) ?? this.admit(address);
    this.peers.delete(address);
    this.peers.set(address, peer);
    peer.receive(datagram);
  }

  close(): void {
    for (const peer of this.peers.values()) peer.close();
    this.peers.clear();
  }

  private admit(address: string): ClearPeer {
    const { peers: most = limits.device.clearPeers } = this.options;
    if (this.peers.size >= most) {
      const all = [...this.peers.values()];
      const evicted = all.find(({ observes }) => !observes) ?? all[0];
      if (evicted) this.peers.delete(evicted.peer);
      evicted?.close();
    }
    return new ClearPeer(address, this.options, (bytes) => this.transmit(bytes, address));
  }
}

class ClearPeer implements ClearSession {
  readonly transport = 'coap';
  readonly peer: string;
  private readonly endpoint: CoapEndpoint;
  private readonly timers: Timers;
  private readonly transmit: (bytes: Uint8Array) => void;
  private readonly alarm: Alarm;
  private readonly receiver: (event: ClearEvent) => void;
  private readonly observations = new Set<number>();
  private pumping = false;
  private closed = false;

  constructor(peer: string, { timers, random, owner }: ClearServerOptions, transmit: (bytes: Uint8Array) => void) {
    this.peer = peer;
    this.timers = timers;
    this.transmit = transmit;
    // Senders may be forged: what comes back must be worth nobody's while (RFC 7252 §11.3).
    const { clearBlockExponent: blockExponent, clearBodyBytes: bodyBytes } = limits.device;
    this.endpoint = createDatagramEndpoint({ random, blockExponent, bodyBytes, proveInterest: true });
    this.alarm = new Alarm(timers, (now) => {
      this.endpoint.handleTimeout(now);
      this.pump();
      return this.endpoint.nextTimeout();
    });
    this.receiver = owner(this);
  }

  get observes(): boolean {
    return this.observations.size > 0;
  }

  receive(datagram: Uint8Array): void {
    this.endpoint.receive(datagram, this.timers.now());
    this.pump();
  }

  respond(id: number, response: OutgoingResponse): void {
    if (response.observe) this.observations.add(id);
    this.endpoint.respond(id, response, this.timers.now());
    this.pump();
  }

  notify(id: number, response: OutgoingResponse): void {
    if (response.code >= 400) this.observations.delete(id);
    this.endpoint.notify(id, response, this.timers.now());
    this.pump();
  }

  close(): void {
    if (this.closed) return;
    this.closed = true;
    this.alarm.stop();
    this.receiver({ type: 'closed' });
  }

  /** Moves events up and output down until nothing moves; answers from inside only ask for another round. */
  private pump(): void {
    if (this.pumping || this.closed) return;
    this.pumping = true;
    try {
      for (let events = this.endpoint.takeEvents(); events.length > 0; events = this.endpoint.takeEvents()) {
        for (const event of events) this.tell(event);
      }
    } finally {
      this.pumping = false;
    }
    for (const bytes of this.endpoint.takeOutput()) this.transmit(bytes);
    if (!this.closed) this.alarm.set(this.endpoint.nextTimeout());
  }

  private tell(event: CoapEvent): void {
    if (event.type === 'unobserved') this.observations.delete(event.id);
    if (event.type === 'request' || event.type === 'unobserved') this.receiver(event);
  }
}
