import type { Millis } from '../core/clock.ts';
import { defaultRetryTable, statusFlags } from '../core/status.ts';
import type { Device } from '../store/model.ts';
import type { Step } from './contract.ts';
import { provisionedOnce, wasOwnerTold } from './lineage.ts';
import { awaitsOwner } from './owner.ts';

export const steps: readonly Step[] = ['time', 'ownership', 'cloud', 'credentials', 'acls'];

/** The flags of a device that has everything. */
export const provisionedFlags =
  statusFlags.initialized | statusFlags.hasCloud | statusFlags.hasCredentials | statusFlags.hasAcls;

const gained: Readonly<Record<Step, number>> = {
  time: 0,
  ownership: 0,
  cloud: statusFlags.hasCloud,
  credentials: statusFlags.hasCredentials,
  acls: statusFlags.hasAcls,
};

const noRetry = { failures: 0, slot: undefined, expectedAt: undefined } as const;

/**
 * The record of a device after a step was served, as the device sees itself: asking for the time begins a run from the
 * start, every other step adds its flag; a success clears the failure and the retry counter.
 */
export function stepServed(device: Device, step: Step): Device {
  const kept = step === 'time' ? 0 : device.flags & ~statusFlags.failure;
  return { ...device, flags: kept | statusFlags.initialized | gained[step], retry: noRetry };
}

/**
 * The same for the whole record: with a credential the present generation counts as provisioned, whether the device asks on or
 * not. With everything served a transfer has arrived if the device has heard of it: one that came behind the ownership step of
 * a run waits for the next.
 */
export function afterStep(device: Device, step: Step, now: Millis): Device {
  const given = stepServed(device, step);
  const served = step === 'credentials' ? provisionedOnce(given, now) : given;
  if ((served.flags & provisionedFlags) !== provisionedFlags) return served;
  const { assignedOwner } = served;
  if (assignedOwner === undefined || !awaitsOwner(served) || !wasOwnerTold(served)) return served;
  return { ...served, ownerId: assignedOwner.id, resetAllowed: false };
}

/** The record of a device after a failed step, refused question or broken session: the failure flag, and the next retry slot. */
export function stepFailed(device: Device, now: Millis): Device {
  const failures = device.retry.failures + 1;
  const slot = retrySlot(failures);
  return { ...device, flags: device.flags | statusFlags.failure, retry: { failures, slot, expectedAt: now + slot } };
}

/** The delay a device waits at most after its n-th failure in a row (n from 1), ms: 10, 20, 40, 80, 120 s, then over again. */
export function retrySlot(failures: number): Millis {
  return defaultRetryTable[Math.max(0, failures - 1) % defaultRetryTable.length] ?? 0;
}

/** The record of a device that took a new device id: nothing of the earlier generation holds any more, but where it belongs. */
export function generationStarted(device: Device): Device {
  return { ...device, flags: statusFlags.initialized, retry: noRetry, confirmedAt: undefined };
}
