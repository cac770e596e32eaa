import type { Millis } from '../core/clock.ts';
import { type Decision, decided, refused } from '../core/errors.ts';
import { nilUuid, parseUuid, type Uuid } from '../core/ids.ts';
import { limits } from '../core/limits.ts';
import type { Device, EnrollmentGroup } from '../store/model.ts';
import { generationFacts, remembering, wasProvisioned } from './lineage.ts';
import { generationStarted } from './status.ts';

/**
 * Which device it is. `same`: it has named this id before. `first` and `reset` need a claim on the id first
 * (Store.claimDeviceId); a reset is the same manufacturer key with a new id after a factory reset.
 */
export interface Binding {
  readonly kind: 'same' | 'first' | 'reset';
  readonly deviceId: Uuid;
  readonly generation: number;
}

export interface BindRules {
  /** The ids of owners and hubs: a certificate for one of them would speak in its name. */
  readonly reserved: ReadonlySet<Uuid>;
  /** Whose the device is: also an owner that no group names. */
  readonly ownerId: Uuid;
  readonly reprovisioning: EnrollmentGroup['reprovisioning'];
  /** The only id that the group takes (device-ids.ts); undefined: any. A refusal: there can be none. */
  readonly demanded: Decision<Uuid | undefined>;
}

/**
 * Stage bind, first half: what the device id in a request would make of the record. Who repeats its present id is always let
 * on: a rule that came later is for the next reset.
 * @param text the device id as the device wrote it.
 */
export function bind(device: Device, text: string, rules: BindRules, now: Millis): Decision<Binding> {
  const deviceId = parseUuid(text);
  if (deviceId === undefined || deviceId === nilUuid) {
    return refused(
      'bind.device-id-missing',
      { given: text.slice(0, 64) },
      'send the OCF device id (di), a UUID other than nil',
    );
  }
  const { reserved, ownerId, demanded, reprovisioning } = rules;
  if (reserved.has(deviceId) || deviceId === ownerId) {
    return refused('bind.device-id-reserved', { deviceId }, 'reset the device, so that it takes a random device id');
  }
  if (device.deviceId === deviceId) return decided({ kind: 'same', deviceId, generation: device.generation });
  if (!demanded.ok) return demanded;
  if (demanded.value !== undefined && demanded.value !== deviceId) {
    const fix = 'give the device the id that its enrollment group demands, or the group another device id policy';
    return refused('bind.device-id-policy', { deviceId, expected: demanded.value }, fix);
  }
  if (reprovisioning === 'never' && wasProvisioned(device) && !device.resetAllowed) {
    const evidence = { deviceId, present: device.deviceId ?? 'none', generation: device.generation };
    return refused('bind.reprovisioning', evidence, 'allow the device one reset, if its owner has asked for it');
  }
  const { resetBurst, resetInterval } = limits.provision;
  // Each id is a reservation for ever: without a pace one key could take any number of them.
  if (device.generation >= resetBurst + Math.floor((now - device.createdAt) / resetInterval)) {
    const evidence = { deviceId, generation: device.generation };
    return refused(
      'bind.too-many-ids',
      evidence,
      'find out why the device keeps resetting itself; it may go on in a minute',
    );
  }
  const kind = device.deviceId === undefined ? 'first' : 'reset';
  return decided({ kind, deviceId, generation: device.generation + 1 });
}

/**
 * Stage bind, second half: judges the claim.
 * @param holder the manufacturer key that holds the device id.
 */
export function settleClaim(device: Device, deviceId: Uuid, holder: Uuid): Decision<undefined> {
  if (holder === device.keyId) return decided(undefined);
  return refused(
    'bind.device-id-taken',
    { deviceId, holder, claimant: device.keyId },
    'reset the device, so that it takes a random device id; if the other device is this one with a new manufacturer key, give its record that key',
  );
}

/**
 * The record of the device after it has been bound to a device id that it may have: an allowed reset is used up by it. A record
 * that another session has bound meanwhile stays as it is: that was not what the binding was judged on.
 */
export function bound(device: Device, binding: Pick<Binding, 'deviceId' | 'generation'>, now: Millis): Device {
  const { deviceId, generation } = binding;
  if (device.deviceId === deviceId || device.generation + 1 !== generation) return device;
  const begun = device.deviceId === undefined ? device : generationStarted(device);
  const resetAllowed = wasProvisioned(device) ? false : device.resetAllowed;
  const fresh = { ...begun, deviceId, generation, resetAllowed };
  return remembering(fresh, 'generation', generationFacts(fresh), now);
}
