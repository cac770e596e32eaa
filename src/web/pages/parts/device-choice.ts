import type { Device } from '../../../store/model.ts';
import type { ListAnswer } from '../../api/answers.ts';
import { oneByOne } from '../../api/bulk-run.ts';
import type { Api, Query } from '../../api/client.ts';
import { deviceName } from './device-name.ts';

/** Devices that something is to be done with: some, one by one, or all that fit a filter, but for some. */
export type DeviceChoice =
  | { readonly of: 'some'; readonly devices: ReadonlyMap<string, Device> }
  | {
      readonly of: 'all';
      /** `all that fit the filter` */
      readonly words: string;
      readonly filter: Query;
      readonly except: ReadonlySet<string>;
    };

/** What a run remembers of a device. */
export interface ChosenDevice {
  readonly keyId: string;
  readonly name: string;
}

export const noDevices: DeviceChoice = { of: 'some', devices: new Map() };

export const isNone = (choice: DeviceChoice): boolean => choice.of === 'some' && choice.devices.size === 0;

export const isChosen = (choice: DeviceChoice, keyId: string): boolean =>
  choice.of === 'some' ? choice.devices.has(keyId) : !choice.except.has(keyId);

/** With one more, or one less. */
export function flipped(choice: DeviceChoice, device: Device): DeviceChoice {
  if (choice.of === 'some') {
    const devices = new Map(choice.devices);
    if (!devices.delete(device.keyId)) devices.set(device.keyId, device);
    return { of: 'some', devices };
  }
  const except = new Set(choice.except);
  if (!except.delete(device.keyId)) except.add(device.keyId);
  return { ...choice, except };
}

/** The devices of a choice, one by one; those that come or go meanwhile may be among them or not. */
export function devicesOf(
  api: Api,
  choice: DeviceChoice,
  signal: AbortSignal,
): () => Promise<ChosenDevice | undefined> {
  if (choice.of === 'some') {
    const devices = choice.devices.values();
    return async () => {
      const device: Device | undefined = devices.next().value;
      return device && chosen(device);
    };
  }
  const { filter, except } = choice;
  // In order of their keys: what happens to a device in the meantime does not move it in the list.
  const next = oneByOne<Device>(
    (cursor, gone) => api.get<ListAnswer<Device>>('/devices', { ...filter, limit: pageSize, cursor }, gone),
    signal,
    mostInARun,
  );
  return async () => {
    for (let device = await next(); device !== undefined; device = await next()) {
      if (!except.has(device.keyId)) return chosen(device);
    }
    return undefined;
  };
}

const chosen = (device: Device): ChosenDevice => ({ keyId: device.keyId, name: deviceName(device) });

/** As many as a page remembers with ease; who has more begins again with the rest. */
export const mostInARun = 100_000;
const pageSize = 500;
