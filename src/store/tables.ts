import type { Uuid } from '../core/ids.ts';
import { del, keys, lastPart, put, under, type WriteOp } from './medium.ts';
import { parse, type Rows } from './rows.ts';
import type { Table } from './store.ts';

/**
 * A table whose rows are few and asked for in every session: it is kept in memory too, frozen, and changes there only after
 * the disk. Rows that have a revision get the next one with each write.
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

  has(fits: (row: T) => boolean): boolean {
    return [...this.held.values()].some(fits);
  }

  async put(row: T): Promise<void> {
    await this.carryOut(this.writes([row], []));
  }

  async delete(id: Uuid): Promise<boolean> {
    return (await this.carryOut(this.writes([], [id]))) > 0;
  }

  /** As `writes`, for rows that carry the revision they were read with; undefined when one of them is of another. */
  change(changed: readonly T[], deleted: readonly Uuid[]): TableWrites | undefined {
    // Twice the same one: the second is not made from the first.
    if (new Set(changed.map(({ id }) => id)).size < changed.length) return undefined;
    if (changed.some((row) => revisionOf(row) !== this.revision(row.id))) return undefined;
    return this.writes(changed, deleted);
  }

  /** What to write, whatever is there. */
  writes(changed: readonly T[], deleted: readonly Uuid[]): TableWrites {
    const key = keys[this.kind];
    const texts = changed.map((row) => {
      const next = revisionOf(row) === undefined ? row : { ...row, revision: this.revision(row.id) + 1 };
      return [row.id, JSON.stringify(next)] as const;
    });
    return {
      ops: [...texts.map(([id, text]) => put(key(id), text)), ...deleted.map((id) => del(key(id)))],
      follow: () => {
        for (const [id, text] of texts) this.held.set(id, frozen<T>(text));
        return deleted.filter((id) => this.held.delete(id)).length;
      },
    };
  }

  /** Of a row as it will be when the writes under way are through. */
  private revision(id: Uuid): number {
    return revisionOf(parse<T>(this.rows.latest(keys[this.kind](id))) ?? {}) ?? 0;
  }

  private async carryOut({ ops, follow }: TableWrites): Promise<number> {
    await this.rows.write(ops, true);
    return follow();
  }
}

/** `follow` is for when it is written, and returns how many rows went. */
export interface TableWrites {
  readonly ops: readonly WriteOp[];
  readonly follow: () => number;
}

const revisionOf = (row: object): number | undefined =>
  'revision' in row && typeof row.revision === 'number' ? row.revision : undefined;

type TableKind = 'group' | 'hub' | 'crl' | 'token' | 'webhook';

const frozen = <T>(text: string): T => freeze(JSON.parse(text) as T);

function freeze<T>(value: T): T {
  if (typeof value === 'object' && value !== null) Object.values(Object.freeze(value)).forEach(freeze);
  return value;
}
