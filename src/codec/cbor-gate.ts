import { isUtf8 } from 'node:buffer';
import { share } from '../core/bytes.ts';
import { type FirstbootError, failure } from '../core/errors.ts';

/** Bounds of one CBOR document. */
export interface CborLimits {
  /** Arrays and maps inside each other. */
  readonly depth: number;
  /** Data items, map keys included. */
  readonly items: number;
  readonly bytes: number;
}

/** What the decoder behind the gate has to know. */
export interface GateReport {
  /** Offsets of the tag 0 heads that were let through. */
  readonly timeTags: readonly number[];
  /** Whether a 64-bit integer is inside. */
  readonly wideIntegers: boolean;
}

/**
 * Checks one CBOR document (RFC 8949) in one pass before any decoder sees it: well-formed, nothing behind it, inside the
 * limits, text keys only and no key twice, valid UTF-8, no tags. Indefinite-length arrays and maps pass (the reference
 * device sends them), indefinite-length strings do not.
 * @param timeTag lets tag 0 pass in front of text (RFC 8949 §3.4.1).
 * @throws FirstbootError cbor.malformed or cbor.limit, with the byte offset as evidence `at`.
 */
export function checkCbor(bytes: Uint8Array, limits: CborLimits, timeTag: boolean): GateReport {
  if (bytes.length > limits.bytes) throw exceeded(limits.bytes, 'bytes', limits.bytes);
  const gate = new Gate(bytes, limits, timeTag);
  gate.item(0);
  gate.finish();
  return gate;
}

class Gate implements GateReport {
  readonly timeTags: number[] = [];
  wideIntegers = false;
  private readonly bytes: Uint8Array;
  private readonly limits: CborLimits;
  private readonly allowTimeTag: boolean;
  private at = 0;
  private items = 0;

  constructor(bytes: Uint8Array, limits: CborLimits, allowTimeTag: boolean) {
    this.bytes = bytes;
    this.limits = limits;
    this.allowTimeTag = allowTimeTag;
  }

  finish(): void {
    if (this.at < this.bytes.length)
      throw malformed(this.at, `${this.bytes.length - this.at} bytes behind the document`);
  }

  item(depth: number): void {
    const start = this.at;
    if (++this.items > this.limits.items) throw exceeded(start, 'items', this.limits.items);
    const head = this.byte();
    const additional = head & 0x1f;
    switch (head >> 5) {
      case 0:
      case 1:
        if (additional === 27) this.wideIntegers = true;
        this.argument(additional, start);
        return;
      case 2:
        this.skipString(additional, start);
        return;
      case 3:
        this.text(additional, start);
        return;
      case 4:
        this.array(additional, start, depth + 1);
        return;
      case 5:
        this.map(additional, start, depth + 1);
        return;
      case 6:
        this.tag(additional, start, depth);
        return;
      default:
        this.simple(additional, start);
    }
  }

  private array(additional: number, start: number, depth: number): void {
    this.descend(depth, start);
    if (additional === 31) {
      while (!this.takeBreak()) this.item(depth);
      return;
    }
    const count = this.argument(additional, start);
    this.expectRoom(count, start);
    for (let k = 0; k < count; k++) this.item(depth);
  }

  private map(additional: number, start: number, depth: number): void {
    this.descend(depth, start);
    const keys = new Set<string>();
    if (additional === 31) {
      while (!this.takeBreak()) this.entry(keys, depth);
      return;
    }
    const count = this.argument(additional, start);
    this.expectRoom(2 * count, start);
    for (let k = 0; k < count; k++) this.entry(keys, depth);
  }

  private entry(keys: Set<string>, depth: number): void {
    const start = this.at;
    if (++this.items > this.limits.items) throw exceeded(start, 'items', this.limits.items);
    const head = this.byte();
    if (head >> 5 !== 3) throw malformed(start, 'a map key that is not text');
    const length = this.text(head & 0x1f, start);
    const key = share(this.bytes).toString('utf8', this.at - length, this.at);
    if (key === '__proto__') throw malformed(start, 'the map key __proto__');
    if (keys.has(key)) throw malformed(start, `the map key "${key.slice(0, 40)}" twice`);
    keys.add(key);
    this.item(depth);
  }

  private tag(additional: number, start: number, depth: number): void {
    const tag = this.argument(additional, start);
    const next = this.bytes[this.at];
    if (!this.allowTimeTag || tag !== 0 || additional !== 0) throw malformed(start, `tag ${tag}`);
    if (next === undefined || next >> 5 !== 3) throw malformed(start, 'tag 0 that is not in front of text');
    this.timeTags.push(start);
    this.item(depth);
  }

  private simple(additional: number, start: number): void {
    if (additional >= 20 && additional <= 22) return;
    if (additional >= 25 && additional <= 27) {
      this.skip(1 << (additional - 24), start);
      return;
    }
    if (additional === 23) throw malformed(start, 'undefined');
    if (additional === 31) throw malformed(start, 'a break outside of an indefinite-length item');
    throw malformed(start, additional < 25 ? 'an unassigned simple value' : 'a reserved head');
  }

  private text(additional: number, start: number): number {
    const length = this.skipString(additional, start);
    const from = this.at - length;
    for (let k = from; k < this.at; k++) {
      if ((this.bytes[k] ?? 0) < 0x80) continue;
      // A decoder may drop a leading byte order mark, and two keys would become one.
      if (this.bytes[from] === 0xef && this.bytes[from + 1] === 0xbb && this.bytes[from + 2] === 0xbf) {
        throw malformed(from, 'text that begins with a byte order mark');
      }
      if (!isUtf8(this.bytes.subarray(from, this.at))) throw malformed(from, 'text that is not UTF-8');
      break;
    }
    return length;
  }

  private skipString(additional: number, start: number): number {
    if (additional === 31) throw malformed(start, 'an indefinite-length string');
    const length = this.argument(additional, start);
    this.skip(length, start);
    return length;
  }

  /** The number in a head (RFC 8949 §3); above 2^53 rounded, which every later check refuses as too long. */
  private argument(additional: number, start: number): number {
    if (additional < 24) return additional;
    if (additional > 27) throw malformed(start, additional === 31 ? 'an indefinite length here' : 'a reserved head');
    let value = 0;
    for (let k = 1 << (additional - 24); k > 0; k--) value = value * 256 + this.byte();
    return value;
  }

  private takeBreak(): boolean {
    if (this.bytes[this.at] !== 0xff) return false;
    this.at++;
    return true;
  }

  private descend(depth: number, start: number): void {
    if (depth > this.limits.depth) throw exceeded(start, 'levels', this.limits.depth);
  }

  private byte(): number {
    const value = this.bytes[this.at];
    if (value === undefined) throw malformed(this.at, 'the end inside an item');
    this.at++;
    return value;
  }

  private skip(count: number, start: number): void {
    this.expectRoom(count, start);
    this.at += count;
  }

  private expectRoom(count: number, start: number): void {
    if (count > this.bytes.length - this.at) throw malformed(start, 'a length beyond the end');
  }
}

function malformed(at: number, found: string): FirstbootError {
  return failure('cbor.malformed', { at, found }, 'send one well-formed CBOR item with text keys and no tags');
}

function exceeded(at: number, what: string, limit: number): FirstbootError {
  return failure('cbor.limit', { at, what, limit }, `stay within ${limit} ${what}`);
}
