import { parseUuid, type Uuid } from '../core/ids.ts';
import { ownerNamed } from '../provision/owner.ts';
import type { Device, DeviceState } from '../store/model.ts';
import type { DeviceCount, DeviceFacet, Store } from '../store/store.ts';
import { findGroup, findHub } from './find.ts';
import { everyDevice, everyDeviceBy, everyDeviceByTime, listOf, type Page } from './scan.ts';
import { normalSerial } from './selectors.ts';

export interface DeviceFilter {
  readonly state?: DeviceState | undefined;
  /** Id or name. */
  readonly group?: string | undefined;
  /** Id or name. */
  readonly owner?: string | undefined;
  /** Id or name: where it was sent last. */
  readonly hub?: string | undefined;
  /** Only those with open alarms. */
  readonly alarms?: boolean | undefined;
  /**
   * A part of the key id, device id, subject, serial number or address, in any case; or the whole serial number of an
   * identity certificate.
   */
  readonly text?: string | undefined;
  /** By key id, which is the default; or the one last seen, or first stored last, in front. */
  readonly sort?: 'key' | 'seen' | 'created' | undefined;
}

/**
 * A page of devices; `next` is where the next one begins (`after`). It looks through limits.operator.rowsSearched devices at
 * most: it may be short, or empty, and have a next one. A whole key id, device id or serial number is looked up at once.
 * @throws FirstbootError operator.not-found, operator.ambiguous (the group, the hub)
 */
export async function listDevices(
  store: Store,
  { sort = 'key', text, ...filter }: DeviceFilter,
  { after, limit }: { readonly after?: string | undefined; readonly limit: number },
): Promise<Page<Device, string>> {
  const facets = await facetsOf(store, filter);
  const ofKind = (device: Device): boolean => facets.every(({ fits }) => fits(device));
  const named = after === undefined && text !== undefined ? await byWholeId(store, text) : undefined;
  if (named) return { rows: ofKind(named) ? [named] : [], next: undefined };
  const part = text?.toLowerCase();
  const fits = (device: Device): boolean =>
    ofKind(device) && (part === undefined || textsOf(device).some((found) => found.toLowerCase().includes(part)));
  const counts = await store.deviceCounts();
  const sizes = facets.map((facet) => ({ facet, size: sizeOf(counts, facet) })).toSorted((a, b) => a.size - b.size);
  const [smallest] = sizes;
  if (smallest?.size === 0) return { rows: [], next: undefined };
  if (sort !== 'key') {
    const page = await listOf(everyDeviceByTime(store, sort, after), {
      fits: ({ device }) => fits(device),
      most: limit,
      position: ({ cursor }) => cursor,
    });
    return { ...page, rows: page.rows.map(({ device }) => device) };
  }
  const devices = smallest ? everyDeviceBy(store, smallest.facet, after) : everyDevice(store, after);
  return listOf(devices, { fits, most: limit, position: ({ keyId }) => keyId });
}

interface Facet {
  readonly by: DeviceFacet;
  readonly value: string;
  readonly fits: (device: Device) => boolean;
  readonly counts: (row: DeviceCount) => boolean;
}

async function facetsOf(
  store: Store,
  { state, group, owner, hub, alarms = false }: Omit<DeviceFilter, 'text' | 'sort'>,
): Promise<readonly Facet[]> {
  const groupId = group === undefined ? undefined : (await findGroup(store, group)).id;
  const hubId = hub === undefined ? undefined : (await findHub(store, hub)).id;
  const ownerId = owner === undefined ? undefined : ownerNamed(owner).id;
  const facet = (by: DeviceFacet, value: Uuid | undefined, fits: Facet['fits'], counts: Facet['counts']): Facet[] =>
    value === undefined ? [] : [{ by, value, fits, counts }];
  return [
    ...facet(
      'state',
      state,
      (device) => device.state === state,
      (row) => row.state === state,
    ),
    ...facet(
      'group',
      groupId,
      (device) => device.groupId === groupId,
      (row) => row.groupId === groupId,
    ),
    ...facet(
      'hub',
      hubId,
      (device) => device.hubId === hubId,
      (row) => row.hubId === hubId,
    ),
    ...facet(
      'owner',
      ownerId,
      (device) => (device.assignedOwner?.id ?? device.ownerId) === ownerId,
      (row) => row.ownerId === ownerId,
    ),
    ...facet(
      'alarms',
      alarms ? 'open' : undefined,
      (device) => device.alarms.length > 0,
      (row) => row.alarms,
    ),
  ];
}

const sizeOf = (counts: readonly DeviceCount[], facet: Facet): number =>
  counts.reduce((sum, row) => sum + (facet.counts(row) ? row.count : 0), 0);

/** Undefined also when the text is no whole id of anything: it may be a part of something then. */
async function byWholeId(store: Store, text: string): Promise<Device | undefined> {
  const id = parseUuid(text.trim());
  if (id !== undefined) {
    const device = await store.device(id);
    if (device) return device;
    const keyId = await store.ownerOfDeviceId(id);
    return keyId === undefined ? undefined : store.device(keyId);
  }
  const serial = normalSerial(text.trim());
  const credential = serial === undefined ? undefined : await store.credential(serial);
  return credential && store.device(credential.keyId);
}

const textsOf = ({ keyId, deviceId, manufacturer, lastPeer }: Device): readonly string[] =>
  [keyId, deviceId, manufacturer.subject, manufacturer.serial, lastPeer].filter((text) => text !== undefined);
