import type { Uuid } from '../../core/ids.ts';
import { type DeviceFilter, listDevices } from '../../operator/devices.ts';
import { type DataOptions, inDataFolder } from '../data-folder.ts';
import { whenWords } from '../times.ts';
import { everyPage, printListing, short } from './rows.ts';

type ListOptions = DataOptions & DeviceFilter & { readonly limit: number };

export const printDevices = (options: ListOptions): Promise<void> =>
  inDataFolder(options, async ({ store, now }, output) => {
    const groups = new Map((await store.groups.list()).map(({ id, name }) => [id, name]));
    await printListing(output, {
      rows: everyPage((page: { readonly after?: Uuid; readonly limit: number }) => listDevices(store, options, page)),
      limit: options.limit,
      head: ['key', 'device id', 'state', 'gen', 'alarms', 'last seen', 'group', 'manufacturer certificate'],
      cells: (device) => [
        short(device.keyId),
        short(device.deviceId),
        device.state,
        String(device.generation),
        device.alarms.length === 0 ? '-' : String(device.alarms.length),
        whenWords(device.lastSeenAt, now()),
        groups.get(device.groupId) ?? short(device.groupId),
        device.manufacturer.subject,
      ],
      data: (device) => ({ event: 'device', ...device }),
      none: 'there is no such device',
    });
  });
