import type { Millis } from '../core/clock.ts';
import { failure } from '../core/errors.ts';
import { nilUuid, parseUuid, type Uuid } from '../core/ids.ts';
import type { JsonObject } from '../core/json.ts';
import { limits } from '../core/limits.ts';
import {
  alarmsCleared,
  approved,
  decommissioned,
  disabled,
  enabled,
  type LifeChange,
  type LifeTurn,
  quarantined,
  rejected,
  rekeyed,
  released,
  resetAllowed,
  revokedFrom,
  transferred,
} from '../provision/lifecycle.ts';
import { ownerNamed } from '../provision/owner.ts';
import type { Credential, Device, Owner } from '../store/model.ts';
import type { Store, StoreChanges } from '../store/store.ts';
import {
  asStored,
  carryOut,
  carryOutInPieces,
  type OperatorDeps,
  type Outcome,
  type RowOptions,
  requireRevision,
} from './change.ts';
import { credentialEffect, firstEffects, lifeEffects, nameOf } from './device-effects.ts';
import { findDevice, findGroup } from './find.ts';
import { requireNoDevice } from './policy-rows.ts';
import { everyDeviceBy, firstOf } from './scan.ts';
import { isPlainText, requireReason } from './selectors.ts';

/** `reason` is one line for people: it goes on record with the device and into the audit log. */
export interface DeviceOptions extends RowOptions {
  readonly reason?: string | undefined;
}

/**
 * An operation on the device that `which` means (findDevice).
 * @throws FirstbootError operator.not-found, operator.ambiguous, operator.input, operator.conflict (it makes no sense from the
 *   state in which the device is), api.precondition (it is not of `revision` any more)
 */
export type DeviceOperation = (deps: OperatorDeps, which: string, options?: DeviceOptions) => Promise<Outcome<Device>>;

/** Lets a waiting device in at its next try; one that was decommissioned begins anew. */
export const approveDevice = operation('approve', approved);
/** Turns a waiting device away. */
export const rejectDevice = operation('reject', rejected);
/** Holds a device, and its credentials with it, until somebody has looked. */
export const quarantineDevice = operation('quarantine', quarantined);
export const releaseDevice = operation('release', released);
export const disableDevice = operation('disable', disabled);
export const enableDevice = operation('enable', enabled);
/** Ends the life of a device: its credentials are revoked for good. */
export const decommissionDevice = operation('decommission', decommissioned);
/** Allows one factory reset under the policy `never`. */
export const allowReset = operation('allow-reset', resetAllowed);
export const clearAlarms = operation('clear-alarms', alarmsCleared);

/**
 * Gives a device to another owner (written as in a group: a name, or a UUID); that counts when it has been provisioned again.
 * @throws FirstbootError as every DeviceOperation; operator.conflict, too, when the owner's id is that of a device;
 *   operator.not-found, when who acts is bound to an owner and nobody knows the new one
 */
export function transferDevice(
  deps: OperatorDeps,
  which: string,
  owner: string,
  options: DeviceOptions = {},
): Promise<Outcome<Device>> {
  const next = requireOwner(owner);
  const turn: LifeTurn = (device, _credentials, reason, now) => transferred(device, next, reason, now);
  return carryOutTurn(deps, 'transfer', turn, which, options, {
    facts: { ownerId: next.id, owner: next.name },
    claims: () => ownerClaim(deps.store, next),
  });
}

/** From now on no device may take the owner's id as its own: its certificate would speak in the owner's name. */
async function ownerClaim(store: Store, owner: Owner): Promise<NonNullable<StoreChanges['claims']>> {
  const kept = (await requireNoDevice(store, 'owner', owner)) !== undefined;
  return kept ? [] : [{ deviceId: owner.id, keyId: nilUuid }];
}

/**
 * Gives what a device is to another manufacturer key: a device that was refused with bind.device-id-taken after a repair, or
 * one that has not come yet, by its whole key id (who is bound to an owner names only what has come). The old record ends with `successor`, device ids go over.
 * @returns the record that goes on
 * @throws FirstbootError as every DeviceOperation
 */
export function rekeyDevice(
  deps: OperatorDeps,
  from: string,
  to: string,
  options: DeviceOptions = {},
): Promise<Outcome<Device>> {
  const reason = requireReason(options.reason);
  return carryOut(
    deps,
    async () => {
      const now = deps.now();
      const device = await findDevice(deps.store, from);
      const next = await findNext(deps.store, to);
      const change = rekeyed(device, await deps.store.credentials(device.keyId), next, reason, now);
      const held = await heldWith(deps.store, change.successor, now);
      const devices = [change.device, change.successor].map((changed) => ({ ...changed, updatedAt: now }));
      const unseen = typeof next === 'string';
      return {
        action: 'device.rekey',
        target: `device ${device.keyId}`,
        detail: { to: change.successor.keyId, ...(reason !== undefined && { reason }) },
        changes: { devices, credentials: [...change.credentials, ...held], claims: change.claims },
        effects: [
          ...lifeEffects(device, change),
          `device ${change.successor.keyId} goes on for it${unseen ? ', when it comes' : ''}`,
          ...held.map(credentialEffect),
          ...change.claims.map(({ deviceId, keyId }) => `device id ${deviceId} goes over to key ${keyId}`),
        ],
        result: devices[1] ?? change.successor,
      };
    },
    options,
  );
}

/**
 * Approves all that wait in a group, some hundred at a time: each of them is approved or not, with a line of the audit log
 * for each lot.
 * @returns key ids of those that were (or would be) approved
 * @throws FirstbootError operator.not-found, operator.ambiguous, operator.input, service.busy
 */
export async function approveGroup(
  deps: OperatorDeps,
  which: string,
  options: DeviceOptions = {},
): Promise<Outcome<readonly Uuid[]>> {
  const reason = requireReason(options.reason);
  const group = await findGroup(deps.store, which);
  const pieces = await carryOutInPieces(
    deps,
    async (after: Uuid | undefined) => {
      const now = deps.now();
      const { rows, next } = await firstOf(everyDeviceBy(deps.store, { by: 'state', value: 'pending' }, after), {
        fits: ({ groupId }) => groupId === group.id,
        most: limits.operator.page,
        position: ({ keyId }) => keyId,
      });
      const result = rows.map(({ keyId }) => keyId);
      const plan = {
        action: 'group.approve',
        target: `group ${group.id}`,
        detail: { devices: result, ...(reason !== undefined && { reason }) },
        changes: { devices: rows.map((device) => ({ ...approved(device, [], reason, now).device, updatedAt: now })) },
        effects: rows.map((device) => `${nameOf(device)}: pending -> active`),
        result,
      };
      return { plan, next };
    },
    options,
  );
  return {
    applied: pieces.some(({ applied }) => applied),
    effects: firstEffects(pieces.flatMap(({ effects }) => effects)),
    result: pieces.flatMap(({ result }) => result),
  };
}

function operation(action: string, turn: LifeTurn): DeviceOperation {
  return (deps, which, options = {}) => carryOutTurn(deps, action, turn, which, options);
}

async function carryOutTurn(
  deps: OperatorDeps,
  action: string,
  turn: LifeTurn,
  which: string,
  options: DeviceOptions,
  more: { readonly facts?: JsonObject; readonly claims?: () => Promise<NonNullable<StoreChanges['claims']>> } = {},
): Promise<Outcome<Device>> {
  const reason = requireReason(options.reason);
  const outcome = await carryOut(
    deps,
    async () => {
      const now = deps.now();
      const device = await findDevice(deps.store, which);
      requireRevision(device, options.revision);
      const change: LifeChange = turn(device, await deps.store.credentials(device.keyId), reason, now);
      const next = { ...change.device, updatedAt: now };
      return {
        action: `device.${action}`,
        target: `device ${device.keyId}`,
        detail: {
          ...more.facts,
          ...(device.state !== next.state && { from: device.state, to: next.state }),
          ...(change.credentials.length > 0 && { credentials: change.credentials.map(({ serial }) => serial) }),
          ...(reason !== undefined && { reason }),
        },
        changes: { devices: [next], credentials: change.credentials, claims: (await more.claims?.()) ?? [] },
        effects: lifeEffects(device, change, await ownerName(deps.store, device)),
        result: next,
      };
    },
    options,
  );
  return asStored(outcome);
}

/** A device that is known, or the whole id of a key that is not. */
async function findNext(store: Store, text: string): Promise<Device | Uuid> {
  const id = parseUuid(text.trim());
  if (id === undefined) return findDevice(store, text);
  const known = await store.device(id);
  if (known) return known;
  const holder = await store.ownerOfDeviceId(id);
  if (holder === undefined) return id;
  const fix = 'the new key is named by its manufacturer key id; `firstboot explain` shows that of a certificate';
  throw failure('operator.input', { id, deviceOf: holder }, fix);
}

/** What a key was given already is held when it goes on for a device that is held. */
async function heldWith(store: Store, { keyId, state }: Device, now: Millis): Promise<readonly Credential[]> {
  if (state !== 'quarantined' && state !== 'disabled') return [];
  return revokedFrom(await store.credentials(keyId), 'certificateHold', now);
}

/** A group's owner has its name in the group alone. */
async function ownerName(store: Store, { assignedOwner, ownerId }: Device): Promise<string | undefined> {
  if (assignedOwner) return assignedOwner.name;
  return (await store.groups.list()).find(({ owner }) => owner.id === ownerId)?.owner.name;
}

function requireOwner(text: string): Owner {
  const owner = ownerNamed(text.trim());
  if (isPlainText(owner.name) && owner.id !== nilUuid) return owner;
  throw failure('operator.input', { field: 'owner' }, 'write the name or the UUID of the new owner');
}
