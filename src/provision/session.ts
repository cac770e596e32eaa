import type { Millis } from '../core/clock.ts';
import { type Decision, refused } from '../core/errors.ts';
import { parseUuid, type Uuid } from '../core/ids.ts';
import type { Device } from '../store/model.ts';
import { type Expired, Recorder } from './attempt.ts';
import { confirm } from './confirm.ts';
import type { ProvisioningSession } from './contract.ts';
import { DeviceSession } from './device-session.ts';
import { changeDevice } from './devices.ts';
import type { PolicySource } from './policy.ts';
import type { ProvisionerDeps } from './ports.ts';
import { SessionRecord } from './session-record.ts';
import { stepFailed } from './status.ts';

/** The pipeline as the edge sees it. */
export interface Provisioner {
  /** A session whose first bytes have arrived (over DTLS: whose cookie has come back). Its `closed` must be called once. */
  open(from: { readonly transport: 'coaps' | 'coaps+tcp'; readonly peer: string }, now: Millis): ProvisioningSession;
  readonly policy: PolicySource;
  /** The key that goes with a PSK identity, for the handshake; undefined = unknown. */
  preSharedKey(identity: Uint8Array): Uint8Array | undefined;
  /** Attempts open now. */
  readonly openAttempts: number;
  /**
   * Stage confirm: the cloud or an app has seen the device arrive.
   * @throws FirstbootError service.store
   */
  confirm(deviceId: string, now: Millis): Promise<Decision<Device>>;
  /** Whether `deviceId` is what a device is called now, and its group is there and enabled. @throws FirstbootError service.store */
  holds(deviceId: Uuid): Promise<boolean>;
  /** Once at the start: takes up the runs that an earlier process left open. */
  restore(now: Millis): Promise<void>;
  /** When `handleTimeout` wants to be called. */
  nextTimeout(): Millis | undefined;
  handleTimeout(now: Millis): void;
  /** Gives up runs that did not go on, as handleTimeout does, and writes everything that is left to write. */
  sweep(now: Millis): Promise<void>;
}

export function createProvisioner(deps: ProvisionerDeps): Provisioner {
  const { store, policy, random, log, onEntry } = deps;
  const recorder = new Recorder({ store, random, log, onEntry });

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
    preSharedKey: (identity) => policy.psk(identity)?.reveal(),
    open: ({ transport, peer }, now) =>
      new DeviceSession(deps, new SessionRecord(recorder, { transport, peer, at: now })),
    get openAttempts() {
      return recorder.size;
    },
    confirm: (deviceId, now) => confirmDevice(deps, recorder, deviceId, now),
    holds: async (deviceId) => {
      const keyId = await store.ownerOfDeviceId(deviceId);
      const device = keyId === undefined ? undefined : await store.device(keyId);
      return device?.deviceId === deviceId && policy.current.groups.get(device.groupId)?.enabled === true;
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

async function confirmDevice(
  { store, onEntry }: ProvisionerDeps,
  recorder: Recorder,
  text: string,
  now: Millis,
): Promise<Decision<Device>> {
  const deviceId = parseUuid(text);
  if (deviceId === undefined) {
    return refused('bind.device-id-missing', { given: text.slice(0, 64) }, 'name the device by its OCF device id');
  }
  const keyId: Uuid | undefined = await store.ownerOfDeviceId(deviceId);
  const device = keyId === undefined ? undefined : await store.device(keyId);
  const decision = confirm(device, deviceId, now);
  if (!decision.ok || keyId === undefined) return decision;
  const confirmed = await changeDevice(
    store,
    keyId,
    device,
    (present) => {
      const again = confirm(present, deviceId, now);
      return again.ok ? again.value : present;
    },
    now,
  );
  const again = confirm(confirmed, deviceId, now);
  if (!again.ok) return again;
  const entry = { at: now, type: 'stage', stage: 'confirm', result: 'ok', facts: { deviceId } } as const;
  const open = recorder.ofKey(keyId);
  if (open) recorder.note(open, entry, again.value);
  else {
    // The run is over and its record closed; listeners hear of the arrival all the same.
    const [latest] = onEntry ? await store.attempts({ keyId, limit: 1 }) : [];
    if (latest) onEntry?.(latest.id, entry, again.value);
  }
  return again;
}
