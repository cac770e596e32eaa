import { expect, test } from 'vitest';
import { matchesPattern } from '../../../src/core/pattern.ts';

test.each([
  ['abc', 'abc', true],
  ['abc', 'abcd', false],
  ['abc', 'ABC', false],
  ['*', '', true],
  ['*', 'x\ny', true],
  ['', '', true],
  ['', 'x', false],
  ['a*', 'a', true],
  ['a*', 'ba', false],
  ['*a', 'bba', true],
  ['a*a', 'a', false],
  ['a*a', 'aa', true],
  ['a*b*c', 'a--b--c', true],
  ['a*b*c', 'a--c--b', false],
  ['ab*ba', 'aba', false],
  ['*ab*ab*', 'aab-ab', true],
  ['*ab*ab*', 'aab', false],
  ['**', 'x', true],
  ['a.c', 'abc', false],
])('%j and %j: %s', (pattern, text, expected) => {
  expect(matchesPattern(pattern, text)).toBe(expected);
});

// One that goes back over what it has tried never ends here.
test('comes to an end with a pattern that is made to prevent it', () => {
  expect(matchesPattern(`${'*a'.repeat(100)}*b`, 'a'.repeat(100_000))).toBe(false);
});
