import type { CoapEndpoint, OutgoingRequest, OutgoingResponse } from '../coap/endpoint.ts';
import type { Millis, Timers } from '../core/clock.ts';
import type { RandomSource } from '../core/random.ts';
import type { Association, SecureContext } from '../secure/association.ts';
import { Alarm } from './alarm.ts';
import { Connection, type ConnectionEnd, type ConnectionEvent, type Traffic } from './connection.ts';

/** A session as its owner (the service, the gateway, a device) sees it. Closed sessions ignore every call. */
export interface Session {
  readonly transport: 'coaps' | 'coaps+tcp';
  /** Address and port of the other side. */
  readonly peer: string;
  readonly traffic: Traffic;
  /** How often the other side has spoken after this one had; what several datagrams or segments say together counts once. */
  readonly turns: number;
  request(request: OutgoingRequest): number | undefined;
  cancel(id: number): void;
  ping(): number | undefined;
  respond(id: number, response: OutgoingResponse): void;
  /** Tells the observer whose request had this id of a change; an error code ends the observation. */
  notify(id: number, response: OutgoingResponse): void;
  providePsk(key: Uint8Array | undefined): void;
  close(): void;
  /** Ends without a word to the peer. */
  abandon(): void;
}

export type SessionReceiver = (event: ConnectionEvent, now: Millis) => void;

/** Decides what becomes of a new session: returns the receiver of its events, in order, ending with `closed`. */
export type SessionOwner = (session: Session) => SessionReceiver;

export interface CoapServerOptions {
  readonly host: string;
  /** 0 lets the system choose. */
  readonly port: number;
  /** Asked for each new peer, so that certificates and anchors can be swapped while the server runs. */
  readonly context: () => SecureContext;
  readonly owner: SessionOwner;
  readonly timers: Timers;
  readonly random: RandomSource;
  /** Without traffic for this long a session is closed, ms. */
  readonly idle: Millis;
  /** Bytes of a UDP payload that reach every peer whole; default limits.secure.mtu. The context must have the same. */
  readonly mtu?: number;
}

export interface CoapServer {
  readonly port: number;
  /** Sessions held now, unfinished handshakes included. */
  readonly sessions: number;
  /** Says goodbye to every peer and frees the port. */
  close(): Promise<void>;
}

/** A server whose sessions begin with a handshake. */
export interface SecureServer extends CoapServer {
  /** Sessions whose handshake is not finished. */
  readonly halfOpen: number;
  /** Whoever has no session gets none from now on; those that have one keep it. */
  refuseNew(): void;
}

/** A connection with a clock: the one place where its deadlines become timers. */
export class LiveSession implements Session {
  readonly transport: 'coaps' | 'coaps+tcp';
  readonly peer: string;
  private readonly connection: Connection;
  private readonly timers: Timers;
  private readonly alarm: Alarm;

  constructor(options: LiveSessionOptions) {
    this.transport = options.transport;
    this.peer = options.peer;
    this.timers = options.timers;
    let receiver: SessionReceiver | undefined;
    this.connection = new Connection(options.association, {
      clock: options.timers,
      idle: options.idle,
      createEndpoint: options.createEndpoint,
      transmit: options.transmit,
      ...(options.onPause && { onPause: options.onPause }),
      onEvent: (event, now) => {
        if (event.type === 'established') options.onEstablished?.();
        receiver?.(event, now);
        if (event.type !== 'closed') return;
        this.alarm.stop();
        options.onClosed(event.end);
      },
    });
    this.alarm = new Alarm(options.timers, (now) => {
      this.connection.handleTimeout(now);
      return this.connection.nextTimeout();
    });
    receiver = options.owner(this);
  }

  get traffic(): Traffic {
    return this.connection.traffic;
  }

  get turns(): number {
    return this.connection.turns;
  }

  get closed(): boolean {
    return this.connection.closed;
  }

  start(): void {
    this.connection.start(this.now());
    this.rearm();
  }

  receive(bytes: Uint8Array): void {
    this.connection.receive(bytes, this.now());
    this.rearm();
  }

  receiveEnd(): void {
    this.connection.receiveEnd(this.now());
  }

  stall(): void {
    this.connection.stall();
  }

  resume(): void {
    this.connection.resume(this.now());
    this.rearm();
  }

  abort(end: ConnectionEnd): void {
    this.connection.abort(end, this.now());
  }

  request(request: OutgoingRequest): number | undefined {
    const id = this.connection.request(request, this.now());
    this.rearm();
    return id;
  }

  cancel(id: number): void {
    this.connection.cancel(id);
  }

  ping(): number | undefined {
    const id = this.connection.ping(this.now());
    this.rearm();
    return id;
  }

  respond(id: number, response: OutgoingResponse): void {
    this.connection.respond(id, response, this.now());
    this.rearm();
  }

  notify(id: number, response: OutgoingResponse): void {
    this.connection.notify(id, response, this.now());
    this.rearm();
  }

  providePsk(key: Uint8Array | undefined): void {
    this.connection.providePsk(key, this.now());
    this.rearm();
  }

  close(): void {
    this.connection.close(this.now());
  }

  abandon(): void {
    this.abort({ reason: 'local' });
  }

  private now(): Millis {
    return this.timers.now();
  }

  private rearm(): void {
    if (!this.connection.closed) this.alarm.set(this.connection.nextTimeout());
  }
}

export interface LiveSessionOptions {
  readonly transport: 'coaps' | 'coaps+tcp';
  readonly peer: string;
  readonly association: Association;
  readonly createEndpoint: () => CoapEndpoint;
  readonly transmit: (bytes: Uint8Array) => void;
  readonly timers: Timers;
  readonly idle: Millis | undefined;
  readonly owner: SessionOwner;
  readonly onEstablished?: () => void;
  readonly onPause?: (paused: boolean) => void;
  readonly onClosed: (end: ConnectionEnd) => void;
}
