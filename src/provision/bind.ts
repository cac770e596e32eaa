import type { Millis } from '../core/clock.ts';
import { type Decision, decided, refused } from '../core/errors.ts';
import { nilUuid, parseUuid, type Uuid } from '../core/ids.ts';
import { limits } from '../core/limits.ts';
import type { Device } from '../store/model.ts';
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

/**
 * Stage bind, first half: what the device id in a request would make of the record.
 * @param text the device id as the device wrote it.
 * @param reserved the ids of owners and hubs: a certificate for one of them would speak in its name.
 */
export function bind(device: Device, text: string, reserved: ReadonlySet<Uuid>, now: Millis): Decision<Binding> {
  const deviceId = parseUuid(text);
  if (deviceId === undefined || deviceId === nilUuid) {
    return refused(
      'bind.device-id-missing',
      { given: text.slice(0, 64) },
      'send the OCF device id (di), a UUID other than nil',
    );
  }
  if (reserved.has(deviceId)) {
    return refused('bind.device-id-reserved', { deviceId }, 'reset the device, so that it takes a random device id');
  }
  if (device.deviceId === deviceId) return decided({ kind: 'same', deviceId, generation: device.generation });
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
    'reset the device, so that it takes a random device id; if the other device is this one with a new manufacturer key, delete its record',
  );
}

/** The record of the device after it has been bound to a device id that it may have. */
export function bound(device: Device, deviceId: Uuid): Device {
  if (device.deviceId === deviceId) return device;
  const fresh = device.deviceId === undefined ? device : generationStarted(device);
  return { ...fresh, deviceId, generation: device.generation + 1 };
}
