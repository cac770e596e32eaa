import { isoTime, type Millis } from '../core/clock.ts';
import type { Evidence } from '../core/errors.ts';
import type { Uuid } from '../core/ids.ts';
import { limits } from '../core/limits.ts';
import type { Credential, Device, DeviceAlarm, LineageEntry } from '../store/model.ts';

/** The record with one more thing that the device has been through; the oldest make room. */
export function remembering(device: Device, event: LineageEntry['event'], facts: Evidence, now: Millis): Device {
  return { ...device, lineage: [...device.lineage, { at: now, event, facts }].slice(-limits.store.lineage) };
}

/** The record with one more open alarm; the oldest make room. */
export const alarmed = (device: Device, alarm: DeviceAlarm): Device => ({
  ...device,
  alarms: [...device.alarms, alarm].slice(-limits.store.alarms),
});

/**
 * Whether the device was called `deviceId` in an earlier generation and has been called something else since.
 * @param credentials all of the device: the lineage may have forgotten.
 */
export function hasLeft(device: Device, credentials: readonly Credential[], deviceId: Uuid): boolean {
  if (device.deviceId === undefined || device.deviceId === deviceId) return false;
  return (
    device.lineage.some(({ event, facts }) => event === 'generation' && facts.deviceId === deviceId) ||
    credentials.some((credential) => credential.deviceId === deviceId && credential.generation < device.generation)
  );
}

/** How often the device would have come back to a device id that it had left, were it called `deviceId` now. */
export function returnsOf({ lineage }: Device, deviceId: Uuid): number {
  const ids = lineage.filter(({ event }) => event === 'generation').map(({ facts }) => facts.deviceId);
  return [...ids, deviceId].filter((id, at, all) => all.indexOf(id) < at && all[at - 1] !== id).length;
}

/**
 * The record after the present generation was given a credential: status flags do not tell, because a device that was reset
 * asks for the time first, and with that question they begin anew.
 */
export function provisionedOnce(device: Device, now: Millis): Device {
  if (isMarked(device)) return device;
  const at = device.lineage.findLastIndex(({ event }) => event === 'generation');
  const lineage = device.lineage.map((entry, index) =>
    index === at ? { ...entry, facts: marked(entry.facts, now) } : entry,
  );
  return { ...device, lineage };
}

/** Whether the present generation has ever been given a credential, or the cloud has seen it. */
export const wasProvisioned = (device: Device): boolean => device.confirmedAt !== undefined || isMarked(device);

/** The record of a device that was told whose it is: a transfer to that owner has reached it. */
export function ownerTold(device: Device, ownerId: Uuid, now: Millis): Device {
  const at = transferOf(device);
  if (device.assignedOwner?.id !== ownerId || device.ownerId === ownerId || at < 0) return device;
  const told = { toldAt: isoTime(now) };
  const lineage = device.lineage.map((entry, index) =>
    index === at ? { ...entry, facts: { ...entry.facts, ...told } } : entry,
  );
  return { ...device, lineage };
}

/** Whether a transfer has reached the device; a lineage that has forgotten it does not stand in its way. */
export const wasOwnerTold = (device: Device): boolean =>
  device.lineage[transferOf(device)]?.facts.toldAt !== undefined || transferOf(device) < 0;

/** The lineage entry of the last transfer. */
const transferOf = ({ lineage, assignedOwner }: Device): number =>
  lineage.findLastIndex(({ event, facts }) => event === 'owner' && facts.ownerId === assignedOwner?.id);

/** The generation entry with which everything begins anew: what the lineage says of the present generation. */
export const generationFacts = ({ deviceId, generation }: Device): Evidence => ({
  deviceId: deviceId ?? 'none',
  generation,
});

function isMarked(device: Device): boolean {
  const facts = device.lineage.findLast(({ event }) => event === 'generation')?.facts;
  // A lineage that has forgotten, or that begins later than the device, gives nobody a reset.
  if (facts === undefined) return device.generation > 0;
  return facts.deviceId === device.deviceId && facts.provisionedAt !== undefined;
}

const marked = (facts: Evidence, now: Millis): Evidence => ({ ...facts, provisionedAt: isoTime(now) });
