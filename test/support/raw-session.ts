import { createSocket } from 'node:dgram';
import { connect } from 'node:net';
import { systemTimers } from '../../src/core/clock.ts';
import type { Association, AssociationEvent, SecureContextOptions } from '../../src/secure/association.ts';
import { createSecureContext } from '../../src/secure/engine.ts';
import type { RawChannel } from './raw-coap.ts';
import { until } from './until.ts';

export interface RawSessionOptions
  extends Pick<SecureContextOptions, 'identity' | 'psk' | 'ciphers' | 'maxVersion' | 'trust'> {
  readonly transport: 'udp' | 'tcp';
  readonly port: number;
  /** What becomes of each datagram, or piece of the stream, on its way out; `index` counts from 0. */
  readonly tamper?: (bytes: Uint8Array, index: number) => readonly Uint8Array[];
  /** Reads nothing from its socket once it is connected (TCP). */
  readonly deaf?: boolean;
}

/**
 * A client's secure session on a real socket, with nothing above it: each message is what one record carries. It believes any
 * server, unless it is told whom to trust. What it puts on the wire can be tampered with, and raw bytes can be sent from its address.
 */
export class RawSession implements RawChannel {
  readonly events: AssociationEvent[] = [];
  /** What has been put on the wire. */
  readonly sent: Uint8Array[] = [];
  /** Whether the other side has closed its socket (TCP). */
  hungUp = false;
  private readonly association: Association;
  private readonly tamper: (bytes: Uint8Array, index: number) => readonly Uint8Array[];
  private readonly messages: Uint8Array[] = [];
  private link: Link = { send: () => undefined, close: () => undefined };
  private waiting: Uint8Array[] | undefined = [];
  private timer: NodeJS.Timeout | undefined;

  private constructor(options: RawSessionOptions) {
    this.tamper = options.tamper ?? ((bytes) => [bytes]);
    const context = createSecureContext({
      transport: options.transport === 'udp' ? 'datagram' : 'stream',
      role: 'client',
      ...(options.identity && { identity: options.identity }),
      ...(options.psk && { psk: options.psk }),
      ...(options.ciphers && { ciphers: options.ciphers }),
      ...(options.trust && { trust: options.trust }),
      ...(options.maxVersion && { maxVersion: options.maxVersion }),
    });
    this.association = context.connect(systemTimers.now());
  }

  /** Connects; the handshake then goes on by itself. */
  static async open(options: RawSessionOptions): Promise<RawSession> {
    const session = new RawSession(options);
    const receive = (bytes: Uint8Array): void => {
      session.association.receive(bytes, systemTimers.now());
      session.pump();
    };
    const dial = options.transport === 'udp' ? dialUdp(options.port, receive) : dialTcp(options, receive, session);
    session.connected(await dial);
    return session;
  }

  /** Waits for the end of the handshake. @throws when it fails. */
  async established(): Promise<this> {
    await until(() => this.has('established') || this.has('closed'));
    if (this.has('established')) return this;
    throw new Error(`no session: ${JSON.stringify(this.events.at(-1))}`);
  }

  send(message: Uint8Array): void {
    this.association.send(message, systemTimers.now());
    this.pump();
  }

  /** Puts bytes on the wire as they are. */
  sendRaw(bytes: Uint8Array): void {
    this.link.send(bytes);
  }

  async next(): Promise<Uint8Array> {
    await until(() => this.messages.length > 0 || this.has('closed'));
    const message = this.messages.shift();
    if (message) return message;
    throw new Error(`the session has ended: ${JSON.stringify(this.events.at(-1))}`);
  }

  has(type: AssociationEvent['type']): boolean {
    return this.events.some((event) => event.type === type);
  }

  async ended(): Promise<void> {
    await until(() => this.has('closed') || this.hungUp);
  }

  /** Says goodbye. */
  close(): void {
    this.association.close(systemTimers.now());
    this.pump();
    this.cut();
  }

  /** Ends without a word. */
  cut(): void {
    clearTimeout(this.timer);
    this.association.abort();
    this.link.close();
  }

  hangUp(): void {
    this.hungUp = true;
  }

  private connected(link: Link): void {
    this.link = link;
    const waiting = this.waiting ?? [];
    this.waiting = undefined;
    for (const bytes of waiting) this.transmit(bytes);
    this.pump();
  }

  private pump(): void {
    for (let events = this.association.takeEvents(); events.length > 0; events = this.association.takeEvents()) {
      for (const event of events) {
        if (event.type === 'message') this.messages.push(event.bytes);
        else this.events.push(event);
      }
    }
    for (const bytes of this.association.takeOutput()) {
      if (this.waiting) this.waiting.push(bytes);
      else this.transmit(bytes);
    }
    clearTimeout(this.timer);
    const due = this.association.nextTimeout();
    if (due !== undefined) {
      this.timer = setTimeout(() => {
        this.association.handleTimeout(systemTimers.now());
        this.pump();
      }, due - systemTimers.now());
    }
  }

  private transmit(bytes: Uint8Array): void {
    this.sent.push(bytes);
    for (const tampered of this.tamper(bytes, this.sent.length - 1)) this.link.send(tampered);
  }
}

interface Link {
  readonly send: (bytes: Uint8Array) => void;
  readonly close: () => void;
}

async function dialUdp(port: number, receive: (bytes: Uint8Array) => void): Promise<Link> {
  const socket = createSocket('udp4');
  await new Promise<void>((resolve) => socket.connect(port, '127.0.0.1', resolve));
  let open = true;
  socket.on('message', receive);
  socket.on('error', () => undefined);
  return {
    send: (bytes) => {
      if (open) socket.send(bytes, () => undefined);
    },
    close: () => {
      if (open) setImmediate(() => socket.close());
      open = false;
    },
  };
}

async function dialTcp(
  { port, deaf = false }: RawSessionOptions,
  receive: (bytes: Uint8Array) => void,
  session: RawSession,
): Promise<Link> {
  const socket = connect({ port, host: '127.0.0.1', noDelay: true });
  socket.on('error', () => undefined);
  socket.on('close', () => session.hangUp());
  await new Promise<void>((resolve) => socket.once('connect', resolve));
  socket.on('data', (bytes) => {
    receive(bytes);
    if (deaf && session.has('established')) socket.pause();
  });
  return {
    send: (bytes) => {
      if (!socket.destroyed) socket.write(bytes);
    },
    close: () => socket.destroy(),
  };
}
