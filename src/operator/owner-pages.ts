import { limits } from '../core/limits.ts';

/** Rows of an index that are read at a time. */
export const step = limits.operator.page;

/** What is of the owner, page by page of something that holds more. */
export async function* pages<T>(
  read: (behind: { readonly after?: string }) => Promise<readonly T[]>,
  position: (row: T) => string,
  fits: (row: T) => boolean | Promise<boolean>,
): AsyncGenerator<readonly T[]> {
  for (let behind = {}; ; ) {
    const rows = await read(behind);
    const fitting: T[] = [];
    for (const row of rows) if (await fits(row)) fitting.push(row);
    yield fitting;
    const last = rows.at(-1);
    if (last === undefined || rows.length < step) return;
    behind = { after: position(last) };
  }
}

/** The first `limit` rows of a list that can be read in several ways: in turns, until one of them is there. */
export async function quickest<T>(limit: number, ways: readonly AsyncGenerator<readonly T[]>[]): Promise<readonly T[]> {
  const found: T[][] = ways.map(() => []);
  for (;;) {
    for (const [at, way] of ways.entries()) {
      const rows = found[at] ?? [];
      const { value, done = false } = await way.next();
      if (!done) rows.push(...value);
      if (done || rows.length >= limit) return rows.slice(0, limit);
    }
  }
}
