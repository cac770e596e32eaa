import { minutes } from '../core/clock.ts';
import { type Counters, reindexed } from './counters.ts';
import { keys, lastPart, under, type WriteOp } from './medium.ts';
import type { Device, DeviceState } from './model.ts';
import { parse, type Rows } from './rows.ts';
import { type DeviceCount, type DeviceFacet, deviceFacets, ownerIdOf, type Store } from './store.ts';

/** Finds devices by what they are and by when they came, and counts them: a page costs what it holds, a count nothing. */
export class DeviceIndex {
  private readonly rows: Rows;
  /** What was counted at some turn; read again when there has been another one. */
  private counted: { readonly turn: number; readonly counts: Promise<readonly DeviceCount[]> } | undefined;
  private turn = 0;

  constructor(rows: Rows) {
    this.rows = rows;
  }

  /** What to write beside a device that changes: only what changes for the indexes, too. */
  change(before: Device | undefined, after: Device, counters: Counters): readonly WriteOp[] {
    const [was, is] = [before && kindKey(before), kindKey(after)];
    // The usual case: what it is stays, and it was seen again.
    if (before && was === is) return reindexed(timeKeys(before), timeKeys(after));
    counters.add(is, 1);
    if (was !== undefined) counters.add(was, -1);
    return reindexed(before ? indexKeys(before) : [], indexKeys(after));
  }

  /** To be called when writes that `change` made are through, or failed. */
  changed(): void {
    this.turn++;
  }

  by({ by, value, after, limit }: Parameters<Store['devicesBy']>[0]): Promise<readonly Device[]> {
    const all = under(`device-by!${by}!${value}`);
    const range = {
      after: after === undefined ? all.after : keys.deviceBy(by, value, after),
      before: all.before,
      limit,
    };
    return this.rows.named(range, (key) => this.deviceOf(key));
  }

  byTime({ by, ownerId, before, limit }: Parameters<Store['devicesByTime']>[0]): ReturnType<Store['devicesByTime']> {
    const prefix = ownerId === undefined ? `device-${by}` : `device-${by}-of!${ownerId}`;
    const all = under(prefix);
    const range = { after: all.after, before: before === undefined ? all.before : `${prefix}!${before}`, limit };
    return this.rows.named({ ...range, reverse: true }, (key) => {
      const device = this.deviceOf(key);
      return device && { device, cursor: key.slice(prefix.length + 1) };
    });
  }

  counts(): Promise<readonly DeviceCount[]> {
    if (this.counted?.turn !== this.turn) {
      const { turn } = this;
      const counts = this.rows.rows(under('device-count')).then((rows) => rows.map(kindOf));
      this.counted = { turn, counts };
      counts.catch(() => {
        this.counted = undefined;
      });
    }
    return this.counted.counts;
  }

  /** Undefined when the device is not there under this key any more: it has changed since the index was read. */
  private deviceOf(key: string): Device | undefined {
    const device = parse<Device>(this.rows.written(keys.device(lastPart(key))));
    return device && indexKeys(device).includes(key) ? device : undefined;
  }
}

/** Under which keys the indexes have a device. */
export function indexKeys(device: Device): readonly string[] {
  const found = facets.flatMap((facet) => {
    const value = deviceFacets[facet](device);
    return value === undefined ? [] : [keys.deviceBy(facet, value, device.keyId)];
  });
  return [...found, ...timeKeys(device)];
}

/** Where byTime has a device: its cursor. Undefined: it was never seen. */
export function placeInTime(by: 'seen' | 'created', device: Device): string | undefined {
  const start = `device-${by}!`;
  return timeKeys(device)
    .find((key) => key.startsWith(start))
    ?.slice(start.length);
}

function timeKeys(device: Device): readonly string[] {
  const { keyId, createdAt, lastSeenAt } = device;
  const ownerId = ownerIdOf(device);
  const created = [keys.deviceCreated(createdAt, keyId), keys.deviceCreatedOf(ownerId, createdAt, keyId)];
  if (lastSeenAt === undefined) return created;
  const minute = Math.floor(lastSeenAt / minutes(1));
  return [...created, keys.deviceSeen(minute, keyId), keys.deviceSeenOf(ownerId, minute, keyId)];
}

/** The counter of devices like this one: of all that `indexKeys` has, but for the times. */
export const kindKey = (device: Device): string =>
  keys.deviceCount([
    device.groupId,
    ownerIdOf(device),
    device.state,
    device.hubId ?? '',
    device.alarms.length > 0 ? open : '',
  ]);

function kindOf([key, count]: readonly [key: string, count: string]): DeviceCount {
  const [, groupId = '', ownerId = '', state, hubId, alarms] = key.split('!');
  return {
    groupId,
    ownerId,
    state: state as DeviceState,
    hubId: hubId === '' ? undefined : hubId,
    alarms: alarms === open,
    count: Number(count),
  };
}

const open = 'open';

const facets = Object.keys(deviceFacets) as readonly DeviceFacet[];
