import { statusFlags } from '../../src/core/status.ts';
import { createDeviceClient, type DeviceClient, type DeviceClientOptions } from '../../src/device/client.ts';
import type { Identity } from '../../src/secure/association.ts';
import type { Attempt } from '../../src/store/model.ts';
import type { World } from './world.ts';

export const schemes = ['coaps', 'coaps+tcp'] as const;
export type Scheme = (typeof schemes)[number];

const everything = statusFlags.initialized | statusFlags.hasCredentials | statusFlags.hasAcls | statusFlags.hasCloud;

/** Whether a device has got all that the service gives. */
export const isProvisioned = (device: DeviceClient): boolean => (device.status.flags & everything) === everything;

export interface BootOptions extends Partial<DeviceClientOptions> {
  readonly world: World;
  readonly scheme?: Scheme;
  /** Default: the first device of the world's PKI. */
  readonly manufacturer?: Identity;
}

/** A device of the world, loaded and started. It waits for its cloud for ever: these worlds have none. */
export async function bootDevice({
  world,
  scheme = 'coaps',
  manufacturer,
  ...options
}: BootOptions): Promise<DeviceClient> {
  const device = createDeviceClient({
    endpoints: [`${scheme}://service`],
    manufacturer: manufacturer ?? manufacturerOf(world),
    network: world.network(options.timers),
    serviceCa: [world.pki.serviceCa.certificate.der],
    cloudChecks: 0,
    timers: world.timers,
    random: world.random,
    ...options,
  });
  await device.init();
  device.start();
  return device;
}

export function manufacturerOf(world: World, at = 0): Identity {
  const device = world.pki.devices[at];
  if (!device) throw new Error(`the PKI has no device ${at}`);
  return device;
}

/** Every attempt on record, oldest first, with its entries. */
export async function attemptsOf(world: World): Promise<Attempt[]> {
  const summaries = await world.store.attempts({ limit: 200 });
  const attempts: Attempt[] = [];
  for (const { id } of summaries.toReversed()) {
    const attempt = await world.store.attempt(id);
    if (attempt) attempts.push(attempt);
  }
  return attempts;
}
