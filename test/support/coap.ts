import { readFileSync } from 'node:fs';
import { type Block, blockOf } from '../../src/coap/block.ts';
import { type Datagram, decodeDatagram, encodeDatagram, type MessageType } from '../../src/coap/datagram.ts';
import type { CoapEndpoint, CoapEvent, IncomingRequest, OutgoingResponse } from '../../src/coap/endpoint.ts';
import { decodeFrame } from '../../src/coap/framing.ts';
import type { CoapMessage, CoapOption } from '../../src/coap/message.ts';
import { optionNumber, stringOption } from '../../src/coap/options.ts';
import { noBytes, utf8 } from '../../src/core/bytes.ts';
import type { Millis } from '../../src/core/clock.ts';

/** A message with the parts that matter to a test; the rest is empty. */
export function message(code: number, parts: Partial<Omit<CoapMessage, 'code'>> = {}): CoapMessage {
  return { code, token: noBytes, options: [], payload: noBytes, ...parts };
}

export const datagram = (type: MessageType, messageId: number, content: CoapMessage): Uint8Array =>
  encodeDatagram({ type, messageId, message: content });

export const pathOptions = (...segments: readonly string[]): CoapOption[] =>
  segments.map((segment) => stringOption(optionNumber.uriPath, segment));

/** Decodes what an endpoint of ours has sent; anything malformed is a failure of the test. */
export function sentDatagram(bytes: Uint8Array | undefined): Datagram {
  const decoded = decodeDatagram(bytes ?? noBytes);
  if (!decoded.ok) throw new Error(`sent a malformed datagram: ${decoded.text}`);
  return decoded.datagram;
}

export function sentMessage(bytes: Uint8Array | undefined): CoapMessage {
  const frame = decodeFrame(bytes ?? noBytes);
  if (frame.type !== 'message') throw new Error(`sent a malformed message: ${frame.type}`);
  return frame.message;
}

/** The only event of a kind that is waiting, and nothing else. */
export function onlyEvent<T extends CoapEvent['type']>(
  endpoint: CoapEndpoint,
  type: T,
): Extract<CoapEvent, { type: T }> {
  const events = endpoint.takeEvents();
  const [event] = events;
  if (events.length !== 1 || event?.type !== type) {
    throw new Error(`expected one ${type} event, got ${events.map((each) => each.type).join(', ') || 'none'}`);
  }
  return event as Extract<CoapEvent, { type: T }>;
}

/** Answers the requests that are waiting; other events are returned. Faults are answered as the contract says. */
export function serve(
  endpoint: CoapEndpoint,
  handler: (request: IncomingRequest) => OutgoingResponse,
  now: Millis,
): CoapEvent[] {
  const others: CoapEvent[] = [];
  for (const event of endpoint.takeEvents()) {
    if (event.type !== 'request') {
      others.push(event);
      continue;
    }
    const { fault } = event.request;
    endpoint.respond(event.id, fault ? { code: fault.code, payload: utf8(fault.text) } : handler(event.request), now);
  }
  return others;
}

/** `count` bytes that differ from block to block. */
export const someBytes = (count: number): Uint8Array =>
  Uint8Array.from({ length: count }, (_, at) => (at * 31 + (at >> 8)) & 0xff);

/** RFC 7959's notation for a block option: `1/1/128`; BERT is `1/1/BERT`. */
function blockText(options: readonly CoapOption[], number: number): string | undefined {
  const block = blockOf(options, number);
  return block && `${block.number}/${block.more ? 1 : 0}/${block.exponent === 7 ? 'BERT' : 16 << block.exponent}`;
}

/** The Block1 and Block2 options in RFC 7959's notation, e.g. `1:2/0/128 2:0/1/128`. */
export function blocksText(options: readonly CoapOption[]): string {
  const texts = [
    ['1', blockText(options, optionNumber.block1)],
    ['2', blockText(options, optionNumber.block2)],
  ];
  return texts.flatMap(([name, text]) => (text === undefined ? [] : [`${name}:${text}`])).join(' ');
}

export function parseBlocks(text: string): { readonly number: 23 | 27; readonly block: Block }[] {
  return [...text.matchAll(/([12]):(\d+)\/([01])\/(\w+)/g)].map(([, which, number, more, size]) => ({
    number: which === '1' ? optionNumber.block1 : optionNumber.block2,
    block: { number: Number(number), more: more === '1', exponent: size === 'BERT' ? 7 : Math.log2(Number(size)) - 4 },
  }));
}

/** A file of test/vectors/coap. Vectors are ours: their shape is taken on trust. */
export function vectors<T>(name: string): T {
  return JSON.parse(readFileSync(new URL(`../vectors/coap/${name}`, import.meta.url), 'utf8')) as T;
}
