import type { Millis } from '../core/clock.ts';
import { failure } from '../core/errors.ts';
import { limits } from '../core/limits.ts';
import type { Device } from '../store/model.ts';
import type { Store, StoreChanges } from '../store/store.ts';
import { changeDevice, sameRecord } from './devices.ts';

type Change = (device: Device) => Device;

/**
 * A session's hold on the record of its device. A change counts for the session at once; it is written at once, or with the
 * next one that is. A run makes few writes that way, and none that an answer has to wait for without need.
 */
export class DeviceRecord {
  private readonly store: Store;
  /** As the store has it, as far as this session knows. */
  private stored: Device;
  /** Made and not written. */
  private pending: readonly Change[] = [];
  /** As this session sees it. */
  present: Device;

  constructor(store: Store, stored: Device) {
    this.store = store;
    this.stored = stored;
    this.present = stored;
  }

  /** Makes a pure change that can be lost with the process: the attempt, or the next request of the device, makes it again. */
  change(change: Change): Device {
    const changed = change(this.present);
    if (!sameRecord(changed, this.present)) this.pending = newest([...this.pending, change]);
    this.present = changed;
    return this.present;
  }

  /**
   * Writes what is pending; on top of what others have written, if they have. What cannot be written stays pending.
   * @throws FirstbootError service.store, service.busy
   */
  async write(now: Millis): Promise<Device> {
    const { pending } = this;
    if (pending.length === 0) return this.present;
    this.pending = [];
    const applied: Change = (device) => pending.reduce((present, change) => change(present), device);
    try {
      const written = await changeDevice(
        this.store,
        this.stored.keyId,
        this.stored,
        (device) => device && applied(device),
        now,
      );
      if (written) this.adopt(written);
    } catch (error) {
      this.pending = newest([...pending, ...this.pending]);
      throw error;
    }
    return this.present;
  }

  /**
   * Writes the record as `decide` makes it, with what belongs to it: all or nothing, durable. `decide` is asked again when
   * others have changed the record meanwhile; what it throws ends it, and what was pending stays so.
   * @throws FirstbootError service.store, service.busy
   */
  async commit(decide: (present: Device) => Promise<RecordChange> | RecordChange, now: Millis): Promise<Device> {
    for (let tries = 0; tries < limits.provision.writeConflicts; tries++) {
      const { pending } = this;
      const { device, ...changes } = await decide(this.present);
      const row = { ...device, updatedAt: now };
      if (await this.store.commit({ ...changes, devices: [row] })) {
        this.pending = this.pending.slice(pending.length);
        this.adopt({ ...row, revision: row.revision + 1 });
        return this.present;
      }
      if (!(await this.refresh())) break;
    }
    throw failure(
      'service.busy',
      { keyId: this.stored.keyId },
      'the record of the device keeps changing; it tries again',
    );
  }

  /** Reads the record again: another session of the device may have changed it. Undefined when it is gone. */
  async refresh(): Promise<Device | undefined> {
    const stored = await this.store.device(this.stored.keyId);
    if (stored) this.adopt(stored);
    return stored && this.present;
  }

  private adopt(stored: Device): void {
    this.stored = stored;
    this.present = this.pending.reduce((present, change) => change(present), stored);
  }
}

/** The record of a device, and what is written with it. */
export interface RecordChange extends Omit<StoreChanges, 'devices'> {
  readonly device: Device;
}

/** While the store is away a device may ask on; the oldest changes are then lost. */
const newest = (changes: readonly Change[]): readonly Change[] => changes.slice(-limits.provision.pendingChanges);
