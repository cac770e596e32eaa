import type { DeviceFilter } from '../../operator/device-list.ts';
import { whenWords } from '../times.ts';
import { type TargetOptions, withOperations } from '../with-operations.ts';
import { everyPage, printListing, short } from './rows.ts';

type ListOptions = TargetOptions & DeviceFilter & { readonly limit: number };

export const printDevices = (options: ListOptions): Promise<void> =>
  withOperations(options, async (operations, output, { now }) => {
    const groups = new Map((await operations.groups()).map(({ group: { id, name } }) => [id, name]));
    await printListing(output, {
      rows: everyPage((page) => operations.devices(options, page)),
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
