import { stripVTControlCharacters } from 'node:util';
import { describe, expect, test } from 'vitest';
import { createLive, truncated } from '../../../src/cli/live.ts';
import { ManualTimers } from '../../../src/core/clock.ts';

/** A terminal of the few control sequences that a live view needs. */
class Screen {
  readonly isTTY = true;
  readonly rows = 10;
  columns = 40;
  lines: string[] = [''];
  cursorShown = true;
  writes = 0;
  private at = 0;

  write(text: string): void {
    this.writes++;
    for (const [, up, , code, rest] of text
      .replaceAll('\u001b', '^')
      .matchAll(/\^\[(\d+)A|(\r)|\^\[(J|\?25[lh])|([^^\r]+)/g)) {
      if (up !== undefined) this.at -= Number(up);
      else if (code === 'J') this.lines.length = this.at;
      else if (code !== undefined) this.cursorShown = code === '?25h';
      else if (rest !== undefined) this.type(rest);
    }
  }

  private type(text: string): void {
    const [first = '', ...more] = text.split('\n');
    this.lines[this.at] = (this.lines[this.at] ?? '') + first;
    for (const line of more) this.lines[++this.at] = line;
  }

  /** What a reader sees. */
  get shown(): string[] {
    return this.lines.slice(0, this.at);
  }
}

const started = (): { screen: Screen; timers: ManualTimers; live: ReturnType<typeof createLive> } => {
  const screen = new Screen();
  const timers = new ManualTimers(1_000_000);
  return { screen, timers, live: createLive(screen, { timers }) };
};

describe('a live view on a terminal', () => {
  test('changes its lines in place', () => {
    const { screen, timers, live } = started();
    live.update(['one', 'two'], '');
    expect(screen.shown).toEqual(['one', 'two']);
    timers.advanceTo(timers.now() + 100);
    live.update(['one', '2', '3'], '');
    expect(screen.shown).toEqual(['one', '2', '3']);
    timers.advanceTo(timers.now() + 100);
    live.update(['done'], '');
    expect(screen.shown).toEqual(['done']);
  });

  test('is redrawn at most ten times a second, and the latest state is not forgotten', () => {
    const { screen, timers, live } = started();
    for (let ms = 0; ms < 1000; ms++) {
      live.update([`at ${ms}`], '');
      timers.advanceTo(timers.now() + 1);
    }
    expect(screen.writes).toBeLessThanOrEqual(11);
    timers.advanceTo(timers.now() + 100);
    expect(screen.shown).toEqual(['at 999']);
  });

  test('is never wider or higher than the terminal', () => {
    const { screen, live } = started();
    live.update([...Array.from({ length: 30 }, (_, at) => `${at} ${'x'.repeat(100)}`)], '');
    expect(screen.shown).toHaveLength(9);
    for (const line of screen.shown) expect(line.length).toBeLessThan(40);
  });

  test('lets other lines stand above it', () => {
    const { screen, live } = started();
    live.update(['50 %'], '');
    live.print('something happened', 'and more');
    expect(screen.shown).toEqual(['something happened', 'and more', '50 %']);
  });

  test('hides the cursor, gives it back, and stays silent after its end', () => {
    const { screen, timers, live } = started();
    live.update(['a'], '');
    expect(screen.cursorShown).toBe(false);
    live.update(['b'], '');
    live.end();
    expect(screen.cursorShown).toBe(true);
    expect(screen.shown).toEqual(['b']);
    const { writes } = screen;
    live.update(['c'], '');
    timers.advanceTo(timers.now() + 1000);
    live.end();
    expect(screen.writes).toBe(writes);
  });

  test('can be taken away', () => {
    const { screen, live } = started();
    live.update(['a', 'b'], '');
    live.end('clear');
    expect(screen.shown).toEqual([]);
  });

  test('gives the cursor back when the process ends in the middle', () => {
    const { screen, live } = started();
    live.update(['a'], '');
    const before = process.listeners('exit');
    for (const listener of before.slice(-1)) listener(0);
    expect(screen.cursorShown).toBe(true);
    live.end();
    expect(process.listeners('exit').length).toBe(before.length - 1);
  });
});

describe('a live view on anything else', () => {
  test('is a plain line every few seconds, and the last one at the end', () => {
    const written: string[] = [];
    const timers = new ManualTimers(0);
    const live = createLive({ write: (text: string) => written.push(text) }, { timers, plainEvery: 5000 });
    for (let second = 1; second <= 12; second++) {
      timers.advanceTo(second * 1000);
      live.update(['a block'], `${second} s`);
    }
    live.print('something happened');
    live.end();
    expect(written).toEqual(['5 s\n', '10 s\n', 'something happened\n', '12 s\n']);
    expect(written.join('')).toBe(stripVTControlCharacters(written.join('')));
  });
});

test('colours do not count as width, and end with the line', () => {
  const red = (text: string): string => `\u001b[31m${text}\u001b[39m`;
  expect(truncated(`${red('12345')}67`, 7)).toBe(`${red('12345')}67`);
  expect(truncated(`a${red('12345')}67`, 5)).toBe(`a${red('123')}…`);
});
