import { concatBytes, equalBytes, noBytes } from '../core/bytes.ts';
import { limits } from '../core/limits.ts';
import { type Block, bertExponent, blockOf, blockOffset, blockOption, blockUnit, isFullBlock } from './block.ts';
import type { BlockPolicy } from './blockwise.ts';
import { code, codeOf, isSuccess } from './code.ts';
import type { IncomingResponse, OutgoingRequest } from './endpoint.ts';
import type { CoapMessage, CoapOption, MessageParts } from './message.ts';
import { findOption, optionNumber, uintOf, uintOption } from './options.ts';
import { readResponse, requestOptions } from './request.ts';
import { sortOptions } from './wire.ts';

/** What follows from a response message. */
export type TransferStep =
  | { readonly type: 'send'; readonly parts: MessageParts }
  | { readonly type: 'done'; readonly response: IncomingResponse }
  | { readonly type: 'failed'; readonly reason: 'too-large' | 'malformed' }
  /** A late copy of a response that was already used. */
  | { readonly type: 'ignore' };

/**
 * The client side of one request (RFC 7959): sends a large payload block by block and fetches a large response the same
 * way, one message at a time. All messages of a transfer may carry the same token.
 */
export class Transfer {
  private readonly request: OutgoingRequest;
  private readonly policy: BlockPolicy;
  private readonly options: readonly CoapOption[];
  private readonly payload: Uint8Array;
  private readonly sending: { blockwise: boolean; exponent: number; offset: number; next: number };
  private received: Received | undefined;
  private restarted = false;
  /** Messages sent for it so far, one for each block; repetitions of a lost one are not counted. */
  messages = 0;

  constructor(request: OutgoingRequest, policy: BlockPolicy) {
    this.request = request;
    this.policy = policy;
    this.options = requestOptions(request);
    this.payload = request.payload ?? noBytes;
    const blockwise = this.payload.length > policy.wholeBytes;
    this.sending = { blockwise, exponent: policy.exponent, offset: 0, next: 0 };
  }

  /** The message that starts it. */
  first(): MessageParts {
    return this.sending.blockwise ? this.uploadBlock(0) : this.message(this.options, this.earlyBlock2(), this.payload);
  }

  /** Takes a response whose options have been checked. */
  receive(message: CoapMessage): TransferStep {
    if (message.code === code.continue) return this.continueUpload(message);
    if (message.code === code.requestEntityTooLarge) {
      const smaller = this.smallerBlocks(message);
      if (smaller !== undefined) return { type: 'send', parts: smaller };
    }
    const block2 = blockOf(message.options, optionNumber.block2);
    if (!isSuccess(message.code)) return { type: 'done', response: readResponse(message) };
    if (block2 === undefined) {
      return this.received === undefined ? { type: 'done', response: readResponse(message) } : malformed;
    }
    return this.receiveBlock(message, block2);
  }

  private continueUpload(message: CoapMessage): TransferStep {
    const { sending } = this;
    const block1 = blockOf(message.options, optionNumber.block1);
    if (!sending.blockwise || block1 === undefined || block1.exponent > sending.exponent) return malformed;
    const offset = blockOffset(block1);
    if (offset < sending.offset) return { type: 'ignore' };
    if (offset > sending.offset || sending.next >= this.payload.length) return malformed;
    // The server may want smaller blocks from here on (RFC 7959 §2.3); what it has acknowledged stays acknowledged.
    sending.exponent = block1.exponent;
    return { type: 'send', parts: this.uploadBlock(sending.next) };
  }

  /** RFC 7959 §2.9.3: a 4.13 with a Block1 option hints at the size that would be taken. Each try is smaller: it ends. */
  private smallerBlocks(message: CoapMessage): MessageParts | undefined {
    const hint = blockOf(message.options, optionNumber.block1);
    if (hint === undefined || hint.exponent >= bertExponent) return undefined;
    const { sending } = this;
    const fits = sending.blockwise ? hint.exponent < sending.exponent : this.payload.length > blockUnit(hint.exponent);
    if (!fits) return undefined;
    sending.blockwise = true;
    sending.exponent = Math.min(hint.exponent, sending.exponent);
    return this.uploadBlock(0);
  }

  private uploadBlock(offset: number): MessageParts {
    const { sending, payload, policy } = this;
    const { exponent } = sending;
    const end = offset + (exponent === bertExponent ? policy.bertBytes : blockUnit(exponent));
    const more = end < payload.length;
    sending.offset = offset;
    sending.next = end;
    const extra = [blockOption(optionNumber.block1, { number: offset / blockUnit(exponent), more, exponent })];
    if (offset === 0) extra.push(uintOption(optionNumber.size1, payload.length));
    if (!more) extra.push(...this.earlyBlock2());
    return this.message(this.options, extra, payload.subarray(offset, end));
  }

  private receiveBlock(message: CoapMessage, block: Block): TransferStep {
    const { payload, options } = message;
    const eTag = findOption(options, optionNumber.eTag)?.value ?? noBytes;
    const offset = blockOffset(block);
    this.received ??= { first: message, eTag, chunks: [], length: 0 };
    const { received } = this;
    if (block.exponent === bertExponent && !this.policy.bert) return malformed;
    if (message.code !== received.first.code || !equalBytes(eTag, received.eTag)) return this.restart();
    if (offset < received.length) return { type: 'ignore' };
    if (offset > received.length || (block.more && !isFullBlock(block, payload.length))) return malformed;
    const announced = uintOf(options, optionNumber.size2) ?? 0;
    const length = offset + payload.length;
    if (Math.max(announced, length) > limits.coap.bodyBytes) return { type: 'failed', reason: 'too-large' };
    received.chunks.push(payload);
    received.length = length;
    if (!block.more) return { type: 'done', response: assemble(received) };
    const exponent = Math.min(block.exponent, this.policy.exponent);
    return { type: 'send', parts: this.downloadBlock(length, exponent) };
  }

  /** The representation changed under our hands (RFC 7959 §2.4): a GET starts over, once; anything else was done already. */
  private restart(): TransferStep {
    if (this.restarted || this.request.method !== 'GET') return malformed;
    this.restarted = true;
    this.received = undefined;
    return { type: 'send', parts: this.first() };
  }

  /** The payload went with the earlier request; this one is without it and what described it (RFC 7959 §3.3). */
  private downloadBlock(offset: number, exponent: number): MessageParts {
    const block2 = blockOption(optionNumber.block2, { number: offset / blockUnit(exponent), more: false, exponent });
    const options = this.options.filter(({ number }) => !describesPayload.has(number));
    return this.message(options, [block2], noBytes);
  }

  /** Asks for blocks of our size before there is any, when ours are smaller than usual (RFC 7959 §2.4). */
  private earlyBlock2(): CoapOption[] {
    const { exponent, bert } = this.policy;
    if (bert || exponent >= limits.coap.blockExponent) return [];
    return [blockOption(optionNumber.block2, { number: 0, more: false, exponent })];
  }

  private message(own: readonly CoapOption[], extra: readonly CoapOption[], payload: Uint8Array): MessageParts {
    this.messages++;
    const options = extra.length === 0 ? own : sortOptions([...own, ...extra]);
    return { code: codeOf(this.request.method), options, payload };
  }
}

/** The blocks of a response body so far. */
interface Received {
  readonly first: CoapMessage;
  readonly eTag: Uint8Array;
  readonly chunks: Uint8Array[];
  length: number;
}

/** The response as if it had come whole: without the options of its blocks. */
function assemble({ first, chunks }: Received): IncomingResponse {
  const options = first.options.filter(({ number }) => number !== optionNumber.block2 && number !== optionNumber.size2);
  return readResponse({ ...first, options, payload: concatBytes(...chunks) });
}

const describesPayload: ReadonlySet<number> = new Set([
  optionNumber.contentFormat,
  optionNumber.ocfContentFormatVersion,
]);

const malformed: TransferStep = { type: 'failed', reason: 'malformed' };
