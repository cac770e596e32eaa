import type { Uuid } from '../core/ids.ts';
import type { Attempt, AttemptEntry, AttemptSummary, Credential, Device, EnrollmentGroup, Hub } from './model.ts';

/**
 * What firstboot remembers. Two promises: a write that is called *durable* has reached the disk when its promise resolves
 * (it survives kill -9 and a power cut), and a Device changes only from the revision the writer has seen.
 * Every implementation passes test/support/store-conformance.ts. Faults of the medium reject with `service.store`.
 */
export interface Store {
  readonly groups: Table<EnrollmentGroup>;
  readonly hubs: Table<Hub>;

  device(keyId: Uuid): Promise<Device | undefined>;
  /** In order of keyId, `after` exclusive. */
  devices(page: { readonly after?: Uuid; readonly limit: number }): Promise<readonly Device[]>;
  /**
   * Writes `device` (which carries the revision it was read with; 0 = new) and returns it with the next revision,
   * or undefined when somebody else was first. Not durable by itself.
   */
  putDevice(device: Device): Promise<Device | undefined>;

  /**
   * Reserves a device id for a manufacturer key, for ever: returns the key that has it, which is `keyId` when the claim
   * succeeded (now or earlier). Atomic, durable.
   */
  claimDeviceId(deviceId: Uuid, keyId: Uuid): Promise<Uuid>;
  /** Whose key a device id belongs to. */
  ownerOfDeviceId(deviceId: Uuid): Promise<Uuid | undefined>;

  /** Durable. False when the serial number exists already (nothing is written then). */
  addCredential(credential: Credential): Promise<boolean>;
  credential(serial: string): Promise<Credential | undefined>;
  /** All of one device, oldest first. */
  credentials(keyId: Uuid): Promise<readonly Credential[]>;

  /**
   * Appends to an attempt, creating it; `keyId` is given once known and files the attempt under its device.
   * Keeps the newest limits.store.attemptsPerDevice per device, and the newest limits.store.unfiledAttempts of peers that
   * never became one; clean-up may lag a little.
   */
  appendAttempt(id: Uuid, entries: readonly AttemptEntry[], keyId?: Uuid): Promise<void>;
  attempt(id: Uuid): Promise<Attempt | undefined>;
  /** Newest first; of one device when `keyId` is given. `before` is exclusive. */
  attempts(page: {
    readonly keyId?: Uuid;
    readonly before?: Uuid;
    readonly limit: number;
  }): Promise<readonly AttemptSummary[]>;

  /** Waits for all writes and frees the medium. */
  close(): Promise<void>;
}

/** A small keyed table of configuration. Writes are durable. */
export interface Table<T extends { readonly id: Uuid }> {
  get(id: Uuid): Promise<T | undefined>;
  list(): Promise<readonly T[]>;
  put(row: T): Promise<void>;
  delete(id: Uuid): Promise<boolean>;
}
