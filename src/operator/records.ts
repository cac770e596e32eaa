import type { Uuid } from '../core/ids.ts';
import { limits } from '../core/limits.ts';
import type { Device } from '../store/model.ts';
import type { Store } from '../store/store.ts';
import { carryOutInPieces, type OperatorDeps, type Outcome, type Plan } from './change.ts';
import { firstEffects, nameOf } from './device-effects.ts';
import { everyDevice, everyDeviceBy, firstOf } from './scan.ts';

/** Whose records: of devices by key id or by the device id that they have, or of groups; one is enough. Nothing named: all. */
export interface RecordFilter {
  readonly keyIds: readonly string[];
  readonly deviceIds: readonly string[];
  readonly groups: readonly string[];
}

/** Devices of which there is a record, each once, a page in memory at a time. */
export async function* listRecords(store: Store, filter: RecordFilter): AsyncGenerator<Device> {
  const named = new Set<Uuid>();
  for (const [at, devices] of sourcesOf(store, filter).entries()) {
    for await (const device of devices()) {
      if (!isRecorded(device) || named.has(device.keyId)) continue;
      // They may be in one of the groups as well.
      if (at === 0 && filter.groups.length > 0) named.add(device.keyId);
      yield device;
    }
  }
}

/**
 * Deletes provisioning records. Nothing else goes with them: state, lineage, alarms and credentials of a device stay, and when
 * it comes again there is a new record. In pieces of limits.operator.page, each with its line of the audit log: after a crash
 * in between, the same call does the rest.
 * @returns how many there were
 * @throws FirstbootError service.busy, service.store; the pieces before are done then
 */
export async function deleteRecords(deps: OperatorDeps, filter: RecordFilter): Promise<Outcome<number>> {
  const pieces: Outcome<number>[] = [];
  for (const devices of sourcesOf(deps.store, filter)) {
    const piece = async (after: Uuid | undefined) => {
      const { rows, next } = await firstOf(devices(after), {
        fits: isRecorded,
        most: limits.operator.page,
        position: ({ keyId }) => keyId,
      });
      return { plan: deletion(rows, deps), next };
    };
    pieces.push(...(await carryOutInPieces(deps, piece)));
  }
  return {
    applied: pieces.some(({ applied }) => applied),
    effects: firstEffects(pieces.flatMap(({ effects }) => effects)),
    result: pieces.reduce((sum, { result }) => sum + result, 0),
  };
}

const isRecorded = ({ recordDeletedAt }: Device): boolean => recordDeletedAt === undefined;

function deletion(devices: readonly Device[], { now }: OperatorDeps): Plan<number> {
  const at = now();
  const [first] = devices;
  const one = first && devices.length === 1;
  return {
    action: 'record.delete',
    target: one ? `device ${first.keyId}` : 'devices',
    detail: { number: devices.length, devices: devices.map(({ keyId }) => keyId) },
    changes: {
      devices: devices.map(({ recordSince: _, ...device }) => ({ ...device, recordDeletedAt: at, updatedAt: at })),
    },
    effects: first ? [one ? `the record of ${nameOf(first)} is deleted` : `${devices.length} records are deleted`] : [],
    result: devices.length,
  };
}

/** Devices in order of key id, behind `after`. */
type Source = (after?: Uuid) => AsyncIterable<Device>;

function sourcesOf(store: Store, { keyIds, deviceIds, groups }: RecordFilter): readonly Source[] {
  if (keyIds.length + deviceIds.length + groups.length === 0) return [(after) => everyDevice(store, after)];
  return [
    (after) => named(store, keyIds, deviceIds, after),
    ...[...new Set(groups)].map(
      (value): Source =>
        (after) =>
          everyDeviceBy(store, { by: 'group', value }, after),
    ),
  ];
}

async function* named(
  store: Store,
  keyIds: readonly string[],
  deviceIds: readonly string[],
  after = '',
): AsyncGenerator<Device> {
  const found = new Set(keyIds);
  for (const id of deviceIds) {
    const keyId = await store.ownerOfDeviceId(id);
    // One that it has left is none of it any more.
    if (keyId !== undefined && (await store.device(keyId))?.deviceId === id) found.add(keyId);
  }
  for (const keyId of [...found].filter((id) => id > after).sort()) {
    const device = await store.device(keyId);
    if (device) yield device;
  }
}
