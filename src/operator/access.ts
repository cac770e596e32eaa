import { failure } from '../core/errors.ts';
import type { Uuid } from '../core/ids.ts';
import type { AccessEntry, AccessList, DeviceSelector } from '../store/model.ts';
import { accessKey, type Store } from '../store/store.ts';
import { carryOut, type OperatorDeps, type Outcome } from './change.ts';
import { findGroup } from './find.ts';
import { everyAccessEntry, listOf, type Page } from './scan.ts';
import { isPlainText, readSelector } from './selectors.ts';

/** Which entry of which list; `group` is an id or a name. */
export interface AccessRequest {
  readonly group: string;
  readonly list: AccessList;
  readonly device: DeviceSelector;
}

/**
 * Puts a device on a long list of a group. One that is on it already stays as it is.
 * @throws FirstbootError operator.not-found, operator.ambiguous, operator.input
 */
export function addAccess(
  deps: OperatorDeps,
  { group: which, list, device, note }: AccessRequest & { readonly note?: string | undefined },
  options: { readonly dryRun?: boolean | undefined } = {},
): Promise<Outcome<AccessEntry>> {
  return carryOut(
    deps,
    async () => {
      const group = await findGroup(deps.store, which);
      const selector = requireSelector(device);
      if (note !== undefined && !isPlainText(note)) {
        throw failure('operator.input', { field: 'note' }, 'write one short line');
      }
      const known = await findEntry(deps.store, group.id, list, selector);
      const entry = known ?? { groupId: group.id, list, device: selector, note, addedAt: deps.now() };
      return {
        action: 'access.add',
        target: `group ${group.id}`,
        detail: { list, [selector.by]: selector.value },
        changes: { access: [entry] },
        effects: known ? [] : [`${selector.by} ${selector.value} comes on the ${list} list of group ${group.name}`],
        result: entry,
      };
    },
    options,
  );
}

/** @throws FirstbootError operator.not-found (the group, the entry), operator.ambiguous, operator.input */
export function removeAccess(
  deps: OperatorDeps,
  { group: which, list, device }: AccessRequest,
  options: { readonly dryRun?: boolean | undefined } = {},
): Promise<Outcome<AccessEntry>> {
  return carryOut(
    deps,
    async () => {
      const group = await findGroup(deps.store, which);
      const selector = requireSelector(device);
      const entry = await findEntry(deps.store, group.id, list, selector);
      if (!entry) {
        const evidence = { group: group.name, list, [selector.by]: selector.value };
        throw failure('operator.not-found', evidence, 'list the entries of the group to see how they are written');
      }
      return {
        action: 'access.remove',
        target: `group ${group.id}`,
        detail: { list, [selector.by]: selector.value },
        changes: { deletedAccess: [entry] },
        effects: [`${selector.by} ${selector.value} goes from the ${list} list of group ${group.name}`],
        result: entry,
      };
    },
    options,
  );
}

/** Entries of a group's long lists, in the order of accessKey; `next` is where the next page begins (`after`). */
export async function listAccess(
  store: Store,
  which: string,
  {
    list,
    after,
    limit,
  }: { readonly list?: AccessList | undefined; readonly after?: string | undefined; readonly limit: number },
): Promise<Page<AccessEntry, string>> {
  const group = await findGroup(store, which);
  return listOf(everyAccessEntry(store, group.id, { list, after }), {
    fits: () => true,
    most: limit,
    position: (entry) => accessKey(entry.list, entry.device),
  });
}

function requireSelector(device: DeviceSelector): DeviceSelector {
  const read = readSelector(device.by, device.value);
  if ('selector' in read) return read.selector;
  throw failure('operator.input', { field: device.by }, `write ${read.expected}`);
}

/** Entries whose keys begin alike stand together: they are gone through from where the first of them would be. */
async function findEntry(
  store: Store,
  groupId: Uuid,
  list: AccessList,
  device: DeviceSelector,
): Promise<AccessEntry | undefined> {
  const wanted = accessKey(list, device);
  const beginning = Array.from(wanted).slice(0, -1).join('');
  for await (const entry of everyAccessEntry(store, groupId, { list, after: beginning })) {
    const key = accessKey(entry.list, entry.device);
    if (key === wanted) return entry;
    if (!key.startsWith(beginning)) return undefined;
  }
  return undefined;
}
