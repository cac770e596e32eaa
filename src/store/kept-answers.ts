import type { Millis } from '../core/clock.ts';
import { limits } from '../core/limits.ts';
import { Counters } from './counters.ts';
import { del, keys, padded, put, under, type WriteOp } from './medium.ts';
import { parse, type Rows } from './rows.ts';
import type { KeptAnswer } from './store.ts';

/**
 * Answers by the key that their requests came with: the newest limits.api.keptAnswers, of one caller the newest
 * limits.api.keptAnswersEach, and none for longer than its life.
 */
export class KeptAnswers {
  private readonly rows: Rows;

  constructor(rows: Rows) {
    this.rows = rows;
  }

  async find(key: string, now: Millis): Promise<KeptAnswer | undefined> {
    const answer = parse<KeptAnswer>(await this.rows.read(keys.keptAnswer(key)));
    return answer && now - answer.at < limits.api.idempotencyLife ? answer : undefined;
  }

  async keep(answer: KeptAnswer): Promise<void> {
    const { key, at, by } = answer;
    const before = parse<KeptAnswer>(this.rows.latest(keys.keptAnswer(key)));
    const counters = new Counters(this.rows);
    if (!before) countWith(counters, by, 1);
    const ops: readonly WriteOp[] = [
      ...(before ? indexOf(before).map(del) : []),
      put(keys.keptAnswer(key), JSON.stringify(answer)),
      ...indexOf({ key, at, by }).map((index) => put(index, key)),
      ...counters.writes(),
    ];
    await this.rows.write(ops, true);
    // A sixteenth too many may gather.
    const { keptAnswers: most, keptAnswersEach: each } = limits.api;
    const own = this.count(keys.keptCountBy(by));
    if (own > each + each / 16) await this.remove(under(`kept-by!${by}`), own - each);
    if (this.count() > most + most / 16) await this.remove(under('kept-at'), this.count() - most);
  }

  /** Removes what is old, and the oldest beyond what is kept, a bounded piece of them. @returns whether there is more */
  async prune(now: Millis): Promise<boolean> {
    const old = `kept-at!${padded(Math.max(0, now - limits.api.idempotencyLife + 1))}`;
    const surplus = Math.max(0, this.count() - limits.api.keptAnswers);
    const all = under('kept-at');
    const aged = await this.remove({ ...all, before: old }, Number.POSITIVE_INFINITY);
    return (await this.remove(all, surplus - aged.gone)).more || aged.more;
  }

  /** @param range of an index */
  private async remove(range: Range, most: number): Promise<{ readonly gone: number; readonly more: boolean }> {
    const limit = Math.min(most, limits.store.pruneCounts);
    if (limit <= 0) return { gone: 0, more: false };
    const found = await this.rows.rows({ ...range, limit });
    const counters = new Counters(this.rows);
    const gone = found.flatMap(([index, key]) => {
      // It may have been kept anew, or removed, meanwhile.
      if (this.rows.latest(index) === undefined) return [];
      const answer = parse<KeptAnswer>(this.rows.latest(keys.keptAnswer(key)));
      return answer ? [answer] : [];
    });
    for (const { by } of gone) countWith(counters, by, -1);
    const ops = gone.flatMap((answer) => [...indexOf(answer), keys.keptAnswer(answer.key)].map(del));
    if (ops.length > 0) await this.rows.write([...ops, ...counters.writes()], false);
    return { gone: gone.length, more: found.length === limit && limit < most };
  }

  private count(key: string = keys.keptCount): number {
    return Number(this.rows.latest(key) ?? 0);
  }
}

type Range = ReturnType<typeof under>;

const indexOf = ({ key, at, by }: Pick<KeptAnswer, 'key' | 'at' | 'by'>): readonly string[] => [
  keys.keptAt(at, key),
  keys.keptBy(by, at, key),
];

function countWith(counters: Counters, by: string, change: number): void {
  counters.add(keys.keptCount, change);
  counters.add(keys.keptCountBy(by), change);
}
