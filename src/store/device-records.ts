import type { Uuid } from '../core/ids.ts';
import { Counters } from './counters.ts';
import type { DeviceIndex } from './device-index.ts';
import { keys, lastPart, put, under, type WriteOp } from './medium.ts';
import type { Device } from './model.ts';
import { parse, type Rows } from './rows.ts';

/** Devices, and which key each device id belongs to. */
export class DeviceRecords {
  private readonly rows: Rows;
  private readonly index: DeviceIndex;

  constructor(rows: Rows, index: DeviceIndex) {
    this.rows = rows;
    this.index = index;
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
    const counters = new Counters(this.rows);
    const change = this.change(device, counters);
    if (!change) return undefined;
    const counts = counters.writes();
    try {
      await this.rows.write([...change.ops, ...counts], false);
    } finally {
      if (counts.length > 0) this.index.changed();
    }
    return change.next;
  }

  /** What to write for `devices`; undefined when one of them is not of the revision that is there. */
  changes(devices: readonly Device[], counters: Counters): readonly WriteOp[] | undefined {
    // Twice the same one: the second is not made from the first.
    if (new Set(devices.map(({ keyId }) => keyId)).size < devices.length) return undefined;
    const changes = devices.map((device) => this.change(device, counters));
    return changes.includes(undefined) ? undefined : changes.flatMap((change) => change?.ops ?? []);
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

  async idsFrom(prefix: string, limit: number): Promise<readonly { readonly deviceId: Uuid; readonly keyId: Uuid }[]> {
    if (limit <= 0) return [];
    // No digit of an id is behind the tilde.
    const range = { after: keys.claim(prefix), before: keys.claim(`${prefix}~`), limit };
    return (await this.rows.rows(range)).map(([key, keyId]) => ({ deviceId: lastPart(key), keyId }));
  }

  private change(device: Device, counters: Counters): { readonly next: Device; readonly ops: WriteOp[] } | undefined {
    const key = keys.device(device.keyId);
    const stored = parse<Device>(this.rows.latest(key));
    if ((stored?.revision ?? 0) !== device.revision) return undefined;
    const next = { ...device, revision: device.revision + 1 };
    return { next, ops: [put(key, JSON.stringify(next)), ...this.index.change(stored, next, counters)] };
  }
}
