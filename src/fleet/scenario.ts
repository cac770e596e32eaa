import type { Millis } from '../core/clock.ts';
import type { RetryRule } from '../device/retry.ts';
import type { LinkFaults } from './link.ts';

/** What a fleet does and what is done to it. The same scenario and seed give the same faults, whatever the clock. */
export interface Scenario {
  readonly name: string;
  readonly about: string;
  readonly seed: number;
  readonly devices: number;
  /** `virtual`: in memory against a service of its own on a stepped clock. `real`: over sockets, on the machine's clock. */
  readonly clock: 'virtual' | 'real';
  /** When a device has arrived: provisioned, or signed in at its cloud. */
  readonly goal: 'provisioned' | 'online';
  /** The run ends when everything has happened that was to happen, at the latest this long after the start, ms. */
  readonly limit: Millis;
  /** Share of the devices that come over UDP (coaps), 0 to 1; the others come over TCP (coaps+tcp). */
  readonly udp: number;
  readonly arrival: Arrival;
  readonly retry: RetryRule;
  /** What a device does at its cloud once it has arrived: keeps its session, or switches off until its next task. */
  readonly afterwards: 'stay' | 'leave';
  /** Life of the identity certificates that the service of the run issues, ms; undefined: the service's own default. */
  readonly identityLife: Millis | undefined;
  readonly target: Target;
  /** Never empty; shares are relative to their sum (in a file percentages have to sum to 100 %). */
  readonly population: readonly Part[];
  /** In order of time. */
  readonly events: readonly SiteEvent[];
  /** Name of a radio profile (energy.ts), for the energy estimate. */
  readonly radio: string;
  readonly budget: readonly BudgetRule[];
}

export type Arrival =
  | { readonly kind: 'at-once' }
  /** Random, this many a second on average. */
  | { readonly kind: 'poisson'; readonly perSecond: number }
  /** Evenly ever faster: the rate grows from zero to its maximum over this time, ms. */
  | { readonly kind: 'ramp'; readonly over: Millis };

/** What the fleet is run against. */
export type Target =
  /** A service and a cloud of its own: in memory, or as processes on loopback when the clock is real. */
  | { readonly kind: 'own' }
  /** Somebody's: ours or another maker's. */
  | {
      readonly kind: 'endpoint';
      readonly udp: string | undefined;
      readonly tcp: string | undefined;
      /** Folder of device folders (mfgcrt.pem, mfgkey.pem, dpsca.pem), or of a manufacturer that makes devices on the fly. */
      readonly factory: string;
      /** Accepts any provisioning service. */
      readonly skipVerification: boolean;
    };

/** A part of the fleet whose devices have the same troubles. */
export interface Part {
  readonly name: string;
  readonly share: number;
  readonly identity: IdentityKind;
  readonly conduct: Conduct;
  /** What must have become of its devices in the end. */
  readonly expect: Expectation;
  readonly link: LinkFaults;
  /** Probability that the device's address and port change between two steps (NAT rebinding), in the middle of a session. */
  readonly rebind: number;
  readonly clock: ClockFault;
  readonly power: PowerFault;
  /** Factory resets of a device after it has arrived: how many, and how long it waits before each, ms. */
  readonly resets: { readonly count: number; readonly after: Range };
  /** Between switching on and asking for anything, ms. */
  readonly think: Range;
}

export type IdentityKind =
  | 'good'
  /** The chain is sent in the wrong order. */
  | 'wrong-order'
  /** The leaf comes alone. */
  | 'missing-intermediate'
  | 'expired'
  | 'not-yet-valid'
  /** Made by somebody else. */
  | 'unknown-issuer'
  /** Two devices share one certificate and key. */
  | 'cloned';

export type Conduct =
  | 'honest'
  /** Sends bytes that are no CoAP once the handshake is through. */
  | 'garbage'
  /** ClientHellos from ever new source ports, without end and without a cookie. */
  | 'flood'
  /** Begins handshakes and goes silent. */
  | 'half-open'
  /** Asks and does not read. */
  | 'slow-reader';

/** `any`: either will do, as with clones, of which one at most may stay. */
export type Expectation = 'arrives' | 'refused' | 'any';

/** The device's own clock against the true time. */
export interface ClockFault {
  /** `right`, or what it shows when the run begins, ms since the epoch. */
  readonly shows: 'right' | Millis;
  /** ms gained (or lost, when negative) per second. */
  readonly drift: number;
}

/** A power cut takes what is not stored, and every session without a goodbye. */
export interface PowerFault {
  /** Probability of a cut at each step. */
  readonly cut: number;
  readonly when: 'before' | 'after' | 'either';
  /** How long the device stays dark, ms. */
  readonly dark: Range;
  /** After this many cuts the power is good. */
  readonly most: number;
}

/** Evenly spread, ms. */
export interface Range {
  readonly from: Millis;
  readonly to: Millis;
}

/** Something that happens to the service or the cloud: from `at` for `lasts` ms. */
export interface SiteEvent {
  readonly at: Millis;
  readonly what: SiteFault;
  readonly lasts: Millis;
}

/**
 * `service-kill`: killed without warning, started again over what its store has. `authority-outage`: no certificate is
 * issued (5.03). `token-outage`: no access token is had (5.03). `hub-outage`: the first gateway is gone.
 */
export type SiteFault = 'service-kill' | 'authority-outage' | 'token-outage' | 'hub-outage';

/** `p99<=10s`: the run fails when the figure of the arrived devices is larger. */
export interface BudgetRule {
  /** `bytes` both ways and `rtt` are the 95th percentile of a device's first arrival; p50, p95, p99 are of its time to arrive. */
  readonly figure: 'bytes' | 'datagrams' | 'rtt' | 'retransmissions' | 'energy' | 'p50' | 'p95' | 'p99';
  /** Bytes, counts, mJ or ms. */
  readonly most: number;
}
