import { limits } from '../core/limits.ts';
import type { GroupCommit } from './commit.ts';
import type { KeyRange, Medium, WriteOp } from './medium.ts';

/** What is written and what is on its way, as one: every topic of the embedded store reads and writes through it. */
export class Rows {
  private readonly medium: Medium;
  private readonly commit: GroupCommit;

  constructor(medium: Medium, commit: GroupCommit) {
    this.medium = medium;
    this.commit = commit;
  }

  /** What decisions look at: the value as it will be when the writes under way are through. */
  latest(key: string): string | undefined {
    const pending = this.commit.pending(key);
    return pending ? pending.value : this.medium.get(key);
  }

  /** What answers are made of: a value under way is told only when it is written. */
  async read(key: string): Promise<string | undefined> {
    await this.commit.pending(key)?.written;
    return this.medium.get(key);
  }

  /** What is written, whatever is on its way. */
  written(key: string): string | undefined {
    return this.medium.get(key);
  }

  /**
   * What the keys of an index stand for, in its order. `read` says undefined for one that is not there any more: then the
   * next one is taken, so that a page is only short at the end.
   */
  async named<T>(range: Page, read: (key: string) => T | undefined): Promise<readonly T[]> {
    const found: T[] = [];
    let rest: Page = range;
    for (;;) {
      const limit = range.limit - found.length;
      const names = limit > 0 ? await this.medium.keys({ ...rest, limit }) : [];
      for (const name of names) {
        const row = read(name);
        if (row !== undefined) found.push(row);
      }
      const last = names.at(-1);
      if (last === undefined || names.length < limit) return found;
      rest = range.reverse ? { ...range, before: last } : { ...range, after: last };
    }
  }

  /** All rows of a range, a bounded number of them in memory at a time. */
  async *pages(range: KeyRange): AsyncGenerator<readonly (readonly [key: string, value: string])[]> {
    for (let after = range.after; ; ) {
      const page = await this.medium.rows({ ...range, after, limit: limits.store.scanRows });
      const last = page.at(-1);
      if (!last) return;
      yield page;
      after = last[0];
    }
  }

  rows(range: KeyRange): Promise<readonly (readonly [key: string, value: string])[]> {
    return this.medium.rows(range);
  }

  keys(range: KeyRange): Promise<readonly string[]> {
    return this.medium.keys(range);
  }

  /** See GroupCommit.ended. */
  ended(): Promise<void> {
    return this.commit.ended();
  }

  /** See GroupCommit.add. */
  write(ops: readonly WriteOp[], durable: boolean): Promise<void> {
    return this.commit.add(ops, durable);
  }
}

type Page = KeyRange & { readonly limit: number };

export const parse = <T>(text: string | undefined): T | undefined =>
  text === undefined ? undefined : (JSON.parse(text) as T);
