import { type Command, InvalidArgumentError, Option } from 'commander';
import type { Uuid } from '../../core/ids.ts';
import { limits } from '../../core/limits.ts';
import type { ListPage } from '../../operator/operations.ts';
import type { Page } from '../../operator/scan.ts';
import { faint, type Output } from '../output.ts';
import { printTable, table } from '../table.ts';

/** Adds `--limit`. */
export const limited = (command: Command, fallback = 1000): Command =>
  command.addOption(
    new Option('--limit <count>', 'rows at most, or all').default(fallback).argParser((text: string): number => {
      if (text === 'all') return Number.POSITIVE_INFINITY;
      if (/^[1-9]\d{0,8}$/.test(text)) return Number(text);
      throw new InvalidArgumentError('expected a whole number from 1, or all.');
    }),
  );

export interface Listing<T> {
  readonly rows: AsyncIterable<T> | Iterable<T>;
  readonly limit: number;
  readonly head: readonly string[];
  readonly cells: (row: T) => readonly string[];
  readonly data: (row: T) => Readonly<Record<string, unknown>>;
  /** What is said when there is nothing. */
  readonly none: string;
}

/** Prints what a list has, and says so when there is more. */
export async function printListing<T>(output: Output, listing: Listing<T>): Promise<void> {
  const { rows, limit, head, cells, data, none } = listing;
  const lines: (readonly string[])[] = [];
  let count = 0;
  let more = false;
  for await (const row of rows) {
    if (count === limit) {
      more = true;
      break;
    }
    count++;
    if (output.json) output.data(data(row));
    else lines.push(cells(row));
  }
  if (!output.json) printTable(output, table(lines, head, { none }));
  if (more) tellMore(output, limit);
}

/** The first `limit` rows of a list that begins with the newest, oldest first, and whether there are others. */
export async function newest<T>(
  read: PageReader<T>,
  limit: number,
): Promise<{ readonly kept: readonly T[]; readonly more: boolean }> {
  const kept: T[] = [];
  for await (const row of everyPage(read)) {
    if (kept.length === limit) return { kept: kept.toReversed(), more: true };
    kept.push(row);
  }
  return { kept: kept.toReversed(), more: false };
}

export function tellMore(output: Output, limit: number): void {
  output.data({ event: 'more', limit });
  output.line(faint(`there are more: --limit ${limit * 10}, or --limit all`));
}

/** All rows of a list that is answered in pages. */
export async function* everyPage<T>(read: PageReader<T>): AsyncGenerator<T> {
  let after: string | undefined;
  do {
    const page: Page<T, string> = await read({ after, limit: limits.operator.listed });
    yield* page.rows;
    after = page.next;
  } while (after !== undefined);
}

type PageReader<T> = (page: ListPage) => Promise<Page<T, string>>;

/** The characters of an attempt's id that say its millisecond: enough to name it again, but for a twin. */
export const shortAttempt = (id: Uuid): string => id.slice(0, 13);

/** The first eight characters of an id: enough to name it again. */
export const short = (id: string | undefined): string => id?.slice(0, 8) ?? '-';
