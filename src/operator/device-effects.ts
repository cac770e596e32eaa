import { limits } from '../core/limits.ts';
import type { LifeChange } from '../provision/lifecycle.ts';
import type { Credential, Device } from '../store/model.ts';

/** What a turn in the life of a device changes, a line for each. @param ownerName name of the owner before, if it is known */
export function lifeEffects(
  before: Device,
  { device: after, credentials }: LifeChange,
  ownerName = before.assignedOwner?.name,
): readonly string[] {
  const name = nameOf(before);
  const owner = after.assignedOwner;
  const lines: string[] = [];
  if (after.state !== before.state) lines.push(`${name}: ${before.state} -> ${after.state}`);
  if (owner !== undefined && owner.id !== before.assignedOwner?.id) {
    lines.push(`${name}: owner ${ownerName ?? before.ownerId} -> ${owner.name}`);
    lines.push('the device has to be reset or provisioned again to follow');
  }
  if (after.resetAllowed && !before.resetAllowed) lines.push(`${name} may be reset once`);
  if (after.alarms.length < before.alarms.length) lines.push(`${name}: ${before.alarms.length} alarms are cleared`);
  lines.push(...credentials.map(credentialEffect));
  return lines;
}

/**
 * The first limits.operator.listed of the lines, and how many more there are.
 * @param all how many there are, when these are not all
 */
export function firstEffects(lines: readonly string[], all = lines.length): readonly string[] {
  const said = lines.slice(0, limits.operator.listed);
  const unsaid = all - said.length;
  return unsaid > 0 ? [...said, `and so ${unsaid} more`] : said;
}

/** `device 3f0c.. (CN=sensor 7)` */
export const nameOf = ({ keyId, manufacturer }: Device): string => `device ${keyId} (${manufacturer.subject})`;

/** What becomes of a credential whose revocation changes. */
export function credentialEffect({ serial, revoked }: Credential): string {
  if (revoked === undefined) return `credential ${serial} is taken off hold`;
  if (revoked.reason === 'certificateHold') return `credential ${serial} is put on hold`;
  return `credential ${serial} is revoked for good (${revoked.reason})`;
}
