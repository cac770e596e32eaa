import { fromUtf8, share } from '../core/bytes.ts';
import type { Millis } from '../core/clock.ts';
import { type FirstbootError, failure } from '../core/errors.ts';
import { tags } from './der-tags.ts';
import { decodeOid, knownOid } from './oid.ts';
import { decodeTime } from './time.ts';

/** One element of a document: where it is, and (on demand, sharing memory) its bytes. */
export class DerElement {
  readonly document: Uint8Array;
  readonly tag: number;
  /** Offsets in the document: identifier octet, first content octet, behind the last. */
  readonly at: number;
  readonly start: number;
  readonly stop: number;

  constructor(document: Uint8Array, tag: number, at: number, start: number, stop: number) {
    this.document = document;
    this.tag = tag;
    this.at = at;
    this.start = start;
    this.stop = stop;
  }

  get content(): Uint8Array {
    return view(this.document, this.start, this.stop);
  }

  /** Header and content. */
  get encoded(): Uint8Array {
    return view(this.document, this.at, this.stop);
  }

  /** The content with a character for every octet. */
  get latin1(): string {
    return share(this.document).toString('latin1', this.start, this.stop);
  }
}

/** Part of a document as plain bytes, over the same memory. */
export const view = (document: Uint8Array, from: number, to: number): Uint8Array =>
  new Uint8Array(document.buffer, document.byteOffset + from, to - from);

/** Checks the content of any primitive element whose type has rules of its own. */
export function checkPrimitive(element: DerElement, what: string): void {
  const { tag, at } = element;
  switch (tag) {
    case tags.boolean:
      checkBoolean(element, what);
      return;
    case tags.integer:
    case tags.enumerated:
      checkInteger(element, what);
      return;
    case tags.bitString:
      checkBitString(element, what);
      return;
    case tags.oid:
      oidOf(element, what);
      return;
    case tags.null:
      if (element.stop > element.start) throw malformed(at, what, 'NULL with content');
      return;
    case tags.utcTime:
    case tags.generalizedTime:
      timeOf(element, what);
      return;
    case tags.sequence & 0x1f:
    case tags.set & 0x1f:
      throw malformed(at, what, 'a primitive sequence or set');
  }
}

export function checkBoolean({ document, at, start, stop }: DerElement, what: string): void {
  const value = document[start];
  if (stop - start !== 1 || (value !== 0 && value !== 0xff)) throw malformed(at, what, 'a bad BOOLEAN');
}

export function checkInteger({ document, at, start, stop }: DerElement, what: string): void {
  if (stop === start) throw malformed(at, what, 'an empty INTEGER');
  if (stop === start + 1) return;
  const first = document[start];
  const negative = (document[start + 1] ?? 0) >= 0x80;
  if ((first === 0 && !negative) || (first === 0xff && negative)) {
    throw malformed(at, what, 'an INTEGER that is not minimal');
  }
}

/** The number of unused bits, which are zero. */
export function checkBitString({ document, at, start, stop }: DerElement, what: string): number {
  const unused = stop > start ? (document[start] ?? 8) : 8;
  if (unused > 7 || (stop === start + 1 && unused > 0)) throw malformed(at, what, 'a bad BIT STRING');
  if (unused > 0 && ((document[stop - 1] ?? 0) & ((1 << unused) - 1)) !== 0) {
    throw malformed(at, what, 'unused bits that are set');
  }
  return unused;
}

export function oidOf(element: DerElement, what: string): string {
  const dotted = knownOid(element.document, element.start, element.stop) ?? decodeOid(element.content);
  if (dotted === undefined) throw malformed(element.at, what, 'a bad object identifier');
  return dotted;
}

export function timeOf({ document, tag, at, start, stop }: DerElement, what: string): Millis {
  const form = tag === tags.utcTime ? 'utc' : tag === tags.generalizedTime ? 'generalized' : undefined;
  const time = form && decodeTime(form, document, start, stop);
  if (time === undefined) throw malformed(at, what, 'a time that is not in its Z form, or does not exist');
  return time;
}

export function textOf(element: DerElement): string | undefined {
  const { latin1 } = element;
  switch (element.tag) {
    case tags.utf8String:
      return isAscii(element) ? latin1 : utf8Text(element.content);
    case tags.printableString:
      return /^[A-Za-z0-9 '()+,\-./:=?]*$/.test(latin1) ? latin1 : undefined;
    case tags.numericString:
      return /^[0-9 ]*$/.test(latin1) ? latin1 : undefined;
    case tags.ia5String:
      return isAscii(element) ? latin1 : undefined;
    case tags.teletexString:
      return latin1;
    case tags.bmpString:
      return latin1.length % 2 === 0 ? Buffer.from(element.content).swap16().toString('utf16le') : undefined;
    default:
      return undefined;
  }
}

function isAscii({ document, start, stop }: DerElement): boolean {
  for (let k = start; k < stop; k++) if ((document[k] ?? 0) >= 0x80) return false;
  return true;
}

function utf8Text(content: Uint8Array): string | undefined {
  try {
    return fromUtf8(content);
  } catch {
    return undefined;
  }
}

export const hexTag = (tag: number): string => `0x${tag.toString(16).padStart(2, '0')}`;

export function malformed(at: number, what: string, found: string): FirstbootError {
  return failure('der.malformed', { at, what, found }, 'encode it as DER (X.690 §10)');
}
