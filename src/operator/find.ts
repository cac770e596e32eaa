import { failure } from '../core/errors.ts';
import { parseUuid, type Uuid } from '../core/ids.ts';
import { limits } from '../core/limits.ts';
import type { Device, EnrollmentGroup, Hub } from '../store/model.ts';
import type { Store, Table } from '../store/store.ts';

/**
 * The device that an operator means: its key id, a device id (its own, also one that it has left), or the beginning of
 * either, at least limits.operator.idPrefix characters of it.
 * @throws FirstbootError operator.not-found, operator.ambiguous, operator.input (too little of an id)
 */
export async function findDevice(store: Store, text: string): Promise<Device> {
  const wanted = text.trim().toLowerCase();
  const id = parseUuid(wanted);
  const device = id === undefined ? await byPrefix(store, wanted) : await deviceById(store, id);
  if (device) return device;
  throw failure('operator.not-found', { device: shown(text) }, '`firstboot device list` shows those that are known');
}

/** @throws FirstbootError operator.not-found, operator.ambiguous */
export const findGroup = (store: Store, text: string): Promise<EnrollmentGroup> => named('group', store.groups, text);

/** @throws FirstbootError operator.not-found, operator.ambiguous */
export const findHub = (store: Store, text: string): Promise<Hub> => named('hub', store.hubs, text);

/** By its key id, or a device id. */
export async function deviceById(store: Store, id: Uuid): Promise<Device | undefined> {
  const device = await store.device(id);
  if (device) return device;
  const keyId = await store.ownerOfDeviceId(id);
  return keyId === undefined ? undefined : store.device(keyId);
}

async function byPrefix(store: Store, prefix: string): Promise<Device | undefined> {
  const { idPrefix, rowsSearched, candidates } = limits.operator;
  if (!/^[0-9a-f-]+$/.test(prefix) || prefix.length < idPrefix) {
    const fix = `write a key id, a device id, or the first ${idPrefix} characters or more of one`;
    throw failure('operator.input', { device: shown(prefix) }, fix);
  }
  const found = new Map<Uuid, Device>();
  for (const device of await store.devices({ after: prefix, limit: candidates + 1 })) {
    if (device.keyId.startsWith(prefix)) found.set(device.keyId, device);
  }
  // A device may have left any number of ids.
  const ids = await store.deviceIdsFrom(prefix, rowsSearched);
  if (ids.length === rowsSearched) throw failure('operator.input', { device: prefix }, 'write the whole id');
  for (const { deviceId, keyId } of ids) {
    if (found.size > candidates) break;
    const device = await store.device(keyId);
    if (device && presentId(device) === deviceId) found.set(keyId, device);
  }
  if (found.size > 1) throw ambiguous('device', prefix, [...found.keys()]);
  const [only] = found.values();
  return only;
}

/** The id of a device that goes on under another key is that key's. */
const presentId = ({ deviceId = '', successor }: Device): string => (successor === undefined ? deviceId : '');

async function named<T extends { readonly id: Uuid; readonly name: string }>(
  kind: 'group' | 'hub',
  table: Table<T>,
  text: string,
): Promise<T> {
  const id = parseUuid(text.trim());
  const byItsId = id === undefined ? undefined : await table.get(id);
  if (byItsId) return byItsId;
  const rows = await table.list();
  const found = rows.filter(({ name }) => name === text);
  if (found.length > 1)
    throw ambiguous(
      kind,
      text,
      found.map((row) => row.id),
    );
  const [only] = found;
  if (only) return only;
  const known = rows.slice(0, limits.operator.candidates).map(({ name }) => name);
  const more = rows.length > known.length ? ` and ${rows.length - known.length} more` : '';
  const fix = known.length === 0 ? `there is no ${kind} yet` : `there are: ${known.join(', ')}${more}`;
  throw failure('operator.not-found', { [kind]: shown(text) }, fix);
}

function ambiguous(kind: string, text: string, ids: readonly Uuid[]) {
  const some = ids.slice(0, limits.operator.candidates).join(', ');
  const more = ids.length > limits.operator.candidates ? ' and others' : '';
  return failure('operator.ambiguous', { [kind]: shown(text) }, `write one of the ids: ${some}${more}`);
}

const shown = (text: string): string => text.slice(0, limits.policy.text);
