import type { Uuid } from '../core/ids.ts';
import type { Credential, Device, EnrollmentGroup } from '../store/model.ts';
import type { AccessFacts } from './access.ts';
import { admitAgain } from './admit.ts';
import { awaitsOwner } from './owner.ts';

/**
 * Whether a device may live on in the tokens that it was given: it is active and still called `deviceId`, its group is there
 * and would still let it in, its present credentials are not all revoked, and it is not waiting to be provisioned for another
 * owner.
 * @param access what the lists of its group say now.
 * @param ownerId whose the tokens are; undefined: they do not say.
 * @param credentials all of the device.
 */
export function holdsOn(
  device: Device,
  group: EnrollmentGroup | undefined,
  access: AccessFacts,
  credentials: readonly Credential[],
  { deviceId, ownerId }: { readonly deviceId: Uuid; readonly ownerId: Uuid | undefined },
): boolean {
  if (!group || device.deviceId !== deviceId || !admitAgain(group, device, access).ok) return false;
  const { assignedOwner, generation } = device;
  if (awaitsOwner(device)) return false;
  if (assignedOwner && ownerId !== undefined && ownerId !== assignedOwner.id) return false;
  return credentials.some((credential) => credential.generation === generation && credential.revoked === undefined);
}
