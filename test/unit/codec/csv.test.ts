import { describe, expect, it } from 'vitest';
import { CsvReader, type CsvRecord } from '../../../src/codec/csv.ts';

const read = (text: string, longest = 100): readonly CsvRecord[] => {
  const reader = new CsvReader(longest);
  return [...reader.push(text), ...reader.end()];
};

describe('CSV', () => {
  it.each([
    ['', []],
    ['a', [['a']]],
    [
      'a,b\r\nc,d\r\n',
      [
        ['a', 'b'],
        ['c', 'd'],
      ],
    ],
    [
      'a,b\nc,d',
      [
        ['a', 'b'],
        ['c', 'd'],
      ],
    ],
    ['a\rb', [['a'], ['b']]],
    ['\ufeffa,b', [['a', 'b']]],
    [',\n', [['', '']]],
    ['""\n', [['']]],
    ['"a,b","c\r\nd","e""f"', [['a,b', 'c\r\nd', 'e"f']]],
    ['\n\r\na\n\n', [['a']]],
    [' a , b ', [[' a ', ' b ']]],
    ['a\ufeff', [['a\ufeff']]],
  ] as const)('reads %j', (text, fields) => {
    expect(read(text).map((record) => 'fields' in record && record.fields)).toEqual(fields);
  });

  it('counts lines, those in quotes and empty ones too', () => {
    const records = read('a\n\n"b\nb\r\nb",c\r\nd\re');
    expect(records.map(({ line }) => line)).toEqual([1, 3, 6, 7]);
  });

  it.each([
    ['a"b,c\nd', 1, 'quotes around the whole field, and quotes inside it doubled'],
    ['x,"a"b\nd', 2, 'a comma or the end of the line after a closing quote'],
    ['x,"a" ,"\nd', 2, 'a comma or the end of the line after a closing quote'],
  ])('refuses %j and goes on with the next line', (text, field, expected) => {
    expect(read(text)).toEqual([
      { line: 1, fault: { field, expected } },
      { line: 2, fields: ['d'] },
    ]);
  });

  it('says where a quote begins that never ends', () => {
    expect(read('a\nb,"c\nd\n')).toEqual([
      { line: 1, fields: ['a'] },
      { line: 2, fault: { field: 2, expected: 'a closing quote before the end of the file' } },
    ]);
  });

  it('refuses a record that is too long, and goes on behind it', () => {
    const expected = 'a record of at most 5 characters';
    expect(read('123456,7\n12345\n"1\n2\n3\n4"\nok', 5)).toEqual([
      { line: 1, fault: { field: 1, expected } },
      { line: 2, fields: ['12345'] },
      { line: 3, fault: { field: 1, expected } },
      { line: 6, fault: { field: 1, expected: 'quotes around the whole field, and quotes inside it doubled' } },
      { line: 7, fields: ['ok'] },
    ]);
  });
});
