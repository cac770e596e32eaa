import type { Millis } from '../core/clock.ts';
import { limits } from '../core/limits.ts';
import { blockOf } from './block.ts';
import type { BlockExchange } from './blockwise.ts';
import { isSuccess } from './code.ts';
import { encodeDatagram } from './datagram.ts';
import type { IncomingRequest, OutgoingResponse } from './endpoint.ts';
import { type CoapOption, type MessageParts, tokenKey } from './message.ts';
import { emptyOption, optionNumber, uintOf, uintOption } from './options.ts';
import type { Renewed } from './retransmission.ts';
import { sortOptions } from './wire.ts';

/** What a request says about observing (RFC 7641 §2): values other than 0 and 1 say nothing, nor does a later block. */
export function observeOf({ method, options }: IncomingRequest): 'register' | 'cancel' | undefined {
  if (method !== 'GET') return undefined;
  const value = uintOf(options, optionNumber.observe);
  if (value === undefined || value > 1) return undefined;
  if (value === 1) return 'cancel';
  return (blockOf(options, optionNumber.block2)?.number ?? 0) > 0 ? undefined : 'register';
}

/** A message with an Observe option: the first of an observation, or a notification. */
const observed = (parts: MessageParts, option: CoapOption): MessageParts => ({
  ...parts,
  options: sortOptions([...parts.options, option]),
});

/** A client's interest in a resource: the request that began it is answered again whenever the resource changes. */
export interface Observation {
  /** Of the request event that began it. */
  readonly id: number;
  readonly token: Uint8Array;
  readonly exchange: BlockExchange;
}

/** The observations of one session, bounded. They are told apart by token (RFC 7641 §4.1). */
export class Observations<Entry extends Observation = Observation> {
  private readonly byToken = new Map<string, Entry>();
  private readonly onEnd: (id: number) => void;

  /** @param onEnd told of each observation that ends without `notify` having ended it. */
  constructor(onEnd: (id: number) => void) {
    this.onEnd = onEnd;
  }

  /**
   * The request with this id has been answered. An answer that begins an observation takes the place of an earlier one with
   * the same token; one that does not ends it. False when it does not: not asked for, not granted, or one too many.
   */
  begin(entry: Entry, response: OutgoingResponse): boolean {
    const { id, token, exchange } = entry;
    const asked = observeOf(exchange.request) === 'register';
    if (asked) this.cancel(token);
    if (!response.observe) return false;
    if (asked && isSuccess(response.code) && this.byToken.size < limits.coap.observations) {
      this.byToken.set(tokenKey(token), entry);
      return true;
    }
    this.onEnd(id);
    return false;
  }

  /** Ends the observation with this token, if there is one. */
  cancel(token: Uint8Array): void {
    const entry = this.byToken.get(tokenKey(token));
    if (entry) this.end(entry);
  }

  end(entry: Entry): void {
    if (this.remove(entry)) this.onEnd(entry.id);
  }

  get(id: number): Entry | undefined {
    return this.find((entry) => entry.id === id);
  }

  find(matches: (entry: Entry) => boolean): Entry | undefined {
    for (const entry of this.byToken.values()) if (matches(entry)) return entry;
    return undefined;
  }

  /** Ends an observation without a word: its owner knows. */
  remove(entry: Entry): boolean {
    return this.byToken.get(tokenKey(entry.token)) === entry && this.byToken.delete(tokenKey(entry.token));
  }
}

/** On a stream order is given; the option is there, its value means nothing (RFC 8323 §7.1). */
export const withStreamObserve = (parts: MessageParts): MessageParts =>
  observed(parts, emptyOption(optionNumber.observe));

/** An observation over datagrams, with what is known of its notifications. */
export interface DatagramObservation extends Observation {
  /** Message ids of the last few notifications: an RST to one of them ends the observation. */
  recent: number[];
  /** A CON notification waits for its ACK. */
  inTransit: boolean;
  /** What has changed since: it replaces the one in transit (RFC 7641 §4.5.2). */
  newer: OutgoingResponse | undefined;
  /** NON notifications since the client has last been heard of. */
  unconfirmed: number;
  confirmedAt: Millis;
}

export interface NotifierDeps {
  /** The message of a response, block-wise when it is large. */
  readonly answer: (exchange: BlockExchange, response: OutgoingResponse, now: Millis) => MessageParts;
  readonly newMessageId: () => number;
  /** Sends a NON. */
  readonly send: (bytes: Uint8Array) => void;
  /** Whether a client has to acknowledge its first notification before it gets others. */
  readonly proveInterest: boolean;
  /** Sends a CON until it is acknowledged. */
  readonly transmit: (messageId: number, bytes: Uint8Array, observation: DatagramObservation, now: Millis) => void;
  readonly onEnd: (id: number) => void;
}

/** Notifications over datagrams (RFC 7641 §4.4, §4.5): NON, with a CON now and then to see whether the client still cares. */
export class DatagramNotifier {
  readonly observations: Observations<DatagramObservation>;
  private readonly deps: NotifierDeps;
  /** One sequence for the session: it never goes back when a client registers again. */
  private sequence = 1;

  constructor(deps: NotifierDeps) {
    this.deps = deps;
    this.observations = new Observations(deps.onEnd);
  }

  /** The answer to a request, as `begin` of Observations; the observation, if one has begun. */
  begin(observation: Observation, response: OutgoingResponse, now: Millis): DatagramObservation | undefined {
    const entry = {
      ...observation,
      recent: [],
      inTransit: false,
      newer: undefined,
      unconfirmed: this.deps.proveInterest ? limits.coap.unconfirmedNotifications : 0,
      confirmedAt: now,
    };
    return this.observations.begin(entry, response) ? entry : undefined;
  }

  /** The message with the next sequence number. */
  numbered(parts: MessageParts): MessageParts {
    this.sequence = (this.sequence + 1) & 0xff_ffff;
    return observed(parts, uintOption(optionNumber.observe, this.sequence));
  }

  notify(id: number, response: OutgoingResponse, now: Millis): void {
    const observation = this.observations.get(id);
    if (observation === undefined) return;
    if (observation.inTransit) observation.newer = response;
    else this.send(observation, response, now);
  }

  sent(observation: DatagramObservation, messageId: number, reliable: boolean): void {
    observation.recent = [...observation.recent.slice(1 - recentMessages), messageId];
    observation.inTransit = reliable;
  }

  acknowledged(observation: DatagramObservation, now: Millis): void {
    const { newer } = observation;
    Object.assign(observation, { inTransit: false, newer: undefined, unconfirmed: 0, confirmedAt: now });
    if (newer) this.send(observation, newer, now);
  }

  /** The client does not know the message, or is silent. */
  refused(observation: DatagramObservation): void {
    this.observations.end(observation);
  }

  /** An RST to a NON notification, or to a CON that has since been replaced. */
  wasReset(messageId: number): void {
    const observation = this.observations.find(({ recent }) => recent.includes(messageId));
    if (observation) this.refused(observation);
  }

  /** What is to be sent instead of the notification in transit, when there is something newer. */
  renewed(observation: DatagramObservation, now: Millis): Renewed | undefined {
    const { newer } = observation;
    if (newer === undefined) return undefined;
    observation.newer = undefined;
    return this.encoded(observation, newer, true, now);
  }

  private send(observation: DatagramObservation, response: OutgoingResponse, now: Millis): void {
    const reliable =
      !isSuccess(response.code) ||
      observation.unconfirmed >= limits.coap.unconfirmedNotifications ||
      now - observation.confirmedAt >= limits.coap.confirmNotification;
    observation.unconfirmed++;
    const { messageId, bytes } = this.encoded(observation, response, reliable, now);
    if (reliable) this.deps.transmit(messageId, bytes, observation, now);
    else this.deps.send(bytes);
  }

  /** An error is the last notification, and without the option (RFC 7641 §4.2). */
  private encoded(
    observation: DatagramObservation,
    response: OutgoingResponse,
    reliable: boolean,
    now: Millis,
  ): Renewed {
    const { token, exchange } = observation;
    const goesOn = isSuccess(response.code);
    if (!goesOn) this.observations.remove(observation);
    const answer = this.deps.answer(exchange, response, now);
    const message = { ...(goesOn ? this.numbered(answer) : answer), token };
    const messageId = this.deps.newMessageId();
    this.sent(observation, messageId, reliable);
    return { messageId, bytes: encodeDatagram({ type: reliable ? 'CON' : 'NON', messageId, message }) };
  }
}

const recentMessages = 4;
