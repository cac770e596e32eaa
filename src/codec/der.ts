import { share } from '../core/bytes.ts';
import type { Millis } from '../core/clock.ts';
import { limits } from '../core/limits.ts';
import {
  checkBitString,
  checkBoolean,
  checkInteger,
  checkNull,
  checkPrimitive,
  hexTag,
  malformed,
  oidOf,
  textOf,
  timeOf,
  view,
} from './der-primitive.ts';
import { tags } from './der-tags.ts';

/** One element of a document: where it is, and (on demand, sharing memory) its bytes. */
export class DerElement {
  private readonly document: Buffer;
  readonly tag: number;
  /** Offsets in the document: identifier octet, first content octet, behind the last. */
  readonly at: number;
  readonly start: number;
  readonly stop: number;

  constructor(document: Buffer, tag: number, at: number, start: number, stop: number) {
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
}

/**
 * A strict reader of DER (X.690 §10, §11) along a known grammar: every method takes the next element, which must be
 * what its name says. Definite minimal lengths only; `end()` refuses what is left over.
 * Everything it throws is a FirstbootError der.malformed with the offset (`at`) and the field (`what`) as evidence.
 */
export class DerReader {
  private readonly document: Buffer;
  /** Where the next element begins. */
  private at: number;
  private readonly stop: number;
  private readonly depth: number;
  /** Of the element taken last: its identifier octet and its first content octet; it ends at `at`. */
  private lastAt = 0;
  private lastStart = 0;

  private constructor(document: Buffer, at: number, stop: number, depth: number) {
    this.document = document;
    this.at = at;
    this.stop = stop;
    this.depth = depth;
  }

  /** Reads `document`, which may not be longer than `maxBytes`. */
  static over(document: Uint8Array, maxBytes: number = limits.der.bytes): DerReader {
    if (document.length > maxBytes) throw malformed(0, 'document', `${document.length} bytes, more than ${maxBytes}`);
    return new DerReader(share(document), 0, document.length, 0);
  }

  /** Tag of the next element, undefined at the end. */
  peek(): number | undefined {
    return this.at < this.stop ? this.document[this.at] : undefined;
  }

  /** Ends this level: nothing may be left. */
  end(what: string): void {
    if (this.at < this.stop) throw malformed(this.at, what, `${this.stop - this.at} bytes too many`);
  }

  element(tag: number, what: string): DerElement {
    this.take(tag, what);
    return new DerElement(this.document, tag, this.lastAt, this.lastStart, this.at);
  }

  /** Takes one element of any type without reading it further. */
  any(what: string): DerElement {
    const tag = this.takeAny(what);
    return new DerElement(this.document, tag, this.lastAt, this.lastStart, this.at);
  }

  /** Takes one element of any type, checks that all of it is DER, and gives it undecoded. */
  opaque(what: string): DerElement {
    const found = this.any(what);
    if ((found.tag & 0x20) === 0) {
      checkPrimitive(found.tag, this.document, found.at, found.start, found.stop, what);
      return found;
    }
    if (found.tag < 0x40 && found.tag !== tags.sequence && found.tag !== tags.set) {
      throw malformed(found.at, what, 'a constructed string (BER)');
    }
    const inner = this.reread(found, what);
    while (inner.peek() !== undefined) inner.opaque(what);
    return found;
  }

  /** Takes what comes next when it is `expected`, octet by octet: whole elements that have been read before. */
  takeSame(expected: Uint8Array): boolean {
    const { at } = this;
    if (expected.length > this.stop - at) return false;
    if (this.document.compare(expected, 0, expected.length, at, at + expected.length) !== 0) return false;
    this.at = at + expected.length;
    return true;
  }

  /** The content of the next element, to be read along the grammar. */
  enter(tag: number, what: string): DerReader {
    this.take(tag, what);
    return this.inside(this.lastAt, this.lastStart, this.at, what);
  }

  /** Reads inside an element of this document that has been taken already. */
  reread({ at, start, stop }: DerElement, what: string): DerReader {
    return this.inside(at, start, stop, what);
  }

  sequence(what: string): DerReader {
    return this.enter(tags.sequence, what);
  }

  sequenceOf<T>(what: string, read: (item: DerReader, what: string) => T): T[] {
    const items = this.sequence(what);
    const out: T[] = [];
    while (items.peek() !== undefined) out.push(read(items, what));
    return out;
  }

  /** A SET OF: every element, in the ascending order that DER demands (X.690 §11.6). `tag` when it is implicit. */
  setOf<T>(what: string, read: (item: DerReader, what: string) => T, tag: number = tags.set): T[] {
    const items = this.enter(tag, what);
    const out: T[] = [];
    for (let last = items.at, from = items.at; from < items.stop; last = from, from = items.at) {
      out.push(read(items, what));
      if (last < from && this.document.compare(this.document, from, items.at, last, from) > 0) {
        throw malformed(from, what, 'a SET OF out of order');
      }
    }
    return out;
  }

  /** Two's complement octets, minimal (X.690 §8.3.2). */
  integer(what: string): Uint8Array {
    this.take(tags.integer, what);
    checkInteger(this.document, this.lastAt, this.lastStart, this.at, what);
    return view(this.document, this.lastStart, this.at);
  }

  /** An INTEGER from 0 to 2^31 - 1. */
  smallInteger(what: string): number {
    this.take(tags.integer, what);
    checkInteger(this.document, this.lastAt, this.lastStart, this.at, what);
    let value = 0;
    for (let k = this.lastStart; k < this.at; k++) value = value * 256 + (this.document[k] ?? 0);
    if (this.at - this.lastStart > 4 || value > 0x7fff_ffff) {
      throw malformed(this.lastAt, what, 'an integer out of range');
    }
    return value;
  }

  boolean(what: string): boolean {
    this.take(tags.boolean, what);
    checkBoolean(this.document, this.lastAt, this.lastStart, this.at, what);
    return this.document[this.lastStart] === 0xff;
  }

  octetString(what: string): Uint8Array {
    this.take(tags.octetString, what);
    return view(this.document, this.lastStart, this.at);
  }

  /** A BIT STRING of whole octets: keys and signatures. */
  octetAligned(what: string): Uint8Array {
    if (this.bitString(tags.bitString, what) !== 0) throw malformed(this.lastAt, what, 'unused bits');
    return view(this.document, this.lastStart + 1, this.at);
  }

  /** A named bit list: the set bits, bit 0 first. */
  namedBits(what: string): number[] {
    const unused = this.bitString(tags.bitString, what);
    const first = this.lastStart + 1;
    const set: number[] = [];
    for (let bit = 0; bit < (this.at - first) * 8 - unused; bit++) {
      if (((this.document[first + (bit >> 3)] ?? 0) & (0x80 >> (bit & 7))) !== 0) set.push(bit);
    }
    return set;
  }

  /** Takes a BIT STRING, by an implicit tag too. @returns the number of unused bits at its end. */
  bitString(tag: number, what: string): number {
    this.take(tag, what);
    return checkBitString(this.document, this.lastAt, this.lastStart, this.at, what);
  }

  oid(what: string): string {
    this.take(tags.oid, what);
    return oidOf(this.document, this.lastAt, this.lastStart, this.at, what);
  }

  null(what: string): void {
    this.take(tags.null, what);
    checkNull(this.lastAt, this.lastStart, this.at, what);
  }

  /** UTCTime or GeneralizedTime in its Z form, ms. */
  time(what: string): Millis {
    const tag = this.takeAny(what);
    return timeOf(tag, this.document, this.lastAt, this.lastStart, this.at, what);
  }

  /** Any of the string types of names (X.520 DirectoryString, IA5String). */
  text(what: string): string {
    const tag = this.takeAny(what);
    const value = textOf(tag, this.document, this.lastStart, this.at);
    if (value === undefined) throw malformed(this.lastAt, what, `no valid text under tag ${hexTag(tag)}`);
    return value;
  }

  private inside(at: number, start: number, stop: number, what: string): DerReader {
    if (this.depth + 1 > limits.der.depth) throw malformed(at, what, `more than ${limits.der.depth} levels`);
    return new DerReader(this.document, start, stop, this.depth + 1);
  }

  private take(tag: number, what: string): void {
    const found = this.takeAny(what);
    if (found !== tag) throw malformed(this.lastAt, what, `tag ${hexTag(found)} instead of ${hexTag(tag)}`);
  }

  /** Moves behind the next element and gives its tag. */
  private takeAny(what: string): number {
    const { document, at, stop } = this;
    const tag = document[at];
    if (tag === undefined || at >= stop) throw malformed(at, what, 'nothing');
    if ((tag & 0x1f) === 0x1f) throw malformed(at, what, 'a tag number above 30');
    let start = at + 2;
    let length = at + 1 < stop ? (document[at + 1] ?? 0) : -1;
    if (length >= 0x80) {
      const count = length & 0x7f;
      if (count === 0) throw malformed(at, what, 'an indefinite length (BER)');
      if (count > 3 || start + count > stop) throw malformed(at, what, 'a length beyond the end');
      length = 0;
      for (let k = 0; k < count; k++) length = length * 256 + (document[start + k] ?? 0);
      if (length < 0x80 || (count > 1 && length < 2 ** (8 * (count - 1)))) {
        throw malformed(at, what, 'a length that is not minimal');
      }
      start += count;
    }
    if (length < 0 || start + length > stop) throw malformed(at, what, 'a length beyond the end');
    this.lastAt = at;
    this.lastStart = start;
    this.at = start + length;
    return tag;
  }
}
