import type { Millis } from '../core/clock.ts';
import type { CoapOption } from './message.ts';

/**
 * One end of a CoAP session without I/O, the same face over UDP (RFC 7252: exchange.ts) and over TCP (RFC 8323: stream.ts).
 * Block-wise transfer (RFC 7959) happens inside: requests and responses that go in and come out are whole bodies.
 */
export interface CoapEndpoint {
  /** Feeds one decrypted datagram, or any piece of the stream. Payloads share the memory of `bytes`: it must not be reused. */
  receive(bytes: Uint8Array, now: Millis): void;
  /** Sends a request; its outcome comes as an event with the id returned here. */
  request(request: OutgoingRequest, now: Millis): number;
  /** Answers a `request` event. Unknown or already answered ids are ignored: the peer may have gone. */
  respond(id: number, response: OutgoingResponse, now: Millis): void;
  /**
   * Tells the client of an observation (RFC 7641) what its resource has become; `id` is that of the request that began it.
   * An error code (4.xx, 5.xx) ends it. Unknown ids, and ended ones, are ignored.
   */
  notify(id: number, response: OutgoingResponse, now: Millis): void;
  /** Forgets an own request: a late answer is dropped. */
  cancel(id: number): void;
  /** Sends a ping (empty CON, RFC 7252 §4.3; 7.02, RFC 8323 §5.4); the outcome is a `pong` or `failed` event. */
  ping(now: Millis): number;
  /** Says goodbye where the transport has a word for it (7.04 Release, RFC 8323 §5.5). */
  release(now: Millis): void;
  nextTimeout(): Millis | undefined;
  handleTimeout(now: Millis): void;
  /**
   * Whether more input should be held back (a stream whose peer sends requests faster than they are answered, or does
   * not read): stop reading the socket until it is false again. What has been fed is kept and goes on by itself.
   */
  readonly congested: boolean;
  /** Messages that were sent again for want of an acknowledgement. */
  readonly retransmissions: number;
  /** Messages to send, in order; each must travel in a datagram or TLS record of its own. Empties the queue. */
  takeOutput(): Uint8Array[];
  takeEvents(): CoapEvent[];
}

export type CoapEvent =
  | { readonly type: 'request'; readonly id: number; readonly request: IncomingRequest }
  /** `roundTrips`: request messages it took, one for each block. */
  | { readonly type: 'response'; readonly id: number; readonly response: IncomingResponse; readonly roundTrips: number }
  | { readonly type: 'pong'; readonly id: number }
  /**
   * An observation has ended: the client cancelled it, refused a notification or is silent; or it was not taken up at all
   * (not asked for, or one too many). Not told when the session ends, nor after an error notification.
   */
  | { readonly type: 'unobserved'; readonly id: number }
  /** An own request or ping that will get no answer. */
  | { readonly type: 'failed'; readonly id: number; readonly reason: FailureReason }
  /** The peer announced the end: Release or Abort (RFC 8323 §5.5, §5.6). Close after the answers in flight. */
  | { readonly type: 'released'; readonly text: string }
  /** The peer broke the protocol; the session cannot go on (RFC 8323 §5.6: an Abort is in the output). */
  | { readonly type: 'broken'; readonly text: string };

/**
 * `reset`: the peer refused the message (RST), or the session has ended. `too-large`: the request or its response is over a limit of ours or the
 * peer's. `malformed`: the response cannot be used.
 */
export type FailureReason = 'timeout' | 'reset' | 'too-large' | 'malformed';

export interface OutgoingRequest {
  readonly method: Method;
  readonly path: readonly string[];
  readonly query?: readonly string[];
  readonly payload?: Uint8Array;
  readonly contentFormat?: number;
  readonly accept?: number;
  /** Further options (e.g. 2049, 2053). */
  readonly options?: readonly CoapOption[];
  /** UDP: CON (default) or NON. */
  readonly confirmable?: boolean;
  /** 0..8 bytes; default: 8 random ones. */
  readonly token?: Uint8Array;
  /** How long to wait for the answer, or for each block of it, ms; default limits.session.requestDeadline. */
  readonly timeout?: Millis;
}

export interface IncomingRequest {
  readonly method: Method;
  readonly path: readonly string[];
  readonly query: readonly string[];
  readonly payload: Uint8Array;
  readonly contentFormat: number | undefined;
  readonly accept: number | undefined;
  readonly options: readonly CoapOption[];
  readonly confirmable: boolean;
  readonly token: Uint8Array;
  /** The messages of the peer that the exchange takes; undefined before block-wise transfer has looked at it. */
  readonly messages?: MessageCount;
  /** Set when the request cannot be served as it is: answer with this code and text, run no handler. */
  readonly fault?: { readonly code: number; readonly text: string };
}

/** Goes on counting while the peer fetches the blocks of its answer. */
export interface MessageCount {
  /** One, and one more for each further block of request or response. */
  readonly received: number;
  /** Whether blocks of the answer are still to be fetched. */
  readonly open: boolean;
}

export interface OutgoingResponse {
  /** class * 100 + detail, e.g. 205. */
  readonly code: number;
  readonly payload?: Uint8Array;
  readonly contentFormat?: number;
  readonly options?: readonly CoapOption[];
  /** Begins an observation if the request asked for one (Observe 0, RFC 7641 §4.1); `notify` then tells of changes. */
  readonly observe?: boolean;
}

export interface IncomingResponse {
  readonly code: number;
  readonly payload: Uint8Array;
  readonly contentFormat: number | undefined;
  readonly options: readonly CoapOption[];
}

export type Method = 'GET' | 'POST' | 'PUT' | 'DELETE' | 'FETCH' | 'PATCH' | 'iPATCH';
