import type { Millis } from '../core/clock.ts';
import type { CloudStep } from '../device/actions.ts';
import type { Step } from '../device/steps.ts';
import type { Histogram } from './histogram.ts';
import type { Expectation } from './scenario.ts';
import type { PathTraffic } from './site.ts';

/** What came of a run, as numbers that can be added up over several processes. JSON throughout. */
export interface FleetOutcome {
  readonly devices: readonly DeviceOutcome[];
  /** How long each step took, ms, failures not counted. */
  readonly steps: Readonly<Partial<Record<Step | CloudStep, readonly Millis[]>>>;
  /** By reason, e.g. `credentials: timeout`. */
  readonly failures: Readonly<Record<string, number>>;
  readonly violations: readonly Violation[];
  /** What could not be judged: the service's records were out of reach. */
  readonly unchecked: readonly Invariant[];
  /** How the run came to its end. */
  readonly end: RunEnd;
  /** What the scenario asks for and did not happen, because the run was over before. */
  readonly toCome: { readonly resets: number; readonly events: number };
  /** Time of the run, ms. */
  readonly took: Millis;
  /** Time it took in reality, ms, and CPU of this process, ms. */
  readonly wall: Millis;
  readonly cpu: Millis;
  /** How many processes shared the run, each with its part of the devices and a service of its own. */
  readonly processes: number;
}

/** `complete`: all was done; `limit`: its time was up before; `interrupted`: somebody stopped it before. */
export type RunEnd = 'complete' | 'limit' | 'interrupted';

export interface DeviceOutcome {
  readonly name: string;
  readonly part: string;
  readonly transport: 'udp' | 'tcp';
  readonly expect: Expectation;
  /** When it was switched on, ms after the start of the run. */
  readonly bootedAt: Millis;
  /** From switching on to its goal, the first time; undefined: never. */
  readonly arrivedAfter: Millis | undefined;
  /** When it arrived first, ms after the start of the run. */
  readonly arrivedAt: Millis | undefined;
  /** What the first arrival cost. */
  readonly cost: DeviceCost;
  /** Provisioning runs that ended well, renewals not counted. */
  readonly provisioned: number;
  readonly renewed: number;
  readonly resets: number;
  readonly powerCuts: number;
}

export interface DeviceCost extends PathTraffic {
  readonly roundTrips: number;
}

/** A promise that was broken. */
export interface Violation {
  readonly rule: Invariant;
  readonly device: string;
  /** What was found, in a sentence. */
  readonly found: string;
  /** The device's last doings, oldest first. */
  readonly trace: readonly string[];
}

/**
 * `arrives`: an honest device reached its goal and is there at the end. `bricked`: a device can still go on from what it has
 * stored. `two-identities`: no device has two live identities, no identity two devices. `refused-identity`: who is to be
 * refused got no identity. `acknowledged-lost`: what a device was given is on the service's record.
 */
export type Invariant = 'arrives' | 'bricked' | 'two-identities' | 'refused-identity' | 'acknowledged-lost';

/** How far a run is, for a live view. */
export interface FleetProgress {
  readonly at: Millis;
  readonly devices: number;
  readonly booted: number;
  readonly arrived: number;
  readonly failures: number;
  /** Provisioning runs that ended well so far, repeated ones counted. */
  readonly provisioned?: number;
  /** How long the steps took so far, failures not counted. */
  readonly steps?: Readonly<Record<string, Histogram>>;
  /** Failures so far by reason, e.g. `credentials: timeout`. */
  readonly reasons?: Readonly<Record<string, number>>;
}
