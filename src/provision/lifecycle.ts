import type { Millis } from '../core/clock.ts';
import { type Evidence, failure } from '../core/errors.ts';
import type { Uuid } from '../core/ids.ts';
import { statusFlags } from '../core/status.ts';
import type { Credential, Device, DeviceState, Owner, RevocationReason } from '../store/model.ts';
import { remembering } from './lineage.ts';

/** A device after a turn in its life, with those of its credentials that change with it: written together or not at all. */
export interface LifeChange {
  readonly device: Device;
  readonly credentials: readonly Credential[];
}

/**
 * A turn in the life of a device. Pure; `credentials` are all of the device.
 * @throws FirstbootError operator.conflict when the turn makes no sense from where the device is.
 */
export type LifeTurn = (
  device: Device,
  credentials: readonly Credential[],
  reason: string | undefined,
  now: Millis,
) => LifeChange;

/** Lets in a device that waits, or one whose life was over: that one begins anew, with new credentials only. */
export const approved: LifeTurn = (device, _credentials, reason, now) => {
  demand(device, ['pending', 'decommissioned'], 'approved');
  if (device.state === 'pending') return { device: inState(device, 'active', reason, now), credentials: [] };
  if (device.successor !== undefined) {
    const evidence = { keyId: device.keyId, successor: device.successor };
    throw failure('operator.conflict', evidence, 'its device has another manufacturer key now: look at the successor');
  }
  const anew = { ...unprovisioned(device), resetAllowed: true };
  return { device: inState(anew, 'active', reason, now), credentials: [] };
};

/** Turns away a device that waits. It can be enabled later: then it waits again. */
export const rejected: LifeTurn = (device, credentials, reason, now) => {
  demand(device, ['pending'], 'rejected');
  return held(device, 'disabled', credentials, reason, now);
};

/** Holds a device until somebody has looked at it. */
export const quarantined: LifeTurn = (device, credentials, reason, now) => {
  demand(device, ['pending', 'active'], 'quarantined');
  return held(device, 'quarantined', credentials, reason, now);
};

export const released: LifeTurn = (device, credentials, reason, now) => {
  demand(device, ['quarantined'], 'released');
  return letGo(device, credentials, reason, now);
};

export const disabled: LifeTurn = (device, credentials, reason, now) => {
  demand(device, ['pending', 'active', 'quarantined'], 'disabled');
  return held(device, 'disabled', credentials, reason, now);
};

export const enabled: LifeTurn = (device, credentials, reason, now) => {
  demand(device, ['disabled'], 'enabled');
  return letGo(device, credentials, reason, now);
};

/** Ends the life of a device: its credentials are revoked for good. */
export const decommissioned: LifeTurn = (device, credentials, reason, now) => {
  demand(device, ['pending', 'active', 'quarantined', 'disabled'], 'decommissioned');
  return {
    device: inState({ ...unprovisioned(device), resetAllowed: false }, 'decommissioned', reason, now),
    credentials: revokedFrom(credentials, 'cessationOfOperation', now),
  };
};

/**
 * Gives a device to another owner. It has to be provisioned again before that counts; one factory reset goes with it, whatever
 * the policy says of resets.
 */
export function transferred(device: Device, owner: Owner, reason: string | undefined, now: Millis): LifeChange {
  demand(device, ['pending', 'active', 'quarantined', 'disabled'], 'transferred');
  const present = device.assignedOwner?.id ?? device.ownerId;
  if (present === owner.id) {
    throw failure('operator.conflict', { keyId: device.keyId, owner: owner.name }, 'it belongs to this owner already');
  }
  const facts = { from: device.ownerId, ownerId: owner.id, owner: owner.name, ...because(reason) };
  const changed = { ...unprovisioned(device), assignedOwner: owner, resetAllowed: true };
  return { device: remembering(changed, 'owner', facts, now), credentials: [] };
}

/** A device that goes on under another manufacturer key: the record that ends, and the one that goes on. */
export interface KeyChange extends LifeChange {
  readonly successor: Device;
  /** Device ids that go over to the new key. */
  readonly claims: readonly { readonly deviceId: Uuid; readonly keyId: Uuid }[];
}

/**
 * Gives what a device is to another manufacturer key: after a repair, or a new manufacturer certificate. The old key's life is
 * over, and its credentials with it; the new key is let in as the old one was, and one factory reset goes with it.
 * @param next the record of the new key, or its id when it has not come yet.
 */
export function rekeyed(
  device: Device,
  credentials: readonly Credential[],
  next: Device | Uuid,
  reason: string | undefined,
  now: Millis,
): KeyChange {
  const to = typeof next === 'string' ? undefined : next;
  const keyId = typeof next === 'string' ? next : next.keyId;
  const evidence = { keyId: device.keyId, to: keyId };
  if (keyId === device.keyId) throw failure('operator.conflict', evidence, 'name two different keys');
  if (device.successor !== undefined) {
    throw failure('operator.conflict', { ...evidence, successor: device.successor }, 'it has got another key already');
  }
  demand(device, ['active', 'pending', 'quarantined', 'disabled'], 'given another key');
  if (to) demand(to, ['pending', 'active'], 'given a device');
  const facts = { from: device.keyId, to: keyId, ...because(reason) };
  const ended = inState({ ...unprovisioned(device), successor: keyId }, 'decommissioned', reason, now);
  const known = [device.deviceId, ...credentials.map((credential) => credential.deviceId)];
  const ids = new Set(known.filter((id) => id !== undefined));
  return {
    device: remembering(ended, 'key', facts, now),
    credentials: revokedFrom(credentials, 'superseded', now),
    successor: remembering(heir(device, to, keyId), 'key', facts, now),
    claims: [...ids].map((deviceId) => ({ deviceId, keyId })),
  };
}

/** Allows a device under the policy `never` one factory reset. */
export const resetAllowed: LifeTurn = (device) => {
  demand(device, ['pending', 'active', 'quarantined', 'disabled'], 'allowed a reset');
  if (device.resetAllowed) {
    throw failure('operator.conflict', { keyId: device.keyId }, 'it may be reset already, and has not been since');
  }
  return { device: { ...device, resetAllowed: true }, credentials: [] };
};

/** Puts the alarms of a device away; whether it is let in again is another question. */
export const alarmsCleared: LifeTurn = (device) => {
  if (device.alarms.length === 0) {
    throw failure('operator.conflict', { keyId: device.keyId }, 'there is no open alarm of this device');
  }
  return { device: { ...device, alarms: [] }, credentials: [] };
};

/**
 * The credentials that `reason` ends: those that have not run out and are not revoked for good. One on hold is revoked for
 * good by any other reason. Returns only those that change.
 */
export function revokedFrom(
  credentials: readonly Credential[],
  reason: RevocationReason,
  now: Millis,
): readonly Credential[] {
  return credentials.flatMap((credential) => {
    const { revoked, notAfter } = credential;
    const lives = revoked === undefined || (revoked.reason === 'certificateHold' && reason !== 'certificateHold');
    return lives && notAfter > now ? [{ ...credential, revoked: { at: now, reason } }] : [];
  });
}

const held = (
  device: Device,
  state: DeviceState,
  credentials: readonly Credential[],
  reason: string | undefined,
  now: Millis,
): LifeChange => ({
  device: inState(device, state, reason, now),
  credentials: revokedFrom(credentials, 'certificateHold', now),
});

/** Back to where it was before it was held, however often: a device that has never been approved is not approved by this. */
function letGo(
  device: Device,
  credentials: readonly Credential[],
  reason: string | undefined,
  now: Millis,
): LifeChange {
  const turns = device.lineage.filter(({ event }) => event === 'state');
  const cameFrom = turns.reduceRight<unknown>(
    (state, { facts }) => (isHeld(state) && facts.state === state ? facts.from : state),
    device.state,
  );
  const state = cameFrom === 'pending' ? 'pending' : 'active';
  const onHold = credentials.filter(({ revoked }) => revoked?.reason === 'certificateHold');
  return {
    device: inState(device, state, reason, now),
    credentials: onHold.map((credential) => ({ ...credential, revoked: undefined })),
  };
}

const isHeld = (state: unknown): boolean => state === 'quarantined' || state === 'disabled';

function inState(device: Device, state: DeviceState, reason: string | undefined, now: Millis): Device {
  const facts = { from: device.state, state, ...because(reason) };
  return remembering({ ...device, state, stateSince: now, stateReason: reason }, 'state', facts, now);
}

/** Nothing that it was given counts any more. */
const unprovisioned = (device: Device): Device => ({
  ...device,
  flags: device.flags & statusFlags.initialized,
  confirmedAt: undefined,
});

/** The record that goes on: what the new key has of its own stays, and the rest is what its predecessor was. */
function heir(device: Device, to: Device | undefined, keyId: Uuid): Device {
  const inherited = {
    state: device.state,
    stateSince: device.stateSince,
    stateReason: device.stateReason,
    assignedOwner: to?.assignedOwner ?? device.assignedOwner,
    resetAllowed: true,
    alarms: device.alarms,
    createdAt: device.createdAt,
  };
  if (to === undefined) {
    const { subject } = device.manufacturer;
    const manufacturer = { subject, serial: undefined, certificate: undefined };
    return { ...unprovisioned(device), ...inherited, keyId, manufacturer, revision: 0 };
  }
  const lineage = [...device.lineage, ...to.lineage].sort((a, b) => a.at - b.at);
  if (to.deviceId !== undefined) return { ...to, ...inherited, lineage };
  const { deviceId, generation, hubId } = device;
  return { ...to, ...inherited, lineage, deviceId, generation, hubId };
}

function demand(device: Device, states: readonly DeviceState[], deed: string): void {
  if (states.includes(device.state)) return;
  const evidence: Evidence = { keyId: device.keyId, state: device.state };
  throw failure('operator.conflict', evidence, `only a device that is ${states.join(' or ')} can be ${deed}`);
}

const because = (reason: string | undefined): Evidence => (reason === undefined ? {} : { reason });
