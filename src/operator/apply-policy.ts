import { failure } from '../core/errors.ts';
import { limits } from '../core/limits.ts';
import type { EnrollmentGroup, Hub } from '../store/model.ts';
import { ownerOfRow } from '../store/taken-names.ts';
import { carryOut, type OperatorDeps, type Outcome, type Plan } from './change.ts';
import { differences } from './difference.ts';

/** What configuration files say, complete. */
export interface WrittenPolicy {
  readonly groups: readonly EnrollmentGroup[];
  readonly hubs: readonly Hub[];
}

/**
 * Puts the rows of the files into the store in place of those that files put there before; what operators made stays. One
 * write with one line in the audit log, none of either when nothing changes. The long lists of a group that is written no
 * more stay: they count again when it is back.
 * @throws FirstbootError operator.conflict when an id is an operator's already, or a name with the same owner; service.store
 */
export function applyPolicy(
  deps: OperatorDeps,
  { groups, hubs }: WrittenPolicy,
  options: { readonly dryRun?: boolean } = {},
): Promise<Outcome<WrittenPolicy>> {
  const decide = async (): Promise<Plan<WrittenPolicy>> => {
    const [changedGroups, changedHubs] = [
      changesOf('group', await deps.store.groups.list(), groups),
      changesOf('hub', await deps.store.hubs.list(), hubs),
    ];
    return {
      action: 'policy.load',
      target: `policy ${deps.actor.name}`,
      detail: { groups: changedGroups.names, hubs: changedHubs.names },
      changes: {
        groups: changedGroups.put,
        deletedGroups: changedGroups.deleted,
        hubs: changedHubs.put,
        deletedHubs: changedHubs.deleted,
      },
      effects: [...changedHubs.effects, ...changedGroups.effects],
      result: { groups, hubs },
    };
  };
  return carryOut(deps, decide, options);
}

function changesOf<T extends EnrollmentGroup | Hub>(
  kind: 'group' | 'hub',
  present: readonly T[],
  written: readonly T[],
) {
  const known = new Map(present.map((row) => [row.id, row]));
  const operators = present.filter(({ source }) => source === 'operator');
  for (const row of written) {
    // An owner does not see the names of others: what it calls its own is not in the way.
    const rival = operators.find(
      (other) => other.id === row.id || (other.name === row.name && ownerOfRow(other) === ownerOfRow(row)),
    );
    if (rival) {
      const evidence = { [kind]: row.name, id: row.id, operatorRow: rival.name, operatorId: rival.id };
      const fix = `an operator made a ${kind} of this ${rival.id === row.id ? 'id' : 'name'}: give this one another, or delete that one (firstboot ${kind} delete ${rival.id})`;
      throw failure('operator.conflict', evidence, fix);
    }
  }
  const added = written.flatMap((row) => (known.has(row.id) ? [] : [{ ...row, revision: 0 }]));
  const changed = written.flatMap((row) => {
    const before = known.get(row.id);
    if (before === undefined) return [];
    const fields = differences(before, row).map(({ field }) => field);
    return fields.length > 0 ? [{ row: { ...row, revision: before.revision }, fields }] : [];
  });
  const ids = new Set(written.map(({ id }) => id));
  const removed = present.filter(({ id, source }) => source === 'file' && !ids.has(id));
  return {
    put: [...added, ...changed.map(({ row }) => row)],
    deleted: removed.map(({ id }) => id),
    names: {
      added: shown(added.map(({ name }) => name)),
      changed: shown(changed.map(({ row, fields }) => `${row.name}: ${fields.join(', ')}`)),
      removed: shown(removed.map(({ name }) => name)),
    },
    effects: [
      ...added.map(({ name }) => `${kind} ${name} is added`),
      ...changed.map(({ row, fields }) => `${kind} ${row.name} changes: ${fields.join(', ')}`),
      ...removed.map(({ name }) => `${kind} ${name} is removed`),
    ],
  };
}

/** A line of the audit log stays a line: of a long list it says how many more there are. */
const shown = (names: readonly string[]): readonly string[] => {
  const more = names.length - limits.policy.entries;
  return more > 0 ? [...names.slice(0, limits.policy.entries), `and ${more} more`] : names;
};
