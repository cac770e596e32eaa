import { afterEach, beforeEach, expect, test } from 'vitest';
import { limits } from '../../../src/core/limits.ts';
import { DeviceRecord } from '../../../src/provision/device-record.ts';
import { changeDevice } from '../../../src/provision/devices.ts';
import { openLevelStore } from '../../../src/store/level.ts';
import type { Device } from '../../../src/store/model.ts';
import type { Store } from '../../../src/store/store.ts';
import { someDevice, someUuid } from '../../support/store-records.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';

const now = Date.UTC(2026, 5, 1);
let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let store: Store;

beforeEach(async () => {
  folder = await temporaryFolder();
  store = await openLevelStore(folder.path);
});

afterEach(async () => {
  await store.close();
  await folder.remove();
});

async function stored(): Promise<Device> {
  const device = await store.putDevice(someDevice(1));
  if (!device) throw new Error('not written');
  return device;
}

const flag = (bit: number) => (device: Device) => ({ ...device, flags: device.flags | bit });

test('a change counts at once and is in the store after the next write', async () => {
  const record = new DeviceRecord(store, await stored());
  record.change(flag(1));
  record.change(flag(2));
  expect(record.present.flags).toBe(3);
  expect((await store.device(record.present.keyId))?.flags).toBe(0);
  await record.write(now);
  expect(await store.device(record.present.keyId)).toMatchObject({ flags: 3, updatedAt: now, revision: 2 });
});

test('changes are made on top of what another session has written', async () => {
  const device = await stored();
  const record = new DeviceRecord(store, device);
  record.change(flag(1));
  await changeDevice(store, device.keyId, undefined, (present) => present && flag(4)(present), now);
  await record.write(now);
  expect((await store.device(device.keyId))?.flags).toBe(5);
  expect(record.present).toEqual(await store.device(device.keyId));
});

test('a refresh keeps what is pending, and tells when the record is gone', async () => {
  const device = await stored();
  const record = new DeviceRecord(store, device);
  record.change(flag(1));
  await changeDevice(store, device.keyId, undefined, (present) => present && flag(8)(present), now);
  expect((await record.refresh())?.flags).toBe(9);
  const unknown = new DeviceRecord(store, { ...device, keyId: someUuid(77) });
  expect(await unknown.refresh()).toBeUndefined();
});

test('a change that says nothing new is not written', async () => {
  const record = new DeviceRecord(store, await stored());
  record.change((device) => ({ ...device }));
  await record.write(now);
  expect((await store.device(record.present.keyId))?.revision).toBe(1);
});

test('while the store is away changes wait, and not without bound', async () => {
  const device = await stored();
  let away = true;
  const flaky = new Proxy(store, {
    get: (target, name) =>
      name === 'putDevice' && away
        ? () => Promise.reject(new Error('away'))
        : (Reflect.get(target, name) as () => unknown).bind(target),
  });
  const record = new DeviceRecord(flaky, device);
  const writes = limits.provision.pendingChanges + 20;
  for (let k = 1; k <= writes; k++) {
    record.change((present) => ({ ...present, generation: present.generation + 1 }));
    await expect(record.write(now)).rejects.toThrow('away');
  }
  expect(record.present.generation).toBe(writes);
  away = false;
  await record.write(now);
  expect((await store.device(device.keyId))?.generation).toBe(limits.provision.pendingChanges);
});

test('a record that somebody else keeps changing is given up as busy', async () => {
  const device = await stored();
  const contended = new Proxy(store, {
    get: (target, name) =>
      name === 'putDevice'
        ? () => Promise.resolve(undefined)
        : (Reflect.get(target, name) as () => unknown).bind(target),
  });
  await expect(
    changeDevice(contended, device.keyId, device, (present) => present && flag(1)(present), now),
  ).rejects.toMatchObject({
    code: 'service.busy',
  });
});
