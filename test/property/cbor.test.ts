import { decode, encode } from 'cborg';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type CborValue, decodeCbor, encodeCbor } from '../../src/codec/cbor.ts';
import { toHex } from '../../src/core/bytes.ts';
import { FirstbootError } from '../../src/core/errors.ts';

/** Decoded integers are numbers where they are safe. */
function likeDecoded(integer: bigint): CborValue {
  return Number.isSafeInteger(Number(integer)) ? Number(integer) : integer;
}

/** cborg is a second implementation: whatever we write or accept, it has to read the same way. */
const { value } = fc.letrec<{ value: CborValue; leaf: CborValue }>((tie) => ({
  leaf: fc.oneof(
    fc.constantFrom(null, true, false),
    fc.integer(),
    fc.maxSafeInteger(),
    fc.bigInt({ min: -(2n ** 63n), max: 2n ** 64n - 1n }).map(likeDecoded),
    fc.double({ noNaN: true }).filter((number) => !Object.is(number, -0)),
    fc.string({ unit: 'binary' }).filter((text) => !text.startsWith('\ufeff')),
    fc.uint8Array({ maxLength: 300 }),
  ),
  value: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    tie('leaf'),
    fc.array(tie('value'), { maxLength: 30 }),
    fc.dictionary(
      fc.string({ unit: 'binary', maxLength: 80 }).filter((key) => key !== '__proto__' && !key.startsWith('\ufeff')),
      tie('value'),
      { maxKeys: 30, noNullPrototype: true },
    ),
  ),
}));

const runs = { seed: 8949, numRuns: 500 };

describe('our CBOR beside cborg', () => {
  it('decodes what it has encoded, and so does cborg', () => {
    fc.assert(
      fc.property(value, (original) => {
        const bytes = encodeCbor(original);
        expect(decodeCbor(bytes)).toEqual(exact(original));
        expect(normal(decode(bytes))).toEqual(exact(original));
      }),
      runs,
    );
  });

  it('decodes what cborg has encoded', () => {
    fc.assert(
      fc.property(value, (original) => {
        // cborg writes unsafe integers of type number as floats.
        expect(decodeCbor(encode(original))).toEqual(normal(original));
      }),
      runs,
    );
  });

  it('accepts of damaged documents only what cborg accepts, with the same value, and throws nothing but its own error', () => {
    let accepted = 0;
    fc.assert(
      fc.property(value, fc.array(damage(), { minLength: 1, maxLength: 4 }), (original, damages) => {
        const bytes = damages.reduce((document, change) => change(document), encodeCbor(original));
        const ours = attempt(bytes);
        if (ours === refused) return;
        accepted++;
        expect(normal(decode(bytes, { rejectDuplicateMapKeys: true })), toHex(bytes)).toEqual(ours);
      }),
      { ...runs, numRuns: 3000 },
    );
    expect(accepted).toBeGreaterThan(200);
  });

  it('throws nothing but its own error on random bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), (bytes) => {
        const ours = attempt(bytes);
        if (ours !== refused) expect(normal(decode(bytes, { rejectDuplicateMapKeys: true }))).toEqual(ours);
      }),
      { ...runs, numRuns: 20_000 },
    );
  });
});

const refused = Symbol('refused');

function attempt(bytes: Uint8Array): CborValue | typeof refused {
  try {
    return decodeCbor(bytes);
  } catch (error) {
    if (error instanceof FirstbootError) return refused;
    throw error;
  }
}

function damage(): fc.Arbitrary<(bytes: Uint8Array) => Uint8Array> {
  const position = fc.noBias(fc.nat(9999)).map((n) => n / 10_000);
  return fc.oneof(
    fc.tuple(position, fc.nat(255)).map(([where, byte]) => (bytes: Uint8Array) => {
      const copy = new Uint8Array(bytes);
      copy[Math.floor(where * copy.length)] = byte;
      return copy;
    }),
    position.map((where) => (bytes: Uint8Array) => bytes.slice(0, Math.ceil(where * bytes.length))),
    fc
      .uint8Array({ minLength: 1, maxLength: 3 })
      .map((tail) => (bytes: Uint8Array) => Uint8Array.of(...bytes, ...tail)),
  );
}

/** What a number that we encode as an integer comes back as. */
function exact(value: CborValue): CborValue {
  if (typeof value === 'number' && Number.isInteger(value) && value < 2 ** 64 && value >= -(2 ** 63)) {
    return likeDecoded(BigInt(value));
  }
  return mapped(value, exact);
}

function normal(value: CborValue): CborValue {
  if (typeof value === 'bigint') return likeDecoded(value);
  return mapped(value, normal);
}

function mapped(value: CborValue, change: (value: CborValue) => CborValue): CborValue {
  if (typeof value !== 'object' || value === null || value instanceof Uint8Array) return value;
  if (Array.isArray(value)) return value.map(change);
  return Object.fromEntries(Object.entries(value).map(([key, field]) => [key, change(field)]));
}
