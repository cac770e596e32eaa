import { isUtf8 } from 'node:buffer';
import { fromUtf8, noBytes, utf8 } from '../core/bytes.ts';
import { code } from './code.ts';
import type { CoapMessage, CoapOption } from './message.ts';

/** How an option's value reads (RFC 7252 §3.2). */
export type OptionFormat = 'empty' | 'uint' | 'string' | 'opaque';

/** Where an option has a meaning. `neither`: its number is known here, but what it asks for is not offered. */
export type OptionUse = 'request' | 'response' | 'both' | 'neither';

export interface OptionDefinition {
  readonly number: number;
  readonly name: string;
  readonly format: OptionFormat;
  /** Allowed length of the value in bytes. */
  readonly min: number;
  readonly max: number;
  readonly repeatable: boolean;
  readonly use: OptionUse;
  /** Must be understood, or the message is refused: odd numbers (RFC 7252 §5.4.6). */
  readonly critical: boolean;
  /** A proxy that does not know it must not forward it (RFC 7252 §5.4.6). */
  readonly unsafe: boolean;
}

export const optionNumber = {
  ifMatch: 1,
  uriHost: 3,
  eTag: 4,
  ifNoneMatch: 5,
  observe: 6,
  uriPort: 7,
  locationPath: 8,
  uriPath: 11,
  contentFormat: 12,
  maxAge: 14,
  uriQuery: 15,
  accept: 17,
  locationQuery: 20,
  block2: 23,
  block1: 27,
  size2: 28,
  proxyUri: 35,
  proxyScheme: 39,
  size1: 60,
  echo: 252,
  requestTag: 292,
  ocfAcceptContentFormatVersion: 2049,
  ocfContentFormatVersion: 2053,
} as const;

/** Option numbers of signalling messages are a space of their own for each code (RFC 8323 §5.2). */
export const signalOptionNumber = {
  maxMessageSize: 2,
  blockWiseTransfer: 4,
  custody: 2,
  alternativeAddress: 2,
  holdOff: 4,
  badCsmOption: 2,
} as const;

/**
 * The options of requests and responses: RFC 7252 §5.10, RFC 7641 (Observe), RFC 7959 (Block, Size), RFC 9175 (Echo,
 * Request-Tag), and OCF Core's two content-format versions, which are critical and in every request of a device.
 * Conditional requests (If-Match, If-None-Match) are not offered, so these count as not understood.
 */
export const optionTable: readonly OptionDefinition[] = [
  define(1, 'If-Match', 'opaque', 0, 8, 'neither', 'repeatable'),
  define(3, 'Uri-Host', 'string', 1, 255, 'request'),
  define(4, 'ETag', 'opaque', 1, 8, 'both', 'repeatable'),
  define(5, 'If-None-Match', 'empty', 0, 0, 'neither'),
  define(6, 'Observe', 'uint', 0, 3, 'both'),
  define(7, 'Uri-Port', 'uint', 0, 2, 'request'),
  define(8, 'Location-Path', 'string', 0, 255, 'response', 'repeatable'),
  define(11, 'Uri-Path', 'string', 0, 255, 'request', 'repeatable'),
  define(12, 'Content-Format', 'uint', 0, 2, 'both'),
  define(14, 'Max-Age', 'uint', 0, 4, 'response'),
  define(15, 'Uri-Query', 'string', 0, 255, 'request', 'repeatable'),
  define(17, 'Accept', 'uint', 0, 2, 'request'),
  define(20, 'Location-Query', 'string', 0, 255, 'response', 'repeatable'),
  define(23, 'Block2', 'uint', 0, 3, 'both'),
  define(27, 'Block1', 'uint', 0, 3, 'both'),
  define(28, 'Size2', 'uint', 0, 4, 'both'),
  define(35, 'Proxy-Uri', 'string', 1, 1034, 'request'),
  define(39, 'Proxy-Scheme', 'string', 1, 255, 'request'),
  define(60, 'Size1', 'uint', 0, 4, 'both'),
  define(252, 'Echo', 'opaque', 1, 40, 'both'),
  define(292, 'Request-Tag', 'opaque', 0, 8, 'request', 'repeatable'),
  define(2049, 'OCF-Accept-Content-Format-Version', 'uint', 0, 2, 'both'),
  define(2053, 'OCF-Content-Format-Version', 'uint', 0, 2, 'both'),
];

/** The options of each signalling code (RFC 8323 §5.3 to §5.6). */
export const signalOptionTable: Readonly<Record<number, readonly OptionDefinition[]>> = {
  [code.csm]: [
    define(2, 'Max-Message-Size', 'uint', 0, 4, 'both'),
    define(4, 'Block-Wise-Transfer', 'empty', 0, 0, 'both'),
  ],
  [code.ping]: [define(2, 'Custody', 'empty', 0, 0, 'both')],
  [code.pong]: [define(2, 'Custody', 'empty', 0, 0, 'both')],
  [code.release]: [
    define(2, 'Alternative-Address', 'string', 1, 255, 'both', 'repeatable'),
    define(4, 'Hold-Off', 'uint', 0, 3, 'both'),
  ],
  [code.abort]: [define(2, 'Bad-CSM-Option', 'uint', 0, 2, 'both')],
};

/** A critical option that cannot be honoured: 4.02 to a request; a response is rejected, a signal aborts the session. */
export interface OptionFault {
  readonly number: number;
  /** For the peer and the record, e.g. `Uri-Port is 3 bytes long, not 0 to 2`. */
  readonly text: string;
}

export type CheckedOptions =
  | { readonly ok: true; readonly options: readonly CoapOption[] }
  | { readonly ok: false; readonly fault: OptionFault };

/**
 * The one check of a message's options (RFC 7252 §5.4). An option that is unknown, has no meaning in this kind of
 * message, has a bad length or bad UTF-8, or is repeated without leave, is left out when it is elective and is the fault
 * when it is critical. The first fault counts.
 */
export function checkOptions(message: CoapMessage, kind: 'request' | 'response' | 'signal'): CheckedOptions {
  const table = kind === 'signal' ? signalDefinitions[message.code] : definitions;
  let kept: CoapOption[] | undefined;
  let previous = -1;
  let at = 0;
  for (const option of message.options) {
    const text = complaint(option, table?.get(option.number), kind, option.number === previous);
    previous = option.number;
    if (text === undefined) {
      kept?.push(option);
    } else if (isCritical(option.number)) {
      return { ok: false, fault: { number: option.number, text } };
    } else {
      kept ??= message.options.slice(0, at);
    }
    at++;
  }
  return { ok: true, options: kept ?? message.options };
}

/** The name of a request or response option, or its number as text. */
export const optionName = (number: number): string => definitions.get(number)?.name ?? String(number);

function isCritical(number: number): boolean {
  return (number & 1) === 1;
}

/** Options that do not distinguish two requests for the same thing (RFC 7252 §5.4.2). */
export const isNoCacheKey = (number: number): boolean => (number & 0x1e) === 0x1c;

// Making options

export const opaqueOption = (number: number, value: Uint8Array): CoapOption => ({ number, value });

export const emptyOption = (number: number): CoapOption => ({ number, value: noBytes });

export const stringOption = (number: number, text: string): CoapOption => ({ number, value: utf8(text) });

/** @param value 0 .. 2^32 - 1. */
export const uintOption = (number: number, value: number): CoapOption => ({ number, value: encodeUint(value) });

// Reading options. All expect a list that has passed checkOptions.

export function findOption(options: readonly CoapOption[], number: number): CoapOption | undefined {
  for (const option of options) {
    if (option.number === number) return option;
    if (option.number > number) return undefined;
  }
  return undefined;
}

/** The value of a `uint` option, or undefined when the option is absent. */
export function uintOf(options: readonly CoapOption[], number: number): number | undefined {
  const option = findOption(options, number);
  return option === undefined ? undefined : decodeUint(option.value);
}

/** The values of a repeatable `string` option, in order. */
export function stringsOf(options: readonly CoapOption[], number: number): string[] {
  const found: string[] = [];
  for (const option of options) {
    if (option.number === number) found.push(decodeString(option.value));
    else if (option.number > number) break;
  }
  return found;
}

export const uriPath = (options: readonly CoapOption[]): string[] => stringsOf(options, optionNumber.uriPath);

export const uriQuery = (options: readonly CoapOption[]): string[] => stringsOf(options, optionNumber.uriQuery);

/** Big-endian without leading zeros; zero is no bytes at all (RFC 7252 §3.2). */
export function encodeUint(value: number): Uint8Array {
  if (!Number.isInteger(value) || value < 0 || value > 0xffff_ffff)
    throw new RangeError(`not an option uint: ${value}`);
  const length = value === 0 ? 0 : value < 0x100 ? 1 : value < 0x1_0000 ? 2 : value < 0x100_0000 ? 3 : 4;
  const bytes = new Uint8Array(length);
  for (let at = length - 1, rest = value; at >= 0; at--, rest = Math.floor(rest / 256)) bytes[at] = rest & 0xff;
  return bytes;
}

/** Leading zeros are read over, as RFC 7252 §3.2 asks of a recipient. */
export function decodeUint(bytes: Uint8Array): number {
  let value = 0;
  for (const byte of bytes) value = value * 256 + byte;
  return value;
}

function decodeString(bytes: Uint8Array): string {
  if (!isAscii(bytes)) return fromUtf8(bytes);
  let text = '';
  for (const byte of bytes) text += String.fromCharCode(byte);
  return text;
}

function complaint(
  option: CoapOption,
  definition: OptionDefinition | undefined,
  kind: 'request' | 'response' | 'signal',
  repeated: boolean,
): string | undefined {
  if (definition === undefined) return `option ${option.number} is not understood`;
  const { name, min, max, use } = definition;
  if (use === 'neither') return `${name} is not supported`;
  if (use !== 'both' && use !== kind) return `${name} has no meaning in a ${kind}`;
  const { length } = option.value;
  if (length < min || length > max) {
    return `${name} is ${length} bytes long, not ${min === max ? min : `${min} to ${max}`}`;
  }
  if (repeated && !definition.repeatable) return `${name} is given twice`;
  if (definition.format === 'string' && !isText(option.value)) return `${name} is not UTF-8`;
  return undefined;
}

const isText = (bytes: Uint8Array): boolean => isAscii(bytes) || isUtf8(bytes);

function isAscii(bytes: Uint8Array): boolean {
  for (const byte of bytes) if (byte > 0x7f) return false;
  return true;
}

function define(
  number: number,
  name: string,
  format: OptionFormat,
  min: number,
  max: number,
  use: OptionUse,
  repeat?: 'repeatable',
): OptionDefinition {
  const repeatable = repeat !== undefined;
  return { number, name, format, min, max, repeatable, use, critical: isCritical(number), unsafe: (number & 2) === 2 };
}

const byNumber = (table: readonly OptionDefinition[]): ReadonlyMap<number, OptionDefinition> =>
  new Map(table.map((definition) => [definition.number, definition]));

const definitions = byNumber(optionTable);

const signalDefinitions: Readonly<Record<number, ReadonlyMap<number, OptionDefinition>>> = Object.fromEntries(
  Object.entries(signalOptionTable).map(([signal, table]) => [signal, byNumber(table)]),
);
