import { utf8 } from '../core/bytes.ts';
import type { Millis } from '../core/clock.ts';
import { tags } from './der-tags.ts';
import { encodeOid, oids } from './oid.ts';
import { encodeTime } from './time.ts';

/**
 * Writers of DER (X.690), one a type. All return the whole element: identifier, length, content. What they return lies in
 * Node's shared pool, because a certificate is built from dozens of small pieces: copy what is to be kept (derDocument).
 */

export function derElement(tag: number, ...content: readonly Uint8Array[]): Uint8Array {
  const length = content.reduce((sum, part) => sum + part.length, 0);
  const header = length < 0x80 ? 2 : length < 0x100 ? 3 : length < 0x1_0000 ? 4 : 5;
  const out = Buffer.allocUnsafe(header + length);
  out[0] = tag;
  out[1] = header === 2 ? length : 0x80 | (header - 2);
  for (let k = header - 1, left = length; k >= 2; k--, left >>>= 8) out[k] = left & 0xff;
  let at = header;
  for (const part of content) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}

/** The outermost sequence, in memory of its own. */
export const derDocument = (...items: readonly Uint8Array[]): Uint8Array => new Uint8Array(derSequence(...items));

export const derSequence = (...items: readonly Uint8Array[]): Uint8Array => derElement(tags.sequence, ...items);

/** Sorts its items (X.690 §11.6). */
export const derSetOf = (...items: readonly Uint8Array[]): Uint8Array =>
  derElement(tags.set, ...items.toSorted((a, b) => Buffer.compare(a, b)));

/** `[n] EXPLICIT`, or an implicit constructed type when given its items. */
export const derContext = (n: number, ...items: readonly Uint8Array[]): Uint8Array => derElement(0xa0 | n, ...items);

/** `[n] IMPLICIT` of a primitive type. */
export const derContextPrimitive = (n: number, content: Uint8Array): Uint8Array => derElement(0x80 | n, content);

/** A non-negative INTEGER from its big-endian octets. */
export function derUnsigned(magnitude: Uint8Array): Uint8Array {
  let from = 0;
  while (from < magnitude.length - 1 && magnitude[from] === 0) from++;
  const digits = magnitude.length === 0 ? Uint8Array.of(0) : magnitude.subarray(from);
  return (digits[0] ?? 0) >= 0x80 ? derElement(tags.integer, zero, digits) : derElement(tags.integer, digits);
}

/** An INTEGER from 0 to 2^31 - 1. */
export const derInteger = (value: number): Uint8Array =>
  derUnsigned(Uint8Array.of(value >>> 24, (value >>> 16) & 0xff, (value >>> 8) & 0xff, value & 0xff));

export const derBoolean = (value: boolean): Uint8Array => derElement(tags.boolean, Uint8Array.of(value ? 0xff : 0));

export const derOctetString = (content: Uint8Array): Uint8Array => derElement(tags.octetString, content);

/** A BIT STRING of whole octets. */
export const derBitString = (octets: Uint8Array): Uint8Array => derElement(tags.bitString, zero, octets);

/** A named bit list, trailing zero bits removed (X.690 §11.2.2). */
export function derNamedBits(bits: readonly number[]): Uint8Array {
  if (bits.length === 0) return derElement(tags.bitString, Uint8Array.of(0));
  const highest = Math.max(...bits);
  const octets = new Uint8Array(1 + (highest >> 3) + 1);
  octets[0] = 7 - (highest & 7);
  for (const bit of bits) octets[1 + (bit >> 3)] = (octets[1 + (bit >> 3)] ?? 0) | (0x80 >> (bit & 7));
  return derElement(tags.bitString, octets);
}

/** An OBJECT IDENTIFIER from its dotted form. The ones of our table are encoded once; do not write into the result. */
export const derOid = (dotted: string): Uint8Array => known.get(dotted) ?? derElement(tags.oid, encodeOid(dotted));

export const derNull = (): Uint8Array => derElement(tags.null);

export const derUtf8String = (text: string): Uint8Array => derElement(tags.utf8String, utf8(text));

export const derPrintableString = (text: string): Uint8Array => derElement(tags.printableString, utf8(text));

/** UTCTime through 2049, GeneralizedTime after it (RFC 5280 §4.1.2.5). Whole seconds. */
export function derTime(time: Millis): Uint8Array {
  const { form, octets } = encodeTime(time);
  return derElement(form === 'utc' ? tags.utcTime : tags.generalizedTime, octets);
}

const known = new Map<string, Uint8Array>(
  Object.values(oids).map((dotted) => [dotted, derElement(tags.oid, encodeOid(dotted))]),
);

const zero = Uint8Array.of(0);
