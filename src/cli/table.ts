import { columns, faint, type Output } from './output.ts';
import { plain } from './plain.ts';
import { filled, lineWidth } from './width.ts';

/**
 * A table for people: a faint heading and left-aligned columns, or the sentence `none` when there is no row. What is wider
 * than a line is wrapped within its column; a last column without room goes below its row. Only a terminal, or COLUMNS, cuts
 * what is too wide still. Cells are plain text; control characters of strangers' names are taken out.
 */
export function table(
  rows: readonly (readonly string[])[],
  head: readonly string[],
  { none = 'nothing found', width = lineWidth(), cuts = cutsLines() }: TableOptions = {},
): string[] {
  if (rows.length === 0) return [faint(none)];
  const cells = rows.map((row) => row.map(plain));
  const all = fitted([head, ...cells], width, cuts);
  const aligned = columns(all.flatMap((row) => row.lines));
  let next = 0;
  const [heading = '', ...body] = all.flatMap((row) => {
    const begin = next;
    next += row.lines.length;
    return [...aligned.slice(begin, next), ...row.below];
  });
  const shown = (line: string): string => (cuts ? cut(line, width) : line.trimEnd());
  return [faint(shown(heading)), ...body.map(shown)];
}

interface TableOptions {
  /** What is said in place of an empty table. */
  readonly none?: string;
  /** Columns of a line. */
  readonly width?: number;
  /** Whether lines that are wider still are cut. */
  readonly cuts?: boolean;
}

/** Names and values below each other; what is undefined is left out. */
export function facts(rows: readonly (readonly [name: string, value: string | undefined])[]): string[] {
  const shown = rows.flatMap(([name, value]) => (value === undefined ? [] : [[name, plain(value)] as const]));
  const widest = Math.max(0, ...shown.map(([name]) => name.length));
  return shown.map(([name, value]) => `  ${faint(name.padEnd(widest))}  ${value}`);
}

export function printTable(output: Output, lines: readonly string[]): void {
  for (const line of lines) output.line(line.trimEnd());
}

interface FittedRow {
  readonly lines: readonly (readonly string[])[];
  readonly below: readonly string[];
}

/** Rows as lines of cells that fit into a width, as far as that can be. The first row is the heading: it stays one line. */
function fitted(rows: readonly (readonly string[])[], width: number, cuts: boolean): FittedRow[] {
  const widths = widthsIn(rows, (cell) => cell.length);
  const words = widthsIn(rows.slice(1), longestWord);
  const barest = words.map((wide, at) => Math.max(wide, rows[0]?.[at]?.length ?? 0));
  const least = widths.map((wide, at) => (wide <= whole ? wide : (barest[at] ?? 0)));
  const last = widths.length - 1;
  // A long line is better than a lonely id, but not if the id would be cut.
  const splits = (barest[last] ?? 0) < (widths[last] ?? 0);
  const lastGoesBelow = last > 0 && spread(least) > width && (splits || cuts);
  const kept = lastGoesBelow ? widths.slice(0, last) : widths;
  const fit = narrowed(kept, spread(least.slice(0, kept.length)) > width ? barest : least, width);
  return rows.map((row, index) => {
    const [beside, under] = lastGoesBelow && index > 0 ? [row.slice(0, last), row[last] ?? ''] : [row, ''];
    const cells =
      index === 0 ? row.slice(0, kept.length).map((cell) => [cell]) : beside.map((cell, at) => wrap(cell, fit[at]));
    const height = Math.max(1, ...cells.map((lines) => lines.length));
    return {
      lines: Array.from({ length: height }, (_, line) => cells.map((lines) => lines[line] ?? '')),
      below: under === '' ? [] : wrap(under, width - 4).map((line) => `    ${line}`),
    };
  });
}

/** Takes from the widest column first, and from none more than its longest word needs. */
function narrowed(widths: readonly number[], least: readonly number[], width: number): readonly number[] {
  const fit = [...widths];
  for (let over = spread(fit) - width; over > 0; over--) {
    const spare = fit.map((wide, at) => (wide > (least[at] ?? 0) ? wide : 0));
    const widest = Math.max(...spare);
    if (widest === 0) break;
    const at = spare.indexOf(widest);
    fit[at] = widest - 1;
  }
  return fit;
}

/** The largest measure of each column. */
function widthsIn(rows: readonly (readonly string[])[], measure: (cell: string) => number): number[] {
  const widths: number[] = [];
  for (const row of rows) for (const [at, cell] of row.entries()) widths[at] = Math.max(widths[at] ?? 0, measure(cell));
  return widths;
}

const wrap = (cell: string, width: number | undefined): readonly string[] =>
  width === undefined || cell.length <= width ? [cell] : filled(cell, width, width);

const longestWord = (cell: string): number => Math.max(...cell.split(' ').map((word) => word.length));

/** Columns of a line with cells so wide. */
const spread = (widths: readonly number[]): number => widths.reduce((sum, wide) => sum + wide, 2 * (widths.length - 1));

/** A column up to this wide is not wrapped unless it must be: times, states, short ids. */
const whole = 24;

/** In a file or a pipe nothing may be missing, unless somebody says how wide it is. */
const cutsLines = (): boolean => process.stdout.isTTY || process.env.COLUMNS !== undefined;

function cut(line: string, width: number): string {
  const text = line.trimEnd();
  return text.length <= width ? text : `${text.slice(0, Math.max(1, width - 1))}…`;
}
