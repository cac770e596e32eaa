import type { Millis } from '../core/clock.ts';
import { type Decision, decided, refused } from '../core/errors.ts';
import { parseUuid, type Uuid } from '../core/ids.ts';
import type { Credential, Device } from '../store/model.ts';
import { revokedFrom } from './lifecycle.ts';

/**
 * Stage confirm: the cloud (or an app) says that `deviceId` has arrived. The first confirmation of a generation counts.
 * @param device the record of the key that holds the device id, if any.
 */
export function confirm(device: Device | undefined, deviceId: Uuid, now: Millis): Decision<Device> {
  if (device === undefined) {
    return refused('confirm.unknown-device', { deviceId }, 'confirm a device that was provisioned here');
  }
  if (device.deviceId !== parseUuid(deviceId)) {
    return refused(
      'confirm.unknown-device',
      { deviceId, present: device.deviceId ?? 'none', generation: device.generation },
      'the device has been reset since: confirm its present device id',
    );
  }
  return decided(device.confirmedAt === undefined ? { ...device, confirmedAt: now } : device);
}

/**
 * What the confirmation of a device's present generation ends: the credentials of earlier generations, those on hold for good.
 * Not before: until then the device may have nothing else.
 * @param credentials all of the device.
 */
export const superseded = (
  { generation }: Device,
  credentials: readonly Credential[],
  now: Millis,
): readonly Credential[] =>
  revokedFrom(
    credentials.filter((credential) => credential.generation < generation),
    'superseded',
    now,
  );
