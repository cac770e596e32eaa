import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { findDevice, findGroup, findHub } from '../../../src/operator/find.ts';
import { type OperatorBench, openOperatorBench } from '../../support/operator-bench.ts';
import { someGroup, someHub, someUuid } from '../../support/store-records.ts';

describe('what an operator names', () => {
  let bench: OperatorBench;
  beforeEach(async () => {
    bench = await openOperatorBench();
  });
  afterEach(() => bench.close());

  it('is a device by key id, by device id, also one that it has left, and by the beginning of either', async () => {
    const { keyId } = await bench.putDevice(1, { deviceId: someUuid(100) });
    await bench.store.claimDeviceId(someUuid(99), keyId);
    await bench.putDevice(2, { deviceId: someUuid(200) });
    for (const text of [keyId, ` ${keyId.toUpperCase()} `, someUuid(100), someUuid(99)]) {
      expect((await findDevice(bench.store, text)).keyId).toBe(keyId);
    }
    for (const text of [keyId.slice(0, 8), keyId.slice(0, 20).toUpperCase(), someUuid(100).slice(0, 8)]) {
      expect((await findDevice(bench.store, text)).keyId).toBe(keyId);
    }
  });

  it('is no device when it fits none, with a hint where to look', async () => {
    await bench.putDevice(1);
    for (const text of [someUuid(9), '99999999', '01234567-89']) {
      await expect(findDevice(bench.store, text)).rejects.toMatchObject({
        code: 'operator.not-found',
        fix: expect.stringContaining('device list'),
      });
    }
  });

  it.each(['', 'a1', 'abcdef1', 'my device', '0123456z'])('is refused as a device when it is %j', async (text) => {
    await expect(findDevice(bench.store, text)).rejects.toMatchObject({ code: 'operator.input' });
  });

  it('is ambiguous when the beginning fits several devices, by key id or device id', async () => {
    const one = await bench.putDevice(1, { keyId: 'aaaabbbb-0000-4000-8000-000000000001' });
    const two = await bench.putDevice(2, { deviceId: 'aaaabbbb-0000-4000-8000-000000000002' });
    await expect(findDevice(bench.store, 'aaaabbbb')).rejects.toMatchObject({
      code: 'operator.ambiguous',
      fix: expect.stringMatching(new RegExp(`(${one.keyId}|${two.keyId}).*(${one.keyId}|${two.keyId})`)),
    });
    expect((await findDevice(bench.store, 'aaaabbbb-0000-4000-8000-000000000001')).keyId).toBe(one.keyId);
  });

  it('is found by its beginning without looking through the others', async () => {
    const { keyId } = await bench.putDevice(1, { deviceId: 'bbbbcccc-0000-4000-8000-000000000001' });
    for (let seed = 1000; seed < 1600; seed++) await bench.putDevice(seed);
    let rows = 0;
    const counted = new Proxy(bench.store, {
      get: (store, name) => {
        const member = Reflect.get(store, name);
        if (typeof member !== 'function') return member;
        return async (...args: unknown[]) => {
          const found = await member.apply(store, args);
          rows += Array.isArray(found) ? found.length : 1;
          return found;
        };
      },
    });
    expect((await findDevice(counted, 'bbbbcccc-0000')).keyId).toBe(keyId);
    expect(rows).toBeLessThan(10);
  });

  it('is no device by the beginning of an id that it has left, and too much when thousands begin so', async () => {
    const { keyId } = await bench.putDevice(1, { deviceId: someUuid(100) });
    const id = (n: number): string => `bbbbcccc-0000-4000-8000-${String(n).padStart(12, '0')}`;
    await bench.store.claimDeviceId(id(0), keyId);
    await expect(findDevice(bench.store, 'bbbbcccc')).rejects.toMatchObject({ code: 'operator.not-found' });
    await Promise.all(Array.from({ length: 1000 }, (_, n) => bench.store.claimDeviceId(id(n), keyId)));
    await expect(findDevice(bench.store, 'bbbbcccc')).rejects.toMatchObject({
      code: 'operator.input',
      fix: 'write the whole id',
    });
  });

  it('is a group or hub by id or whole name', async () => {
    const [group, hub] = [someGroup(1), someHub(2)];
    await bench.store.groups.put(group);
    await bench.store.hubs.put(hub);
    expect(await findGroup(bench.store, group.id.toUpperCase())).toEqual({ ...group, revision: 1 });
    expect(await findGroup(bench.store, group.name)).toMatchObject({ id: group.id });
    expect(await findHub(bench.store, hub.name)).toEqual({ ...hub, revision: 1 });
    await expect(findGroup(bench.store, hub.name)).rejects.toMatchObject({
      code: 'operator.not-found',
      fix: `there are: ${group.name}`,
    });
    await expect(findGroup(bench.store, 'group')).rejects.toMatchObject({ code: 'operator.not-found' });
  });

  it('is ambiguous when two groups, one of a file and one of an operator, have the name', async () => {
    await bench.store.groups.put(someGroup(1, { name: 'same' }));
    await bench.store.groups.put(someGroup(5, { name: 'same' }));
    await expect(findGroup(bench.store, 'same')).rejects.toMatchObject({
      code: 'operator.ambiguous',
      fix: expect.stringContaining(someUuid(5)),
    });
  });
});
