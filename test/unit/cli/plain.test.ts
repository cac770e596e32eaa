import { describe, expect, test } from 'vitest';
import { harmless, plain } from '../../../src/cli/plain.ts';
import { terminalJson } from '../../../src/core/json.ts';

const esc = '\u001b';
/** What terminals act on: titles, cleared screens, colours of a stranger, other controls of 7 and 8 bits, turned text. */
const attacks = [
  `${esc}]0;title\u0007`,
  `${esc}[2J`,
  `${esc}[8m`,
  `${esc}P+q\u009c`,
  '\u009b2J',
  '\r',
  '\b',
  '\u007f',
  '\u202e',
  `${esc}`,
  `${esc}[${esc}[1m2J`,
];
const ownStyles = new RegExp(`${esc}\\[(1|31|39)m`, 'g');
const steering = /[\p{Cc}\p{Bidi_Control}]/u;

describe("what strangers have written, for an operator's terminal", () => {
  test.each(attacks)('%j steers nothing and stays in its line', (attack) => {
    expect(plain(`before${attack}\nafter`)).not.toMatch(steering);
    expect(plain(`before${attack}\nafter`)).toMatch(/^before.*\?after$/u);
  });

  test.each(attacks)('%j steers nothing among our own styles either', (attack) => {
    const line = harmless(`${esc}[31mbad${esc}[39m ${attack}\n\tend`);
    expect(line.startsWith(`${esc}[31mbad${esc}[39m `)).toBe(true);
    expect(line.endsWith('\n\tend')).toBe(true);
    expect(line.replace(ownStyles, '').replace(/[\n\t]/g, '')).not.toMatch(steering);
  });

  test.each(attacks)('%j is the same value in JSON that a terminal may see', (attack) => {
    const json = terminalJson(JSON.stringify({ subject: attack }));
    expect(json).not.toMatch(steering);
    expect(JSON.parse(json)).toEqual({ subject: attack });
  });

  test('letters of all languages and signs stay', () => {
    for (const text of ['Zürich 東京 ✓ 🔑', 'a, b: "c"']) {
      expect([plain(text), harmless(text), JSON.parse(terminalJson(JSON.stringify(text)))]).toEqual([text, text, text]);
    }
  });
});
