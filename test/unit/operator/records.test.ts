import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { limits } from '../../../src/core/limits.ts';
import { ownerView } from '../../../src/operator/owner-view.ts';
import { deleteRecords, listRecords, type RecordFilter } from '../../../src/operator/records.ts';
import type { Device } from '../../../src/store/model.ts';
import { contested, type OperatorBench, openOperatorBench, someActor } from '../../support/operator-bench.ts';
import { someDevice, someUuid } from '../../support/store-records.ts';

const nothing: RecordFilter = { keyIds: [], deviceIds: [], groups: [] };
const [groupA, groupB] = [someUuid(500), someUuid(501)];

let bench: OperatorBench;
beforeEach(async () => {
  bench = await openOperatorBench();
});
afterEach(() => bench.close());

const recorded = async (filter = nothing, store = bench.store): Promise<string[]> => {
  const found: string[] = [];
  for await (const { keyId } of listRecords(store, filter)) found.push(keyId);
  return found;
};

describe('provisioning records', () => {
  test('are found by key, device id and group, joined by or, each once', async () => {
    const one = await bench.putDevice(1, { groupId: groupA, deviceId: someUuid(101) });
    const two = await bench.putDevice(2, { groupId: groupB });
    const three = await bench.putDevice(3, { groupId: groupB });
    expect(await recorded()).toEqual([one, two, three].map(({ keyId }) => keyId).toSorted());
    const filter = { keyIds: [two.keyId, 'nothing'], deviceIds: [someUuid(101)], groups: [groupB, groupB] };
    const found = await recorded(filter);
    expect(found.toSorted()).toEqual([one, two, three].map(({ keyId }) => keyId).toSorted());
    expect(await recorded({ ...nothing, groups: [groupA] })).toEqual([one.keyId]);
    expect(await recorded({ ...nothing, keyIds: [someUuid(101)] })).toEqual([]);
  });

  test('of a device id that the device has left are none', async () => {
    const { keyId } = await bench.putDevice(1, { deviceId: someUuid(101) });
    await bench.store.claimDeviceId(someUuid(100), keyId);
    expect(await recorded({ ...nothing, deviceIds: [someUuid(100)] })).toEqual([]);
    expect(await recorded({ ...nothing, deviceIds: [someUuid(101)] })).toEqual([keyId]);
  });
});

describe('deleting provisioning records', () => {
  test('hides them, changes nothing else of their devices, and says so in the audit log', async () => {
    const held: Partial<Device> = {
      state: 'quarantined',
      stateReason: 'looks odd',
      deviceId: someUuid(101),
      alarms: [{ at: 1, kind: 'two-places', evidence: {} }],
      lineage: [{ at: 1, event: 'state', facts: { from: 'active', state: 'quarantined' } }],
      recordSince: 5,
    };
    const { recordSince: _, ...device } = await bench.putDevice(1, held);
    const outcome = await deleteRecords(bench, { ...nothing, deviceIds: [someUuid(101)] });
    expect(outcome).toEqual({
      applied: true,
      effects: [`the record of device ${device.keyId} (CN=device 1) is deleted`],
      result: 1,
    });
    const at = bench.now();
    expect(await bench.store.device(device.keyId)).toEqual({
      ...device,
      recordDeletedAt: at,
      updatedAt: at,
      revision: 2,
    });
    expect(await recorded()).toEqual([]);
    expect(await bench.auditLines()).toMatchObject([
      {
        actor: someActor,
        action: 'record.delete',
        target: `device ${device.keyId}`,
        detail: { number: 1, devices: [device.keyId] },
      },
    ]);
  });

  test('counts those that there were, and writes nothing where there was none', async () => {
    const { keyId } = await bench.putDevice(1, { groupId: groupA });
    const both = { ...nothing, keyIds: [keyId], groups: [groupA] };
    expect((await deleteRecords(bench, { ...nothing, keyIds: [someUuid(9)] })).result).toBe(0);
    expect((await deleteRecords(bench, both)).result).toBe(1);
    expect(await deleteRecords(bench, both)).toEqual({ applied: false, effects: [], result: 0 });
    expect(await bench.auditLines()).toHaveLength(1);
  });

  test('goes in pieces, each with a line of the audit log that names its devices', async () => {
    const { page } = limits.operator;
    const devices = Array.from({ length: 2 * page + 1 }, (_, seed) => someDevice(seed));
    await bench.store.commit({ devices });
    expect(await deleteRecords(bench, nothing)).toMatchObject({ applied: true, result: devices.length });
    const lines = await bench.auditLines();
    expect(lines.map(({ detail: { number } }) => number)).toEqual([page, page, 1]);
    const named = lines.flatMap(({ detail }) => detail.devices);
    expect(named).toEqual(devices.map(({ keyId }) => keyId).toSorted());
    expect(await recorded()).toEqual([]);
  });

  test('is decided again when a device comes in between', async () => {
    const device = await bench.putDevice(1);
    const come = () => bench.store.putDevice({ ...device, lastSeenAt: 77 });
    const deps = { ...bench, store: contested(bench.store, 1, come) };
    expect((await deleteRecords(deps, nothing)).result).toBe(1);
    expect(await bench.store.device(device.keyId)).toMatchObject({ lastSeenAt: 77, recordDeletedAt: bench.now() });
  });

  test('takes only those of the owner to whom the caller is bound', async () => {
    const [own, other] = [someUuid(700), someUuid(701)];
    const mine = await bench.putDevice(1, { ownerId: own, groupId: groupA });
    const theirs = await bench.putDevice(2, { ownerId: other, groupId: groupA, deviceId: someUuid(101) });
    const deps = { ...bench, store: ownerView(bench.store, own) };
    const named = { keyIds: [theirs.keyId], deviceIds: [someUuid(101)], groups: [] };
    expect((await deleteRecords(deps, named)).result).toBe(0);
    expect((await deleteRecords(deps, { ...nothing, groups: [groupA] })).result).toBe(1);
    expect((await deleteRecords(deps, nothing)).result).toBe(0);
    expect(await recorded()).toEqual([theirs.keyId]);
    expect((await bench.store.device(mine.keyId))?.recordDeletedAt).toBe(bench.now());
  });
});
