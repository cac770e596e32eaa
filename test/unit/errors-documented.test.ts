import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { type ErrorCode, errorTable } from '../../src/core/errors.ts';

/** docs/errors.md against the table of codes: one line for each, with its numbers and its words. */
const page = readFileSync(new URL('../../docs/errors.md', import.meta.url), 'utf8');
const rows = page
  .split('\n')
  .filter((line) => line.startsWith('| `'))
  .map((line) => line.split('|').map((cell) => cell.trim()))
  .map(([, code = '', coap = '', http = '', meaning = '', advice = '']) => ({
    code: code.replaceAll('`', ''),
    coap,
    http,
    meaning,
    advice,
  }));

describe('docs/errors.md', () => {
  it('has every code once, and no other', () => {
    expect(rows.map(({ code }) => code).toSorted()).toEqual(Object.keys(errorTable).toSorted());
  });

  it.each(rows)(
    '$code: has its numbers, what devices are told, and what to do',
    ({ code, coap, http, meaning, advice }) => {
      const entry = errorTable[code as ErrorCode];
      expect([coap, http]).toEqual([
        `${Math.floor(entry.coap / 100)}.${String(entry.coap % 100).padStart(2, '0')}`,
        `${entry.http}`,
      ]);
      expect(meaning.toLowerCase()).toContain(entry.text.toLowerCase());
      expect(advice).toMatch(/\w.*\w/);
    },
  );
});
