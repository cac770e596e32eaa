import type { Millis } from '../core/clock.ts';
import type { Decision } from '../core/errors.ts';
import type { Uuid } from '../core/ids.ts';
import type { Device } from '../store/model.ts';
import { accessSubject, nobodyListed, readAccess } from './access.ts';
import { type Expired, Recorder } from './attempt.ts';
import { confirmDevice } from './confirmation.ts';
import type { ProvisioningSession } from './contract.ts';
import { DeviceSession } from './device-session.ts';
import { changeDevice } from './devices.ts';
import { holdsOn } from './holds.ts';
import type { PolicySource } from './policy.ts';
import type { ProvisionerDeps } from './ports.ts';
import { Presence } from './presence.ts';
import { createRevocations, type Revocations } from './revocations.ts';
import { SessionRecord } from './session-record.ts';
import { StageWatch } from './stage-watch.ts';
import { stepFailed } from './status.ts';

/** The pipeline as the edge sees it. */
export interface Provisioner {
  /** A session whose first bytes have arrived (over DTLS: whose cookie has come back). Its `closed` must be called once. */
  open(from: { readonly transport: 'coaps' | 'coaps+tcp'; readonly peer: string }, now: Millis): ProvisioningSession;
  readonly policy: PolicySource;
  readonly revocations: Revocations;
  /** The key that goes with a PSK identity, for the handshake; undefined = unknown. */
  preSharedKey(identity: Uint8Array): Uint8Array | undefined;
  /** Attempts open now. */
  readonly openAttempts: number;
  /**
   * Stage confirm: the cloud or an app has seen the device arrive.
   * @throws FirstbootError service.store
   */
  confirm(deviceId: string, now: Millis): Promise<Decision<Device>>;
  /**
   * Whether the device that is called `deviceId` now may live on in tokens that it was given (holds.ts).
   * @param ownerId whose they are, if they say so.
   * @throws FirstbootError service.store
   */
  holds(deviceId: Uuid, ownerId?: Uuid): Promise<boolean>;
  /** Once at the start: takes up the runs that an earlier process left open. */
  restore(now: Millis): Promise<void>;
  /** When `handleTimeout` wants to be called. */
  nextTimeout(): Millis | undefined;
  handleTimeout(now: Millis): void;
  /** Gives up runs that did not go on, as handleTimeout does, and writes everything that is left to write. */
  sweep(now: Millis): Promise<void>;
}

export function createProvisioner(deps: ProvisionerDeps): Provisioner {
  const { store, policy, random, log, onEntry, stopwatch } = deps;
  const recorder = new Recorder({ store, random, log, onEntry });
  const revocations = createRevocations(deps);
  const sessionDeps = { ...deps, revocations: revocations.latest, presence: new Presence() };

  const giveUp = async (expired: readonly Expired[], now: Millis): Promise<void> => {
    for (const { keyId, attemptId } of expired) {
      if (keyId === undefined) continue;
      try {
        await changeDevice(store, keyId, undefined, (device) => device && stepFailed(device, now), now);
      } catch (error) {
        log.warn({ keyId, attemptId, error }, 'the failure of a device could not be recorded');
      }
    }
  };
  const sweep = async (now: Millis): Promise<void> => {
    await giveUp(recorder.expire(now), now);
    await recorder.settle(now);
  };

  return {
    policy,
    revocations,
    preSharedKey: (identity) => policy.psk(identity)?.reveal(),
    open: ({ transport, peer }, now) =>
      new DeviceSession(
        sessionDeps,
        new SessionRecord(recorder, { transport, peer, at: now }, new StageWatch(stopwatch)),
      ),
    get openAttempts() {
      return recorder.size;
    },
    confirm: (deviceId, now) => confirmDevice(deps, recorder, deviceId, now),
    holds: async (deviceId, ownerId) => {
      const keyId = await store.ownerOfDeviceId(deviceId);
      const device = keyId === undefined ? undefined : await store.device(keyId);
      if (device === undefined) return false;
      const group = policy.current.groups.get(device.groupId);
      const [access, credentials] = await Promise.all([
        group ? readAccess(store, group, accessSubject(device), false) : nobodyListed,
        store.credentials(device.keyId),
      ]);
      return holdsOn(device, group, access, credentials, { deviceId, ownerId });
    },
    restore: async (now) => {
      await giveUp(await recorder.restore(now), now);
      await recorder.settle(now);
    },
    nextTimeout: () => recorder.nextTimeout(),
    handleTimeout: (now) => void giveUp(recorder.expire(now), now),
    sweep,
  };
}
