import { share, utf8 } from '../core/bytes.ts';
import { earlier, type Millis } from '../core/clock.ts';
import { limits } from '../core/limits.ts';
import type { RandomSource } from '../core/random.ts';
import { type BlockExchange, BlockwiseServer } from './blockwise.ts';
import { code, describeCode, isSuccess, kindOf, methodOf } from './code.ts';
import type { CoapEndpoint, CoapEvent, FailureReason, OutgoingRequest, OutgoingResponse } from './endpoint.ts';
import { encodeFrame, type Frame, Framer, frameLength } from './framing.ts';
import { type CoapMessage, type CoapOption, type MessageParts, tokenKey } from './message.ts';
import { Observations, observeOf, withStreamObserve } from './observation.ts';
import { checkOptions, emptyOption, findOption, signalOptionNumber, uintOf, uintOption } from './options.ts';
import { busy, methodNotAllowed, readRequest, requestOptions, responseOptions, responseParts } from './request.ts';
import { type StreamPeer, streamPolicy } from './stream-policy.ts';
import { Transfer } from './transfer.ts';

export interface StreamEndpointOptions {
  readonly random: RandomSource;
  /**
   * Whether the peer's first message must be a CSM (RFC 8323 §5.3). Default false: the reference device never sends one
   * (contract, plgd-device c2).
   */
  readonly requireCsm?: boolean;
}

/** CoAP over a stream (RFC 8323): one end of one session. The CSM is in the output from the start. */
export function createStreamEndpoint(options: StreamEndpointOptions): CoapEndpoint {
  return new StreamEndpoint(options);
}

/** A request of the peer that has no answer yet. */
interface Serving {
  readonly token: Uint8Array;
  readonly exchange: BlockExchange;
  readonly deadline: Millis;
}

/** An own request that has no final response yet. */
interface Requesting {
  readonly id: number;
  readonly token: Uint8Array;
  readonly transfer: Transfer;
  readonly timeout: Millis;
  deadline: Millis;
}

class StreamEndpoint implements CoapEndpoint {
  /** TCP sees to it. */
  readonly retransmissions = 0;
  private readonly random: RandomSource;
  private readonly requireCsm: boolean;
  private readonly framer = new Framer(limits.coap.messageBytes);
  private readonly blockwise = new BlockwiseServer();
  private readonly observations = new Observations((id) => this.events.push({ type: 'unobserved', id }));
  private readonly serving = new Map<number, Serving>();
  /** By token. */
  private readonly requesting = new Map<string, Requesting>();
  /** Own pings, by token. */
  private readonly pings = new Map<string, { readonly id: number; readonly deadline: Millis }>();
  /** Pongs that wait until the requests up to an id have been answered (Custody, RFC 8323 §5.4.1). */
  private custody: { readonly token: Uint8Array; readonly after: number }[] = [];
  private readonly peer: StreamPeer = { csm: false, maxMessageSize: undefined, blockwise: false };
  private output: Uint8Array[] = [];
  private outputBytes = 0;
  private events: CoapEvent[] = [];
  private lastId = 0;
  /** Input was left unread because too much was waiting to be answered or sent. */
  private held = false;
  private ended = false;

  constructor({ random, requireCsm = false }: StreamEndpointOptions) {
    this.random = random;
    this.requireCsm = requireCsm;
    this.signal(code.csm, [
      uintOption(signalOptionNumber.maxMessageSize, limits.coap.messageBytes),
      emptyOption(signalOptionNumber.blockWiseTransfer),
    ]);
  }

  get congested(): boolean {
    return this.held;
  }

  receive(bytes: Uint8Array, now: Millis): void {
    if (this.ended) return;
    this.framer.push(bytes);
    this.read(now);
    if (this.framer.buffered > limits.coap.messageBytes + 2 * limits.secure.queuedBytes) {
      this.abort('more was sent than can be kept');
    }
  }

  request(request: OutgoingRequest, now: Millis): number {
    const id = ++this.lastId;
    if (this.ended) {
      this.events.push({ type: 'failed', id, reason: 'reset' });
      return id;
    }
    const token = request.token ?? this.random.bytes(8);
    if (this.requesting.has(tokenKey(token))) throw new RangeError('the token of an open request cannot be used again');
    const transfer = new Transfer(request, streamPolicy(this.peer, requestOptions(request)));
    const { timeout = limits.session.requestDeadline } = request;
    const requesting: Requesting = { id, token, transfer, timeout, deadline: now + timeout };
    this.requesting.set(tokenKey(token), requesting);
    this.send(requesting, transfer.first(), now);
    return id;
  }

  respond(id: number, response: OutgoingResponse, now: Millis): void {
    const serving = this.serving.get(id);
    if (serving === undefined || this.ended) return;
    this.serving.delete(id);
    const begun = this.observations.begin({ id, token: serving.token, exchange: serving.exchange }, response);
    this.answer(serving, response, begun, now);
    this.releaseCustody();
    this.read(now);
  }

  notify(id: number, response: OutgoingResponse, now: Millis): void {
    const observation = this.observations.get(id);
    if (observation === undefined || this.ended) return;
    const goesOn = isSuccess(response.code);
    if (!goesOn) this.observations.remove(observation);
    this.answer(observation, response, goesOn, now);
  }

  cancel(id: number): void {
    for (const [key, requesting] of this.requesting) if (requesting.id === id) this.requesting.delete(key);
  }

  ping(now: Millis): number {
    const id = ++this.lastId;
    const token = this.signal(code.ping, []);
    this.pings.set(tokenKey(token), { id, deadline: now + limits.coap.pingTimeout });
    return id;
  }

  release(): void {
    if (!this.ended) this.signal(code.release, []);
  }

  /** 0, that is at once, when input that was held back can be read on. */
  nextTimeout(): Millis | undefined {
    if (this.ended) return undefined;
    if (this.held && !this.isFull()) return 0;
    let next = this.blockwise.nextTimeout();
    for (const { deadline } of this.serving.values()) next = earlier(next, deadline);
    for (const { deadline } of this.requesting.values()) next = earlier(next, deadline);
    for (const { deadline } of this.pings.values()) next = earlier(next, deadline);
    return next;
  }

  handleTimeout(now: Millis): void {
    if (this.ended) return;
    // Whoever should have answered has forgotten it; the place must not stay taken.
    for (const [id, { deadline }] of this.serving) if (deadline <= now) this.respond(id, busy, now);
    for (const requesting of this.requesting.values()) {
      if (requesting.deadline <= now) this.fail(requesting, 'timeout');
    }
    for (const [key, { id, deadline }] of this.pings) {
      if (deadline > now) continue;
      this.pings.delete(key);
      this.events.push({ type: 'failed', id, reason: 'timeout' });
    }
    this.blockwise.handleTimeout(now);
    this.read(now);
  }

  takeOutput(): Uint8Array[] {
    const { output } = this;
    if (output.length > 0) this.output = [];
    this.outputBytes = 0;
    return output;
  }

  takeEvents(): CoapEvent[] {
    const { events } = this;
    if (events.length > 0) this.events = [];
    return events;
  }

  /**
   * Reads messages until there is no whole one, or as much waits to be answered or sent as may: one TLS record holds
   * thousands of small requests, and their answers must not pile up for a peer that does not read.
   */
  private read(now: Millis): void {
    while (!this.ended && !this.isFull()) {
      const frame = this.framer.next();
      if (frame === undefined) break;
      this.take(frame, now);
    }
    this.held = !this.ended && this.isFull() && this.framer.hasInput;
  }

  private isFull(): boolean {
    return this.serving.size >= limits.session.requestsInFlight || this.outputBytes >= limits.secure.queuedBytes;
  }

  private take(frame: Frame, now: Millis): void {
    if (frame.type === 'malformed') {
      this.abort(frame.text);
      return;
    }
    if (frame.type === 'too-large') {
      this.abort(`a message of ${frame.bytes} bytes is over the limit of ${limits.coap.messageBytes}`);
      return;
    }
    const { message } = frame;
    if (this.requireCsm && !this.peer.csm && message.code !== code.csm) {
      this.abort('the first message is not a CSM');
      return;
    }
    const kind = kindOf(message.code);
    if (kind === 'request') this.serve(message, now);
    else if (kind === 'response') this.takeResponse(message, now);
    else if (kind === 'signal') this.takeSignal(message);
    else if (kind === 'reserved') this.abort(`the code ${describeCode(message.code)} is reserved`);
    // An empty message is a keep-alive (RFC 8323 §4.4).
  }

  private serve(message: CoapMessage, now: Millis): void {
    // A copy: the token outlives the bytes it came in.
    const token = new Uint8Array(message.token);
    const method = methodOf(message.code);
    if (method === undefined) {
      this.write({ ...responseParts(methodNotAllowed), token });
      return;
    }
    const request = readRequest(message, method, true);
    if (observeOf(request) === 'cancel') this.observations.cancel(token);
    const received = this.blockwise.receive(request, streamPolicy(this.peer, request.options), now);
    if (received.type === 'answer') {
      this.write({ ...received.parts, token });
      return;
    }
    const id = ++this.lastId;
    this.serving.set(id, { token, exchange: received.exchange, deadline: now + limits.session.requestDeadline });
    this.events.push({ type: 'request', id, request: received.exchange.request });
  }

  /** A response that is too large for the peer ends the observation that it belongs to. */
  private answer(
    { token, exchange }: Pick<Serving, 'token' | 'exchange'>,
    response: OutgoingResponse,
    observed: boolean,
    now: Millis,
  ): void {
    const options = responseOptions(response);
    const parts = this.blockwise.answer(exchange, response, streamPolicy(this.peer, options), now);
    const message = { ...(observed ? withStreamObserve(parts) : parts), token };
    const fits = !this.isTooLarge(message);
    if (!fits && observed) this.observations.cancel(token);
    this.write(fits ? message : { ...responseParts(tooLarge), token });
  }

  private takeResponse(message: CoapMessage, now: Millis): void {
    const requesting = this.requesting.get(tokenKey(message.token));
    // Not asked for, or cancelled meanwhile: there is no RST on a stream (RFC 8323 §2.2).
    if (requesting === undefined) return;
    const checked = checkOptions(message, 'response');
    if (!checked.ok) {
      this.fail(requesting, 'malformed');
      return;
    }
    const step = requesting.transfer.receive({ ...message, options: checked.options });
    if (step.type === 'send') {
      this.send(requesting, step.parts, now);
    } else if (step.type === 'failed') {
      this.fail(requesting, step.reason);
    } else if (step.type === 'done') {
      this.requesting.delete(tokenKey(requesting.token));
      this.events.push({
        type: 'response',
        id: requesting.id,
        response: step.response,
        roundTrips: requesting.transfer.messages,
      });
    }
  }

  private takeSignal(message: CoapMessage): void {
    const checked = checkOptions(message, 'signal');
    if (!checked.ok) {
      const { number, text } = checked.fault;
      const badOption = message.code === code.csm ? [uintOption(signalOptionNumber.badCsmOption, number)] : [];
      this.abort(`${describeCode(message.code)}: ${text}`, badOption);
      return;
    }
    const { options } = checked;
    switch (message.code) {
      case code.csm:
        this.peer.csm = true;
        this.peer.maxMessageSize = uintOf(options, signalOptionNumber.maxMessageSize) ?? this.peer.maxMessageSize;
        this.peer.blockwise ||= findOption(options, signalOptionNumber.blockWiseTransfer) !== undefined;
        break;
      case code.ping:
        this.pong(message.token, findOption(options, signalOptionNumber.custody) !== undefined);
        break;
      case code.pong:
        this.takePong(message.token);
        break;
      case code.release:
        this.events.push({ type: 'released', text: diagnostic(message.payload) });
        break;
      case code.abort:
        this.ended = true;
        this.events.push({ type: 'released', text: diagnostic(message.payload) });
        break;
      default: // A signal of a later day that asks for nothing critical.
    }
  }

  /** A Pong with Custody says that everything before the Ping has been processed: it waits for that, within bounds. */
  private pong(token: Uint8Array, custody: boolean): void {
    if (!custody || this.custody.length >= limits.session.requestsInFlight) {
      this.signal(code.pong, [], token);
      return;
    }
    this.custody.push({ token: new Uint8Array(token), after: this.lastId });
    this.releaseCustody();
  }

  private releaseCustody(): void {
    if (this.custody.length === 0) return;
    const [oldest = Number.POSITIVE_INFINITY] = this.serving.keys();
    const due = this.custody.filter(({ after }) => after < oldest);
    this.custody = this.custody.filter(({ after }) => after >= oldest);
    for (const { token } of due) this.signal(code.pong, [emptyOption(signalOptionNumber.custody)], token);
  }

  /** A Pong without a token is for the oldest Ping: libcoap 4.3 does not echo the token, as RFC 8323 §5.4 asks. */
  private takePong(token: Uint8Array): void {
    const [oldest = ''] = this.pings.keys();
    const key = token.length === 0 ? oldest : tokenKey(token);
    const ping = this.pings.get(key);
    if (ping === undefined) return;
    this.pings.delete(key);
    this.events.push({ type: 'pong', id: ping.id });
  }

  private send(requesting: Requesting, parts: MessageParts, now: Millis): void {
    const message = { ...parts, token: requesting.token };
    if (this.isTooLarge(message)) {
      this.fail(requesting, 'too-large');
      return;
    }
    requesting.deadline = now + requesting.timeout;
    this.write(message);
  }

  private fail(requesting: Requesting, reason: FailureReason): void {
    if (!this.requesting.delete(tokenKey(requesting.token))) return;
    this.events.push({ type: 'failed', id: requesting.id, reason });
  }

  private abort(text: string, options: readonly CoapOption[] = []): void {
    if (this.ended) return;
    this.signal(code.abort, options, undefined, text);
    this.ended = true;
    this.held = false;
    this.events.push({ type: 'broken', text });
  }

  /**
   * Always with a token, 8 bytes when it is ours: the reference device goes deaf on a message of 6 bytes or fewer
   * (contract, plgd-device c2).
   */
  private signal(
    signalCode: number,
    options: readonly CoapOption[],
    token = this.random.bytes(8),
    text = '',
  ): Uint8Array {
    this.write({ code: signalCode, token, options, payload: utf8(text) });
    return token;
  }

  private write(message: CoapMessage): void {
    const bytes = encodeFrame(message);
    this.output.push(bytes);
    this.outputBytes += bytes.length;
  }

  /** Only what the peer has announced counts as its limit: many peers without a CSM, or with an empty one, take far more. */
  private isTooLarge(message: CoapMessage): boolean {
    const { maxMessageSize } = this.peer;
    return maxMessageSize !== undefined && frameLength(message) > maxMessageSize;
  }
}

const tooLarge: OutgoingResponse = { code: code.internalServerError, payload: utf8('the response is too large') };

/** The text of a peer's Release or Abort, bounded, for the record. */
const diagnostic = (payload: Uint8Array): string =>
  share(payload.subarray(0, limits.coap.diagnosticBytes)).toString('utf8');
