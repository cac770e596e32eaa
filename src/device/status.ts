import { statusFlags } from '../core/status.ts';

/**
 * The finer progress flags of plgd's 2025 client (contract, plgd-device d). A good run goes through
 * 1, 4097, 8193, 9217, 10241, 10305, 10369, 10371, 10373, 10381, 10389 and ends at 10645.
 */
export const progressFlags = {
  initialized: 1 << 0,
  getCredentials: 1 << 1,
  hasCredentials: 1 << 2,
  getAcls: 1 << 3,
  hasAcls: 1 << 4,
  getCloud: 1 << 6,
  hasCloud: 1 << 7,
  cloudStarted: 1 << 8,
  renewCredentials: 1 << 9,
  getOwner: 1 << 10,
  hasOwner: 1 << 11,
  getTime: 1 << 12,
  hasTime: 1 << 13,
  transientFailure: 1 << 29,
  failure: 1 << 30,
} as const;

/** Both failure bits. */
export const failureFlags = progressFlags.transientFailure | progressFlags.failure;

/**
 * What `lastErrorCode` may be (contract, plgd-device d). While a transient failure is retried it stays `ok`. `connect` is
 * plgd's for a service that cannot be reached: it is shown as `ok` while the device tries again, and this one always does.
 * `startCloud`: the gateway's address cannot be used (not coaps or coaps+tcp, or no URI at all); until the cloud's next success.
 */
export const lastErrors = {
  ok: 0,
  response: 1,
  connect: 2,
  getCredentials: 3,
  getAcls: 4,
  setCloud: 5,
  startCloud: 6,
  getOwner: 7,
  getTime: 8,
} as const;

export type LastError = (typeof lastErrors)[keyof typeof lastErrors];

/** Cloud status flags of iotivity-lite's cloud client. */
export const cloudFlags = {
  initialized: 1 << 0,
  registered: 1 << 1,
  loggedIn: 1 << 2,
  tokenExpiry: 1 << 3,
  refreshedToken: 1 << 4,
  loggedOut: 1 << 5,
  failure: 1 << 6,
  deregistered: 1 << 7,
} as const;

/** A device's provisioning status in all its forms. */
export interface DeviceStatus {
  /** The documented public flags (core/status.ts). */
  readonly flags: number;
  /** The finer flags, `progressFlags`. */
  readonly progress: number;
  /** The word of the `provisionStatus` property. */
  readonly text: string;
  readonly lastError: LastError;
}

export const deviceStatus = (progress: number, lastError: LastError): DeviceStatus => ({
  flags: publicFlags(progress),
  progress,
  text: provisionStatus(progress),
  lastError,
});

/** The documented flags that follow from the finer ones. */
export function publicFlags(progress: number): number {
  const pairs: readonly (readonly [number, number])[] = [
    [progressFlags.initialized, statusFlags.initialized],
    [progressFlags.hasCredentials, statusFlags.hasCredentials],
    [progressFlags.hasAcls, statusFlags.hasAcls],
    [progressFlags.hasCloud, statusFlags.hasCloud],
    [failureFlags, statusFlags.failure],
  ];
  return pairs.reduce((flags, [fine, flag]) => ((progress & fine) !== 0 ? flags | flag : flags), 0);
}

/** The word of the `provisionStatus` property: failures first, else the furthest the run has come. */
export function provisionStatus(progress: number): string {
  if (progress === 0) return 'uninitialized';
  return words.find(([bits]) => (progress & bits) !== 0)?.[1] ?? 'initialized';
}

const words: readonly (readonly [number, string])[] = [
  [progressFlags.failure, 'failure'],
  [progressFlags.transientFailure, 'transient failure'],
  [progressFlags.renewCredentials, 'renew credentials'],
  [progressFlags.cloudStarted, 'provisioned'],
  [progressFlags.hasAcls, 'provisioned acls'],
  [progressFlags.getAcls, 'provisioning acls'],
  [progressFlags.hasCredentials, 'provisioned credentials'],
  [progressFlags.getCredentials, 'provisioning credentials'],
  [progressFlags.hasCloud, 'provisioned cloud'],
  [progressFlags.getCloud, 'provisioning cloud'],
  [progressFlags.hasOwner, 'provisioned owner'],
  [progressFlags.getOwner, 'provisioning owner'],
  [progressFlags.hasTime, 'provisioned time'],
  [progressFlags.getTime, 'provisioning time'],
];
