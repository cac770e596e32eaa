import type { IncomingResponse, OutgoingRequest } from '../../src/coap/endpoint.ts';
import { type Millis, seconds } from '../../src/core/clock.ts';
import type { Uuid } from '../../src/core/ids.ts';
import { statusFlags } from '../../src/core/status.ts';
import { createDeviceClient, type DeviceClient, type DeviceClientOptions } from '../../src/device/client.ts';
import { endpointOf } from '../../src/device/network.ts';
import type { Identity, Trust } from '../../src/secure/association.ts';
import type { SimulatedGateway } from '../../src/simulation/cloud.ts';
import type { Attempt } from '../../src/store/model.ts';
import type { World } from './world.ts';

export const schemes = ['coaps', 'coaps+tcp'] as const;
export type Scheme = (typeof schemes)[number];

const everything = statusFlags.initialized | statusFlags.hasCredentials | statusFlags.hasAcls | statusFlags.hasCloud;

/** The device's options in plgd's lab (plgd-service 4): 10 checks of the cloud, expiring limit 10 s, retry list [5 s]. */
export const lab = {
  cloudChecks: 10,
  expiring: seconds(10),
  retry: { table: [seconds(5)], variant: '2025' },
} as const satisfies Partial<DeviceClientOptions>;

/** The last part of each step's path, in the order of a run. */
export const stepNames = ['time', 'ownership', 'cloud-configuration', 'credentials', 'acls'] as const;

/** How often each step was asked for, as the reference service's tests count: time/owner/cloud/credentials/acls. */
export const calls = (world: World): string => stepNames.map((step) => world.requests.get(step) ?? 0).join('/');

/** Lets exactly so much time pass; `world.run` stands still when nothing is due. */
export async function pass(world: World, ms: Millis): Promise<void> {
  let over = false;
  world.timers.schedule(world.timers.now() + ms, () => {
    over = true;
  });
  await world.run(() => over, ms);
}

/** The devices that a gateway has online. */
export const onlineAt = (gateway: SimulatedGateway | undefined): Uuid[] =>
  (gateway?.devices ?? []).filter(({ online }) => online).map(({ deviceId }) => deviceId);

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

/** A session with the service that no device state machine drives. */
export interface Visit {
  /** Why the session ended; undefined while it is up. */
  readonly ended: string | undefined;
  /** Undefined when the session ends without an answer. */
  ask(request: OutgoingRequest): Promise<IncomingResponse | undefined>;
  close(): void;
}

interface VisitOptions {
  readonly world: World;
  readonly scheme: Scheme;
  readonly identity: Identity;
  /** Default: the service's CA. */
  readonly trust?: Trust;
}

/** Opens a session and waits until it is up, or refused. */
export async function visit({ world, scheme, identity, trust }: VisitOptions): Promise<Visit> {
  const answers = new Map<number, IncomingResponse>();
  let up = false;
  let ended: string | undefined;
  const connection = world.network().open({
    uri: endpointOf(`${scheme}://service`),
    identity,
    trust: trust ?? { anchors: [world.pki.serviceCa.certificate.der], purpose: 'server' },
    clockOffset: 0,
    onEvent: (event) => {
      if (event.type === 'established') up = true;
      if (event.type === 'response') answers.set(event.id, event.response);
      if (event.type === 'closed') ended = event.end.reason;
    },
  });
  await world.run(() => up || ended !== undefined);
  return {
    get ended() {
      return ended;
    },
    ask: async (request) => {
      const id = connection.request(request);
      if (id === undefined) return undefined;
      await world.run(() => answers.has(id) || ended !== undefined);
      return answers.get(id);
    },
    close: () => connection.close(),
  };
}
