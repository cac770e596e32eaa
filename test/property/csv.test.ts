import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CsvReader, type CsvRecord } from '../../src/codec/csv.ts';
import { LineReader } from '../../src/codec/lines.ts';

const cut = (text: string, at: readonly number[]): readonly string[] => {
  const places = [...new Set([0, ...at.map((place) => place % (text.length + 1)), text.length])].sort((a, b) => a - b);
  return places.slice(1).map((place, index) => text.slice(places[index], place));
};
const read = (pieces: readonly string[], longest: number): readonly CsvRecord[] => {
  const reader = new CsvReader(longest);
  return [...pieces.flatMap((piece) => reader.push(piece)), ...reader.end()];
};
const quoted = (field: string): string => `"${field.replaceAll('"', '""')}"`;
const written = (field: string): string => (/[",\r\n\ufeff]/.test(field) || field === '' ? quoted(field) : field);

const anyField = fc.string({ unit: fc.constantFrom('a', '"', ',', '\n', '\r', ' ', 'é', '\ufeff'), maxLength: 8 });
const places = fc.array(fc.nat(), { maxLength: 6 });

describe('CSV, whatever it holds', () => {
  it('gives back the fields that were written, however the text is cut', () => {
    const table = fc.array(fc.array(anyField, { minLength: 1, maxLength: 4 }), { maxLength: 6 });
    fc.assert(
      fc.property(table, fc.constantFrom('\n', '\r\n', '\r'), places, (rows, lineBreak, at) => {
        const text = rows.map((row) => row.map(written).join(',')).join(lineBreak);
        const records = read(cut(text, at), 1000);
        expect(records.map((record) => 'fields' in record && record.fields)).toEqual(rows);
      }),
      { seed: 1 },
    );
  });

  it('reads the same of any text, however it is cut, and keeps to its bound', () => {
    const soup = fc.string({ unit: fc.constantFrom('a', '"', ',', '\n', '\r'), maxLength: 60 });
    fc.assert(
      fc.property(soup, places, fc.integer({ min: 1, max: 12 }), (text, at, longest) => {
        const records = read(cut(text, at), longest);
        expect(records).toEqual(read([text], longest));
        for (const record of records) {
          if ('fields' in record) expect(record.fields.join('').length).toBeLessThanOrEqual(longest);
        }
        const lines = records.map(({ line }) => line);
        expect(lines).toEqual([...lines].sort((a, b) => a - b));
      }),
      { seed: 1 },
    );
  });

  it('comes in the same lines, however the text is cut', () => {
    const soup = fc.string({ unit: fc.constantFrom('a', 'b', '\n', '\r'), maxLength: 60 });
    fc.assert(
      fc.property(soup, places, (text, at) => {
        const reader = new LineReader(1000);
        const lines = [...cut(text, at).flatMap((piece) => reader.push(piece)), ...reader.end()];
        const expected = text.split('\n').map((line) => (line.endsWith('\r') ? line.slice(0, -1) : line));
        if (text === '' || text.endsWith('\n')) expected.pop();
        expect(lines).toEqual(expected.map((line, index) => ({ line: index + 1, text: line })));
      }),
      { seed: 1 },
    );
  });
});
