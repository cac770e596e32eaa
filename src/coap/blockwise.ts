import { createHash } from 'node:crypto';
import { noBytes, share } from '../core/bytes.ts';
import { earlier, type Millis } from '../core/clock.ts';
import { limits } from '../core/limits.ts';
import { type Block, bertExponent, blockOf, blockOffset, blockOption, blockUnit, isFullBlock } from './block.ts';
import { code, isSuccess } from './code.ts';
import type { IncomingRequest, OutgoingResponse } from './endpoint.ts';
import type { CoapOption, MessageParts } from './message.ts';
import { findOption, isNoCacheKey, opaqueOption, optionNumber, uintOf, uintOption } from './options.ts';
import { responseOptions } from './request.ts';
import { sortOptions } from './wire.ts';

/** What the transport and the peer allow. */
export interface BlockPolicy {
  /** Largest exponent to send or ask for: 0 .. 6, or 7 where BERT may be sent. */
  readonly exponent: number;
  /** Payloads longer than this are sent in blocks. */
  readonly wholeBytes: number;
  /** Payload of one BERT message that is sent, a multiple of 1024. */
  readonly bertBytes: number;
  /** Whether exponent 7 means something: on streams (RFC 8323 §6); over UDP it is reserved (RFC 7959 §2.2). */
  readonly bert: boolean;
}

/** What must be known of a request to answer it. */
export interface BlockExchange {
  readonly request: IncomingRequest;
  readonly block1: Block | undefined;
  readonly block2: Block | undefined;
  /** What request.messages says. */
  readonly count?: Count;
}

export type ReceivedRequest =
  /** A whole request, or one with a fault: for the application. */
  | { readonly type: 'serve'; readonly exchange: BlockExchange }
  /** Answered here: 2.31, or a further block of a stored representation. */
  | { readonly type: 'answer'; readonly parts: MessageParts };

/** A request body of which not all blocks are there yet. */
interface Upload {
  bytes: Uint8Array;
  length: number;
  messages: number;
  readonly expires: Millis;
}

/** A response body that is being fetched in blocks. */
interface Representation {
  readonly code: number;
  /** Everything but Block2 and Size2; with an ETag. */
  readonly options: readonly CoapOption[];
  readonly payload: Uint8Array;
  readonly count: Count | undefined;
  readonly expires: Millis;
}

/** A MessageCount as it is counted. */
interface Count {
  received: number;
  open: boolean;
}

/**
 * The server side of block-wise transfer (RFC 7959) in one session: puts uploads together, and serves large responses in
 * blocks from the body that the application gave once. Both are keyed by method and cache-key options, never by token,
 * for a client may take a new token for every block.
 */
export class BlockwiseServer {
  private readonly uploads = new Map<string, Upload>();
  private readonly representations = new Map<string, Representation>();
  private readonly bodyBytes: number;

  /** @param bodyBytes of the largest request that is put together. */
  constructor(bodyBytes: number = limits.coap.bodyBytes) {
    this.bodyBytes = bodyBytes;
  }

  /** Takes a request message; one with a fault goes through as it is. */
  receive(request: IncomingRequest, policy: BlockPolicy, now: Millis): ReceivedRequest {
    if (request.fault !== undefined) {
      return { type: 'serve', exchange: { request, block1: undefined, block2: undefined } };
    }
    const block1 = blockOf(request.options, optionNumber.block1);
    const block2 = blockOf(request.options, optionNumber.block2);
    const exchange = counted({ request, block1, block2 }, 1);
    if (block1 === undefined && block2 === undefined) return { type: 'serve', exchange };
    if (!policy.bert && (block1?.exponent === bertExponent || block2?.exponent === bertExponent)) {
      return faulty(exchange, code.badRequest, 'block size 7 is reserved');
    }
    if (block1 !== undefined) return this.receiveUpload(exchange, block1, now);
    if (block2 !== undefined && block2.number > 0) return this.continueDownload(exchange, block2, policy, now);
    return { type: 'serve', exchange };
  }

  /** The message that answers `exchange`. The body of a response too large for one message is kept for the next blocks. */
  answer(exchange: BlockExchange, response: OutgoingResponse, policy: BlockPolicy, now: Millis): MessageParts {
    const { request, block1, block2 } = exchange;
    const { payload = noBytes } = response;
    const extra: CoapOption[] = [];
    if (block1 !== undefined) extra.push(blockOption(optionNumber.block1, block1));
    if (response.code === code.requestEntityTooLarge) extra.push(uintOption(optionNumber.size1, this.bodyBytes));
    if (!isSuccess(response.code) || (block2 === undefined && payload.length <= policy.wholeBytes)) {
      return { code: response.code, options: withMore(responseOptions(response), extra), payload };
    }
    const wanted = block2 ?? { number: 0, more: false, exponent: policy.exponent };
    const representation = represent(response, payload, exchange.count, now);
    const parts = serveBlock(representation, wanted, policy, extra);
    if (parts.payload.length < payload.length) {
      if (exchange.count) exchange.count.open = true;
      this.keep(representationKey(request), representation);
    }
    return parts;
  }

  nextTimeout(): Millis | undefined {
    let next: Millis | undefined;
    for (const { expires } of this.uploads.values()) next = earlier(next, expires);
    for (const { expires } of this.representations.values()) next = earlier(next, expires);
    return next;
  }

  /** Drops what nobody went on with. */
  handleTimeout(now: Millis): void {
    dropExpired(this.uploads, now);
    dropExpired(this.representations, now);
  }

  private receiveUpload(exchange: BlockExchange, block: Block, now: Millis): ReceivedRequest {
    const { request } = exchange;
    const { payload } = request;
    if (block.more && !isFullBlock(block, payload.length)) {
      return faulty(exchange, code.badRequest, `a block of ${payload.length} bytes is not of the size it says`);
    }
    const key = uploadKey(request);
    const offset = blockOffset(block);
    const announced = uintOf(request.options, optionNumber.size1) ?? 0;
    if (Math.max(announced, offset + payload.length) > this.bodyBytes) {
      this.uploads.delete(key);
      return faulty(exchange, code.requestEntityTooLarge, `a body is at most ${this.bodyBytes} bytes`);
    }
    if (offset === 0) this.uploads.delete(key);
    const upload = this.uploads.get(key) ?? startUpload(offset, now);
    const repeated = block.more && offset + payload.length === upload?.length;
    if (upload === undefined || upload.expires <= now || (upload.length !== offset && !repeated)) {
      return faulty(exchange, code.requestEntityIncomplete, 'an earlier block of the request is missing');
    }
    upload.messages++;
    if (!repeated) append(upload, payload);
    if (!block.more) {
      this.uploads.delete(key);
      const whole = { ...request, payload: upload.bytes.subarray(0, upload.length) };
      return { type: 'serve', exchange: counted({ ...exchange, request: whole }, upload.messages) };
    }
    if (!this.uploads.has(key)) {
      makeRoom(this.uploads);
      this.uploads.set(key, upload);
    }
    const options = [blockOption(optionNumber.block1, block)];
    return { type: 'answer', parts: { code: code.continue, options, payload: noBytes } };
  }

  private continueDownload(exchange: BlockExchange, block: Block, policy: BlockPolicy, now: Millis): ReceivedRequest {
    const { request } = exchange;
    const representation = this.representations.get(representationKey(request));
    if (representation === undefined || representation.expires <= now) {
      // A GET may be run again, and its ETag tells the client whether it is still the same; anything else may not.
      if (request.method === 'GET') return { type: 'serve', exchange };
      return faulty(exchange, code.badRequest, 'the response is no longer kept');
    }
    const parts = serveBlock(representation, block, policy, []);
    const { count, payload } = representation;
    if (count) {
      count.received++;
      if (blockOffset(block) + parts.payload.length >= payload.length) count.open = false;
    }
    return { type: 'answer', parts };
  }

  private keep(key: string, representation: Representation): void {
    this.representations.delete(key);
    makeRoom(this.representations);
    this.representations.set(key, representation);
  }
}

/** One block of a representation, the size the client asked for or ours when that is smaller (RFC 7959 §2.4). */
function serveBlock(
  from: Representation,
  wanted: Block,
  policy: BlockPolicy,
  extra: readonly CoapOption[],
): MessageParts {
  const exponent = Math.min(wanted.exponent, policy.exponent);
  const offset = blockOffset(wanted);
  const { payload } = from;
  if (offset > 0 && offset >= payload.length) {
    return { code: code.badRequest, options: withMore([], extra), payload: outOfRange };
  }
  const end = offset + (exponent === bertExponent ? policy.bertBytes : blockUnit(exponent));
  const more = end < payload.length;
  const block = { number: offset / blockUnit(exponent), more, exponent };
  const options = [blockOption(optionNumber.block2, block), ...extra];
  if (more && offset === 0) options.push(uintOption(optionNumber.size2, payload.length));
  return { code: from.code, options: withMore(from.options, options), payload: payload.subarray(offset, end) };
}

function represent(
  response: OutgoingResponse,
  payload: Uint8Array,
  count: Count | undefined,
  now: Millis,
): Representation {
  const own = responseOptions(response);
  const tag = createHash('sha256').update(payload).digest().subarray(0, 8);
  const options =
    findOption(own, optionNumber.eTag) === undefined ? withMore(own, [opaqueOption(optionNumber.eTag, tag)]) : own;
  return { code: response.code, options, payload, count, expires: now + limits.coap.transfer };
}

/** RFC 7959 §2.5: what else tells two uploads apart is the Request-Tag (RFC 9175 §3), which is part of the cache key. */
const uploadKey = (request: IncomingRequest): string =>
  cacheKey(request, (number) => !uploadOnly.has(number) && !isNoCacheKey(number));

/**
 * A continuation may come without what described the payload of the first request: the reference device leaves out
 * payload, Content-Format and OCF's version of it when it goes on with its credentials POST (contract, plgd-device c3).
 */
const representationKey = (request: IncomingRequest): string =>
  cacheKey(request, (number) => !uploadOnly.has(number) && !describesPayload.has(number) && !isNoCacheKey(number));

const uploadOnly: ReadonlySet<number> = new Set([
  optionNumber.block1,
  optionNumber.block2,
  optionNumber.size1,
  optionNumber.size2,
]);

const describesPayload: ReadonlySet<number> = new Set([
  optionNumber.contentFormat,
  optionNumber.ocfContentFormatVersion,
  optionNumber.requestTag,
  optionNumber.observe,
]);

function cacheKey(request: IncomingRequest, counts: (number: number) => boolean): string {
  let key: string = request.method;
  for (const { number, value } of request.options) {
    if (counts(number)) key += ` ${number}:${value.length}:${share(value).toString('latin1')}`;
  }
  return key;
}

const startUpload = (offset: number, now: Millis): Upload | undefined =>
  offset === 0 ? { bytes: noBytes, length: 0, messages: 0, expires: now + limits.coap.transfer } : undefined;

/** Grows by doubling: a peer that announces much and sends little costs little. */
function append(upload: Upload, payload: Uint8Array): void {
  const length = upload.length + payload.length;
  if (length > upload.bytes.length) {
    const grown = new Uint8Array(Math.max(length, 2 * upload.bytes.length));
    grown.set(upload.bytes.subarray(0, upload.length));
    upload.bytes = grown;
  }
  upload.bytes.set(payload, upload.length);
  upload.length = length;
}

/** Makes room for one more by dropping the oldest. */
function makeRoom(kept: Map<string, unknown>): void {
  for (const key of kept.keys()) {
    if (kept.size < limits.coap.transfers) return;
    kept.delete(key);
  }
}

function dropExpired(kept: Map<string, { readonly expires: Millis }>, now: Millis): void {
  for (const [key, { expires }] of kept) if (expires <= now) kept.delete(key);
}

const withMore = (options: readonly CoapOption[], more: readonly CoapOption[]): readonly CoapOption[] =>
  more.length === 0 ? options : sortOptions([...options, ...more]);

function counted(exchange: BlockExchange, received: number): BlockExchange {
  const count: Count = { received, open: false };
  return { ...exchange, count, request: { ...exchange.request, messages: count } };
}

const faulty = (exchange: BlockExchange, faultCode: number, text: string): ReceivedRequest => ({
  type: 'serve',
  exchange: { ...exchange, request: { ...exchange.request, fault: { code: faultCode, text } } },
});

const outOfRange = new Uint8Array(Buffer.from('there is no such block'));
