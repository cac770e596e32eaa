import { failure } from '../core/errors.ts';
import type { Uuid } from '../core/ids.ts';
import type { Hub } from '../store/model.ts';
import type { Store } from '../store/store.ts';
import { carryOut, type OperatorDeps, type Outcome } from './change.ts';
import { differences } from './difference.ts';
import { findHub } from './find.ts';
import { requireNewName, requireOperatorManaged } from './policy-rows.ts';
import { everyDevice } from './scan.ts';

/**
 * Writes a hub: a new one, or a known one under its id.
 * @throws FirstbootError operator.conflict (the id or name is taken), operator.not-found, operator.file-managed
 */
export function putHub(
  deps: OperatorDeps,
  hub: Hub,
  { create, ...options }: { readonly create: boolean; readonly dryRun?: boolean },
): Promise<Outcome<Hub>> {
  return carryOut(
    deps,
    async () => {
      const next: Hub = { ...hub, source: 'operator' };
      const known = create ? undefined : await findHub(deps.store, hub.id);
      if (known) requireOperatorManaged('hub', known);
      requireNewName('hub', next, await deps.store.hubs.list(), create);
      const changed = known ? differences(known, next) : [];
      return {
        action: create ? 'hub.create' : 'hub.update',
        target: `hub ${next.id}`,
        detail: { name: next.name, ...(known && { changed: changed.map(({ field }) => field) }) },
        changes: { hubs: [next] },
        effects: known
          ? changed.map(({ text }) => `hub ${known.name}: ${text}`)
          : [`hub ${next.name} is added as ${next.id}, at ${next.gateways.join(', ')}`],
        result: next,
      };
    },
    options,
  );
}

/** @throws FirstbootError operator.not-found, operator.file-managed, operator.conflict (a group sends devices there) */
export function deleteHub(
  deps: OperatorDeps,
  which: string,
  options: { readonly dryRun?: boolean } = {},
): Promise<Outcome<Hub>> {
  return carryOut(
    deps,
    async () => {
      const hub = await findHub(deps.store, which);
      requireOperatorManaged('hub', hub);
      const users = (await deps.store.groups.list()).filter(({ hubs }) => hubs.includes(hub.id));
      if (users.length > 0) {
        const groups = users.map(({ name }) => name).join(', ');
        throw failure('operator.conflict', { hub: hub.name, groups }, 'take the hub out of these groups first');
      }
      return {
        action: 'hub.delete',
        target: `hub ${hub.id}`,
        detail: { name: hub.name },
        changes: { deletedHubs: [hub.id] },
        effects: [`hub ${hub.name} (${hub.id}) is deleted`],
        result: hub,
      };
    },
    options,
  );
}

export interface HubCount {
  readonly hub: Hub;
  /** Groups that name it, and devices that were sent there last. */
  readonly groups: number;
  readonly devices: number;
}

/** All hubs, with who uses them. */
export async function listHubs(store: Store): Promise<readonly HubCount[]> {
  const [hubs, groups] = [await store.hubs.list(), await store.groups.list()];
  const devices = new Map<Uuid, number>();
  for await (const { hubId } of everyDevice(store)) {
    if (hubId !== undefined) devices.set(hubId, (devices.get(hubId) ?? 0) + 1);
  }
  return hubs.map((hub) => ({
    hub,
    groups: groups.filter((group) => group.hubs.includes(hub.id)).length,
    devices: devices.get(hub.id) ?? 0,
  }));
}
