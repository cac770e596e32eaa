import { createHmac } from 'node:crypto';
import { concatBytes, fromBase64, utf8 } from '../core/bytes.ts';
import { type Uuid, uuidBytes } from '../core/ids.ts';
import type { EnrollmentGroup, Owner } from '../store/model.ts';

/** The key of so many bytes is what devices are given. */
export const ownerPskBytes = 16;

/**
 * The key with which its owner reaches a device of the group, 16 bytes: its own, or the beginning of the group's, which is the
 * same on all devices of the group's owner (contract, plgd-service 2.6). That one opens them all: a device of somebody else, to
 * whom it was transferred, is not given it. Undefined: there is none for it.
 */
export function groupOwnerPsk(
  { owner, ownerPsk, ownerPskShared }: Pick<EnrollmentGroup, 'owner' | 'ownerPsk' | 'ownerPskShared'>,
  { id: ownerId }: Pick<Owner, 'id'>,
  deviceId: Uuid,
): Uint8Array | undefined {
  if (ownerPsk === undefined) return undefined;
  const key = fromBase64(ownerPsk);
  if (ownerPskShared !== true) return ownerPskOf(key, deviceId);
  return ownerId === owner.id ? key.subarray(0, ownerPskBytes) : undefined;
}

/**
 * The key with which the owner reaches one device, 16 bytes: HMAC-SHA256 of the group's master (16 to 64 bytes) over a label and
 * the device id, cut in half. Who takes a device apart learns that device's key, and who has the master can work out all.
 */
export function ownerPskOf(master: Uint8Array, deviceId: Uuid): Uint8Array {
  const message = concatBytes(utf8('firstboot owner psk'), uuidBytes(deviceId));
  return new Uint8Array(createHmac('sha256', master).update(message).digest().subarray(0, ownerPskBytes));
}
