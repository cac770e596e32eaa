import type { Millis } from '../core/clock.ts';
import type { Uuid } from '../core/ids.ts';
import { limits } from '../core/limits.ts';
import { del, keys, lastPart, padded, put, under } from './medium.ts';
import type { Statistics } from './model.ts';
import { parse, type Rows } from './rows.ts';
import { addedUp, type Counted } from './statistics-sum.ts';

/** What ended in each slot of time, added up by owner: a row for each owner that had anything in it. */
export class StatisticsLog {
  private readonly rows: Rows;

  constructor(rows: Rows) {
    this.rows = rows;
  }

  async add(added: readonly Statistics[]): Promise<void> {
    const sums = new Map<string, Counted>();
    for (const { slot, ownerId, ...one } of added) {
      const key = keys.statistics(slot, ownerId ?? '');
      const before = sums.get(key) ?? parse<Counted>(this.rows.latest(key));
      sums.set(key, before ? addedUp(before, one) : one);
    }
    const ops = [...sums].map(([key, sum]) => put(key, JSON.stringify(sum)));
    if (ops.length > 0) await this.rows.write(ops, false);
  }

  /** From the slot of `since` on. */
  async range({ since, until, ownerId }: StatisticsRange): Promise<readonly Statistics[]> {
    const size = limits.store.statisticsSlot;
    const after = `statistics!${padded(Math.max(0, Math.floor(since / size) * size))}`;
    const before = until === undefined ? under('statistics').before : `statistics!${padded(Math.max(0, until))}`;
    const found: Statistics[] = [];
    for await (const page of this.rows.pages({ after, before })) {
      for (const [key, text] of page) {
        const owner = lastPart(key);
        if (ownerId !== undefined && owner !== ownerId) continue;
        const slot = Number(key.split('!')[1]);
        found.push({ slot, ownerId: owner === '' ? undefined : owner, ...(JSON.parse(text) as Counted) });
      }
    }
    return found;
  }

  /** Removes slots before `oldest`, a bounded piece of them. @returns whether there is more */
  async prune(oldest: Millis): Promise<boolean> {
    const limit = limits.store.pruneCounts;
    const before = `statistics!${padded(Math.max(0, oldest))}`;
    const found = await this.rows.keys({ after: under('statistics').after, before, limit });
    if (found.length > 0) await this.rows.write(found.map(del), false);
    return found.length === limit;
  }
}

interface StatisticsRange {
  readonly since: Millis;
  readonly until?: Millis;
  readonly ownerId?: Uuid;
}
