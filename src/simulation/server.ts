import { createStreamEndpoint } from '../coap/stream.ts';
import { formatHostPort } from '../coap/uri.ts';
import { share } from '../core/bytes.ts';
import type { Millis, Timers } from '../core/clock.ts';
import { limits } from '../core/limits.ts';
import type { RandomSource } from '../core/random.ts';
import type { StreamEnd, StreamWire, VirtualNetwork } from '../fleet/virtual-network.ts';
import type { SecureContext } from '../secure/association.ts';
import { DatagramServer } from '../transport/datagram-server.ts';
import { LiveSession, type SessionOwner } from '../transport/session.ts';

export interface VirtualServerOptions {
  readonly network: VirtualNetwork;
  readonly host: string;
  readonly port: number;
  /** By what it listens on. */
  readonly contexts: { readonly datagram?: () => SecureContext; readonly stream?: () => SecureContext };
  readonly owner: SessionOwner;
  readonly timers: Timers;
  readonly random: RandomSource;
  readonly idle: Millis;
  readonly mtu: number;
}

/** A CoAP server at a name of a virtual network: what listenUdp and listenTcp are on a real one. */
export class VirtualServer {
  private readonly options: VirtualServerOptions;
  private readonly datagrams: DatagramServer | undefined;
  private readonly streams = new Set<LiveSession>();
  private readonly unlisten: () => void;
  private silent = false;

  constructor(options: VirtualServerOptions) {
    this.options = options;
    const { network, contexts, mtu } = options;
    const { datagram, stream } = contexts;
    this.datagrams =
      datagram &&
      new DatagramServer({
        ...options,
        context: datagram,
        mtu,
        transmit: (bytes, peer) => {
          if (!this.silent) network.transmit(bytes, peer);
        },
      });
    const { datagrams } = this;
    this.unlisten = network.listen(options, {
      ...(datagrams && { receive: (bytes, peer) => datagrams.receive(share(bytes), peer) }),
      ...(stream && { accept: (peer, wire) => this.accept(peer, wire, stream()) }),
    });
  }

  get address(): string {
    return formatHostPort(this.options.host, this.options.port);
  }

  /** Sessions held now, unfinished handshakes included. */
  get sessions(): number {
    return this.streams.size + (this.datagrams?.sessions ?? 0);
  }

  /** Says goodbye to every peer and is gone. */
  close(): void {
    this.unlisten();
    this.datagrams?.close();
    for (const session of [...this.streams]) session.close();
  }

  /** From now on nobody hears of it, nor it of anybody. */
  silence(): void {
    this.silent = true;
    this.unlisten();
  }

  /** Is gone without a word; of its streams the system closes the connections. */
  kill(): void {
    this.silence();
    this.datagrams?.close();
    for (const session of [...this.streams]) session.abort({ reason: 'local' });
  }

  private accept(peer: string, wire: StreamWire, context: SecureContext): StreamEnd {
    const { timers, random, idle, owner } = this.options;
    let giveUp: (() => void) | undefined;
    const session = new LiveSession({
      transport: 'coaps+tcp',
      peer,
      association: context.accept(timers.now()),
      createEndpoint: () => createStreamEndpoint({ random }),
      transmit: (bytes) => {
        if (!this.silent) wire.send(bytes);
      },
      timers,
      idle,
      owner,
      onClosed: () => {
        this.streams.delete(session);
        giveUp?.();
        wire.end();
      },
    });
    this.streams.add(session);
    session.start();
    return {
      receive: (bytes) => session.receive(bytes),
      receiveEnd: () => session.receiveEnd(),
      stall: () => {
        session.stall();
        giveUp ??= timers.schedule(timers.now() + limits.session.stall, () => session.abort({ reason: 'stalled' }));
      },
      resume: () => {
        giveUp?.();
        giveUp = undefined;
        session.resume();
      },
    };
  }
}
