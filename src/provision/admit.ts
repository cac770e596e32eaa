import { type Decision, decided, refused } from '../core/errors.ts';
import type { Device, EnrollmentGroup } from '../store/model.ts';

/** How a device comes in: known, new, or from another group or owner (its group's anchors decide, so it may move). */
export interface Admission {
  readonly known: boolean;
  readonly moved: 'group' | 'owner' | undefined;
}

/** Stage admit: may the device of this group in now? `device` is its record, if there is one. */
export function admit(group: EnrollmentGroup, device: Device | undefined): Decision<Admission> {
  if (!group.enabled) {
    return refused(
      'admit.group-disabled',
      { group: group.name, groupId: group.id },
      'enable the enrollment group to let its devices in',
    );
  }
  return decided({ known: device !== undefined, moved: device && movement(device, group) });
}

function movement(device: Device, group: EnrollmentGroup): 'group' | 'owner' | undefined {
  if (device.ownerId !== group.owner.id) return 'owner';
  return device.groupId === group.id ? undefined : 'group';
}
