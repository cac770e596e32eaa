import fc from 'fast-check';
import { expect, test } from 'vitest';
import { stringify } from 'yaml';
import { FirstbootError } from '../../src/core/errors.ts';
import { readScenario } from '../../src/fleet/scenario-file.ts';
import { scenarioSchema } from '../../src/fleet/scenario-schema.ts';
import { parseDuration, parseProportion, parseRange } from '../../src/fleet/units.ts';

/** Reads, or complains: naming the file. */
function readOrComplain(text: string, short: boolean): void {
  try {
    readScenario(text, 'any.yaml', { short });
  } catch (error) {
    expect(error).toBeInstanceOf(FirstbootError);
    if (error instanceof FirstbootError) expect(error.evidence).toMatchObject({ file: 'any.yaml' });
  }
}

const word = fc.oneof(
  fc.constantFrom(
    ...['10s', '5s..1s', '10%', '200ms/s', 'right', '+10y', 'udp', 'at-once', 'ramp:1s', 'good', 'flood'],
  ),
  fc.constantFrom(...['service-kill', 'coaps://a', 'bytes<=1', 'nb-iot', 'a', '', '__proto__']),
  fc.string({ maxLength: 12 }),
);
const leaf = fc.oneof(word, fc.integer(), fc.double(), fc.boolean(), fc.constant(null));
const key = fc.oneof(
  fc.constantFrom(...Object.keys(scenarioSchema.properties), 'loss', 'at', 'what', 'share', 'count', 'after', 'shows'),
  fc.constantFrom('__proto__', 'constructor', 'a/b', '~', '0'),
);
const { tree } = fc.letrec<{ tree: unknown }>((tie) => ({
  tree: fc.oneof(
    { maxDepth: 4 },
    leaf,
    fc.array(tie('tree'), { maxLength: 3 }),
    fc.dictionary(key, tie('tree'), { maxKeys: 6 }),
  ),
}));

test('whatever a scenario file holds, it is read or complained about by name', () => {
  fc.assert(
    fc.property(fc.dictionary(key, tree, { maxKeys: 6 }), fc.boolean(), (value, short) =>
      readOrComplain(stringify(value), short),
    ),
    { seed: 1, numRuns: 400 },
  );
});

test('whatever text it is', () => {
  const yamlish = fc.array(
    fc.oneof(
      fc.constantFrom('- ', ': ', '{', '}', '[', ']', '&a ', '*a', '\n', '  ', '!!x ', '<<', '? ', '|', '%', '"', '#'),
      key,
      word,
    ),
    { maxLength: 40 },
  );
  fc.assert(
    fc.property(yamlish, fc.boolean(), (pieces, short) => readOrComplain(pieces.join(''), short)),
    { seed: 1, numRuns: 600 },
  );
});

test('however deep it is', () => {
  readOrComplain('['.repeat(100_000), false);
  readOrComplain(`a: ${'{a: '.repeat(20_000)}`, false);
});

test('a quantity means what it says, or nothing', () => {
  fc.assert(
    fc.property(fc.string(), (text) => {
      for (const parse of [parseDuration, parseProportion, parseRange]) expect(parse(text)).not.toBeNaN();
    }),
    { seed: 1 },
  );
  fc.assert(
    fc.property(fc.nat(999_999), (n) => {
      expect(parseDuration(`${n}ms`)).toBe(n);
      expect(parseDuration(`${n}s`)).toBe(n * 1000);
      expect(parseRange(`${n}s..${n + 1}min`)).toEqual(
        n < 999_999 ? { from: n * 1000, to: (n + 1) * 60_000 } : undefined,
      );
    }),
    { seed: 1 },
  );
});
