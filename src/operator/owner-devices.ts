import { nilUuid, type Uuid } from '../core/ids.ts';
import { deviceFacets, type Store } from '../store/store.ts';
import { pages, quickest, step } from './owner-pages.ts';
import type { OwnerScope } from './owner-scope.ts';

type DeviceReads = Pick<
  Store,
  'device' | 'devices' | 'devicesBy' | 'devicesByTime' | 'deviceCounts' | 'deviceIdsFrom' | 'ownerOfDeviceId'
>;

/** The devices of an owner (owner-view.ts). */
export function ownDevices(scope: OwnerScope): DeviceReads {
  const { whole, ownerId } = scope;
  const devices: Store['devices'] = (page) => whole.devicesBy({ ...page, by: 'owner', value: ownerId });
  return {
    device: (keyId) => scope.device(keyId),
    devices,
    devicesBy: async (page) => {
      const { by, value, after, limit } = page;
      if (by === 'owner') return value === ownerId ? whole.devicesBy(page) : [];
      const from = after === undefined ? {} : { after };
      return quickest(limit, [
        pages(
          (behind) => whole.devicesBy({ by, value, ...from, ...behind, limit: step }),
          keyOf,
          (row) => scope.owns(row),
        ),
        pages(
          (behind) => devices({ ...from, ...behind, limit: step }),
          keyOf,
          (row) => deviceFacets[by](row) === value,
        ),
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

const keyOf = ({ keyId }: { readonly keyId: Uuid }): Uuid => keyId;
