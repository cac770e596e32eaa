import { del, put, type WriteOp } from './medium.ts';
import type { Rows } from './rows.ts';

/**
 * Counters that change with what they count: however many changes belong together, there is one write for each counter, for
 * the same batch as the rows. One that comes to zero goes.
 */
export class Counters {
  private readonly rows: Rows;
  private readonly changes = new Map<string, number>();

  constructor(rows: Rows) {
    this.rows = rows;
  }

  add(key: string, change: number): void {
    this.changes.set(key, (this.changes.get(key) ?? 0) + change);
  }

  /** To be written at once: what is decided on these is decided on what is on its way. */
  writes(): readonly WriteOp[] {
    return [...this.changes].flatMap(([key, change]) => {
      if (change === 0) return [];
      const count = Number(this.rows.latest(key) ?? 0) + change;
      return [count > 0 ? put(key, String(count)) : del(key)];
    });
  }
}

/** What to write so that the index rows `before` become `after`: what is in both stays as it is. */
export function reindexed(before: readonly string[], after: readonly string[]): readonly WriteOp[] {
  return [
    ...before.filter((key) => !after.includes(key)).map(del),
    ...after.filter((key) => !before.includes(key)).map((key) => put(key, '')),
  ];
}
