import type { Uuid } from '../core/ids.ts';
import { del, keys, lastPart, put, under, type WriteOp } from './medium.ts';
import type { Rows } from './rows.ts';
import type { Table } from './store.ts';

/**
 * A table whose rows are few and asked for in every session: it is kept in memory too, frozen, and changes there only after
 * the disk.
 */
export class MemoryTable<T extends { readonly id: Uuid }> implements Table<T> {
  private readonly rows: Rows;
  private readonly kind: TableKind;
  private readonly held: Map<Uuid, T>;

  /** Reads what is written. */
  static async open<T extends { readonly id: Uuid }>(rows: Rows, kind: TableKind): Promise<MemoryTable<T>> {
    const written = await rows.rows(under(kind));
    return new MemoryTable(rows, kind, new Map(written.map(([key, text]) => [lastPart(key), frozen<T>(text)])));
  }

  private constructor(rows: Rows, kind: TableKind, held: Map<Uuid, T>) {
    this.rows = rows;
    this.kind = kind;
    this.held = held;
  }

  async get(id: Uuid): Promise<T | undefined> {
    return this.held.get(id);
  }

  async list(): Promise<readonly T[]> {
    return [...this.held.values()].sort((a, b) => (a.id < b.id ? -1 : 1));
  }

  async put(row: T): Promise<void> {
    const { ops, follow } = this.change([row], []);
    await this.rows.write(ops, true);
    follow();
  }

  async delete(id: Uuid): Promise<boolean> {
    const { ops, follow } = this.change([], [id]);
    await this.rows.write(ops, true);
    return follow() > 0;
  }

  /** What to write, and what to do once it is written: `follow` returns how many rows went. */
  change(changed: readonly T[], deleted: readonly Uuid[]): { readonly ops: WriteOp[]; readonly follow: () => number } {
    const key = keys[this.kind];
    const texts = changed.map((row) => [row.id, JSON.stringify(row)] as const);
    return {
      ops: [...texts.map(([id, text]) => put(key(id), text)), ...deleted.map((id) => del(key(id)))],
      follow: () => {
        for (const [id, text] of texts) this.held.set(id, frozen<T>(text));
        return deleted.filter((id) => this.held.delete(id)).length;
      },
    };
  }
}

type TableKind = 'group' | 'hub' | 'crl';

const frozen = <T>(text: string): T => freeze(JSON.parse(text) as T);

function freeze<T>(value: T): T {
  if (typeof value === 'object' && value !== null) Object.values(Object.freeze(value)).forEach(freeze);
  return value;
}
