import { noBytes } from '../core/bytes.ts';
import { limits } from '../core/limits.ts';
import type { CoapMessage, CoapOption } from './message.ts';

/** What follows the token in a message of either transport: options, payload marker, payload (RFC 7252 §3.1). */
export type ReadBody =
  | { readonly ok: true; readonly options: readonly CoapOption[]; readonly payload: Uint8Array }
  /** `text` says what is wrong with it. */
  | { readonly ok: false; readonly text: string };

const payloadMarker = 0xff;
const maxOptionNumber = 0xffff;
export const maxTokenBytes = 8;

/** Strict: reads `bytes` from `start` to its end and never past it. Values and payload share the memory of `bytes`. */
export function readBody(bytes: Uint8Array, start: number): ReadBody {
  const options: CoapOption[] = [];
  const end = bytes.length;
  let at = start;
  let number = 0;
  while (at < end) {
    const head = bytes[at++] ?? 0;
    if (head === payloadMarker) {
      if (at === end) return malformed('a payload marker without a payload');
      return { ok: true, options, payload: bytes.subarray(at) };
    }
    let delta = head >> 4;
    if (delta >= 13) {
      const width = delta - 12;
      if (width === 3) return malformed('a reserved option delta');
      if (at + width > end) return malformed('a truncated option delta');
      delta = readExtended(bytes, at, width);
      at += width;
    }
    let length = head & 0x0f;
    if (length >= 13) {
      const width = length - 12;
      if (width === 3) return malformed('a reserved option length');
      if (at + width > end) return malformed('a truncated option length');
      length = readExtended(bytes, at, width);
      at += width;
    }
    number += delta;
    if (number > maxOptionNumber) return malformed('an option number over 65535');
    if (length > limits.coap.optionBytes) return malformed(`an option of ${length} bytes`);
    if (at + length > end) return malformed('a truncated option value');
    if (options.length === limits.coap.options) return malformed(`more than ${limits.coap.options} options`);
    options.push({ number, value: length === 0 ? noBytes : bytes.subarray(at, at + length) });
    at += length;
  }
  return { ok: true, options, payload: noBytes };
}

/** The bytes that options, payload marker and payload take. Options must be in ascending order. */
export function bodyLength(message: CoapMessage): number {
  let length = message.payload.length === 0 ? 0 : 1 + message.payload.length;
  let previous = 0;
  for (const { number, value } of message.options) {
    if (number < previous)
      throw new RangeError(`option ${number} after option ${previous}: sort the options by number`);
    length += 1 + extendedWidth(number - previous) + extendedWidth(value.length) + value.length;
    previous = number;
  }
  return length;
}

/** Writes options, payload marker and payload at `at`; the room must be there (bodyLength). */
export function writeBody(message: CoapMessage, out: Uint8Array, start: number): void {
  let at = start;
  let previous = 0;
  for (const { number, value } of message.options) {
    const delta = number - previous;
    out[at++] = (nibble(delta) << 4) | nibble(value.length);
    at = writeExtended(delta, out, at);
    at = writeExtended(value.length, out, at);
    out.set(value, at);
    at += value.length;
    previous = number;
  }
  if (message.payload.length > 0) {
    out[at++] = payloadMarker;
    out.set(message.payload, at);
  }
}

/** The options in ascending order of number; equal numbers keep their order. */
export function sortOptions(options: readonly CoapOption[]): readonly CoapOption[] {
  let previous = 0;
  for (const { number } of options) {
    if (number < previous) return [...options].sort((a, b) => a.number - b.number);
    previous = number;
  }
  return options;
}

/** Nibble values 13 and 14 announce one or two more bytes, biased by 13 and 269 (RFC 7252 §3.1). */
const nibble = (value: number): number => (value < 13 ? value : value < 269 ? 13 : 14);

const extendedWidth = (value: number): number => (value < 13 ? 0 : value < 269 ? 1 : 2);

const readExtended = (bytes: Uint8Array, at: number, width: number): number =>
  width === 1 ? 13 + (bytes[at] ?? 0) : 269 + (((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0));

function writeExtended(value: number, out: Uint8Array, at: number): number {
  if (value < 13) return at;
  if (value < 269) {
    out[at] = value - 13;
    return at + 1;
  }
  out[at] = (value - 269) >> 8;
  out[at + 1] = (value - 269) & 0xff;
  return at + 2;
}

const malformed = (text: string): { readonly ok: false; readonly text: string } => ({ ok: false, text });
