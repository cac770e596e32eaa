import { failure } from '../core/errors.ts';
import type { Uuid } from '../core/ids.ts';
import { limits } from '../core/limits.ts';
import type { AccessEntry, DeviceState, EnrollmentGroup } from '../store/model.ts';
import type { Store } from '../store/store.ts';
import { carryOut, type OperatorDeps, type Outcome, type Plan } from './change.ts';
import { differences } from './difference.ts';
import { findGroup } from './find.ts';
import { requireNewName, requireOperatorManaged } from './policy-rows.ts';
import { everyAccessEntry, everyDevice } from './scan.ts';

/**
 * Writes a group: a new one, or a known one under its id.
 * @throws FirstbootError operator.conflict (the id or name is taken), operator.not-found (the group, one of its hubs),
 *   operator.file-managed
 */
export function putGroup(
  deps: OperatorDeps,
  group: EnrollmentGroup,
  { create, ...options }: { readonly create: boolean; readonly dryRun?: boolean },
): Promise<Outcome<EnrollmentGroup>> {
  return carryOut(
    deps,
    async () => {
      const next: EnrollmentGroup = { ...group, source: 'operator' };
      const known = create ? undefined : await findGroup(deps.store, group.id);
      if (known) requireOperatorManaged('group', known);
      requireNewName('group', next, await deps.store.groups.list(), create);
      await requireHubs(deps.store, next);
      const changed = known ? differences(known, next) : [];
      return {
        action: create ? 'group.create' : 'group.update',
        target: `group ${next.id}`,
        detail: {
          name: next.name,
          owner: next.owner.name,
          ...(known && { changed: changed.map(({ field }) => field) }),
        },
        changes: { groups: [next] },
        effects: known
          ? changed.map(({ text }) => `group ${known.name}: ${text}`)
          : [`group ${next.name} is added as ${next.id}, owner ${next.owner.name}, admission ${next.admission}`],
        result: next,
      };
    },
    options,
  );
}

/** @throws FirstbootError operator.not-found, operator.ambiguous, operator.file-managed */
export function setGroupEnabled(
  deps: OperatorDeps,
  which: string,
  { enabled, ...options }: { readonly enabled: boolean; readonly dryRun?: boolean },
): Promise<Outcome<EnrollmentGroup>> {
  return carryOut(
    deps,
    async () => {
      const group = await findGroup(deps.store, which);
      requireOperatorManaged('group', group);
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
}

/**
 * Deletes a group with its long lists. In one piece; when the lists are longer than limits.operator.commitRows the group is
 * disabled first and the lists go piece by piece, so that nobody comes in while a deny list is half gone. Its devices stay
 * on record, and belong to whatever group takes them at their next try.
 * @throws FirstbootError operator.not-found, operator.ambiguous, operator.file-managed, operator.conflict (it has devices)
 */
export async function deleteGroup(
  deps: OperatorDeps,
  which: string,
  { force = false, ...options }: { readonly force?: boolean; readonly dryRun?: boolean } = {},
): Promise<Outcome<EnrollmentGroup>> {
  const { store } = deps;
  const { group } = await deletable(store, which, force);
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

/** All groups, with how many devices are in which state. */
export async function listGroups(store: Store): Promise<readonly GroupCount[]> {
  const counts = new Map<Uuid, Record<DeviceState, number>>();
  const groups = await store.groups.list();
  for (const { id } of groups) counts.set(id, nobody());
  for await (const { groupId, state } of everyDevice(store)) {
    const count = counts.get(groupId);
    if (count) count[state]++;
  }
  return groups.map((group) => ({ group, devices: counts.get(group.id) ?? nobody() }));
}

const { commitRows } = limits.operator;

const nobody = (): Record<DeviceState, number> => ({
  pending: 0,
  active: 0,
  quarantined: 0,
  disabled: 0,
  decommissioned: 0,
});

async function requireHubs(store: Store, { name, hubs }: EnrollmentGroup): Promise<void> {
  for (const hub of hubs) {
    if (await store.hubs.get(hub)) continue;
    throw failure('operator.not-found', { group: name, hub }, 'create the hub first, or take it out of the group');
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
  let count = 0;
  for await (const device of everyDevice(store)) if (device.groupId === groupId) count++;
  return count;
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
