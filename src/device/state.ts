import type { Millis } from '../core/clock.ts';
import type { Uuid } from '../core/ids.ts';
import type { Step } from './steps.ts';

/**
 * Everything a device knows and keeps across a restart; the manufacturer's identity and trust anchor are its firmware's
 * and not in here. Immutable: a step makes a new one, and it is stored as a whole or not at all.
 */
export interface DeviceState {
  readonly deviceId: Uuid;
  /** The device's own key pair, PKCS#8 PEM; renewed by a factory reset. */
  readonly key: string;
  readonly endpoints: readonly Endpoint[];
  /** Index of the endpoint in use. */
  readonly selected: number;
  /** What to add to the device's clock to get the time that the service gave. */
  readonly clockOffset?: Millis;
  readonly owner?: Uuid;
  readonly cloud?: CloudState;
  readonly credentials?: Credentials;
  readonly acl?: readonly Ace[];
  /** The endpoints were replaced: all the rest is from an earlier service, until a full run has ended well. */
  readonly superseded?: true;
  /** A reset is under way and the cloud is being told: a device that is switched on with this state has forgotten it all. */
  readonly leaving?: true;
}

/** A provisioning service. */
export interface Endpoint {
  readonly uri: string;
  readonly name?: string;
}

export interface CloudState {
  readonly provider: string;
  readonly accessToken: string;
  /** Never empty; the first is the one the service named as `cis` and `sid`. */
  readonly gateways: readonly Gateway[];
  /** Index of the gateway in use. */
  readonly selected: number;
  readonly registration?: Registration;
  /** Absent: `dps`. Stale when the device has a new owner. */
  readonly tag?: ProvisioningTag;
  /** What the service gave beside it, for the application on the device: as it came, JSON-safe. */
  readonly payload?: Payload;
}

export interface Payload {
  readonly [key: string]: PayloadValue;
}
export type PayloadValue = string | number | boolean | null | readonly PayloadValue[] | Payload;

export interface Gateway {
  readonly uri: string;
  /** The hub's id; '' when the service gave none. */
  readonly id: string;
}

/** What sign-up gave. */
export interface Registration {
  readonly userId: string;
  readonly accessToken: string;
  readonly refreshToken: string;
  /** Device time (offset applied), ms; undefined: never. */
  readonly expiresAt?: Millis;
}

export interface Credentials {
  /** PEM, one entry a credential. */
  readonly trustAnchors: readonly string[];
  /** PEM: leaf first, then intermediates. */
  readonly identity: string;
  readonly validFrom: Millis;
  /** When the identity's leaf expires. */
  readonly validTo: Millis;
  readonly psks: readonly PreSharedKey[];
  /** Absent: `dps`. Stale when they are another hub's than the one selected now. */
  readonly tag?: ProvisioningTag;
}

export interface PreSharedKey {
  readonly subject: Uuid;
  /** Base64 of 16 or 32 bytes. */
  readonly key: string;
}

/** An access control entry (OCF Security §12.2). */
export interface Ace {
  /** C 1, R 2, U 4, D 8, N 16. */
  readonly permission: number;
  readonly subject: AceSubject;
  readonly resources: readonly AceResource[];
  /** `dps`; `dps-stale` on an entry that is superseded. It is enforced until the new ones take its place. */
  readonly tag?: string;
  readonly aceid?: number;
}

export type AceSubject =
  | { readonly uuid: string }
  | { readonly role: string; readonly authority?: string }
  | { readonly conntype: 'auth-crypt' | 'anon-clear' };

export interface AceResource {
  readonly href?: string;
  readonly wc?: '*' | '+' | '-';
}

/** The tag of everything that the provisioning service gave. */
export const provisioningTag = 'dps';

/**
 * The tag of what it gave and what is superseded, but not replaced yet: it is used and enforced until its successor is
 * there. A restart does not count it, so a power cut in between starts over at the right step (plgd-device b4).
 */
export const staleTag = 'dps-stale';

export type ProvisioningTag = typeof provisioningTag | typeof staleTag;

/**
 * The first step whose result is missing or no longer good, or undefined when the device may go straight to its cloud
 * (contract, plgd-device a). `now` is the device's own clock, without the offset.
 * @param expiring ms that the credentials must still be valid for.
 */
export function firstMissingStep(state: DeviceState, now: Millis, expiring: Millis): Step | undefined {
  if (state.superseded || state.clockOffset === undefined) return 'time';
  if (state.owner === undefined || state.owner === state.deviceId) return 'ownership';
  if (state.cloud === undefined || isStale(state.cloud)) return 'cloud';
  const time = now + state.clockOffset;
  const { credentials } = state;
  if (!credentials || isStale(credentials)) return 'credentials';
  if (credentials.validFrom > time || credentials.validTo - time <= expiring) return 'credentials';
  if (!state.acl?.some(({ tag }) => tag === provisioningTag)) return 'acls';
  return undefined;
}

/** The state with its access control list tagged stale, and with its credentials, too, when the hub is another one. */
export function outdated(state: DeviceState, what: 'acl' | 'acl and credentials'): DeviceState {
  const { acl, credentials } = state;
  return {
    ...state,
    ...(acl && { acl: acl.map((ace) => (ace.tag === provisioningTag ? { ...ace, tag: staleTag } : ace)) }),
    ...(credentials && what !== 'acl' && { credentials: { ...credentials, tag: staleTag } }),
  };
}

const isStale = ({ tag }: { readonly tag?: ProvisioningTag }): boolean => tag === staleTag;

/** The gateway in use. */
export const selectedGateway = ({ gateways, selected }: CloudState): Gateway | undefined => gateways[selected];
