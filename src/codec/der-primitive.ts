import { fromUtf8 } from '../core/bytes.ts';
import type { Millis } from '../core/clock.ts';
import { type FirstbootError, failure } from '../core/errors.ts';
import { tags } from './der-tags.ts';
import { decodeOid, knownOid } from './oid.ts';
import { decodeTime } from './time.ts';

/**
 * The rules of the primitive types (X.690 §8, §11), on the content octets from `start` to `stop` of an element whose
 * identifier is at `at`. Plain numbers instead of an object for each element: a certificate has sixty of them, and is
 * read for every device that comes.
 */

/** Part of a document as plain bytes, over the same memory. */
export const view = (document: Buffer, from: number, to: number): Uint8Array =>
  new Uint8Array(document.buffer, document.byteOffset + from, to - from);

/** Checks the content of any primitive type that has rules of its own. */
export function checkPrimitive(
  tag: number,
  document: Buffer,
  at: number,
  start: number,
  stop: number,
  what: string,
): void {
  switch (tag) {
    case tags.boolean:
      checkBoolean(document, at, start, stop, what);
      return;
    case tags.integer:
    case tags.enumerated:
      checkInteger(document, at, start, stop, what);
      return;
    case tags.bitString:
      checkBitString(document, at, start, stop, what);
      return;
    case tags.oid:
      oidOf(document, at, start, stop, what);
      return;
    case tags.null:
      checkNull(at, start, stop, what);
      return;
    case tags.utcTime:
    case tags.generalizedTime:
      timeOf(tag, document, at, start, stop, what);
      return;
    case tags.sequence & 0x1f:
    case tags.set & 0x1f:
      throw malformed(at, what, 'a primitive sequence or set');
  }
}

export function checkBoolean(document: Buffer, at: number, start: number, stop: number, what: string): void {
  const value = document[start];
  if (stop - start !== 1 || (value !== 0 && value !== 0xff)) throw malformed(at, what, 'a bad BOOLEAN');
}

export function checkInteger(document: Buffer, at: number, start: number, stop: number, what: string): void {
  if (stop === start) throw malformed(at, what, 'an empty INTEGER');
  if (stop === start + 1) return;
  const first = document[start];
  const negative = (document[start + 1] ?? 0) >= 0x80;
  if ((first === 0 && !negative) || (first === 0xff && negative)) {
    throw malformed(at, what, 'an INTEGER that is not minimal');
  }
}

export function checkNull(at: number, start: number, stop: number, what: string): void {
  if (stop > start) throw malformed(at, what, 'NULL with content');
}

/** The number of unused bits, which are zero. */
export function checkBitString(document: Buffer, at: number, start: number, stop: number, what: string): number {
  const unused = stop > start ? (document[start] ?? 8) : 8;
  if (unused > 7 || (stop === start + 1 && unused > 0)) throw malformed(at, what, 'a bad BIT STRING');
  if (unused > 0 && ((document[stop - 1] ?? 0) & ((1 << unused) - 1)) !== 0) {
    throw malformed(at, what, 'unused bits that are set');
  }
  return unused;
}

export function oidOf(document: Buffer, at: number, start: number, stop: number, what: string): string {
  const dotted = knownOid(document, start, stop) ?? decodeOid(view(document, start, stop));
  if (dotted === undefined) throw malformed(at, what, 'a bad object identifier');
  return dotted;
}

export function timeOf(tag: number, document: Buffer, at: number, start: number, stop: number, what: string): Millis {
  const form = tag === tags.utcTime ? 'utc' : tag === tags.generalizedTime ? 'generalized' : undefined;
  const time = form && decodeTime(form, document, start, stop);
  if (time === undefined) throw malformed(at, what, 'a time that is not in its Z form, or does not exist');
  return time;
}

/** The text of a string type of names; undefined for other types and for octets that the type does not allow. */
export function textOf(tag: number, document: Buffer, start: number, stop: number): string | undefined {
  switch (tag) {
    case tags.utf8String:
      return isAscii(document, start, stop) ? latin1(document, start, stop) : utf8Text(document, start, stop);
    case tags.printableString:
      return matching(/^[A-Za-z0-9 '()+,\-./:=?]*$/, latin1(document, start, stop));
    case tags.numericString:
      return matching(/^[0-9 ]*$/, latin1(document, start, stop));
    case tags.ia5String:
      return isAscii(document, start, stop) ? latin1(document, start, stop) : undefined;
    case tags.teletexString:
      return latin1(document, start, stop);
    case tags.bmpString:
      if ((stop - start) % 2 !== 0) return undefined;
      return Buffer.from(view(document, start, stop))
        .swap16()
        .toString('utf16le');
    default:
      return undefined;
  }
}

export const hexTag = (tag: number): string => `0x${tag.toString(16).padStart(2, '0')}`;

export function malformed(at: number, what: string, found: string): FirstbootError {
  return failure('der.malformed', { at, what, found }, 'encode it as DER (X.690 §10)');
}

const latin1 = (document: Buffer, start: number, stop: number): string => document.toString('latin1', start, stop);

const matching = (pattern: RegExp, text: string): string | undefined => (pattern.test(text) ? text : undefined);

function isAscii(document: Buffer, start: number, stop: number): boolean {
  for (let k = start; k < stop; k++) if ((document[k] ?? 0) >= 0x80) return false;
  return true;
}

function utf8Text(document: Buffer, start: number, stop: number): string | undefined {
  try {
    return fromUtf8(view(document, start, stop));
  } catch {
    return undefined;
  }
}
