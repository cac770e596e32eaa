import { stripVTControlCharacters } from 'node:util';
import { type Millis, seconds, systemTimers, type Timers } from '../core/clock.ts';

/** Where a live view is shown: process.stdout or process.stderr. */
export interface LiveStream {
  readonly isTTY?: boolean;
  readonly columns?: number;
  readonly rows?: number;
  write(text: string): unknown;
}

/** A block of lines that shows how things stand, and changes in place. */
export interface Live {
  /** Whether there is a terminal; on anything else every few seconds the plain line is printed. */
  readonly inPlace: boolean;
  /** How things stand now. Shown at most ten times a second. @param plain the same in one line, for what is no terminal */
  update(block: readonly string[], plain: string): void;
  /** Prints lines that stay, above the block. */
  print(...lines: readonly string[]): void;
  /** Shows the latest block a last time and leaves it there, or takes it away. The cursor is as it was. */
  end(last?: 'keep' | 'clear'): void;
}

export interface LiveOptions {
  readonly timers?: Timers;
  /** Between two plain lines. */
  readonly plainEvery?: Millis;
}

/** Redraws are at least this far apart. */
const redrawEvery: Millis = 100;

export function createLive(stream: LiveStream, options: LiveOptions = {}): Live {
  const { timers = systemTimers, plainEvery = seconds(5) } = options;
  return stream.isTTY === true ? new TerminalBlock(stream, timers) : new PlainLines(stream, timers, plainEvery);
}

class TerminalBlock implements Live {
  readonly inPlace = true;
  private readonly stream: LiveStream;
  private readonly timers: Timers;
  private block: readonly string[] = [];
  /** Lines on the screen that are ours. */
  private drawn = 0;
  private drawnAt: Millis = Number.NEGATIVE_INFINITY;
  private cancel: (() => void) | undefined;
  private hidden = false;
  private ended = false;

  constructor(stream: LiveStream, timers: Timers) {
    this.stream = stream;
    this.timers = timers;
  }

  update(block: readonly string[]): void {
    if (this.ended) return;
    this.block = block;
    if (this.cancel) return;
    const due = this.drawnAt + redrawEvery;
    if (this.timers.now() >= due) this.draw();
    else this.cancel = this.timers.schedule(due, () => this.draw());
  }

  print(...lines: readonly string[]): void {
    this.stream.write(`${this.erasing()}${lines.join('\n')}\n`);
    this.drawn = 0;
    if (!this.ended && this.block.length > 0) this.draw();
  }

  end(last: 'keep' | 'clear' = 'keep'): void {
    if (this.ended) return;
    if (last === 'clear') this.stream.write(this.erasing());
    else if (this.block.length > 0) this.draw();
    this.ended = true;
    this.cancel?.();
    this.showCursor();
    process.off('exit', this.showCursor);
  }

  private draw(): void {
    this.cancel?.();
    this.cancel = undefined;
    this.drawnAt = this.timers.now();
    const { columns = 80, rows = 24 } = this.stream;
    // The last line of the screen stays free: a line break there would scroll the block away.
    const lines = this.block.slice(0, Math.max(1, rows - 1)).map((line) => truncated(line, columns - 1));
    const hide = this.hidden ? '' : hideCursor;
    if (!this.hidden) process.off('exit', this.showCursor).once('exit', this.showCursor);
    this.hidden = true;
    this.stream.write(`${hide}${this.erasing()}${lines.map((line) => `${line}\n`).join('')}`);
    this.drawn = lines.length;
  }

  /** Back to where the block began, with nothing below. */
  private erasing(): string {
    return this.drawn === 0 ? '' : `\u001b[${this.drawn}A\r\u001b[J`;
  }

  private readonly showCursor = (): void => {
    if (this.hidden) this.stream.write(showCursor);
    this.hidden = false;
  };
}

const hideCursor = '\u001b[?25l';
const showCursor = '\u001b[?25h';

class PlainLines implements Live {
  readonly inPlace = false;
  private readonly stream: LiveStream;
  private readonly timers: Timers;
  private readonly every: Millis;
  private latest = '';
  private printed = '';
  private printedAt: Millis;

  constructor(stream: LiveStream, timers: Timers, every: Millis) {
    this.stream = stream;
    this.timers = timers;
    this.every = every;
    this.printedAt = timers.now();
  }

  update(_block: readonly string[], plain: string): void {
    this.latest = plain;
    if (this.timers.now() - this.printedAt >= this.every) this.show();
  }

  print(...lines: readonly string[]): void {
    this.stream.write(`${lines.join('\n')}\n`);
  }

  end(last: 'keep' | 'clear' = 'keep'): void {
    if (last === 'keep' && this.latest !== this.printed) this.show();
  }

  private show(): void {
    this.printedAt = this.timers.now();
    this.printed = this.latest;
    this.stream.write(`${this.latest}\n`);
  }
}

const colours = new RegExp(`(${'\u001b'}\\[[0-9;]*m)`);

/** Cut to a width in characters; colours cost none, and end with the line. */
export function truncated(line: string, width: number): string {
  if (stripVTControlCharacters(line).length <= width) return line;
  let left = Math.max(0, width - 1);
  const kept = line
    .split(colours)
    .map((piece, at) => {
      if (at % 2 === 1) return piece;
      const shown = [...piece].slice(0, left).join('');
      left -= [...shown].length;
      return shown;
    })
    .join('');
  return `${kept}…`;
}
