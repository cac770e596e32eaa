import type { Millis } from '../core/clock.ts';
import { failure } from '../core/errors.ts';
import type { Uuid } from '../core/ids.ts';
import { limits } from '../core/limits.ts';
import type { Device, EnrollmentGroup } from '../store/model.ts';
import type { Store } from '../store/store.ts';
import type { Attestation } from './attest.ts';

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

/** The record of a device that was admitted to a group: a new one, or the known one with what it presented now. */
export function enrolled(
  device: Device | undefined,
  attestation: Attestation,
  group: EnrollmentGroup,
  now: Millis,
): Device {
  const certificate = attestation.mechanism === 'x509' ? attestation.certificate : undefined;
  const present = {
    groupId: group.id,
    ownerId: group.owner.id,
    manufacturer: { subject: attestation.subject, certificate },
  };
  if (device) return { ...device, ...present };
  return {
    keyId: attestation.keyId,
    ...present,
    deviceId: undefined,
    generation: 0,
    flags: 0,
    retry: { failures: 0, slot: undefined, expectedAt: undefined },
    hubId: undefined,
    confirmedAt: undefined,
    createdAt: now,
    updatedAt: now,
    revision: 0,
  };
}

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
