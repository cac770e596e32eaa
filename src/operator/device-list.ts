import { parseUuid } from '../core/ids.ts';
import { limits } from '../core/limits.ts';
import { ownerNamed } from '../provision/owner.ts';
import { placeInTime } from '../store/device-index.ts';
import { deviceHasText } from '../store/device-texts.ts';
import type { Device, DeviceState } from '../store/model.ts';
import { type DeviceCount, type DeviceFacet, deviceFacets, type Store } from '../store/store.ts';
import { deviceById, findGroup, findHub } from './find.ts';
import { everyDevice, everyDeviceBy, everyDeviceByText, everyDeviceByTime, listOf, type Page } from './scan.ts';
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
 * most, of those that have the text when these are few: it may be short, or empty, and have a next one. A whole key id, device
 * id or serial number is looked up at once.
 * @throws FirstbootError operator.not-found, operator.ambiguous (the group, the hub)
 */
export async function listDevices(
  store: Store,
  { sort = 'key', text, ...filter }: DeviceFilter,
  { after, limit }: { readonly after?: string | undefined; readonly limit: number },
): Promise<Page<Device, string>> {
  const facets = await facetsOf(store, filter);
  const ofKind = (device: Device): boolean => facets.every(({ by, value }) => deviceFacets[by](device) === value);
  const named = after === undefined && text !== undefined ? await byWholeId(store, text) : undefined;
  if (named) return { rows: ofKind(named) ? [named] : [], next: undefined };
  const part = text?.toLowerCase() ?? '';
  const fits = (device: Device): boolean => ofKind(device) && (part === '' || deviceHasText(device, part));
  const counts = await store.deviceCounts();
  const sizes = facets.map((facet) => ({ facet, size: sizeOf(counts, facet) })).toSorted((a, b) => a.size - b.size);
  const [smallest] = sizes;
  if (smallest?.size === 0) return { rows: [], next: undefined };
  const few = smallest !== undefined && smallest.size <= limits.operator.rowsSearched;
  const called = part !== '' && !few;
  // Without a facet, and in order of key ids, it does not matter: the page is full soon, or there are no more.
  const fewCalled = called && (smallest !== undefined || sort !== 'key') && (await haveFew(store, part));
  const devices = (from?: string): AsyncIterable<Device> =>
    fewCalled || (called && !smallest)
      ? everyDeviceByText(store, part, from)
      : facetOrAll(store, smallest?.facet, from);
  if (sort === 'key') return listOf(devices(after), { fits, most: limit, position: ({ keyId }) => keyId });
  const sorted = few || fewCalled ? newestOf(devices(), sort, after) : everyDeviceByTime(store, sort, after);
  const page = await listOf(sorted, {
    fits: ({ device }) => fits(device),
    most: limit,
    position: ({ cursor }) => cursor,
  });
  return { ...page, rows: page.rows.map(({ device }) => device) };
}

const facetOrAll = (store: Store, facet: Facet | undefined, after: string | undefined): AsyncIterable<Device> =>
  facet ? everyDeviceBy(store, facet, after) : everyDevice(store, after);

async function haveFew(store: Store, text: string): Promise<boolean> {
  const most = limits.operator.rowsSearched;
  return (await store.keyIdsByText({ text, limit: most + 1 })).length <= most;
}

/**
 * Few devices, newest first, with where everyDeviceByTime has them: there they may stand behind all others, and only so much of it
 * is looked through at a time. Who begins with one of the two can go on with the other.
 */
async function* newestOf(
  devices: AsyncIterable<Device>,
  by: 'seen' | 'created',
  before: string | undefined,
): AsyncGenerator<{ readonly device: Device; readonly cursor: string }> {
  const found: { readonly device: Device; readonly cursor: string }[] = [];
  for await (const device of devices) {
    const cursor = placeInTime(by, device);
    if (cursor !== undefined && (before === undefined || cursor < before)) found.push({ device, cursor });
  }
  yield* found.sort((a, b) => (a.cursor < b.cursor ? 1 : -1));
}

interface Facet {
  readonly by: DeviceFacet;
  readonly value: string;
}

async function facetsOf(
  store: Store,
  { state, group, owner, hub, alarms = false }: Omit<DeviceFilter, 'text' | 'sort'>,
): Promise<readonly Facet[]> {
  const asked = [
    { by: 'state', value: state },
    { by: 'group', value: group === undefined ? undefined : (await findGroup(store, group)).id },
    { by: 'hub', value: hub === undefined ? undefined : (await findHub(store, hub)).id },
    { by: 'owner', value: owner === undefined ? undefined : ownerNamed(owner).id },
    { by: 'alarms', value: alarms ? 'open' : undefined },
  ] as const;
  return asked.flatMap(({ by, value }) => (value === undefined ? [] : [{ by, value }]));
}

const sizeOf = (counts: readonly DeviceCount[], { by, value }: Facet): number =>
  counts.reduce((sum, row) => sum + (countedAs[by](row) === value ? row.count : 0), 0);

/** As deviceFacets has the devices that are counted. */
const countedAs: Readonly<Record<DeviceFacet, (row: DeviceCount) => string | undefined>> = {
  owner: ({ ownerId }) => ownerId,
  group: ({ groupId }) => groupId,
  state: ({ state }) => state,
  hub: ({ hubId }) => hubId,
  alarms: ({ alarms }) => (alarms ? 'open' : undefined),
};

/** Undefined also when the text is no whole id of anything: it may be a part of something then. */
async function byWholeId(store: Store, text: string): Promise<Device | undefined> {
  const id = parseUuid(text.trim());
  if (id !== undefined) return deviceById(store, id);
  const serial = normalSerial(text.trim());
  const credential = serial === undefined ? undefined : await store.credential(serial);
  return credential && store.device(credential.keyId);
}
