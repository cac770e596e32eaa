import { nilUuid, type Uuid } from '../core/ids.ts';
import { deviceHasText } from '../store/device-texts.ts';
import type { Device } from '../store/model.ts';
import { deviceFacets, type Store } from '../store/store.ts';
import { pages, quickest, step } from './owner-pages.ts';
import type { OwnerScope } from './owner-scope.ts';

type DeviceReads = Pick<
  Store,
  | 'device'
  | 'devices'
  | 'devicesBy'
  | 'devicesByTime'
  | 'keyIdsByText'
  | 'deviceCounts'
  | 'deviceIdsFrom'
  | 'ownerOfDeviceId'
>;

/** The devices of an owner (owner-view.ts). */
export function ownDevices(scope: OwnerScope): DeviceReads {
  const { whole, ownerId } = scope;
  const devices: Store['devices'] = (page) => whole.devicesBy({ ...page, by: 'owner', value: ownerId });
  /** Of the owner's, those that are looked for. */
  const fitting = (after: Uuid | undefined, fits: (device: Device) => boolean) =>
    pages((behind) => devices({ ...from(after), ...behind, limit: step }), keyOf, fits);
  return {
    device: (keyId) => scope.device(keyId),
    devices,
    devicesBy: async (page) => {
      const { by, value, after, limit } = page;
      if (by === 'owner') return value === ownerId ? whole.devicesBy(page) : [];
      return quickest(limit, [
        pages(
          (behind) => whole.devicesBy({ by, value, ...from(after), ...behind, limit: step }),
          keyOf,
          (device) => scope.owns(device),
        ),
        fitting(after, (device) => deviceFacets[by](device) === value),
      ]);
    },
    keyIdsByText: async ({ text, after, limit }) => {
      const part = text.toLowerCase();
      return quickest(limit, [
        pages(
          (behind) => whole.keyIdsByText({ text, ...from(after), ...behind, limit: step }),
          (keyId) => keyId,
          async (keyId) => (await scope.device(keyId)) !== undefined,
        ),
        keyIdsOf(fitting(after, (device) => deviceHasText(device, part))),
      ]);
    },
    devicesByTime: async (page) =>
      page.ownerId === undefined || page.ownerId === ownerId ? whole.devicesByTime({ ...page, ownerId }) : [],
    deviceCounts: async () => (await whole.deviceCounts()).filter((row) => row.ownerId === ownerId),
    deviceIdsFrom: async (prefix, limit) => {
      const found = await whole.deviceIdsFrom(prefix, limit);
      const own = await Promise.all(found.map(async ({ keyId }) => (await scope.device(keyId)) !== undefined));
      return found.filter((_, at) => own[at]);
    },
    ownerOfDeviceId: async (deviceId) => {
      const keyId = await whole.ownerOfDeviceId(deviceId);
      if (keyId === undefined || keyId === nilUuid) return keyId;
      return (await scope.device(keyId)) ? keyId : undefined;
    },
  };
}

async function* keyIdsOf(found: AsyncGenerator<readonly Device[]>): AsyncGenerator<readonly Uuid[]> {
  for await (const devices of found) yield devices.map(keyOf);
}

const from = (after: Uuid | undefined) => (after === undefined ? {} : { after });

const keyOf = ({ keyId }: { readonly keyId: Uuid }): Uuid => keyId;
