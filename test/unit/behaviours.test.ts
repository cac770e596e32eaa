import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';

const root = new URL('../../', import.meta.url);

interface Proof {
  readonly number: number;
  readonly file: string;
  readonly name: string;
}

/** Rows of the table: number, behaviour, file, name of the test. */
const proofs: readonly Proof[] = readFileSync(new URL('docs/behaviours.md', root), 'utf8')
  .split('\n')
  .filter((line) => /^\| \d+ \|/.test(line))
  .map((line) => {
    const [number, , file = '', name = ''] = line
      .split('|')
      .slice(1, -1)
      .map((cell) => cell.trim());
    return { number: Number(number), file: file.replaceAll('`', ''), name };
  });

/** Whether a file of tests has one of this name: the name stands first in a call. */
function hasTest(text: string, name: string): boolean {
  const calls = text.replace(/\(\s+/g, '(');
  return ["'", '"', '`'].some((quote) => calls.includes(`(${quote}${name}${quote},`));
}

describe('docs/behaviours.md', () => {
  test('has a proof for every behaviour from 1 to 47, in their order', () => {
    const numbers = proofs.map(({ number }) => number);
    expect([...new Set(numbers)]).toEqual(Array.from({ length: 47 }, (_, k) => k + 1));
    expect(numbers).toEqual(numbers.toSorted((a, b) => a - b));
  });

  test.each(proofs)('$number: $file has the test "$name"', ({ file, name }) => {
    const url = new URL(file, root);
    expect(existsSync(url), file).toBe(true);
    expect(name).not.toBe('');
    expect(hasTest(readFileSync(url, 'utf8'), name), name).toBe(true);
  });

  test('names every scenario test that carries a number', () => {
    for (const file of ['service', 'provisioning', 'failures', 'certificates', 'access']) {
      const path = `test/scenario/behaviours/${file}.test.ts`;
      const names = [...readFileSync(new URL(path, root), 'utf8').matchAll(/test(?:\.each\([^)]*\))?\('(\d+[^']*)'/g)];
      expect(names.length, path).toBeGreaterThan(0);
      for (const [, name] of names) {
        expect(
          proofs.some((proof) => proof.file === path && proof.name === name),
          name,
        ).toBe(true);
      }
    }
  });
});
