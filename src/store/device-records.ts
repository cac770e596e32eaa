import type { Uuid } from '../core/ids.ts';
import { keys, put, under, type WriteOp } from './medium.ts';
import type { Device } from './model.ts';
import { parse, type Rows } from './rows.ts';

/** Devices, and which key each device id belongs to. */
export class DeviceRecords {
  private readonly rows: Rows;

  constructor(rows: Rows) {
    this.rows = rows;
  }

  async device(keyId: Uuid): Promise<Device | undefined> {
    return parse<Device>(await this.rows.read(keys.device(keyId)));
  }

  async page({ after, limit }: { after?: Uuid; limit: number }): Promise<readonly Device[]> {
    if (limit <= 0) return [];
    const all = under('device');
    const range = { after: after === undefined ? all.after : keys.device(after), before: all.before, limit };
    return (await this.rows.rows(range)).map(([, row]) => JSON.parse(row) as Device);
  }

  async put(device: Device): Promise<Device | undefined> {
    const next = this.next(device);
    if (next) await this.rows.write([devicePut(next)], false);
    return next;
  }

  /** What to write for `devices`; undefined when one of them is not of the revision that is there. */
  changes(devices: readonly Device[]): readonly WriteOp[] | undefined {
    const next = devices.flatMap((device) => this.next(device) ?? []);
    // Twice the same one: the second is not made from the first.
    if (new Set(next.map(({ keyId }) => keyId)).size < devices.length) return undefined;
    return next.map(devicePut);
  }

  async claim(deviceId: Uuid, keyId: Uuid): Promise<Uuid> {
    const key = keys.claim(deviceId);
    if (this.rows.latest(key) === undefined) {
      await this.rows.write([put(key, keyId)], true);
      return keyId;
    }
    return (await this.rows.read(key)) ?? this.claim(deviceId, keyId);
  }

  async ownerOf(deviceId: Uuid): Promise<Uuid | undefined> {
    return this.rows.read(keys.claim(deviceId));
  }

  private next(device: Device): Device | undefined {
    const stored = parse<Device>(this.rows.latest(keys.device(device.keyId)));
    return (stored?.revision ?? 0) === device.revision ? { ...device, revision: device.revision + 1 } : undefined;
  }
}

const devicePut = (device: Device): WriteOp => put(keys.device(device.keyId), JSON.stringify(device));
