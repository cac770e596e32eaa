import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { limits } from '../../../src/core/limits.ts';
import { DeviceRecord } from '../../../src/provision/device-record.ts';
import { changeDevice } from '../../../src/provision/devices.ts';
import { openLevelStore } from '../../../src/store/level.ts';
import type { Device } from '../../../src/store/model.ts';
import type { Store } from '../../../src/store/store.ts';
import { someCredential, someDevice, someUuid } from '../../support/store-records.ts';
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

describe('a commit', () => {
  const credential = someCredential('0a', { keyId: someUuid(1) });

  test('writes the record with what is pending and what belongs to it, all or nothing', async () => {
    const record = new DeviceRecord(store, await stored());
    record.change(flag(1));
    const present = await record.commit((device) => ({ device: flag(8)(device), newCredentials: [credential] }), now);
    expect(present).toMatchObject({ flags: 9, updatedAt: now, revision: 2 });
    expect(await store.device(present.keyId)).toEqual(present);
    expect(await store.credentials(present.keyId)).toHaveLength(1);
    // Nothing is left to write.
    expect(await record.write(now + 1)).toEqual(present);
    expect((await store.device(present.keyId))?.updatedAt).toBe(now);
  });

  test('is decided again on top of what another session has written', async () => {
    const device = await stored();
    const record = new DeviceRecord(store, device);
    record.change(flag(1));
    await changeDevice(store, device.keyId, undefined, (present) => present && flag(4)(present), now);
    const seen: number[] = [];
    await record.commit((present) => {
      seen.push(present.flags);
      return { device: present, newCredentials: [credential] };
    }, now);
    expect(seen).toEqual([1, 5]);
    expect((await store.device(device.keyId))?.flags).toBe(5);
    expect(record.present).toEqual(await store.device(device.keyId));
  });

  test('that is decided against writes nothing and leaves what was pending', async () => {
    const device = await stored();
    const record = new DeviceRecord(store, device);
    record.change(flag(1));
    const against = () => {
      throw new Error('no');
    };
    await expect(record.commit(against, now)).rejects.toThrow('no');
    expect((await store.device(device.keyId))?.flags).toBe(0);
    await record.write(now);
    expect((await store.device(device.keyId))?.flags).toBe(1);
  });

  test('of a serial number that is taken, or a record that is gone, is given up as busy', async () => {
    const device = await stored();
    await store.addCredential(credential);
    const commit = (present: Device) => ({ device: present, newCredentials: [credential] });
    await expect(new DeviceRecord(store, device).commit(commit, now)).rejects.toMatchObject({ code: 'service.busy' });
    const unknown = new DeviceRecord(store, { ...device, keyId: someUuid(77) });
    await expect(unknown.commit(commit, now)).rejects.toMatchObject({ code: 'service.busy' });
  });
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
