import type { FetchPage } from './paged-list.ts';

/** What became of one: how it was done, or why not. */
export type Told = { readonly effects: readonly string[] } | { readonly refused: string };

/** Why some were refused: all for the same reason. */
export interface Refusals<T> {
  readonly reason: string;
  readonly count: number;
  /** The first of them. */
  readonly examples: readonly T[];
}

export interface BulkWork<T> {
  /** The next one; undefined: there are no more. Asked again after it has thrown. */
  readonly next: () => Promise<T | undefined>;
  /** Throws when it could not be asked, or nobody knows whether it was done: it is tried again, and has to take that. */
  readonly work: (each: T) => Promise<Told>;
  /** Told after each. */
  readonly changed: () => void;
  /** How long to wait before the tries after the first one, ms. */
  readonly waits?: readonly number[];
}

/**
 * Does the same with many, a few at a time. It stops when it is told to, and when the service does not answer in spite of
 * several tries; it goes on from where it was, and nothing is left out or done twice by that.
 */
export class BulkRun<T> {
  state: 'running' | 'stopped' | 'finished' = 'stopped';
  /** Why it stopped by itself. */
  error: unknown;
  /** Those that were done, in no order. */
  readonly done: T[] = [];
  /** What was done to the first of them, a line for each thing; and how many lines there were. */
  readonly effects: string[] = [];
  lines = 0;
  refused = 0;
  private readonly reasons = new Map<string, { count: number; readonly examples: T[] }>();
  private readonly again: T[] = [];
  private stopping = false;
  private readonly deps: BulkWork<T>;

  constructor(deps: BulkWork<T>) {
    this.deps = deps;
  }

  get looked(): number {
    return this.done.length + this.refused;
  }

  /** The most frequent first. */
  get refusals(): readonly Refusals<T>[] {
    return [...this.reasons].map(([reason, told]) => ({ reason, ...told })).sort((a, b) => b.count - a.count);
  }

  /** Begins, or goes on; resolves when it does no more, whatever the reason: it is in `state`. */
  async go(): Promise<void> {
    if (this.state !== 'stopped') return;
    this.state = 'running';
    this.error = undefined;
    this.stopping = false;
    this.deps.changed();
    await Promise.all(Array.from({ length: together }, () => this.walk()));
    this.state = this.stopping ? 'stopped' : 'finished';
    this.deps.changed();
  }

  /** What is under way is done; nothing is begun any more. */
  stop(): void {
    if (this.state === 'running') this.stopping = true;
  }

  private async walk(): Promise<void> {
    while (!this.stopping) {
      const each = this.again.shift() ?? (await this.patiently(this.deps.next));
      if (each === undefined) return;
      const told = await this.patiently(() => this.deps.work(each));
      if (told === undefined) this.again.push(each);
      else this.note(each, told);
    }
  }

  private note(each: T, told: Told): void {
    if ('effects' in told) {
      this.done.push(each);
      this.lines += told.effects.length;
      this.effects.push(...told.effects.slice(0, shownEffects - this.effects.length));
    } else {
      this.refused += 1;
      const known = this.reasons.has(told.refused) || this.reasons.size < mostReasons;
      const reason = known ? told.refused : 'for other reasons';
      const { count, examples } = this.reasons.get(reason) ?? { count: 0, examples: [] };
      if (examples.length < shownExamples) examples.push(each);
      this.reasons.set(reason, { count: count + 1, examples });
    }
    this.deps.changed();
  }

  /** Undefined also when it stopped, because several tries have failed. */
  private async patiently<R>(ask: () => Promise<R>): Promise<R | undefined> {
    for (const wait of [...(this.deps.waits ?? [500, 1000, 2000]), undefined]) {
      try {
        return await ask();
      } catch (error) {
        if (wait === undefined || this.stopping) {
          this.error ??= error;
          this.stopping = true;
          return undefined;
        }
        await new Promise((resolve) => setTimeout(resolve, wait));
      }
    }
    return undefined;
  }
}

/** Requests under way at a time. */
const together = 4;
const mostReasons = 20;
const shownExamples = 5;
/** Lines that are kept to be shown. */
const shownEffects = 50;

/** What a list of the service has, one by one, read page by page as it is asked for. @param most how many there are at most */
export function oneByOne<T>(fetchPage: FetchPage<T>, signal: AbortSignal, most: number): () => Promise<T | undefined> {
  const rows: T[] = [];
  let cursor: string | undefined;
  let complete = false;
  let given = 0;
  let reading: Promise<void> | undefined;
  const read = async (): Promise<void> => {
    try {
      const { items, next } = await fetchPage(cursor, signal);
      rows.push(...items);
      cursor = next ?? undefined;
      complete = next === null;
    } finally {
      reading = undefined;
    }
  };
  return async () => {
    while (rows.length === 0 && !complete && given < most) {
      reading ??= read();
      await reading;
    }
    if (given >= most) return undefined;
    const row = rows.shift();
    if (row !== undefined) given += 1;
    return row;
  };
}
