import type { Uuid } from '../core/ids.ts';
import { Counters } from './counters.ts';
import type { OwnedCredential } from './credential-index.ts';
import type { CredentialRecords } from './credential-records.ts';
import type { DeviceIndex } from './device-index.ts';
import type { DeviceTexts } from './device-texts.ts';
import { keys, lastPart, put, under, type WriteOp } from './medium.ts';
import type { Device } from './model.ts';
import { parse, type Rows } from './rows.ts';
import { ownerIdOf } from './store.ts';

/** Devices, and which key each device id belongs to. */
export class DeviceRecords {
  private readonly rows: Rows;
  private readonly index: DeviceIndex;
  private readonly texts: DeviceTexts;
  private readonly credentials: CredentialRecords;

  constructor(rows: Rows, index: DeviceIndex, texts: DeviceTexts, credentials: CredentialRecords) {
    this.rows = rows;
    this.index = index;
    this.texts = texts;
    this.credentials = credentials;
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
    const stored = this.stored(device);
    if (!stored || ownerIdOf(stored) === ownerIdOf(device)) return this.putNow(device, stored, []);
    return this.credentials.withMoving([device], (moving) => this.putNow(device, this.stored(device), moving));
  }

  /** What to write for `devices`; undefined when one of them is not of the revision that is there. */
  changes(devices: readonly Device[], counters: Counters): readonly WriteOp[] | undefined {
    // Twice the same one: the second is not made from the first.
    if (new Set(devices.map(({ keyId }) => keyId)).size < devices.length) return undefined;
    const changes = devices.map((device) => this.change(device, this.stored(device), counters));
    return changes.includes(undefined) ? undefined : changes.flatMap((change) => change?.ops ?? []);
  }

  /** A write of what `changes` made, and what is kept in memory beside it. @param counted whether counts change with it */
  async followed(devices: readonly Device[], write: Promise<void>, counted = true): Promise<void> {
    try {
      await write;
      this.texts.written(devices);
    } catch (error) {
      this.texts.doubted(devices);
      throw error;
    } finally {
      if (counted) this.index.changed();
    }
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

  private async putNow(
    device: Device,
    stored: Device | undefined,
    moving: readonly OwnedCredential[],
  ): Promise<Device | undefined> {
    const counters = new Counters(this.rows);
    const change = this.change(device, stored, counters);
    if (!change) return undefined;
    const moved = this.credentials.changes([], counters, moving) ?? [];
    const counts = counters.writes();
    const write = this.rows.write([...change.ops, ...moved, ...counts], false);
    await this.followed([change.next], write, counts.length > 0);
    return change.next;
  }

  private stored({ keyId }: Device): Device | undefined {
    return parse<Device>(this.rows.latest(keys.device(keyId)));
  }

  private change(
    device: Device,
    stored: Device | undefined,
    counters: Counters,
  ): { readonly next: Device; readonly ops: WriteOp[] } | undefined {
    if ((stored?.revision ?? 0) !== device.revision) return undefined;
    const next = { ...device, revision: device.revision + 1 };
    return {
      next,
      ops: [put(keys.device(device.keyId), JSON.stringify(next)), ...this.index.change(stored, next, counters)],
    };
  }
}
