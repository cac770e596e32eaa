import { equalBytes } from '../core/bytes.ts';
import { earlier, type Millis } from '../core/clock.ts';
import { limits } from '../core/limits.ts';
import { type RandomSource, randomUint32 } from '../core/random.ts';
import { blockUnit, isOneOfMany } from './block.ts';
import { type BlockExchange, type BlockPolicy, BlockwiseServer } from './blockwise.ts';
import { code, kindOf, methodOf } from './code.ts';
import { type Datagram, decodeDatagram, encodeDatagram, encodeEmpty } from './datagram.ts';
import { DuplicateFilter, type TakenMessage } from './duplicates.ts';
import type {
  CoapEndpoint,
  CoapEvent,
  FailureReason,
  IncomingRequest,
  OutgoingRequest,
  OutgoingResponse,
} from './endpoint.ts';
import { type CoapMessage, type MessageParts, tokenKey } from './message.ts';
import { DatagramNotifier, type DatagramObservation, observeOf } from './observation.ts';
import { type CheckedOptions, checkOptions } from './options.ts';
import { busy, methodNotAllowed, readRequest, responseParts } from './request.ts';
import { defaultTransmission, Retransmitter, type Transmission } from './retransmission.ts';
import { Transfer } from './transfer.ts';

export interface DatagramEndpointOptions {
  readonly random: RandomSource;
  /** Default: the parameters of RFC 7252 §4.8. */
  readonly transmission?: Partial<Transmission>;
  /** Block size exponent, 0 .. 6 for 16 .. 1024 bytes; default limits.coap.blockExponent. Choose it to fit the path's MTU. */
  readonly blockExponent?: number;
  /** Where senders may be forged: an observer gets its first notification as a CON, others once it has acknowledged (RFC 7641 §7). */
  readonly proveInterest?: boolean;
  /** Of the largest request that is put together from blocks; default limits.coap.bodyBytes. */
  readonly bodyBytes?: number;
}

/**
 * CoAP over datagrams (RFC 7252 §4, §5): one end of one session. What comes in has been decrypted and belongs to this
 * session; message ids and tokens mean nothing outside of it.
 */
export function createDatagramEndpoint(options: DatagramEndpointOptions): CoapEndpoint {
  return new DatagramEndpoint(options);
}

/** A request of the peer that has no answer yet. */
interface Serving {
  readonly confirmable: boolean;
  readonly token: Uint8Array;
  readonly taken: TakenMessage;
  /** Undefined for one that is refused before it can be block-wise. */
  exchange: BlockExchange | undefined;
  /** When the empty ACK goes out (RFC 7252 §5.2.2); undefined: it has, or none is needed. */
  ackDue: Millis | undefined;
  readonly deadline: Millis;
}

/** An own request that has no final response yet. */
interface Requesting {
  readonly id: number;
  readonly token: Uint8Array;
  readonly confirmable: boolean;
  readonly transfer: Transfer;
  readonly timeout: Millis;
  /** Of the message sent last. */
  messageId: number;
  deadline: Millis;
}

/** Who wants to know what becomes of a CON message. */
type Owner =
  | { readonly type: 'request'; readonly requesting: Requesting }
  | { readonly type: 'response' }
  | { readonly type: 'notification'; readonly observation: DatagramObservation }
  | { readonly type: 'ping'; readonly id: number };

class DatagramEndpoint implements CoapEndpoint {
  readonly congested = false;
  private readonly random: RandomSource;
  private readonly policy: BlockPolicy;
  private readonly blockwise: BlockwiseServer;
  private readonly duplicates = new DuplicateFilter();
  private readonly retransmitter: Retransmitter<Owner>;
  private readonly notifier: DatagramNotifier;
  private readonly serving = new Map<number, Serving>();
  /** By token. */
  private readonly requesting = new Map<string, Requesting>();
  private output: Uint8Array[] = [];
  private events: CoapEvent[] = [];
  private lastId = 0;
  private lastMessageId: number;

  constructor(options: DatagramEndpointOptions) {
    const { random, transmission, blockExponent = limits.coap.blockExponent, proveInterest = false } = options;
    this.blockwise = new BlockwiseServer(options.bodyBytes);
    this.random = random;
    const unit = blockUnit(blockExponent);
    this.policy = { exponent: blockExponent, wholeBytes: unit, bertBytes: unit, bert: false };
    this.retransmitter = new Retransmitter(
      { ...defaultTransmission, ...transmission },
      random,
      (bytes) => this.output.push(bytes),
      (owner, now) => (owner.type === 'notification' ? this.notifier.renewed(owner.observation, now) : undefined),
    );
    this.notifier = new DatagramNotifier({
      answer: (exchange, response, now) => this.blockwise.answer(exchange, response, this.policy, now),
      newMessageId: () => this.newMessageId(),
      proveInterest,
      send: (bytes) => this.output.push(bytes),
      transmit: (messageId, bytes, observation, now) =>
        this.retransmitter.transmit(messageId, bytes, { type: 'notification', observation }, now),
      onEnd: (id) => this.events.push({ type: 'unobserved', id }),
    });
    this.lastMessageId = randomUint32(random) & 0xffff;
  }

  get retransmissions(): number {
    return this.retransmitter.repeats;
  }

  receive(bytes: Uint8Array, now: Millis): void {
    const decoded = decodeDatagram(bytes);
    if (!decoded.ok) {
      if (decoded.reset !== undefined) this.reset(decoded.reset);
      return;
    }
    const { type, messageId, message } = decoded.datagram;
    if (type === 'ACK') this.acknowledged(messageId, message, now);
    else if (type === 'RST') this.wasReset(messageId, now);
    else if (message.code !== code.empty) this.take(decoded.datagram, now);
    else if (type === 'CON') this.reset(messageId); // A ping (RFC 7252 §4.3).
  }

  request(request: OutgoingRequest, now: Millis): number {
    const { confirmable = true, timeout = limits.session.requestDeadline } = request;
    const id = ++this.lastId;
    const token = request.token ?? this.random.bytes(8);
    if (this.requesting.has(tokenKey(token))) throw new RangeError('the token of an open request cannot be used again');
    const transfer = new Transfer(request, this.policy);
    const requesting: Requesting = { id, token, confirmable, transfer, timeout, messageId: 0, deadline: 0 };
    this.requesting.set(tokenKey(token), requesting);
    this.send(requesting, transfer.first(), now);
    return id;
  }

  respond(id: number, response: OutgoingResponse, now: Millis): void {
    const serving = this.serving.get(id);
    if (serving === undefined) return;
    this.serving.delete(id);
    const { exchange, token } = serving;
    if (exchange === undefined) {
      this.answer(serving, responseParts(response), now);
      return;
    }
    const observation = this.notifier.begin({ id, token, exchange }, response, now);
    const parts = this.blockwise.answer(exchange, response, this.policy, now);
    this.answer(serving, observation ? this.notifier.numbered(parts) : parts, now, observation);
  }

  notify(id: number, response: OutgoingResponse, now: Millis): void {
    this.notifier.notify(id, response, now);
  }

  cancel(id: number): void {
    for (const requesting of this.requesting.values()) {
      if (requesting.id === id) this.forget(requesting);
    }
  }

  ping(now: Millis): number {
    const id = ++this.lastId;
    const messageId = this.newMessageId();
    this.retransmitter.transmit(messageId, encodeEmpty('CON', messageId), { type: 'ping', id }, now);
    return id;
  }

  /** CoAP over datagrams has no word for it; the secure association says goodbye. */
  release(): void {}

  nextTimeout(): Millis | undefined {
    let next = earlier(this.retransmitter.nextTimeout(), this.blockwise.nextTimeout());
    for (const { ackDue, deadline } of this.serving.values()) next = earlier(next, ackDue ?? deadline);
    for (const { deadline } of this.requesting.values()) next = earlier(next, deadline);
    return next;
  }

  handleTimeout(now: Millis): void {
    for (const owner of this.retransmitter.handleTimeout(now)) this.givenUp(owner);
    for (const [id, serving] of this.serving) {
      if (serving.ackDue !== undefined && serving.ackDue <= now) this.acknowledge(serving);
      // Whoever should have answered has forgotten it; the place must not stay taken.
      if (serving.deadline <= now) this.respond(id, busy, now);
    }
    for (const requesting of this.requesting.values()) {
      if (requesting.deadline <= now) this.fail(requesting, 'timeout');
    }
    this.blockwise.handleTimeout(now);
  }

  takeOutput(): Uint8Array[] {
    const { output } = this;
    if (output.length > 0) this.output = [];
    return output;
  }

  takeEvents(): CoapEvent[] {
    const { events } = this;
    if (events.length > 0) this.events = [];
    return events;
  }

  /** A CON or NON with a code: a request, or a response of its own (RFC 7252 §5.2.2, §5.2.3). */
  private take({ type, messageId, message }: Datagram, now: Millis): void {
    const confirmable = type === 'CON';
    const copy = this.duplicates.find(messageId, now);
    if (copy !== undefined) {
      // A copy of a CON gets the same ACK or RST again, or nothing yet; a copy of a NON is dropped (RFC 7252 §4.5).
      if (confirmable && copy.reply !== undefined) this.output.push(copy.reply);
      return;
    }
    const taken = this.duplicates.take(
      messageId,
      now + (confirmable ? limits.coap.exchangeLifetime : limits.coap.nonLifetime),
    );
    if (kindOf(message.code) === 'request') this.serve(taken, message, confirmable, now);
    else this.takeSeparateResponse(taken, message, confirmable, now);
  }

  private serve(taken: TakenMessage, message: CoapMessage, confirmable: boolean, now: Millis): void {
    const serving: Serving = {
      confirmable,
      // A copy: the token outlives the datagram it came in.
      token: new Uint8Array(message.token),
      taken,
      exchange: undefined,
      ackDue: confirmable ? now + limits.coap.separateAfter : undefined,
      deadline: now + limits.session.requestDeadline,
    };
    const method = methodOf(message.code);
    if (method === undefined) {
      this.answer(serving, responseParts(methodNotAllowed), now);
    } else if (this.serving.size >= limits.session.requestsInFlight) {
      this.answer(serving, responseParts(busy), now);
    } else {
      this.hand(serving, readRequest(message, method, confirmable), now);
    }
  }

  private hand(serving: Serving, request: IncomingRequest, now: Millis): void {
    const received = this.blockwise.receive(request, this.policy, now);
    if (received.type === 'answer') {
      this.answer(serving, received.parts, now);
      return;
    }
    if (observeOf(request) === 'cancel') this.notifier.observations.cancel(serving.token);
    serving.exchange = received.exchange;
    serving.taken.working = true;
    const id = ++this.lastId;
    this.serving.set(id, serving);
    this.events.push({ type: 'request', id, request: received.exchange.request });
  }

  /** NON to a NON; to a CON piggybacked in the ACK, or as a CON of its own when the ACK has gone (RFC 7252 §5.2). */
  private answer(serving: Serving, parts: MessageParts, now: Millis, observation?: DatagramObservation): void {
    const { token, taken } = serving;
    const message = { ...parts, token };
    taken.working = false;
    if (!serving.confirmable) {
      const messageId = this.newMessageId();
      this.output.push(encodeDatagram({ type: 'NON', messageId, message }));
      if (observation) this.notifier.sent(observation, messageId, false);
    } else if (serving.ackDue !== undefined) {
      const bytes = encodeDatagram({ type: 'ACK', messageId: taken.messageId, message });
      this.duplicates.keepReply(taken, bytes);
      this.output.push(bytes);
    } else {
      const messageId = this.newMessageId();
      const bytes = encodeDatagram({ type: 'CON', messageId, message });
      if (observation) this.notifier.sent(observation, messageId, true);
      const owner: Owner = observation ? { type: 'notification', observation } : { type: 'response' };
      this.retransmitter.transmit(messageId, bytes, owner, now);
    }
  }

  private acknowledge(serving: Serving): void {
    serving.ackDue = undefined;
    this.replyEmpty('ACK', serving.taken);
  }

  private takeSeparateResponse(taken: TakenMessage, message: CoapMessage, confirmable: boolean, now: Millis): void {
    const requesting = this.requesting.get(tokenKey(message.token));
    const checked = checkOptions(message, 'response');
    // RFC 7252 §4.2, §5.3.2: a response to nothing, or one that cannot be read, is rejected.
    if (confirmable) this.replyEmpty(requesting !== undefined && checked.ok ? 'ACK' : 'RST', taken);
    if (requesting !== undefined) this.conclude(requesting, message, checked, now);
  }

  private acknowledged(messageId: number, message: CoapMessage, now: Millis): void {
    const owner = this.retransmitter.ownerOf(messageId);
    if (owner === undefined) return;
    if (message.code === code.empty) {
      this.retransmitter.settle(messageId, now);
      if (owner.type === 'ping') this.events.push({ type: 'pong', id: owner.id });
      if (owner.type === 'notification') this.notifier.acknowledged(owner.observation, now);
      return;
    }
    if (owner.type !== 'request' || kindOf(message.code) !== 'response') return;
    const { requesting } = owner;
    // RFC 7252 §5.3.2: message id and token must both match.
    if (!equalBytes(message.token, requesting.token)) return;
    this.retransmitter.settle(messageId, now);
    this.conclude(requesting, message, checkOptions(message, 'response'), now);
  }

  private conclude(requesting: Requesting, message: CoapMessage, checked: CheckedOptions, now: Millis): void {
    if (checked.ok) this.advance(requesting, { ...message, options: checked.options }, now);
    else this.fail(requesting, 'malformed');
  }

  private wasReset(messageId: number, now: Millis): void {
    const owner = this.retransmitter.ownerOf(messageId);
    this.retransmitter.settle(messageId, now);
    if (owner?.type === 'ping') this.events.push({ type: 'pong', id: owner.id });
    if (owner?.type === 'request') this.fail(owner.requesting, 'reset');
    if (owner?.type === 'notification') this.notifier.refused(owner.observation);
    if (owner !== undefined) return;
    this.notifier.wasReset(messageId);
    for (const requesting of this.requesting.values()) {
      if (!requesting.confirmable && requesting.messageId === messageId) this.fail(requesting, 'reset');
    }
  }

  private givenUp(owner: Owner): void {
    if (owner.type === 'request') this.fail(owner.requesting, 'timeout');
    if (owner.type === 'notification') this.notifier.refused(owner.observation);
    if (owner.type === 'ping') this.events.push({ type: 'failed', id: owner.id, reason: 'timeout' });
  }

  private advance(requesting: Requesting, message: CoapMessage, now: Millis): void {
    const step = requesting.transfer.receive(message);
    if (step.type === 'ignore') return;
    // A response is as good as an ACK (RFC 7252 §5.2.2).
    this.retransmitter.settle(requesting.messageId, now);
    if (step.type === 'send') {
      this.send(requesting, step.parts, now);
    } else if (step.type === 'failed') {
      this.fail(requesting, step.reason);
    } else {
      this.forget(requesting);
      this.events.push({
        type: 'response',
        id: requesting.id,
        response: step.response,
        roundTrips: requesting.transfer.messages,
      });
    }
  }

  private send(requesting: Requesting, parts: MessageParts, now: Millis): void {
    const messageId = this.newMessageId();
    requesting.messageId = messageId;
    requesting.deadline = now + requesting.timeout;
    const reliable = requesting.confirmable || isOneOfMany(parts);
    const type = reliable ? 'CON' : 'NON';
    const bytes = encodeDatagram({ type, messageId, message: { ...parts, token: requesting.token } });
    if (reliable) this.retransmitter.transmit(messageId, bytes, { type: 'request', requesting }, now);
    else this.output.push(bytes);
  }

  private fail(requesting: Requesting, reason: FailureReason): void {
    if (!this.forget(requesting)) return;
    this.events.push({ type: 'failed', id: requesting.id, reason });
  }

  private forget(requesting: Requesting): boolean {
    this.retransmitter.drop(requesting.messageId);
    return this.requesting.delete(tokenKey(requesting.token));
  }

  private reset(messageId: number): void {
    this.output.push(encodeEmpty('RST', messageId));
  }

  private replyEmpty(type: 'ACK' | 'RST', taken: TakenMessage): void {
    const bytes = encodeEmpty(type, taken.messageId);
    this.duplicates.keepReply(taken, bytes);
    this.output.push(bytes);
  }

  private newMessageId(): number {
    this.lastMessageId = (this.lastMessageId + 1) & 0xffff;
    return this.lastMessageId;
  }
}
