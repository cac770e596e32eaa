import { describe, expect, it } from 'vitest';
import { LineReader } from '../../../src/codec/lines.ts';

const read = (pieces: readonly string[], longest = 100) => {
  const reader = new LineReader(longest);
  return [...pieces.flatMap((piece) => reader.push(piece)), ...reader.end()].map(({ line, text }) => [line, text]);
};

describe('lines of a text', () => {
  it('end with LF or CRLF, wherever the text is cut', () => {
    const lines = [
      [1, 'a'],
      [2, ''],
      [3, 'b\rc'],
      [4, 'd'],
    ];
    expect(read(['\ufeffa\n\r\nb\rc\r\nd'])).toEqual(lines);
    expect(read([...'\ufeffa\n\r\nb\rc\r\nd'])).toEqual(lines);
  });

  it('are none when there is no text, and none behind the last line break', () => {
    expect(read([])).toEqual([]);
    expect(read(['', 'a\n'])).toEqual([[1, 'a']]);
  });

  it('are passed over, but counted, when they are too long', () => {
    expect(read(['12345\n123456\n123', '456', '7\n1'], 5)).toEqual([
      [1, '12345'],
      [2, undefined],
      [3, undefined],
      [4, '1'],
    ]);
    expect(read(['123456'], 5)).toEqual([[1, undefined]]);
  });
});
