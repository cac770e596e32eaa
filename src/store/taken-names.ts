import type { Uuid } from '../core/ids.ts';
import type { ApiToken, EnrollmentGroup, Hub, Webhook } from './model.ts';
import type { TakenName } from './store.ts';
import type { MemoryTable } from './tables.ts';

export interface NamedTables {
  readonly groups: MemoryTable<EnrollmentGroup>;
  readonly hubs: MemoryTable<Hub>;
  readonly webhooks: MemoryTable<Webhook>;
  readonly tokens: MemoryTable<ApiToken>;
}

/** Names of rows that are there and of those on their way: of two who take the same one at once, one gets it. */
export class TakenNames {
  private readonly tables: NamedTables;
  private readonly underWay = new Set<TakenName>();

  constructor(tables: NamedTables) {
    this.tables = tables;
  }

  /** @returns what is to be called when the rows are there, or their write has failed; undefined: one of the names is taken */
  take(names: readonly TakenName[]): (() => void) | undefined {
    if (names.some((name) => this.isUnderWay(name) || this.isTaken(name))) return undefined;
    for (const name of names) this.underWay.add(name);
    return () => {
      for (const name of names) this.underWay.delete(name);
    };
  }

  /** Owners do not see each other's names; who sees all names is in the way of all, and they in his. */
  private isUnderWay({ of, name, ownerId }: TakenName): boolean {
    return [...this.underWay].some(
      (other) =>
        other.of === of &&
        other.name === name &&
        (ownerId === undefined || other.ownerId === undefined || other.ownerId === ownerId),
    );
  }

  private isTaken({ of, id, name, ownerId }: TakenName): boolean {
    const isNamesake = (row: Row): boolean =>
      row.id !== id && row.name === name && (ownerId === undefined || ownerOfRow(row) === ownerId);
    return this.tables[of].has(isNamesake);
  }
}

type Row = EnrollmentGroup | Hub | Webhook | ApiToken;

/** Whose a row is; undefined: the service's. */
export const ownerOfRow = (row: Row): Uuid | undefined => ('owner' in row ? row.owner.id : row.ownerId);
