import type { Millis } from '../core/clock.ts';
import { type Evidence, failure } from '../core/errors.ts';
import type { Uuid } from '../core/ids.ts';
import { limits } from '../core/limits.ts';
import type { Device, EnrollmentGroup } from '../store/model.ts';
import type { Store } from '../store/store.ts';
import type { Attestation } from './attest.ts';
import { remembering } from './lineage.ts';
import { awaitsOwner, ownerOf } from './owner.ts';

/**
 * Writes `change(present record)` and returns what is stored then. When somebody else was first, the change is made again
 * on top of theirs, so it must be a pure function. A change that returns its argument writes nothing.
 * @param known the record as last seen, which saves a read; undefined = read it.
 * @throws FirstbootError service.busy when the record keeps changing, service.store.
 */
export async function changeDevice(
  store: Store,
  keyId: Uuid,
  known: Device | undefined,
  change: (device: Device | undefined) => Device | undefined,
  now: Millis,
): Promise<Device | undefined> {
  let present = known ?? (await store.device(keyId));
  for (let tries = 0; tries < limits.provision.writeConflicts; tries++) {
    const changed = change(present);
    if (changed === undefined || (present && sameRecord(changed, present))) return present;
    const written = await store.putDevice({ ...changed, updatedAt: now });
    if (written) return written;
    present = await store.device(keyId);
  }
  throw failure('service.busy', { keyId }, 'several sessions of one device run at a time; the device tries again');
}

/** How a device has come to its group. */
interface Entry {
  readonly attestation: Attestation;
  readonly group: EnrollmentGroup;
  /** What let it in; undefined: the group has done so already, or it has to wait for approval. */
  readonly by: 'auto' | 'preauthorized' | undefined;
  /** Where it came from. */
  readonly peer: string;
}

/** The record of a device that has come to a group: a new one, or the known one with what it presented now. */
export function enrolled(device: Device | undefined, entry: Entry, now: Millis): Device {
  const { attestation, group, by } = entry;
  const manufacturer = {
    subject: attestation.subject,
    serial: attestation.mechanism === 'x509' ? attestation.serial : undefined,
    certificate: attestation.mechanism === 'x509' ? attestation.certificate : undefined,
    ...(attestation.mechanism === 'x509' && attestation.onlyByPin && { unverified: true }),
  };
  if (device) {
    const moved = movedTo({ ...device, manufacturer }, group, now);
    const stays = device.state !== 'active' || device.groupId === group.id || by !== undefined;
    return seenWaiting(stays ? activated(moved, by, now) : waiting(moved, now), entry, now);
  }
  const state = by === undefined ? 'pending' : 'active';
  const fresh: Device = {
    keyId: attestation.keyId,
    groupId: group.id,
    ownerId: group.owner.id,
    manufacturer,
    assignedOwner: undefined,
    state,
    stateSince: now,
    stateReason: undefined,
    deviceId: undefined,
    generation: 0,
    resetAllowed: false,
    flags: 0,
    retry: { failures: 0, slot: undefined, expectedAt: undefined },
    hubId: undefined,
    confirmedAt: undefined,
    lastPeer: entry.peer,
    lastSeenAt: now,
    lineage: [],
    alarms: [],
    successor: undefined,
    createdAt: now,
    updatedAt: now,
    revision: 0,
  };
  const facts = { ...placeFacts(group), state, ...(by && { by }) };
  return remembering(fresh, 'enrolled', facts, now);
}

/** Where and when a device was last seen. */
export const seen = (device: Device, peer: string, now: Millis): Device => ({
  ...recordedAgain(device, now),
  lastPeer: peer,
  lastSeenAt: now,
});

/** A record that was deleted begins anew with what the device does after that. */
export function recordedAgain(device: Device, now: Millis): Device {
  const { recordDeletedAt, ...record } = device;
  return recordDeletedAt === undefined || now <= recordDeletedAt ? device : { ...record, recordSince: now };
}

/** One that waits has no session that would note it later. */
const seenWaiting = (device: Device, { peer }: Entry, now: Millis): Device =>
  device.state === 'pending' ? seen(device, peer, now) : device;

/** A transfer shows in the owner only when the device has got everything from the new one. */
function movedTo(device: Device, group: EnrollmentGroup, now: Millis): Device {
  const from = { group: device.groupId, owner: device.ownerId };
  // What it was given it keeps where its group says so; one that waits, or comes from another group, was given nothing.
  const stays = from.group === group.id && device.state !== 'pending';
  const owner = stays ? ownerOf(device, group) : (device.assignedOwner ?? group.owner);
  let moved = device;
  if (from.group !== group.id) {
    const facts = { from: from.group, groupId: group.id, group: group.name };
    moved = remembering({ ...moved, groupId: group.id }, 'group', facts, now);
  }
  if (from.owner !== owner.id && !awaitsOwner(device)) {
    const facts = { from: from.owner, ownerId: owner.id, owner: owner.name };
    moved = remembering({ ...moved, ownerId: owner.id }, 'owner', facts, now);
  }
  return moved;
}

function activated(device: Device, by: Entry['by'], now: Millis): Device {
  if (by === undefined || device.state !== 'pending') return device;
  const active: Device = { ...device, state: 'active', stateSince: now, stateReason: undefined };
  return remembering(active, 'state', { from: device.state, state: 'active', by }, now);
}

/** A device that another group had let in. What it was given there stays as it is until an operator decides. */
function waiting(device: Device, now: Millis): Device {
  const waits: Device = { ...device, state: 'pending', stateSince: now, stateReason: undefined };
  return remembering(waits, 'state', { from: device.state, state: 'pending', because: 'another group' }, now);
}

const placeFacts = (group: EnrollmentGroup): Evidence => ({
  group: group.name,
  groupId: group.id,
  owner: group.owner.name,
  ownerId: group.owner.id,
});

/** Whether two records say the same, but for when they were written. */
export function sameRecord(a: Device, b: Device): boolean {
  return a === b || sameFields({ ...a, updatedAt: 0 }, { ...b, updatedAt: 0 });
}

/** A field that is undefined is one that is missing, as in the store. */
function sameFields(a: object, b: object): boolean {
  const [left, right] = [new Map<string, unknown>(Object.entries(a)), new Map<string, unknown>(Object.entries(b))];
  return [...new Set([...left.keys(), ...right.keys()])].every((name) => sameValue(left.get(name), right.get(name)));
}

const sameValue = (a: unknown, b: unknown): boolean =>
  a === b || (typeof a === 'object' && typeof b === 'object' && a !== null && b !== null && sameFields(a, b));
