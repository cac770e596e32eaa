import type { Millis } from '../core/clock.ts';
import { limits } from '../core/limits.ts';
import {
  checkBitString,
  checkBoolean,
  checkInteger,
  checkPrimitive,
  DerElement,
  hexTag,
  malformed,
  oidOf,
  textOf,
  timeOf,
  view,
} from './der-primitive.ts';
import { tags } from './der-tags.ts';

/**
 * A strict reader of DER (X.690 §10, §11) along a known grammar: every method takes the next element, which must be
 * what its name says. Definite minimal lengths only; `end()` refuses what is left over.
 * Everything it throws is a FirstbootError der.malformed with the offset (`at`) and the field (`what`) as evidence.
 */
export class DerReader {
  private readonly document: Uint8Array;
  private at: number;
  private readonly stop: number;
  private readonly depth: number;

  private constructor(document: Uint8Array, at: number, stop: number, depth: number) {
    this.document = document;
    this.at = at;
    this.stop = stop;
    this.depth = depth;
  }

  /** Reads `document`, which may not be longer than `maxBytes`. */
  static over(document: Uint8Array, maxBytes: number = limits.der.bytes): DerReader {
    if (document.length > maxBytes) throw malformed(0, 'document', `${document.length} bytes, more than ${maxBytes}`);
    return new DerReader(document, 0, document.length, 0);
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
    const found = this.any(what);
    if (found.tag !== tag) throw malformed(found.at, what, `tag ${hexTag(found.tag)} instead of ${hexTag(tag)}`);
    return found;
  }

  /** The content of the next element, to be read along the grammar. */
  enter(tag: number, what: string): DerReader {
    return this.reread(this.element(tag, what), what);
  }

  /** Reads inside an element of this document that has been taken already. */
  reread({ at, start, stop }: DerElement, what: string): DerReader {
    if (this.depth + 1 > limits.der.depth) throw malformed(at, what, `more than ${limits.der.depth} levels`);
    return new DerReader(this.document, start, stop, this.depth + 1);
  }

  sequence(what: string): DerReader {
    return this.enter(tags.sequence, what);
  }

  /** A SET OF: every element, in the ascending order that DER demands (X.690 §11.6). `tag` when it is implicit. */
  setOf<T>(what: string, read: (item: DerReader, what: string) => T, tag: number = tags.set): T[] {
    const items = this.enter(tag, what);
    const out: T[] = [];
    for (let last = items.at, from = items.at; from < items.stop; last = from, from = items.at) {
      out.push(read(items, what));
      if (last < from && Buffer.compare(view(this.document, last, from), view(this.document, from, items.at)) > 0) {
        throw malformed(from, what, 'a SET OF out of order');
      }
    }
    return out;
  }

  sequenceOf<T>(what: string, read: (item: DerReader, what: string) => T): T[] {
    const items = this.sequence(what);
    const out: T[] = [];
    while (items.peek() !== undefined) out.push(read(items, what));
    return out;
  }

  /** Two's complement octets, minimal (X.690 §8.3.2). */
  integer(what: string): Uint8Array {
    const found = this.element(tags.integer, what);
    checkInteger(found, what);
    return found.content;
  }

  /** An INTEGER from 0 to 2^31 - 1. */
  smallInteger(what: string): number {
    const found = this.element(tags.integer, what);
    checkInteger(found, what);
    let value = 0;
    for (let k = found.start; k < found.stop; k++) value = value * 256 + (this.document[k] ?? 0);
    if (found.stop - found.start > 4 || value > 0x7fff_ffff) throw malformed(found.at, what, 'an integer out of range');
    return value;
  }

  boolean(what: string): boolean {
    const found = this.element(tags.boolean, what);
    checkBoolean(found, what);
    return this.document[found.start] === 0xff;
  }

  octetString(what: string): Uint8Array {
    return this.element(tags.octetString, what).content;
  }

  /** A BIT STRING of whole octets: keys and signatures. */
  octetAligned(what: string): Uint8Array {
    const found = this.element(tags.bitString, what);
    if (checkBitString(found, what) !== 0) throw malformed(found.at, what, 'unused bits');
    return view(found.document, found.start + 1, found.stop);
  }

  /** A named bit list: the set bits, bit 0 first. */
  namedBits(what: string): number[] {
    const found = this.element(tags.bitString, what);
    const unused = checkBitString(found, what);
    const { document, start, stop } = found;
    const set: number[] = [];
    for (let bit = 0; bit < (stop - start - 1) * 8 - unused; bit++) {
      if (((document[start + 1 + (bit >> 3)] ?? 0) & (0x80 >> (bit & 7))) !== 0) set.push(bit);
    }
    return set;
  }

  oid(what: string): string {
    return oidOf(this.element(tags.oid, what), what);
  }

  null(what: string): void {
    const found = this.element(tags.null, what);
    if (found.stop > found.start) throw malformed(found.at, what, 'NULL with content');
  }

  /** UTCTime or GeneralizedTime in its Z form, ms. */
  time(what: string): Millis {
    return timeOf(this.any(what), what);
  }

  /** Any of the string types of names (X.520 DirectoryString, IA5String). */
  text(what: string): string {
    const found = this.any(what);
    const value = textOf(found);
    if (value === undefined) throw malformed(found.at, what, `no valid text under tag ${hexTag(found.tag)}`);
    return value;
  }

  /** Takes one element of any type without reading it further. */
  any(what: string): DerElement {
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
    const next = start + length;
    if (length < 0 || next > stop) throw malformed(at, what, 'a length beyond the end');
    this.at = next;
    return new DerElement(document, tag, at, start, next);
  }

  /** Takes one element of any type, checks that all of it is DER, and gives it undecoded. */
  opaque(what: string): DerElement {
    const found = this.any(what);
    if ((found.tag & 0x20) === 0) {
      checkPrimitive(found, what);
      return found;
    }
    if (found.tag < 0x40 && found.tag !== tags.sequence && found.tag !== tags.set) {
      throw malformed(found.at, what, 'a constructed string (BER)');
    }
    const inner = this.reread(found, what);
    while (inner.peek() !== undefined) inner.opaque(what);
    return found;
  }
}
