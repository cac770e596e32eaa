import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { type CborValue, decodeCbor, encodeCbor, isCborMap } from '../../../src/codec/cbor.ts';
import { fromHex, toHex } from '../../../src/core/bytes.ts';
import { FirstbootError } from '../../../src/core/errors.ts';
import { limits } from '../../../src/core/limits.ts';

interface Vector {
  readonly hex: string;
  readonly diagnostic: string;
  readonly value?: unknown;
  /** 'none': we do not write that value. */
  readonly encoded?: string;
  readonly refused?: string;
}

const file = new URL('../../vectors/cbor/rfc8949-appendix-a.json', import.meta.url);
const vectors: readonly Vector[] = JSON.parse(readFileSync(file, 'utf8'));

describe('the examples of RFC 8949, Appendix A', () => {
  it.each(vectors.filter(({ refused }) => refused === undefined))('decodes $hex as $diagnostic', ({ hex, value }) => {
    expect(decodeCbor(fromHex(hex))).toEqual(plain(value));
  });

  it.each(vectors.filter(({ encoded }) => encoded !== 'none').filter(({ refused }) => refused === undefined))(
    'encodes $diagnostic with definite lengths and no needless float',
    ({ hex, value, encoded }) => {
      expect(toHex(encodeCbor(plain(value)))).toBe(encoded ?? hex);
    },
  );

  it.each(vectors.filter(({ refused }) => refused !== undefined))(
    'refuses $diagnostic: $refused',
    ({ hex, refused }) => {
      expect(errorOf(fromHex(hex))).toMatchObject({ code: 'cbor.malformed', evidence: { found: refused } });
    },
  );
});

describe('encodeCbor', () => {
  it('writes integers from 2^32 as integers, where cbor-x alone would write floats', () => {
    expect(toHex(encodeCbor(1763720000123))).toBe('1b0000019aa5e7727b');
    expect(toHex(encodeCbor({ 'x.time': [4294967296, -4294967297] }))).toBe(
      'a166782e74696d65821b00000001000000003b0000000100000000',
    );
    expect(toHex(encodeCbor(2 ** 63))).toBe('1b8000000000000000');
  });

  it('keeps the order of keys and does not change its argument', () => {
    const value = { zebra: 2 ** 40, apple: [{ b: 2 ** 33 }, 1], mango: 'm' };
    const copy = structuredClone(value);
    const decoded = decodeCbor(encodeCbor(value));
    expect(isCborMap(decoded) && Object.keys(decoded)).toEqual(['zebra', 'apple', 'mango']);
    expect(value).toEqual(copy);
  });

  it('writes byte strings without a tag, Buffers too', () => {
    expect(toHex(encodeCbor(Uint8Array.of(1, 2)))).toBe('420102');
    expect(toHex(encodeCbor(Buffer.from([1, 2])))).toBe('420102');
  });

  it.each<[string, unknown]>([
    ['undefined', undefined],
    ['an undefined field', { a: undefined }],
    ['a function', { a: () => 1 }],
    ['a Date', new Date(0)],
    ['a Map', new Map([['a', 1]])],
    ['a lone surrogate', 'a\ud800'],
    ['a lone surrogate in a key', { '\udc00': 1 }],
    ['an integer beyond 64 bits', 2n ** 64n],
    ['a negative integer that cbor-x would tag', -(2n ** 63n) - 1n],
    ['a hole in an array', new Array(1)],
    ['nesting beyond the limit', nested(limits.cbor.depth + 1)],
  ])('refuses %s', (_, value) => {
    expect(() => encodeCbor(value as CborValue)).toThrow(TypeError);
  });

  it('gives bytes that nothing else writes to', () => {
    const first = encodeCbor({ a: 1 });
    const before = toHex(first);
    for (let k = 0; k < 5000; k++) encodeCbor({ a: 'x'.repeat(100) });
    expect(toHex(first)).toBe(before);
  });
});

describe('decodeCbor', () => {
  it('takes the indefinite-length maps and arrays of the reference device', () => {
    // {_ "creds": [_ {_ "credid": 1}]}
    const hex = 'bf6563726564739fbf6663726564696401ffffff';
    expect(decodeCbor(fromHex(hex))).toEqual({ creds: [{ credid: 1 }] });
  });

  it('gives safe 64-bit integers as numbers and the others as bigint, at any depth', () => {
    expect(decodeCbor(fromHex('1b0000000000000001'))).toBe(1);
    expect(decodeCbor(fromHex('a16161821b001fffffffffffff1b0020000000000000'))).toEqual({
      a: [Number.MAX_SAFE_INTEGER, 2n ** 53n],
    });
  });

  it('lets tag 0 pass in front of text only when asked, and gives the text', () => {
    const time = fromHex('a16474696d65c074323031332d30332d32315432303a30343a30305a');
    expect(decodeCbor(time, { timeTag: true })).toEqual({ time: '2013-03-21T20:04:00Z' });
    expect(() => decodeCbor(time)).toThrow('tag 0');
    expect(() => decodeCbor(fromHex('c001'), { timeTag: true })).toThrow('not in front of text');
    expect(() => decodeCbor(fromHex('c0c06161'), { timeTag: true })).toThrow('not in front of text');
    expect(() => decodeCbor(fromHex('d8006161'), { timeTag: true })).toThrow('tag 0');
  });

  it('leaves its input as it was, and gives byte strings of their own', () => {
    const input = fromHex('420102');
    const decoded = decodeCbor(input);
    input[1] = 9;
    expect(decoded).toEqual(Uint8Array.of(1, 2));
    expect(Object.keys(input)).toEqual(['0', '1', '2']);
  });

  it('gives maps whose keys are their own and never the prototype', () => {
    const decoded = decodeCbor(encodeCbor({ constructor: 1, toString: 2 }));
    expect(isCborMap(decoded) && Object.keys(decoded)).toEqual(['constructor', 'toString']);
    expect(errorOf(fromHex('a1695f5f70726f746f5f5fa0')).evidence).toMatchObject({
      found: 'the map key __proto__',
      at: 1,
    });
    expect(Object.keys(Object.prototype)).toEqual([]);
  });

  it.each([
    ['nothing', '', 0, 'the end inside an item'],
    ['bytes behind the item', '0102', 1, '1 bytes behind the document'],
    ['a cut off integer', '19ff', 2, 'the end inside an item'],
    ['a cut off text', '62c3', 0, 'a length beyond the end'],
    ['a huge array', '9b7fffffffffffffff', 0, 'a length beyond the end'],
    ['a huge map', 'bb7fffffffffffffff', 0, 'a length beyond the end'],
    ['a huge string', '5b7fffffffffffffff', 0, 'a length beyond the end'],
    ['a reserved head', '1c', 0, 'a reserved head'],
    ['a reserved head of major type 7', 'fd', 0, 'a reserved head'],
    ['a break by itself', 'ff', 0, 'a break outside of an indefinite-length item'],
    ['a break in a definite array', '81ff', 1, 'a break outside of an indefinite-length item'],
    ['a break between key and value', 'bf6161ff', 3, 'a break outside of an indefinite-length item'],
    ['an indefinite integer', '1f', 0, 'an indefinite length here'],
    ['an array without its break', '9f01', 2, 'the end inside an item'],
    ['text that is not UTF-8', '62c328', 1, 'text that is not UTF-8'],
    ['an encoded surrogate', '63eda080', 1, 'text that is not UTF-8'],
    ['a byte order mark', '64efbbbf61', 1, 'text that begins with a byte order mark'],
    ['the same key twice', 'a2616101616102', 4, 'the map key "a" twice'],
    ['a simple value in two bytes that fits one', 'f814', 0, 'an unassigned simple value'],
    ['a tag inside', '8101c1', 2, '1 bytes behind the document'],
    ['a bignum inside', '82c2410101', 1, 'tag 2'],
    ['a record of cbor-x', 'd9dfff8301816161', 0, 'tag 57343'],
  ])('refuses %s and says where', (_, hex, at, found) => {
    const error = errorOf(fromHex(hex));
    expect(error).toMatchObject({ code: 'cbor.malformed', evidence: { at, found } });
  });

  it('holds its limits on depth, items and size, and says which was exceeded', () => {
    const deep = (levels: number): Uint8Array => fromHex(`${'81'.repeat(levels)}00`);
    expect(decodeCbor(deep(16))).toBeDefined();
    expect(errorOf(deep(17))).toMatchObject({ code: 'cbor.limit', evidence: { at: 16, what: 'levels', limit: 16 } });
    const array = (count: number): Uint8Array => encodeCbor(new Array<number>(count).fill(0));
    expect(decodeCbor(array(4095))).toHaveLength(4095);
    expect(errorOf(array(4096))).toMatchObject({ code: 'cbor.limit', evidence: { what: 'items', limit: 4096 } });
    expect(() => decodeCbor(fromHex('83010203'), { items: 3 })).toThrow('items');
    expect(() => decodeCbor(fromHex('a2616101616202'), { items: 4 })).toThrow('items');
    expect(() => decodeCbor(fromHex('83010203'), { bytes: 3 })).toThrow('bytes');
  });

  it('refuses a bomb of nested indefinite arrays at once', () => {
    expect(errorOf(new Uint8Array(60_000).fill(0x9f)).code).toBe('cbor.limit');
  });
});

function errorOf(bytes: Uint8Array): FirstbootError {
  try {
    decodeCbor(bytes);
  } catch (error) {
    if (error instanceof FirstbootError) return error;
    throw error;
  }
  throw new Error(`decoded: ${toHex(bytes)}`);
}

function nested(levels: number): unknown {
  return levels === 0 ? 1 : [nested(levels - 1)];
}

/** The value that a vector's JSON stands for. */
function plain(value: unknown): CborValue {
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value !== 'object' || value === null) return value as CborValue;
  const fields = value as Record<string, unknown>;
  if (typeof fields.bigint === 'string') return BigInt(fields.bigint);
  if (typeof fields.bytes === 'string') return fromHex(fields.bytes);
  if (typeof fields.float === 'string') return Number(fields.float);
  return Object.fromEntries(Object.entries(fields).map(([key, field]) => [key, plain(field)]));
}
