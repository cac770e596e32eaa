import { parseUuid, uuidNamespaces, uuidV5 } from '../core/ids.ts';
import type { Device, EnrollmentGroup, Owner } from '../store/model.ts';

/** An owner's id is its name if that is a UUID, else derived from it, as the reference service does (plgd-service 2.3). */
export function ownerNamed(name: string): Owner {
  return { id: parseUuid(name) ?? uuidV5(uuidNamespaces.url, name), name };
}

/**
 * Whose a device of this group is: whom a transfer gave it to; else its group's owner, or whoever that was when the device
 * came, if the group keeps what it gave.
 */
export function ownerOf(device: Device, group: EnrollmentGroup): Owner {
  const { assignedOwner, ownerId } = device;
  if (assignedOwner) return assignedOwner;
  if (group.reprovisioning === 'migrate' || ownerId === group.owner.id) return group.owner;
  // Owners are written in groups; of one that no group names any more, the device's own history knows the name.
  const name = device.lineage.findLast(({ facts }) => facts.ownerId === ownerId)?.facts.owner;
  return { id: ownerId, name: typeof name === 'string' ? name : ownerId };
}

/** A transfer that the device has not heard of: it has what its earlier owner gave it. */
export const awaitsOwner = ({ assignedOwner, ownerId }: Device): boolean =>
  assignedOwner !== undefined && assignedOwner.id !== ownerId;
