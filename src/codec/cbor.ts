// This entry of cbor-x loads neither its native string extractor nor `new Function`.
import { Decoder, Encoder } from 'cbor-x/index-no-eval';
import { limits } from '../core/limits.ts';
import { type CborLimits, checkCbor } from './cbor-gate.ts';

/**
 * The data of our wires: what JSON has, byte strings, and 64-bit integers. Integers are numbers up to 2^53 - 1 in
 * magnitude and bigints beyond. Maps are plain objects with own properties.
 */
export type CborValue = null | boolean | number | bigint | string | Uint8Array | readonly CborValue[] | CborMap;

export interface CborMap {
  readonly [key: string]: CborValue;
}

export interface CborDecodeOptions extends Partial<CborLimits> {
  /** Lets tag 0 (date and time) pass in front of text; the text is the value. */
  readonly timeTag?: boolean;
}

/**
 * Encodes with definite lengths and shortest heads, keys in their order (JavaScript puts keys that look like array
 * indices first). Integers never become floats; byte strings carry no tag.
 * @throws TypeError on what CBOR or our subset cannot hold: undefined, functions, class instances, lone surrogates,
 * integers below -2^63 or above 2^64 - 1. Those are mistakes of ours, not of a peer.
 */
export function encodeCbor(value: CborValue): Uint8Array {
  return new Uint8Array(encoder.encode(prepared(value, 0)));
}

/**
 * Decodes one document that passes the strict gate (see checkCbor). Byte strings are copies.
 * @throws FirstbootError cbor.malformed or cbor.limit, with the byte offset as evidence `at`.
 */
export function decodeCbor(bytes: Uint8Array, options: CborDecodeOptions = {}): CborValue {
  const { timeTags, wideIntegers } = checkCbor(bytes, { ...limits.cbor, ...options }, options.timeTag ?? false);
  const value: CborValue = decoder.decode(withoutBytes(bytes, timeTags));
  return wideIntegers ? narrowed(value) : value;
}

/** Whether a decoded value is a map. */
export function isCborMap(value: CborValue | undefined): value is CborMap {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Uint8Array);
}

const encoder = new Encoder({
  useRecords: false,
  mapsAsObjects: true,
  variableMapSize: true,
  tagUint8Array: false,
});

const decoder = new Decoder({ useRecords: false, mapsAsObjects: true, copyBuffers: true });

/** The value as cbor-x has to get it: the same object where nothing needs to change. */
function prepared(value: unknown, depth: number): unknown {
  switch (typeof value) {
    case 'boolean':
      return value;
    case 'number':
      return preparedNumber(value);
    case 'bigint':
      if (value < -(2n ** 63n) || value >= 2n ** 64n) throw new TypeError('the integer is beyond 64 bits');
      return value;
    case 'string':
      if (!wellFormed(value)) throw new TypeError('text with a lone surrogate is not UTF-8');
      return value;
    case 'object':
      return preparedObject(value, depth);
    default:
      throw new TypeError(`${typeof value} has no place in CBOR; leave the key out or use null`);
  }
}

/** cbor-x writes integers from 2^32 (and below -2^32) as floats, unless they are BigInt; below -2^63 as a tagged bignum. */
function preparedNumber(value: number): number | bigint {
  if (!Number.isInteger(value) || (value < 0x1_0000_0000 && value >= -0x1_0000_0000)) return value;
  return value < 2 ** 64 && value >= -(2 ** 63) ? BigInt(value) : value;
}

function preparedObject(value: object | null, depth: number): unknown {
  if (value === null || value instanceof Uint8Array) return value;
  if (depth >= limits.cbor.depth) throw new TypeError(`CBOR nested more than ${limits.cbor.depth} levels`);
  if (Array.isArray(value)) {
    let copy: unknown[] | undefined;
    for (let k = 0; k < value.length; k++) {
      const element = prepared(value[k], depth + 1);
      if (element !== value[k] && !Number.isNaN(element)) {
        copy ??= [...value];
        copy[k] = element;
      }
    }
    return copy ?? value;
  }
  const prototype = Object.getPrototypeOf(value);
  if (prototype !== Object.prototype && prototype !== null) {
    throw new TypeError(`${value.constructor.name} has no place in CBOR; write its fields into a plain object`);
  }
  let copy: Record<string, unknown> | undefined;
  for (const [key, field] of Object.entries(value)) {
    if (key === '__proto__' || !wellFormed(key)) throw new TypeError(`the key ${JSON.stringify(key)} is not allowed`);
    const element = prepared(field, depth + 1);
    if (element !== field && !Number.isNaN(element)) {
      copy ??= { ...value };
      copy[key] = element;
    }
  }
  return copy ?? value;
}

const surrogate = /[\ud800-\udfff]/;
const loneSurrogate = /\p{Surrogate}/u;

const wellFormed = (text: string): boolean => !surrogate.test(text) || !loneSurrogate.test(text);

/** cbor-x gives every 64-bit head as a bigint, whatever its value. */
function narrowed(value: CborValue): CborValue {
  if (typeof value === 'bigint') {
    const number = Number(value);
    return Number.isSafeInteger(number) ? number : value;
  }
  if (typeof value !== 'object' || value === null || value instanceof Uint8Array) return value;
  if (Array.isArray(value)) return value.map(narrowed);
  return Object.fromEntries(Object.entries(value).map(([key, field]) => [key, narrowed(field)]));
}

/** A copy (cbor-x hangs a property on its input) without the single bytes at the given ascending offsets. */
function withoutBytes(bytes: Uint8Array, offsets: readonly number[]): Uint8Array {
  if (offsets.length === 0) return new Uint8Array(bytes);
  const drop = new Set(offsets);
  return bytes.filter((_, at) => !drop.has(at));
}
