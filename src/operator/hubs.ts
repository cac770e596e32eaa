import { failure } from '../core/errors.ts';
import type { Uuid } from '../core/ids.ts';
import type { Hub } from '../store/model.ts';
import type { Store } from '../store/store.ts';
import { asStored, carryOut, type OperatorDeps, type Outcome, type RowOptions, requireRevision } from './change.ts';
import { differences } from './difference.ts';
import { findHub } from './find.ts';
import { requireNewName, requireNoDevice, requireOperatorManaged, takenName } from './policy-rows.ts';

/**
 * Writes a hub: a new one, or a known one under its id.
 * @throws FirstbootError operator.conflict (the id or name is taken, the id is a device's), operator.input (the name cannot be
 *   shown), operator.not-found, operator.file-managed, api.precondition (it is not of `revision` any more)
 */
export async function putHub(
  deps: OperatorDeps,
  hub: Hub,
  { create, revision, ...options }: RowOptions & { readonly create: boolean },
): Promise<Outcome<Hub>> {
  const outcome = await carryOut(
    deps,
    async () => {
      const known = create ? undefined : await findHub(deps.store, hub.id);
      const ownerId = hub.ownerId ?? known?.ownerId;
      const next: Hub = { ...hub, source: 'operator', ownerId, revision: known?.revision ?? 0 };
      if (known) requireOperatorManaged('hub', known);
      requireRevision(next, revision);
      requireNewName('hub', next, await deps.store.hubs.list(), known);
      if (create) await requireNoDevice(deps.store, 'hub', next);
      const changed = known ? differences(known, next) : [];
      return {
        action: create ? 'hub.create' : 'hub.update',
        target: `hub ${next.id}`,
        detail: { name: next.name, ...(known && { changed: changed.map(({ field }) => field) }) },
        changes: { hubs: [next], names: takenName('hubs', next, known) },
        effects: known
          ? changed.map(({ text }) => `hub ${known.name}: ${text}`)
          : [`hub ${next.name} is added as ${next.id}, at ${next.gateways.join(', ')}`],
        result: next,
      };
    },
    options,
  );
  return asStored(outcome);
}

/**
 * @throws FirstbootError operator.not-found, operator.file-managed, operator.conflict (a group sends devices there),
 *   api.precondition
 */
export function deleteHub(
  deps: OperatorDeps,
  which: string,
  { revision, ...options }: RowOptions = {},
): Promise<Outcome<Hub>> {
  return carryOut(
    deps,
    async () => {
      const hub = await findHub(deps.store, which);
      requireOperatorManaged('hub', hub);
      requireRevision(hub, revision);
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
  for (const { hubId, count } of await store.deviceCounts()) {
    if (hubId !== undefined) devices.set(hubId, (devices.get(hubId) ?? 0) + count);
  }
  return hubs.map((hub) => ({
    hub,
    groups: groups.filter((group) => group.hubs.includes(hub.id)).length,
    devices: devices.get(hub.id) ?? 0,
  }));
}
