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

  rows(range: KeyRange): Promise<readonly (readonly [key: string, value: string])[]> {
    return this.medium.rows(range);
  }

  keys(range: KeyRange): Promise<readonly string[]> {
    return this.medium.keys(range);
  }

  /** See GroupCommit.add. */
  write(ops: readonly WriteOp[], durable: boolean): Promise<void> {
    return this.commit.add(ops, durable);
  }
}

export const parse = <T>(text: string | undefined): T | undefined =>
  text === undefined ? undefined : (JSON.parse(text) as T);
