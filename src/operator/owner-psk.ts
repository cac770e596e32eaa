import { toHex } from '../core/bytes.ts';
import { failure } from '../core/errors.ts';
import type { Uuid } from '../core/ids.ts';
import { ownerOf } from '../provision/owner.ts';
import { groupOwnerPsk } from '../provision/owner-psk.ts';
import type { OperatorDeps } from './change.ts';
import { findDevice } from './find.ts';

export interface OwnerPsk {
  readonly deviceId: Uuid;
  /** Identity of the key, as the device has it. */
  readonly ownerId: Uuid;
  /** 16 bytes, hex. */
  readonly key: string;
  /** All devices of its group have it. */
  readonly shared: boolean;
}

/**
 * The key with which the owner reaches a device. Who read it goes into the audit log before it is told.
 * @throws FirstbootError operator.not-found (the device; its group has no owner key, or none for it), operator.ambiguous, operator.conflict
 *   (the device has no device id yet), service.store
 */
export async function readOwnerPsk({ store, now, actor }: OperatorDeps, which: string): Promise<OwnerPsk> {
  const device = await findDevice(store, which);
  const { keyId, deviceId, ownerId, groupId } = device;
  if (deviceId === undefined) {
    throw failure(
      'operator.conflict',
      { keyId, deviceId: 'none yet' },
      'the key is made for a device id: let it come first',
    );
  }
  const group = await store.groups.get(groupId);
  const key = group && groupOwnerPsk(group, ownerOf(device, group), deviceId);
  if (key === undefined) {
    const evidence = { group: group?.name ?? groupId, ownerPsk: 'none' };
    throw failure('operator.not-found', evidence, group?.ownerPsk === undefined ? noKey : notItsKey);
  }
  await store.commit({
    audit: { at: now(), actor, action: 'credential.owner-psk', target: `device ${keyId}`, detail: { deviceId } },
  });
  return { deviceId, ownerId, key: toHex(key), shared: group?.ownerPskShared === true };
}

const noKey = 'give the group an owner key (ownerPskFile); its devices have it after they have been provisioned again';

const notItsKey =
  "the group's key is one for all devices of its owner, and this one is not his: a group without ownerPskShared has a key for it";
