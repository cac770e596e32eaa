import { useResource } from '../../api/context.tsx';

export interface Named {
  readonly id: string;
  readonly name: string;
}

/** The groups that there are, by name; empty until they are known. */
export function useGroups(): readonly Named[] {
  const { data } = useResource<{ readonly items: readonly { readonly group: Named }[] }>('/groups');
  return (data?.items ?? []).map(({ group }) => group).toSorted((a, b) => a.name.localeCompare(b.name));
}

/** The same of hubs. */
export function useHubs(): readonly Named[] {
  const { data } = useResource<{
    readonly items: readonly { readonly hub: { readonly id: string; readonly name?: string } }[];
  }>('/hubs');
  return (data?.items ?? []).map(({ hub: { id, name } }) => ({ id, name: name ?? id }));
}

/** The name of one of them; the beginning of its id when it is gone. */
export const nameIn = (list: readonly Named[], id: string): string =>
  list.find((one) => one.id === id)?.name ?? `${id.slice(0, 8)} (gone)`;
