import { createHmac } from 'node:crypto';
import { concatBytes, utf8 } from '../core/bytes.ts';
import { type Uuid, uuidBytes } from '../core/ids.ts';

/**
 * The key with which the owner reaches one device, 16 bytes: HMAC-SHA256 of the group's master (16 to 64 bytes) over a label and
 * the device id, cut in half. Who takes a device apart learns that device's key, and who has the master can work out all.
 */
export function ownerPskOf(master: Uint8Array, deviceId: Uuid): Uint8Array {
  const message = concatBytes(utf8('firstboot owner psk'), uuidBytes(deviceId));
  return new Uint8Array(createHmac('sha256', master).update(message).digest().subarray(0, 16));
}
