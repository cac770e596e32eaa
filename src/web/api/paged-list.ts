import type { ListAnswer } from './answers.ts';

interface LoadedPage<T> {
  /** Where it begins: the `next` of the page before. */
  readonly cursor: string | undefined;
  readonly count: number;
  /** Undefined: let go, because it is far from what is looked at. */
  readonly rows: readonly T[] | undefined;
}

export type FetchPage<T> = (cursor: string | undefined, signal: AbortSignal) => Promise<ListAnswer<T>>;

/** Pages of rows that are kept beside those that are looked at. */
const keptPages = 12;

/**
 * A long list of the service, read page by page as it is looked at; of what is far away only the cursors are kept. `changed`
 * is told after each answer.
 */
export class PagedList<T> {
  /** Undefined: all is well. */
  error: unknown;
  loading = false;
  /** Nothing comes behind what is known. */
  complete = false;
  private pages: LoadedPage<T>[] = [];
  private looked = { from: 0, to: 0 };
  private next: string | undefined;
  /** Asked to read again while it was reading. */
  private stale = false;
  private readonly gone = new AbortController();
  private readonly fetchPage: FetchPage<T>;
  private readonly changed: () => void;

  constructor(fetchPage: FetchPage<T>, changed: () => void) {
    this.fetchPage = fetchPage;
    this.changed = changed;
  }

  /** Rows known so far. */
  get count(): number {
    return this.pages.reduce((sum, { count }) => sum + count, 0);
  }

  row(index: number): T | undefined {
    let start = 0;
    for (const { count, rows } of this.pages) {
      if (index < start + count) return rows?.[index - start];
      start += count;
    }
    return undefined;
  }

  /** Says which rows are looked at (`to` is exclusive), so that they get read. */
  look(from: number, to: number): void {
    this.looked = { from, to };
    this.letGo();
    void this.readOn();
  }

  /** Reads again what is looked at; the rows stay until the answer is there. */
  async refresh(): Promise<void> {
    if (this.loading) {
      this.stale = true;
      return;
    }
    this.stale = false;
    const { from, to } = this.looked;
    const wanted = this.pagesAt(from, Math.max(to, from + 1));
    const pages = this.pages.map((page, index) => (wanted.includes(index) ? page : { ...page, rows: undefined }));
    this.error = undefined;
    for (const index of wanted.length > 0 ? wanted : [0]) {
      const cursor = pages[index]?.cursor;
      if (!(await this.read(index, cursor))) return;
    }
    await (this.stale ? this.refresh() : this.readOn());
  }

  close(): void {
    this.gone.abort();
  }

  private async readOn(): Promise<void> {
    if (this.stale && !this.loading) return this.refresh();
    if (this.loading || this.error !== undefined || this.gone.signal.aborted) return;
    const { from, to } = this.looked;
    const missing = this.pagesAt(from, to).find((index) => this.pages[index]?.rows === undefined);
    if (missing !== undefined) {
      if (await this.read(missing, this.pages[missing]?.cursor)) await this.readOn();
    } else if (!this.complete && to >= this.count && (await this.read(this.pages.length, this.next))) {
      await this.readOn();
    }
  }

  /** @returns whether it could be read */
  private async read(index: number, cursor: string | undefined): Promise<boolean> {
    this.loading = true;
    this.changed();
    try {
      const { items, next } = await this.fetchPage(cursor, this.gone.signal);
      const following = this.pages[index + 1]?.cursor;
      const page = { cursor, count: items.length, rows: items };
      // When the page ends elsewhere than before, those behind it begin elsewhere too.
      const stands = following !== undefined && following === next;
      const behind = stands ? this.pages.slice(index + 1) : [];
      this.pages = [...this.pages.slice(0, index), page, ...behind];
      if (behind.length === 0) {
        this.next = next ?? undefined;
        this.complete = next === null;
      }
      this.letGo();
      return true;
    } catch (error) {
      if (!this.gone.signal.aborted) this.error = error;
      return false;
    } finally {
      this.loading = false;
      if (!this.gone.signal.aborted) this.changed();
    }
  }

  private pagesAt(from: number, to: number): number[] {
    const found: number[] = [];
    let start = 0;
    for (const [index, { count }] of this.pages.entries()) {
      if (count > 0 && start < to && start + count > from) found.push(index);
      start += count;
    }
    return found;
  }

  /** Of what is looked at nothing: it would be read again at once. */
  private letGo(): void {
    const looked = this.pagesAt(this.looked.from, this.looked.to);
    const first = (looked[0] ?? 0) - keptPages / 2;
    const last = (looked.at(-1) ?? this.pages.length) + keptPages / 2;
    this.pages = this.pages.map((page, index) =>
      (index < first || index > last) && page.rows ? { ...page, rows: undefined } : page,
    );
  }
}
