import { failure } from '../core/errors.ts';
import type { Uuid } from '../core/ids.ts';
import type { Hub } from '../store/model.ts';
import type { Store, Table } from '../store/store.ts';

/** The tables of a store as far as they are of one owner (owner-view.ts). */

export function readable<T extends { readonly id: Uuid }>(
  table: Table<T>,
  own: (rows: readonly T[]) => Promise<readonly T[]>,
): Table<T> {
  return {
    get: async (id) => {
      const row = await table.get(id);
      return row && (await own([row]))[0];
    },
    list: async () => own(await table.list()),
    put: () => notForOperators('put'),
    delete: () => notForOperators('delete'),
  };
}

/** A hub that everybody may use can be named by who knows its id, and is listed once a group of the owner uses it. */
export const hubsOf = (whole: Store, ownerId: Uuid): Table<Hub> => ({
  ...readable(whole.hubs, async (rows) => rows),
  get: async (id) => {
    const hub = await whole.hubs.get(id);
    return hub && (hub.ownerId === undefined || hub.ownerId === ownerId) ? hub : undefined;
  },
  list: async () => {
    const own = (await whole.groups.list()).filter(({ owner }) => owner.id === ownerId);
    const used = new Set(own.flatMap(({ hubs }) => hubs));
    return (await whole.hubs.list()).filter(
      (hub) => hub.ownerId === ownerId || (hub.ownerId === undefined && used.has(hub.id)),
    );
  },
});

/** As if it were not there. */
export const absent = (kind: string, id: string) =>
  failure('operator.not-found', { [kind]: id }, 'list those that there are');

/** Operators do not come here: it is a fault of the program. */
export function notForOperators(what: string): never {
  throw new TypeError(`${what} is not for operators`);
}
