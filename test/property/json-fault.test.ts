import fc from 'fast-check';
import { expect, test } from 'vitest';
import { jsonFault } from '../../src/web/pages/parts/json-fault.ts';

const parses = (text: string): boolean => {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
};

test('whatever JSON is written has no fault', () => {
  fc.assert(
    fc.property(fc.json({ maxDepth: 6 }), fc.constantFrom(undefined, 2, '\t'), (text, indent) => {
      expect(jsonFault(JSON.stringify(JSON.parse(text), null, indent))).toBeUndefined();
    }),
    { seed: 8259 },
  );
});

test('a text with one letter too many, too few or another one is taken when JSON.parse takes it, and only then', () => {
  const letter = fc.constantFrom(...'{}[]:,"\\ \n\t-+.0123456789eEutrfalsn/\u0000\u007fß');
  fc.assert(
    fc.property(
      fc.json({ maxDepth: 4 }),
      fc.nat(),
      letter,
      fc.constantFrom(0, 1),
      fc.boolean(),
      (text, place, odd, gone, put) => {
        const at = place % (text.length + 1);
        const changed = text.slice(0, at) + (put ? odd : '') + text.slice(at + gone);
        const fault = jsonFault(changed);
        // Of a key that is there twice JSON.parse loses one without a word.
        if (fault?.includes('here twice')) return;
        expect(fault === undefined, `${changed}: ${fault}`).toBe(parses(changed));
      },
    ),
    { seed: 8259, numRuns: 2000 },
  );
});

test.each([
  ['', 'line 1, column 1: expected a value: text in quotes, a number, true, false, null, { or [; the text ends here'],
  ['{"a": 1,}', 'line 1, column 9: expected a key in quotes'],
  ['{\n  "a": 1\n  "b": 2\n}', 'line 3, column 3: expected , or }'],
  ["{'a': 1}", 'line 1, column 2: expected a key in quotes'],
  ['{"a": 01}', 'line 1, column 7: expected a value: text in quotes, a number, true, false, null, { or ['],
  ['{"a": "b\nc"}', 'line 1, column 9: expected the closing quote'],
  ['{"a": "\\x"}', 'line 1, column 8: there is no such escape: \\" \\\\ \\/ \\b \\f \\n \\r \\t \\uXXXX'],
  ['{"a": 1} {', 'line 1, column 10: expected nothing more'],
  ['{"a": {"b": 1, "b": 2}}', 'line 1, column 16: the key "b" is here twice'],
])('%j is told where it is wrong', (text, told) => {
  expect(jsonFault(text)).toBe(told);
});
