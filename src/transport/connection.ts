import type { CoapEndpoint, CoapEvent, IncomingRequest, OutgoingRequest, OutgoingResponse } from '../coap/endpoint.ts';
import { type Clock, earlier, type Millis } from '../core/clock.ts';
import { limits } from '../core/limits.ts';
import type { Association, AssociationEnd, AssociationEvent } from '../secure/association.ts';

/**
 * A secure association and the CoAP endpoint that speaks through it, as one thing without sockets. The edge feeds it what
 * the network delivered and transmits what it hands out; whoever owns the session gets its events in order.
 */
export class Connection {
  private readonly association: Association;
  private readonly options: ConnectionOptions;
  private endpoint: CoapEndpoint | undefined;
  private lastActivity: Millis;
  private open = 0;
  private leaving: ConnectionEnd | undefined;
  private ended = false;
  private pumping = false;
  private pumpAgain = false;
  private backlogged = false;
  private inputEnded = false;
  private paused = false;
  /** Notifications that wait for the wire; one an observation, so there are no more than these. */
  private readonly held = new Map<number, OutgoingResponse>();
  /** How often the peer has spoken after we had: round trips as they are seen from here. */
  turns = 0;
  private ourTurn = false;
  private bytesIn = 0;
  private bytesOut = 0;
  private datagramsIn = 0;
  private datagramsOut = 0;

  constructor(association: Association, options: ConnectionOptions) {
    this.association = association;
    this.options = options;
    this.lastActivity = options.clock.now();
    association.onProgress = () => this.pump(options.clock.now());
  }

  /** Sends what the association has ready from the start (a client's first flight). */
  start(now: Millis): void {
    this.pump(now);
  }

  /** Feeds one datagram, or any piece of the stream. */
  receive(bytes: Uint8Array, now: Millis): void {
    if (this.ended) return;
    this.bytesIn += bytes.length;
    this.datagramsIn++;
    if (!this.ourTurn) this.turns++;
    this.ourTurn = true;
    this.association.receive(bytes, now);
    this.pump(now);
  }

  /** The stream's peer has closed its side. */
  receiveEnd(now: Millis): void {
    if (this.ended) return;
    this.inputEnded = true;
    this.pump(now);
  }

  request(request: OutgoingRequest, now: Millis): number | undefined {
    const id = this.endpoint?.request(request, now);
    this.pump(now);
    return id;
  }

  cancel(id: number): void {
    this.endpoint?.cancel(id);
  }

  ping(now: Millis): number | undefined {
    const id = this.endpoint?.ping(now);
    this.pump(now);
    return id;
  }

  respond(id: number, response: OutgoingResponse, now: Millis): void {
    if (this.ended) return;
    this.open--;
    this.endpoint?.respond(id, response, now);
    this.pump(now);
  }

  notify(id: number, response: OutgoingResponse, now: Millis): void {
    if (this.ended) return;
    // A slow reader gets the newest, not all of them.
    if (this.backlogged) this.held.set(id, response);
    else this.endpoint?.notify(id, response, now);
    this.pump(now);
  }

  providePsk(key: Uint8Array | undefined, now: Millis): void {
    if (this.ended) return;
    this.association.providePsk(key, now);
    this.pump(now);
  }

  /** Says goodbye (close_notify) and ends. */
  close(now: Millis): void {
    if (this.ended) return;
    this.endpoint?.release(now);
    this.pump(now);
    if (this.ended) return;
    this.leave({ reason: 'local' }, now);
  }

  /** Ends without a word. */
  abort(reason: ConnectionEnd, now: Millis): void {
    this.finish(reason, now);
  }

  /** The wire is full: nothing more is read until `resume`. A peer that does not read must not make us queue answers. */
  stall(): void {
    this.backlogged = true;
  }

  resume(now: Millis): void {
    if (!this.backlogged) return;
    this.backlogged = false;
    for (const [id, response] of this.held) this.endpoint?.notify(id, response, now);
    this.held.clear();
    this.pump(now);
  }

  nextTimeout(): Millis | undefined {
    if (this.ended) return undefined;
    const { idle } = this.options;
    const due = earlier(this.association.nextTimeout(), this.endpoint?.nextTimeout());
    return earlier(due, idle === undefined ? undefined : this.lastActivity + idle);
  }

  handleTimeout(now: Millis): void {
    if (this.ended) return;
    this.association.handleTimeout(now);
    this.endpoint?.handleTimeout(now);
    this.pump(now);
    if (this.ended || this.options.idle === undefined) return;
    if (now >= this.lastActivity + this.options.idle) this.leave({ reason: 'idle' }, now);
  }

  get traffic(): Traffic {
    const { bytesIn, bytesOut, datagramsIn, datagramsOut } = this;
    const retransmissions = this.association.retransmissions + (this.endpoint?.retransmissions ?? 0);
    return { bytesIn, bytesOut, datagramsIn, datagramsOut, retransmissions };
  }

  get closed(): boolean {
    return this.ended;
  }

  /** Whether the peer has sent more than is being read: the stream's socket is to be left alone until `onPause(false)`. */
  private get overloaded(): boolean {
    return this.backlogged || this.endpoint?.congested === true;
  }

  /** Moves events up and output down until nothing moves. Handlers may call back in: they only ask for another round. */
  private pump(now: Millis): void {
    this.pumpAgain = true;
    if (this.pumping) return;
    this.pumping = true;
    try {
      while (this.pumpAgain && !this.ended) {
        this.pumpAgain = false;
        this.flush(now);
        // Events that are not taken stop the association from decrypting more.
        if (!this.overloaded) for (const event of this.association.takeEvents()) this.secureEvent(event, now);
        for (const event of this.endpoint?.takeEvents() ?? []) this.coapEvent(event, now);
        this.flush(now);
        this.leaveIfDone(now);
      }
    } finally {
      this.pumping = false;
    }
    // What the peer sent before its end may still be at work on the pool.
    if (this.inputEnded && !this.association.busy) this.finish({ reason: 'truncated' }, now);
    this.tellPause();
  }

  private tellPause(): void {
    const paused = !this.ended && (this.overloaded || this.association.backlog > limits.secure.queuedBytes);
    if (paused === this.paused) return;
    this.paused = paused;
    this.options.onPause?.(paused);
  }

  private flush(now: Millis): void {
    for (const message of this.endpoint?.takeOutput() ?? []) this.association.send(message, now);
    for (const bytes of this.association.takeOutput()) {
      this.bytesOut += bytes.length;
      this.datagramsOut++;
      this.ourTurn = false;
      this.options.transmit(bytes);
    }
  }

  private secureEvent(event: AssociationEvent, now: Millis): void {
    if (this.ended) return;
    // Not on receipt: datagrams with a forged sender would keep a session alive whose peer is gone.
    this.lastActivity = now;
    switch (event.type) {
      case 'message':
        this.endpoint?.receive(event.bytes, now);
        break;
      case 'established':
        this.endpoint = this.options.createEndpoint();
        this.emit(event, now);
        break;
      case 'closed':
        this.flush(now);
        this.finish(event.end, now);
        return;
      default:
        this.emit(event, now);
    }
    this.pumpAgain = true;
  }

  private coapEvent(event: CoapEvent, now: Millis): void {
    if (this.ended) return;
    switch (event.type) {
      case 'request':
        this.open++;
        this.emit(event, now);
        break;
      case 'released':
        this.leaving = { reason: 'released' };
        break;
      case 'broken':
        this.leaving = { reason: 'broken', text: event.text };
        break;
      case 'unobserved':
        this.held.delete(event.id);
        this.emit(event, now);
        break;
      default:
        this.emit(event, now);
    }
    this.pumpAgain = true;
  }

  /** A peer that released the session still gets the answers it asked for (RFC 8323 §5.5); one that broke it does not. */
  private leaveIfDone(now: Millis): void {
    if (!this.leaving || (this.leaving.reason === 'released' && this.open > 0)) return;
    this.leave(this.leaving, now);
  }

  /** Says goodbye below CoAP, and ends. What was answered before goes out before: closing may be what was asked for. */
  private leave(end: ConnectionEnd, now: Millis): void {
    this.flush(now);
    this.association.close(now);
    this.flush(now);
    this.finish(end, now);
  }

  private finish(end: ConnectionEnd, now: Millis): void {
    if (this.ended) return;
    this.ended = true;
    this.association.onProgress = undefined;
    this.association.abort();
    this.emit({ type: 'closed', end }, now);
  }

  private emit(event: ConnectionEvent, now: Millis): void {
    this.options.onEvent(event, now);
  }
}

export interface ConnectionOptions {
  readonly clock: Clock;
  /** The CoAP half, made when the handshake is through. */
  readonly createEndpoint: () => CoapEndpoint;
  /** Puts one datagram, or the next piece of the stream, on the wire. */
  readonly transmit: (bytes: Uint8Array) => void;
  readonly onEvent: (event: ConnectionEvent, now: Millis) => void;
  /** Streams: stop or go on reading the socket, so that a peer which sends faster than it is served fills its own buffers. */
  readonly onPause?: (paused: boolean) => void;
  /** Without traffic for this long the session is closed; undefined: never. */
  readonly idle: Millis | undefined;
}

export type ConnectionEvent =
  | Extract<AssociationEvent, { type: 'client-hello' | 'psk-lookup' | 'established' | 'alert' }>
  | { readonly type: 'request'; readonly id: number; readonly request: IncomingRequest }
  | Extract<CoapEvent, { type: 'response' | 'pong' | 'failed' | 'unobserved' }>
  /** Always the last event. */
  | { readonly type: 'closed'; readonly end: ConnectionEnd };

export type ConnectionEnd =
  | AssociationEnd
  | { readonly reason: 'idle' | 'released' | 'replaced' | 'stalled' | 'evicted' }
  | { readonly reason: 'broken' | 'unreachable'; readonly text: string };

/** What a session has put on the wire and got from it so far, secure layer included. */
export interface Traffic {
  readonly bytesIn: number;
  readonly bytesOut: number;
  /** Datagrams; of a stream, the pieces as they were read and written. */
  readonly datagramsIn: number;
  readonly datagramsOut: number;
  /** Messages of CoAP and flights of DTLS that were sent again. */
  readonly retransmissions: number;
}

export const noTraffic: Traffic = { bytesIn: 0, bytesOut: 0, datagramsIn: 0, datagramsOut: 0, retransmissions: 0 };
