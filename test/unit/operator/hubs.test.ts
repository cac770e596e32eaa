import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { nilUuid } from '../../../src/core/ids.ts';
import { deleteHub, listHubs, putHub } from '../../../src/operator/hubs.ts';
import type { Hub } from '../../../src/store/model.ts';
import { type OperatorBench, openOperatorBench } from '../../support/operator-bench.ts';
import { someGroup, someHub, someUuid } from '../../support/store-records.ts';

describe('operations on hubs', () => {
  let bench: OperatorBench;
  beforeEach(async () => {
    bench = await openOperatorBench();
  });
  afterEach(() => bench.close());

  const put = (hub: Hub, create: boolean, dryRun = false) => putHub(bench, hub, { create, dryRun });

  it('create one as an operator, update it under its id, and tell the running service', async () => {
    expect((await put(someHub(1), true, true)).applied).toBe(false);
    expect(await bench.store.hubs.list()).toEqual([]);
    const created = await put(someHub(1), true);
    expect(created.effects).toEqual([`hub hub 1 is added as ${someUuid(1)}, at coaps+tcp://gateway.example:5684`]);
    const updated = await put(someHub(1, { gateways: ['coaps://b'], provider: 'other' }), false);
    expect(updated.effects).toEqual(['hub hub 1: gateways changes', 'hub hub 1: provider plgd -> other']);
    expect(await bench.store.hubs.get(someUuid(1))).toMatchObject({ gateways: ['coaps://b'], source: 'operator' });
    expect((await bench.auditLines()).map(({ action }) => action)).toEqual(['hub.create', 'hub.update']);
    expect(bench.policyChanges()).toBe(2);
  });

  it('refuse a taken id or name, one that is not there, and one of a file', async () => {
    await put(someHub(1), true);
    await bench.store.hubs.put(someHub(2, { source: 'file' }));
    for (const [hub, create, code] of [
      [someHub(1, { name: 'other' }), true, 'operator.conflict'],
      [someHub(3, { name: 'hub 1' }), true, 'operator.conflict'],
      [someHub(1, { name: 'hub 2' }), false, 'operator.conflict'],
      [someHub(3), false, 'operator.not-found'],
      [someHub(2, { provider: 'x' }), false, 'operator.file-managed'],
    ] as const) {
      await expect(put(hub, create)).rejects.toMatchObject({ code });
    }
    await expect(deleteHub(bench, 'hub 2')).rejects.toMatchObject({ code: 'operator.file-managed' });
    expect(await bench.auditLines()).toHaveLength(1);
  });

  it('refuse the id of a device, which would be kept out, that of an owner, and a name that cannot be shown', async () => {
    const device = await bench.putDevice(20, { deviceId: someUuid(1) });
    await expect(put(someHub(1), true)).rejects.toMatchObject({
      code: 'operator.conflict',
      evidence: { hub: 'hub 1', hubId: someUuid(1), device: device.keyId },
    });
    await bench.store.claimDeviceId(someUuid(2), nilUuid);
    await expect(put(someHub(2), true)).rejects.toMatchObject({ code: 'operator.conflict' });
    for (const name of ['a\nb', 'a\u001bb', 'a\u202eb', 'a\u2028b', 'a\u00adb', 'a\ud800']) {
      await expect(put(someHub(3, { name }), true)).rejects.toMatchObject({ code: 'operator.input' });
    }
    expect((await put(someHub(3, { name: 'می‌خواهم 👩‍🔧' }), true)).applied).toBe(true);
  });

  it('delete one that no group sends devices to', async () => {
    await put(someHub(1), true);
    const group = someGroup(5, { hubs: [someUuid(1)] });
    await bench.store.groups.put(group);
    await expect(deleteHub(bench, 'hub 1')).rejects.toMatchObject({
      code: 'operator.conflict',
      evidence: { groups: group.name },
    });
    await bench.store.groups.delete(group.id);
    expect((await deleteHub(bench, 'hub 1', { dryRun: true })).applied).toBe(false);
    expect(await bench.store.hubs.list()).toHaveLength(1);
    expect((await deleteHub(bench, 'hub 1')).effects).toEqual([`hub hub 1 (${someUuid(1)}) is deleted`]);
    expect(await bench.store.hubs.list()).toEqual([]);
    expect((await bench.auditLines()).at(-1)).toMatchObject({ action: 'hub.delete', detail: { name: 'hub 1' } });
  });

  it('list hubs with the groups that name them and the devices that were sent there', async () => {
    await put(someHub(1), true);
    await put(someHub(2), true);
    await bench.store.groups.put(someGroup(5, { hubs: [someUuid(1)] }));
    await bench.store.groups.put(someGroup(9, { hubs: [someUuid(2), someUuid(1)] }));
    await bench.putDevice(20, { hubId: someUuid(1) });
    await bench.putDevice(21);
    const counts = (await listHubs(bench.store)).map(({ hub, groups, devices }) => [hub.name, groups, devices]);
    expect(new Set(counts)).toEqual(
      new Set([
        ['hub 1', 2, 1],
        ['hub 2', 1, 0],
      ]),
    );
  });
});
