import { seconds } from './clock.ts';

/**
 * The status flags of a provisioning, as plgd's client documents them. The device shows them; the service
 * mirrors them on its record of the device.
 */
export const statusFlags = {
  initialized: 1 << 0,
  hasCredentials: 1 << 1,
  hasAcls: 1 << 2,
  hasCloud: 1 << 3,
  failure: 1 << 6,
} as const;

/** Flag names that are set in `flags`, lowest bit first. */
export function statusNames(flags: number): string[] {
  return Object.entries(statusFlags)
    .filter(([, bit]) => (flags & bit) !== 0)
    .map(([name]) => name);
}

/** Delays before the next try, in ms, in order; after the last it starts over, for ever. */
export const defaultRetryTable: readonly number[] = [10, 20, 40, 80, 120].map(seconds);
