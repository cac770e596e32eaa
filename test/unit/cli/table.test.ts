import { describe, expect, test } from 'vitest';
import { plain } from '../../../src/cli/plain.ts';
import { facts, table } from '../../../src/cli/table.ts';
import { counted } from '../../../src/core/words.ts';

const styles = new RegExp(`${String.fromCharCode(27)}\\[\\d+m`, 'g');
const unstyled = (lines: readonly string[]): string[] => lines.map((line) => line.replace(styles, ''));

describe('a table', () => {
  test('has a heading and columns as wide as their widest cell', () => {
    const rows = [
      ['production', '12'],
      ['b', '3'],
    ];
    expect(unstyled(table(rows, ['name', 'devices']))).toEqual([
      'name        devices',
      'production  12',
      'b           3',
    ]);
  });

  test('is a sentence when it has no row', () => {
    expect(unstyled(table([], ['name'], { none: 'there are no hubs' }))).toEqual(['there are no hubs']);
  });

  test('is cut to the width of a terminal, and only there', () => {
    const rows = [['a'.repeat(20), 'b'.repeat(30), 'c']];
    const [, cut] = unstyled(table(rows, ['one', 'two', 'three'], { width: 40, cuts: true }));
    expect(cut).toHaveLength(40);
    expect(cut?.endsWith('b…')).toBe(true);
    expect(unstyled(table(rows, ['one', 'two', 'three'], { width: 40, cuts: false }))[1]).toHaveLength(55);
  });

  test('is wrapped within its widest columns, words whole, where its lines are too wide', () => {
    const rows = [['1', 'O=Acme Manufacturing, OU=Sensors, CN=device-0001', 'active']];
    expect(unstyled(table(rows, ['no', 'subject', 'state'], { width: 40 }))).toEqual([
      'no  subject                     state',
      '1   O=Acme Manufacturing,       active',
      '    OU=Sensors, CN=device-0001',
    ]);
  });

  test('has a heading in one line, however narrow its columns are', () => {
    const rows = [['O=Acme, OU=Sensors, CN=device-0001', 'x']];
    expect(unstyled(table(rows, ['manufacturer certificate', 'y'], { width: 20, cuts: false }))).toEqual([
      'manufacturer certificate  y',
      'O=Acme, OU=Sensors,       x',
      'CN=device-0001',
    ]);
  });

  test('has a last column of words below the row where there is no room beside it', () => {
    const row = ['a'.repeat(30), 'reason unpacked today, from pending to active'];
    expect(unstyled(table([row, ['b', 'none']], ['target', 'with'], { width: 36 }))).toEqual([
      'target',
      'a'.repeat(30),
      '    reason unpacked today, from',
      '    pending to active',
      'b',
      '    none',
    ]);
  });

  test('of very many rows is made', () => {
    const rows = Array.from({ length: 200_000 }, (_, n) => [String(n), `O=Acme Manufacturing, CN=device-${n}`]);
    expect(table(rows, ['no', 'subject'], { width: 30 })).toHaveLength(400_001);
  });

  test('has no blanks at the end of a line', () => {
    expect(unstyled(table([['a', '']], ['one', 'two']))[1]).toBe('a');
  });
});

test("a stranger's text cannot move the cursor, ring, or turn the direction of writing", () => {
  const esc = String.fromCharCode(27);
  expect(plain(`CN=${esc}[2Jevil${esc}]0;title${String.fromCharCode(7)}`)).not.toContain(esc);
  expect(plain('a\nb\tc\u202ed')).toBe('a?b?c?d');
  expect(unstyled(table([[`x\ny`]], ['subject']))).toEqual(['subject', 'x?y']);
});

test('facts stand below each other, and what is not known is left out', () => {
  const lines = facts([
    ['id', '1'],
    ['owner', undefined],
    ['last seen', 'now'],
  ]);
  expect(unstyled(lines)).toEqual(['  id         1', '  last seen  now']);
});

test('one is not a plural', () => {
  expect([counted(0, 'line'), counted(1, 'line'), counted(2, 'line')]).toEqual(['0 lines', '1 line', '2 lines']);
});
