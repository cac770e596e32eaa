import { relative, resolve } from 'node:path';
import { styleText } from 'node:util';
import type { Millis } from '../core/clock.ts';
import { describe, errorTable, FirstbootError } from '../core/errors.ts';
import { terminalJson } from '../core/json.ts';
import { harmless, plain } from './plain.ts';

/**
 * How a command speaks: lines for people, or one JSON object a line for programs. Both on standard output. What strangers
 * have written can be in either: nothing of it moves a cursor or sets a title (plain.ts).
 */
export interface Output {
  readonly json: boolean;
  /** A line for people; nothing with --json. */
  line(text?: string): void;
  /** An event or result for programs; nothing without --json. */
  data(value: Readonly<Record<string, unknown>>): void;
}

export function createOutput(json: boolean): Output {
  const write = (text: string): void => {
    process.stdout.write(`${text}\n`);
  };
  return {
    json,
    line: (text = '') => {
      if (!json) write(harmless(text));
    },
    data: (value) => {
      if (json) write(terminalJson(JSON.stringify(value)));
    },
  };
}

export const strong = (text: string): string => styleText('bold', text, { stream: process.stdout });
export const faint = (text: string): string => styleText('dim', text, { stream: process.stdout });
export const good = (text: string): string => styleText('green', text, { stream: process.stdout });
export const bad = (text: string): string => styleText('red', text, { stream: process.stdout });

/** A moment of today, for a line of a log. */
export const clockTime = (at: Millis): string => new Date(at).toISOString().slice(11);

/** Left-aligned columns, two spaces apart; the last one is not padded. Widths count plain text, so style cells afterwards. */
export function columns(rows: readonly (readonly string[])[]): string[] {
  const widths: number[] = [];
  for (const row of rows) {
    for (const [at, cell] of row.entries()) widths[at] = Math.max(widths[at] ?? 0, cell.length);
  }
  return rows.map((row) =>
    row.map((cell, at) => (at === row.length - 1 ? cell : cell.padEnd(widths[at] ?? 0))).join('  '),
  );
}

/** A path as a person would type it here: relative, unless it lies elsewhere. */
export function shownPath(path: string): string {
  const near = relative(process.cwd(), path);
  return near === '' ? '.' : near.startsWith('..') ? resolve(path) : near;
}

/** Exit codes of every command; usage: the command line cannot be read. */
export const exitCodes = { ok: 0, failed: 1, usage: 2 } as const;

/** Says why a command failed, on standard error, and sets the exit code. Unexpected errors keep their stack: they are ours. */
export function reportFailure(error: unknown, output: Output): void {
  const atFault = error instanceof FirstbootError && error.code === 'command.usage';
  process.exitCode = atFault ? exitCodes.usage : exitCodes.failed;
  const name = styleText('red', 'firstboot:', { stream: process.stderr });
  if (error instanceof FirstbootError) {
    const { code, evidence, fix } = error;
    output.data({ event: 'error', error: code, text: errorTable[code].text, evidence, fix });
    process.stderr.write(`${name} ${plain(describe(error))}\n`);
    return;
  }
  output.data({ event: 'error', error: 'service.internal', text: String(error), evidence: {}, fix: 'report it' });
  const stack = error instanceof Error ? error.stack : String(error);
  process.stderr.write(`${name} unexpected error, please report it\n${harmless(stack ?? '')}\n`);
}

/** Whether the command line is at fault, or a file, folder or address that it names: exit code 2 of `device` and `fleet`. */
export const isUsage = (error: unknown): boolean =>
  error instanceof FirstbootError && ['command.usage', 'command.file', 'service.config'].includes(error.code);

/** How long a command may take to end after a signal. */
const farewell = 10_000;

/**
 * Resolves on the first SIGINT or SIGTERM from now on; a second one, or a command that does not come to its end, ends the
 * process at once. Called before a command starts anything, so that a signal in the middle of the start is not lost.
 * @param more how much longer than other commands it may take to its end
 */
export function untilInterrupted(more: () => Millis = () => 0): Promise<NodeJS.Signals> {
  return new Promise((interrupted) => {
    const stop = (signal: NodeJS.Signals): void => {
      const code = signal === 'SIGINT' ? 130 : 143;
      process.off('SIGINT', stop).off('SIGTERM', stop);
      process.once('SIGINT', () => process.exit(130)).once('SIGTERM', () => process.exit(143));
      setTimeout(() => process.exit(code), more() + farewell).unref();
      interrupted(signal);
    };
    process.on('SIGINT', stop).on('SIGTERM', stop);
  });
}
