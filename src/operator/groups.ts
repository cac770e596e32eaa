import { failure } from '../core/errors.ts';
import type { Uuid } from '../core/ids.ts';
import { limits } from '../core/limits.ts';
import { withOwnersUrls } from '../provision/owners-urls.ts';
import { type AccessEntry, type DeviceState, deviceStates, type EnrollmentGroup } from '../store/model.ts';
import type { Store } from '../store/store.ts';
import {
  asStored,
  carryOut,
  type OperatorDeps,
  type Outcome,
  type Plan,
  type RowOptions,
  requireRevision,
} from './change.ts';
import { differences } from './difference.ts';
import { findGroup } from './find.ts';
import { requireSignedLists } from './group-lists.ts';
import { withKeptKeys } from './kept-keys.ts';
import { requireNewName, requireNoDevice, requireOperatorManaged, takenName } from './policy-rows.ts';
import { everyAccessEntry } from './scan.ts';

/**
 * Writes a group: a new one, or a known one under its id. Keys that are left out ('') stay as they are.
 * @throws FirstbootError operator.conflict (the id or name is taken, a hub is of another owner, a new owner's id is a device's),
 *   operator.input (a name that cannot be shown, a revocation list of somebody else), operator.not-found (the group, one of its
 *   hubs), operator.file-managed, api.precondition (it is not of `revision` any more)
 */
export async function putGroup(
  deps: OperatorDeps,
  group: EnrollmentGroup,
  { create, revision, ...options }: RowOptions & { readonly create: boolean },
): Promise<Outcome<EnrollmentGroup>> {
  const outcome = await carryOut(
    deps,
    async () => {
      const known = create ? undefined : await findGroup(deps.store, group.id);
      if (known) requireOperatorManaged('group', known);
      // The view of an owner says which are new of that owner.
      const written = withOwnersUrls(withKeptKeys(group, known), known, undefined);
      const next: EnrollmentGroup = { ...written, source: 'operator', revision: known?.revision ?? 0 };
      requireRevision(next, revision);
      requireNewName('group', next, await deps.store.groups.list(), known);
      requireSignedLists(next);
      await requireHubs(deps.store, next);
      if (next.owner.id !== known?.owner.id) await requireNoDevice(deps.store, 'owner', next.owner);
      const changed = known ? differences(known, next) : [];
      return {
        action: create ? 'group.create' : 'group.update',
        target: `group ${next.id}`,
        detail: {
          name: next.name,
          owner: next.owner.name,
          ...(known && { changed: changed.map(({ field }) => field) }),
        },
        changes: { groups: [next], names: takenName('groups', next, known) },
        effects: known
          ? changed.map(({ text }) => `group ${known.name}: ${text}`)
          : [`group ${next.name} is added as ${next.id}, owner ${next.owner.name}, admission ${next.admission}`],
        result: next,
      };
    },
    options,
  );
  return asStored(outcome);
}

/** @throws FirstbootError operator.not-found, operator.ambiguous, operator.file-managed, api.precondition */
export async function setGroupEnabled(
  deps: OperatorDeps,
  which: string,
  { enabled, revision, ...options }: RowOptions & { readonly enabled: boolean },
): Promise<Outcome<EnrollmentGroup>> {
  const outcome = await carryOut(
    deps,
    async () => {
      const group = await findGroup(deps.store, which);
      requireOperatorManaged('group', group);
      requireRevision(group, revision);
      const next = { ...group, enabled };
      const now = enabled ? 'its devices are let in' : 'none of its devices is let in';
      return {
        action: enabled ? 'group.enable' : 'group.disable',
        target: `group ${group.id}`,
        detail: { name: group.name },
        changes: { groups: [next] },
        effects:
          group.enabled === enabled ? [] : [`group ${group.name} is ${enabled ? 'enabled' : 'disabled'}: ${now}`],
        result: next,
      };
    },
    options,
  );
  return asStored(outcome);
}

/**
 * Deletes a group with its long lists. In one piece; when the lists are longer than limits.operator.commitRows the group is
 * disabled first and the lists go piece by piece, so that nobody comes in while a deny list is half gone. Its devices stay
 * on record, and belong to whatever group takes them at their next try.
 * @throws FirstbootError operator.not-found, operator.ambiguous, operator.file-managed, operator.conflict (it has devices),
 *   api.precondition
 */
export async function deleteGroup(
  deps: OperatorDeps,
  which: string,
  { force = false, revision, ...options }: RowOptions & { readonly force?: boolean | undefined } = {},
): Promise<Outcome<EnrollmentGroup>> {
  const { store } = deps;
  const { group } = await deletable(store, which, force);
  requireRevision(group, revision);
  if (options.dryRun !== true) {
    for (let rows = await listedIn(store, group.id); rows.length > commitRows; rows = await listedIn(store, group.id)) {
      await carryOut(deps, async () => shortening(await findGroup(store, group.id), rows.slice(0, commitRows)));
    }
  }
  return carryOut(
    deps,
    async () => {
      const { group: present, devices } = await deletable(store, group.id, force);
      const entries = await listedIn(store, present.id);
      return {
        action: 'group.delete',
        target: `group ${present.id}`,
        detail: { name: present.name, devices, entries: entries.length },
        changes: { deletedGroups: [present.id], deletedAccess: entries },
        effects: [
          `group ${present.name} (${present.id}) is deleted`,
          ...(entries.length > 0 ? [`${atLeast(entries.length)} entries of its long lists are deleted`] : []),
          ...(devices > 0 ? [`${devices} devices are left without this group`] : []),
        ],
        result: present,
      };
    },
    options,
  );
}

export interface GroupCount {
  readonly group: EnrollmentGroup;
  readonly devices: Readonly<Record<DeviceState, number>>;
}

/** Counts by state, to count in. */
export const noDevices = (): Record<DeviceState, number> =>
  Object.fromEntries(deviceStates.map((state) => [state, 0])) as Record<DeviceState, number>;

/** All groups, with how many devices are in which state. */
export async function listGroups(store: Store): Promise<readonly GroupCount[]> {
  const counts = new Map<Uuid, Record<DeviceState, number>>();
  const groups = await store.groups.list();
  for (const { id } of groups) counts.set(id, noDevices());
  for (const { groupId, state, count } of await store.deviceCounts()) {
    const devices = counts.get(groupId);
    if (devices) devices[state] += count;
  }
  return groups.map((group) => ({ group, devices: counts.get(group.id) ?? noDevices() }));
}

const { commitRows } = limits.operator;

async function requireHubs(store: Store, { name, owner, hubs }: EnrollmentGroup): Promise<void> {
  for (const id of hubs) {
    const hub = await store.hubs.get(id);
    if (!hub) {
      const fix = 'create the hub first, or take it out of the group';
      throw failure('operator.not-found', { group: name, hub: id }, fix);
    }
    if (hub.ownerId === undefined || hub.ownerId === owner.id) continue;
    const fix = 'the hub is of another owner: take one of this owner, or one that is everybody’s';
    throw failure('operator.conflict', { group: name, hub: hub.name, owner: owner.name }, fix);
  }
}

async function deletable(
  store: Store,
  which: string,
  force: boolean,
): Promise<{ readonly group: EnrollmentGroup; readonly devices: number }> {
  const group = await findGroup(store, which);
  requireOperatorManaged('group', group);
  const devices = await countDevices(store, group.id);
  if (devices === 0 || force) return { group, devices };
  throw failure('operator.conflict', { group: group.name, devices }, 'disable it, or force the deletion');
}

async function countDevices(store: Store, groupId: Uuid): Promise<number> {
  const ofGroup = (await store.deviceCounts()).filter((row) => row.groupId === groupId);
  return ofGroup.reduce((sum, { count }) => sum + count, 0);
}

/** One more than fits into a piece tells that there is more. */
async function listedIn(store: Store, groupId: Uuid): Promise<readonly AccessEntry[]> {
  const entries: AccessEntry[] = [];
  for await (const entry of everyAccessEntry(store, groupId)) {
    if (entries.push(entry) > commitRows) break;
  }
  return entries;
}

function shortening(group: EnrollmentGroup, entries: readonly AccessEntry[]): Plan<EnrollmentGroup> {
  const disabled = { ...group, enabled: false };
  return {
    action: 'group.clear',
    target: `group ${group.id}`,
    detail: { name: group.name, entries: entries.length },
    changes: { groups: [disabled], deletedAccess: entries },
    effects: [`group ${group.name} is disabled, and ${entries.length} entries of its long lists are deleted`],
    result: disabled,
  };
}

const atLeast = (entries: number): string => (entries > commitRows ? `more than ${commitRows}` : String(entries));
