import { styleText } from 'node:util';
import { describe, errorTable, FirstbootError } from '../core/errors.ts';

/** How a command speaks: lines for people, or one JSON object a line for programs. Both on standard output. */
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
      if (!json) write(text);
    },
    data: (value) => {
      if (json) write(JSON.stringify(value));
    },
  };
}

export const strong = (text: string): string => styleText('bold', text, { stream: process.stdout });
export const faint = (text: string): string => styleText('dim', text, { stream: process.stdout });
export const good = (text: string): string => styleText('green', text, { stream: process.stdout });
export const bad = (text: string): string => styleText('red', text, { stream: process.stdout });

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

/** Says why a command failed, on standard error, and sets the exit code. Unexpected errors keep their stack: they are ours. */
export function reportFailure(error: unknown, output: Output): void {
  process.exitCode = 1;
  if (error instanceof FirstbootError) {
    output.data({ error: error.code, text: errorTable[error.code].text, evidence: error.evidence, fix: error.fix });
    process.stderr.write(`${styleText('red', 'firstboot:', { stream: process.stderr })} ${describe(error)}\n`);
    return;
  }
  output.data({ error: 'service.internal', text: String(error) });
  process.stderr.write(
    `firstboot: unexpected error, please report it\n${error instanceof Error ? error.stack : String(error)}\n`,
  );
}

/** Resolves on the first SIGINT or SIGTERM; a second one ends the process at once. */
export function untilInterrupted(): Promise<NodeJS.Signals> {
  return new Promise((resolve) => {
    const stop = (signal: NodeJS.Signals): void => {
      process.once('SIGINT', () => process.exit(130));
      process.once('SIGTERM', () => process.exit(143));
      resolve(signal);
    };
    process.once('SIGINT', stop);
    process.once('SIGTERM', stop);
  });
}
