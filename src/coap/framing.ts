import { concatBytes, noBytes } from '../core/bytes.ts';
import { codeFromByte, codeToByte } from './code.ts';
import type { CoapMessage } from './message.ts';
import { bodyLength, maxTokenBytes, readBody, writeBody } from './wire.ts';

/** What a stream held next. After `malformed` or `too-large` the stream cannot be read on. */
export type Frame =
  | { readonly type: 'message'; readonly message: CoapMessage }
  | { readonly type: 'malformed'; readonly text: string }
  | { readonly type: 'too-large'; readonly bytes: number };

/** Encodes a message for a stream (RFC 8323 §3.2), with the shortest length field. Throws a RangeError like encodeDatagram. */
export function encodeFrame(message: CoapMessage): Uint8Array {
  const { token } = message;
  if (token.length > maxTokenBytes) throw new RangeError(`a token of ${token.length} bytes: the longest is 8`);
  const length = bodyLength(message);
  const form = formFor(length);
  const tokenAt = 2 + form.bytes;
  const out = new Uint8Array(tokenAt + token.length + length);
  out[0] = ((form.nibble ?? length) << 4) | token.length;
  for (let at = form.bytes, rest = length - form.bias; at > 0; at--, rest = Math.floor(rest / 256))
    out[at] = rest & 0xff;
  out[tokenAt - 1] = codeToByte(message.code);
  out.set(token, tokenAt);
  writeBody(message, out, tokenAt + token.length);
  return out;
}

/** The size of `message` on a stream, in bytes: what Max-Message-Size counts (RFC 8323 §5.3.1). */
export function frameLength(message: CoapMessage): number {
  const length = bodyLength(message);
  return 2 + formFor(length).bytes + message.token.length + length;
}

/**
 * Cuts a stream into messages, whatever the pieces it arrives in. Holds at most what was pushed and not read, plus one
 * message; a message over `maxBytes` is refused from its first bytes on. Messages share memory with the pieces pushed.
 */
export class Framer {
  private readonly maxBytes: number;
  /** Bytes pushed and not consumed. */
  private input: Uint8Array = noBytes;
  /** A message of known size of which not all bytes are there yet. */
  private partial: PartialMessage | undefined;
  private ended = false;

  constructor(maxBytes: number) {
    this.maxBytes = maxBytes;
  }

  /** Bytes held that no message has been made of. */
  get buffered(): number {
    return this.input.length + (this.partial?.filled ?? 0);
  }

  /** Whether `next` may have something without another push. */
  get hasInput(): boolean {
    return this.input.length > 0;
  }

  push(piece: Uint8Array): void {
    if (this.ended) return;
    this.input = this.input.length === 0 ? piece : concatBytes(this.input, piece);
  }

  /** The next message, or undefined when more bytes are needed. */
  next(): Frame | undefined {
    if (this.ended) return undefined;
    const frame = this.partial === undefined ? this.cut() : this.fill(this.partial);
    if (frame !== undefined && frame.type !== 'message') {
      this.ended = true;
      this.input = noBytes;
      this.partial = undefined;
    }
    return frame;
  }

  /** The first message when all of it is in the input; otherwise moves what is there aside, into a buffer of its size. */
  private cut(): Frame | undefined {
    if (((this.input[0] ?? 0) & 0x0f) > maxTokenBytes)
      return { type: 'malformed', text: 'a token longer than 8 bytes' };
    const size = frameSize(this.input);
    if (size === undefined) return undefined;
    if (size > this.maxBytes) return { type: 'too-large', bytes: size };
    if (size <= this.input.length) return decodeFrame(this.take(size));
    const bytes = new Uint8Array(size);
    bytes.set(this.input);
    this.partial = { bytes, filled: this.input.length };
    this.input = noBytes;
    return undefined;
  }

  private fill(partial: PartialMessage): Frame | undefined {
    const piece = this.take(Math.min(this.input.length, partial.bytes.length - partial.filled));
    partial.bytes.set(piece, partial.filled);
    partial.filled += piece.length;
    if (partial.filled < partial.bytes.length) return undefined;
    this.partial = undefined;
    return decodeFrame(partial.bytes);
  }

  private take(count: number): Uint8Array {
    const taken = this.input.subarray(0, count);
    this.input = count === this.input.length ? noBytes : this.input.subarray(count);
    return taken;
  }
}

interface PartialMessage {
  readonly bytes: Uint8Array;
  filled: number;
}

/** Decodes the bytes of exactly one message. Does not throw; token, option values and payload share their memory. */
export function decodeFrame(bytes: Uint8Array): Frame {
  const first = bytes[0] ?? 0;
  const tokenLength = first & 0x0f;
  if (tokenLength > maxTokenBytes) return { type: 'malformed', text: 'a token longer than 8 bytes' };
  if (frameSize(bytes) !== bytes.length) return { type: 'malformed', text: 'a length field that does not fit' };
  const tokenAt = 2 + formOf(first >> 4).bytes;
  const bodyAt = tokenAt + tokenLength;
  const body = readBody(bytes, bodyAt);
  if (!body.ok) return { type: 'malformed', text: body.text };
  const code = codeFromByte(bytes[tokenAt - 1] ?? 0);
  const token = tokenLength === 0 ? noBytes : bytes.subarray(tokenAt, bodyAt);
  return { type: 'message', message: { code, token, options: body.options, payload: body.payload } };
}

/** The size of the message that `bytes` start with, or undefined when its length field is not complete. */
function frameSize(bytes: Uint8Array): number | undefined {
  const first = bytes[0];
  if (first === undefined) return undefined;
  const form = formOf(first >> 4);
  if (bytes.length < 1 + form.bytes) return undefined;
  let length = form.nibble === undefined ? first >> 4 : 0;
  for (let at = 1; at <= form.bytes; at++) length = length * 256 + (bytes[at] ?? 0);
  return 2 + form.bytes + (first & 0x0f) + length + form.bias;
}

/** How a length is written: in the nibble itself, or as 1, 2 or 4 more bytes with a bias (RFC 8323 §3.2, table 1). */
interface LengthForm {
  readonly nibble: number | undefined;
  readonly bytes: number;
  readonly bias: number;
}

const inNibble: LengthForm = { nibble: undefined, bytes: 0, bias: 0 };
const oneByte: LengthForm = { nibble: 13, bytes: 1, bias: 13 };
const twoBytes: LengthForm = { nibble: 14, bytes: 2, bias: 269 };
const fourBytes: LengthForm = { nibble: 15, bytes: 4, bias: 65_805 };

const formOf = (nibble: number): LengthForm =>
  nibble < 13 ? inNibble : nibble === 13 ? oneByte : nibble === 14 ? twoBytes : fourBytes;

const formFor = (length: number): LengthForm =>
  length < 13 ? inNibble : length < 269 ? oneByte : length < 65_805 ? twoBytes : fourBytes;
