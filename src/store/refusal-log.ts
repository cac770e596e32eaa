import { hours, type Millis } from '../core/clock.ts';
import type { ErrorCode } from '../core/errors.ts';
import { limits } from '../core/limits.ts';
import { del, keys, put, under } from './medium.ts';
import type { RefusalCount } from './model.ts';
import { parse, type Rows } from './rows.ts';

/** How many strangers were refused, by hour and code: the codes are a closed set, so an hour is a bounded number of rows. */
export class RefusalLog {
  private readonly rows: Rows;

  constructor(rows: Rows) {
    this.rows = rows;
  }

  async add(counts: readonly RefusalCount[]): Promise<void> {
    const sums = new Map<string, Count>();
    for (const { hour, code, count, recorded } of counts) {
      const key = keys.refusals(hour, code);
      const before = sums.get(key) ?? parse<Count>(this.rows.latest(key)) ?? { count: 0, recorded: 0 };
      sums.set(key, { count: before.count + count, recorded: before.recorded + recorded });
    }
    if (sums.size === 0) return;
    await this.rows.write(
      [...sums].map(([key, sum]) => put(key, JSON.stringify(sum))),
      false,
    );
  }

  /** From the hour of `since` on. */
  async since(since: Millis): Promise<readonly RefusalCount[]> {
    const hour = Math.max(0, Math.floor(since / hours(1)) * hours(1));
    const rows = await this.rows.rows({ after: keys.refusals(hour, ''), before: under('refusals').before });
    return rows.map(([key, row]) => {
      const [, at, code] = key.split('!');
      return { hour: Number(at), code: code as ErrorCode, ...(JSON.parse(row) as Count) };
    });
  }

  /** Removes hours before `oldest`, a bounded piece of them. @returns whether there is more */
  async prune(oldest: Millis): Promise<boolean> {
    const before = keys.refusals(Math.max(0, oldest), '');
    const limit = limits.store.pruneCounts;
    const found = await this.rows.keys({ after: under('refusals').after, before, limit });
    if (found.length > 0) await this.rows.write(found.map(del), false);
    return found.length === limit;
  }
}

type Count = Pick<RefusalCount, 'count' | 'recorded'>;
