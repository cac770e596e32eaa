import { styleText } from 'node:util';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { lineWidth, wrapped } from '../../../src/cli/width.ts';

afterEach(() => {
  vi.unstubAllEnvs();
});

describe('a line', () => {
  test('is as wide as COLUMNS says, and 120 in a pipe', () => {
    vi.stubEnv('COLUMNS', '66');
    expect(lineWidth()).toBe(66);
    for (const nonsense of ['', '0', '3', 'wide', '7.5']) {
      vi.stubEnv('COLUMNS', nonsense);
      expect(lineWidth()).toBe(process.stdout.isTTY ? process.stdout.columns : 120);
    }
  });

  test('that is too long is wrapped between words, and hangs', () => {
    expect(wrapped('  suites one two three four', 4, 16)).toBe('  suites one two\n    three four');
    expect(wrapped('short', 4, 16)).toBe('short');
  });

  test('keeps a word that is too long whole, and the blanks between words', () => {
    expect(wrapped('+1 ms  a'.concat('b'.repeat(20), ' c'), 9, 20)).toBe(
      `+1 ms\n         a${'b'.repeat(20)}\n         c`,
    );
    expect(wrapped('a  b  c', 0, 6)).toBe('a  b\nc');
  });

  test('does not count styles', () => {
    const line = styleText('dim', 'one two', { validateStream: false });
    expect(wrapped(line, 2, 7)).toBe(line);
  });
});
