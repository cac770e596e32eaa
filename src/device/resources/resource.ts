import type { CborMap, CborValue } from '../../codec/cbor.ts';
import type { Millis } from '../../core/clock.ts';
import { type Decision, refused } from '../../core/errors.ts';
import type { Uuid } from '../../core/ids.ts';
import type { Caller } from '../access.ts';
import type { DeviceState, Endpoint } from '../state.ts';
import type { DeviceStatus } from '../status.ts';

/** What the device's resources need of its client. */
export interface ResourceHost {
  readonly state: DeviceState;
  readonly status: DeviceStatus;
  readonly name: string;
  /** Of the hardware: stays the same over a factory reset. */
  readonly platformId: Uuid;
  /** The device's own clock; `state.clockOffset` makes it the time. */
  now(): Millis;
  /** @returns what ends the subscription. */
  onStatus(listener: (status: DeviceStatus) => void): () => void;
  forceReprovision(): void;
  /** Replaces the provisioning services, selects the first and asks it; none at all is a factory reset. */
  setEndpoints(endpoints: readonly Endpoint[]): void;
}

/** OCF's interfaces (OCF Core §7.6): views of one resource. */
export type Interface = 'oic.if.baseline' | 'oic.if.ll' | 'oic.if.b' | 'oic.if.r' | 'oic.if.rw';

export interface DeviceResource {
  readonly href: string;
  readonly types: readonly string[];
  /** The first is the default. */
  readonly interfaces: readonly Interface[];
  /** Offered without security, too. */
  readonly isPublic: boolean;
  /** Found in /oic/res by those who may read it anyway; the others are known by their names. */
  readonly isDiscoverable: boolean;
  /** Published at the cloud under this number; undefined: not published. */
  readonly instance?: number;
  get(view: View): CborValue;
  /** What an update leads to, or why it is refused. */
  post?(body: CborMap, view: View): Decision<Update>;
  /** Observable when present: calls `changed` after each change until told to stop. */
  watch?(changed: () => void, device: ResourceDevice): () => void;
}

/** One device behind the resources, which are the same for all. */
export interface ResourceDevice {
  readonly host: ResourceHost;
  /** Where the device listens itself: `coap://…` and `coaps://…`. */
  readonly endpoints: readonly string[];
  readonly light: Light;
}

/** The state of the demo resource. */
export interface Light {
  state: boolean;
  power: number;
  readonly watching: Set<() => void>;
}

export interface View {
  readonly device: ResourceDevice;
  readonly interface: Interface;
  readonly query: readonly string[];
  readonly caller: Caller;
}

/** What is done once the answer is on its way: it may end the session. */
export type Update = () => void;

/** The baseline interface has what every resource has in common (OCF Core §7.6.3.2). */
export const withCommon = (
  { types, interfaces }: Pick<DeviceResource, 'types' | 'interfaces'>,
  view: View,
  properties: CborMap,
): CborMap => (view.interface === 'oic.if.baseline' ? { rt: types, if: interfaces, ...properties } : properties);

/** A property of an update that is not as it should be. */
export const unusable = (key: string, fix: string): ReturnType<typeof refused> =>
  refused('request.malformed', { key }, fix);
