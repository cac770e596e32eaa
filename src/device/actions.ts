import type { OutgoingRequest } from '../coap/endpoint.ts';
import type { Millis } from '../core/clock.ts';
import type { Refusal } from '../core/errors.ts';
import type { Identity, Trust } from '../secure/association.ts';
import type { Alarm } from './alarms.ts';
import type { ExpectedPeer } from './impostor.ts';
import type { DeviceState } from './state.ts';
import type { DeviceStatus } from './status.ts';
import type { Step } from './steps.ts';

/** What a session is for: the time alone, a provisioning run, a renewal, the cloud, or leaving a cloud. */
export type SessionPurpose = 'time' | 'provision' | 'renew' | 'cloud' | 'sign-off';

/** What the machine wants done, in order. Sessions and exchanges carry numbers that the machine gives and never reuses. */
export type DeviceAction =
  | OpenAction
  | { readonly type: 'request'; readonly session: number; readonly exchange: number; readonly request: OutgoingRequest }
  | { readonly type: 'ping'; readonly session: number; readonly exchange: number }
  | { readonly type: 'close'; readonly session: number }
  | { readonly type: 'persist'; readonly state: DeviceState }
  | { readonly type: 'status'; readonly status: DeviceStatus }
  /** `cloudFlags` in status.ts. */
  | { readonly type: 'cloud-status'; readonly flags: number }
  | { readonly type: 'alarm'; readonly alarm: Alarm; readonly set: boolean }
  | { readonly type: 'step'; readonly report: StepOutcome }
  | { readonly type: 'log'; readonly level: 'debug' | 'info' | 'warn'; readonly text: string };

export interface OpenAction {
  readonly type: 'open';
  readonly session: number;
  readonly purpose: SessionPurpose;
  /** `coaps://host:port` or `coaps+tcp://host:port`. */
  readonly uri: string;
  readonly identity: Identity;
  /** Undefined: the service's certificate is not judged. */
  readonly trust: Trust | undefined;
  /** Who it has to be, beyond a certificate that is trusted. */
  readonly expected: ExpectedPeer;
  /** What to add to the device's clock to get the time at which certificates are judged. */
  readonly clockOffset: Millis;
}

/** How a step ended. Steps at the cloud have names of their own. */
export interface StepOutcome {
  readonly step: Step | CloudStep;
  readonly session: number | undefined;
  readonly result: 'done' | 'timeout' | 'transient' | 'failure';
  readonly refusal?: Refusal;
  /** The status with it. */
  readonly status: DeviceStatus;
}

export type CloudStep = 'sign-up' | 'sign-in' | 'token-refresh' | 'publish' | 'sign-off';

/** Why an exchange got no answer. */
export type ExchangeFailure = 'timeout' | 'reset' | 'too-large' | 'malformed';
