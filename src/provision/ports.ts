import type { Millis, Stopwatch } from '../core/clock.ts';
import type { Uuid } from '../core/ids.ts';
import type { Log } from '../core/log.ts';
import type { RandomSource } from '../core/random.ts';
import type { Secret } from '../core/secret.ts';
import type { AuthoritySource } from '../pki/issuer.ts';
import type { AttemptEntry, Device, EnrollmentGroup, Hub, Owner } from '../store/model.ts';
import type { Store } from '../store/store.ts';
import type { PolicySource } from './policy.ts';

/** What the pipeline needs from around it. */
export interface ProvisionerDeps {
  readonly store: Store;
  readonly policy: PolicySource;
  /** Signs identity certificates. */
  readonly authority: AuthoritySource;
  readonly tokens: TokenSource;
  /** For groups whose hubs a webhook allocates. */
  readonly allocation?: AllocationSource;
  readonly random: RandomSource;
  readonly log: Log;
  /** Measures how long stages take. */
  readonly stopwatch: Stopwatch;
  readonly onEntry?: EntryListener;
}

/** Where access tokens for hubs come from (src/cloud/tokens.ts). */
export interface TokenSource {
  /**
   * The token with which `deviceId` signs up at `hub` in the name of `owner`, or at one of the `others` when that hub cannot
   * be reached: the device does not ask for another token then (contract, plgd-device d).
   * @throws FirstbootError configure.token or service.busy when the authorization server gives none now.
   */
  accessToken(
    question: { readonly hub: Hub; readonly others?: readonly Hub[]; readonly owner: Owner; readonly deviceId: Uuid },
    now: Millis,
  ): Promise<Secret<string>>;
}

/** Who says which hub a device goes to (src/cloud/allocation-webhook.ts). */
export interface AllocationSource {
  /**
   * The hub that the program behind the group's webhook names for a device.
   * @throws FirstbootError configure.allocation when it gives no usable answer; service.busy when too many are asked for
   */
  hubFor(question: { readonly group: EnrollmentGroup; readonly device: Device }, now: Millis): Promise<Uuid>;
}

/** Told of every entry of every attempt as soon as it is made: live views. */
export type EntryListener = (attemptId: Uuid, entry: AttemptEntry, device: Device | undefined) => void;
