import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { minutes } from '../../../src/core/clock.ts';
import { limits } from '../../../src/core/limits.ts';
import { listDevices } from '../../../src/operator/device-list.ts';
import {
  allowReset,
  approveDevice,
  approveGroup,
  clearAlarms,
  decommissionDevice,
  disableDevice,
  enableDevice,
  quarantineDevice,
  rejectDevice,
  rekeyDevice,
  releaseDevice,
  transferDevice,
} from '../../../src/operator/devices.ts';
import { ownerNamed } from '../../../src/provision/owner.ts';
import type { Device, DeviceState } from '../../../src/store/model.ts';
import { contested, type OperatorBench, openOperatorBench, someActor } from '../../support/operator-bench.ts';
import { someGroup, someUuid, startOfRecords } from '../../support/store-records.ts';

describe('operations on devices', () => {
  let bench: OperatorBench;
  beforeEach(async () => {
    bench = await openOperatorBench();
  });
  afterEach(() => bench.close());

  const provisioned: Partial<Device> = { deviceId: someUuid(100), generation: 1, flags: 0x3f, confirmedAt: 7 };

  it('approve a waiting device, with a line of the audit log that says who, what, when, from where and why', async () => {
    const { keyId } = await bench.putDevice(1, { state: 'pending' });
    const outcome = await approveDevice(bench, keyId, { reason: 'seen at the dock' });
    expect(outcome.applied).toBe(true);
    expect(outcome.effects).toEqual([`device ${keyId} (CN=device 1): pending -> active`]);
    expect(await bench.store.device(keyId)).toMatchObject({
      state: 'active',
      stateSince: bench.now(),
      stateReason: 'seen at the dock',
      updatedAt: bench.now(),
      revision: 2,
    });
    expect(await bench.auditLines()).toMatchObject([
      {
        seq: 1,
        at: bench.now(),
        actor: someActor,
        action: 'device.approve',
        target: `device ${keyId}`,
        detail: { from: 'pending', to: 'active', reason: 'seen at the dock' },
      },
    ]);
  });

  it.each([
    ['approve', approveDevice, 'pending', 'active'],
    ['reject', rejectDevice, 'pending', 'disabled'],
    ['quarantine', quarantineDevice, 'active', 'quarantined'],
    ['release', releaseDevice, 'quarantined', 'active'],
    ['disable', disableDevice, 'active', 'disabled'],
    ['enable', enableDevice, 'disabled', 'active'],
    ['decommission', decommissionDevice, 'active', 'decommissioned'],
  ] as const)('%s: a dry run says the same and writes nothing', async (name, operation, from, to) => {
    const before = await bench.putDevice(1, { ...provisioned, state: from });
    await bench.putCredential('aa', before);
    const dry = await operation(bench, before.keyId, { dryRun: true });
    expect(dry).toMatchObject({ applied: false, result: { state: to } });
    expect(await bench.store.device(before.keyId)).toEqual(before);
    expect((await bench.store.credential('aa'))?.revoked).toBeUndefined();
    expect(await bench.auditLines()).toEqual([]);
    const real = await operation(bench, before.keyId);
    expect(real).toMatchObject({ applied: true, effects: dry.effects, result: { state: to } });
    expect((await bench.store.device(before.keyId))?.state).toBe(to);
    expect(await bench.auditLines()).toMatchObject([{ action: `device.${name}`, detail: { from, to } }]);
  });

  it.each([
    ['approve', approveDevice, ['active', 'quarantined', 'disabled']],
    ['reject', rejectDevice, ['active', 'quarantined', 'disabled', 'decommissioned']],
    ['quarantine', quarantineDevice, ['quarantined', 'disabled', 'decommissioned']],
    ['release', releaseDevice, ['pending', 'active', 'disabled', 'decommissioned']],
    ['disable', disableDevice, ['disabled', 'decommissioned']],
    ['enable', enableDevice, ['pending', 'active', 'quarantined', 'decommissioned']],
    ['decommission', decommissionDevice, ['decommissioned']],
    ['allow a reset', allowReset, ['decommissioned']],
    ['clear alarms', clearAlarms, ['active']],
  ] as const)('%s is refused where it makes no sense, and nothing is written', async (_name, operation, states) => {
    for (const [seed, state] of (states satisfies readonly DeviceState[]).entries()) {
      const device = await bench.putDevice(seed, { state });
      await expect(operation(bench, device.keyId)).rejects.toMatchObject({ code: 'operator.conflict' });
      expect(await bench.store.device(device.keyId)).toEqual(device);
    }
    expect(await bench.auditLines()).toEqual([]);
  });

  it('hold the credentials of a device that is quarantined, and take the holds back when it is released', async () => {
    const device = await bench.putDevice(1, provisioned);
    await bench.putCredential('aa', device);
    await bench.putCredential('bb', device, { revoked: { at: 1, reason: 'superseded' } });
    const { effects } = await quarantineDevice(bench, device.keyId);
    expect(effects).toContain('credential aa is put on hold');
    expect((await bench.store.credential('aa'))?.revoked).toEqual({ at: bench.now(), reason: 'certificateHold' });
    await releaseDevice(bench, device.keyId);
    expect((await bench.store.credential('aa'))?.revoked).toBeUndefined();
    expect((await bench.store.credential('bb'))?.revoked).toEqual({ at: 1, reason: 'superseded' });
    const details = (await bench.auditLines()).map(({ detail }) => detail.credentials);
    expect(details).toEqual([['aa'], ['aa']]);
  });

  it('revoke the credentials of a device that is decommissioned for good, and let it in anew when it is approved', async () => {
    const device = await bench.putDevice(1, provisioned);
    await bench.putCredential('aa', device);
    await decommissionDevice(bench, device.keyId);
    await approveDevice(bench, device.keyId);
    expect((await bench.store.credential('aa'))?.revoked?.reason).toBe('cessationOfOperation');
    expect(await bench.store.device(device.keyId)).toMatchObject({ state: 'active', resetAllowed: true });
  });

  it('transfer a device to another owner, who counts once it was provisioned again', async () => {
    const device = await bench.putDevice(1, provisioned);
    const { result, effects } = await transferDevice(bench, device.keyId, 'second hand ltd', { reason: 'sold' });
    const owner = ownerNamed('second hand ltd');
    expect(result).toMatchObject({ assignedOwner: owner, ownerId: device.ownerId, confirmedAt: undefined });
    expect(effects.join('\n')).toContain('second hand ltd');
    expect((await bench.store.device(device.keyId))?.lineage.at(-1)).toMatchObject({ event: 'owner' });
    expect(await bench.auditLines()).toMatchObject([
      { action: 'device.transfer', detail: { ownerId: owner.id, owner: owner.name, reason: 'sold' } },
    ]);
    await expect(transferDevice(bench, device.keyId, 'second hand ltd')).rejects.toMatchObject({
      code: 'operator.conflict',
    });
  });

  it('transfer tells the owner before by name, where a group or an earlier transfer has it', async () => {
    const group = someGroup(1, { owner: ownerNamed('acme') });
    await bench.store.groups.put(group);
    const device = await bench.putDevice(1, { ...provisioned, groupId: group.id, ownerId: group.owner.id });
    const first = await transferDevice(bench, device.keyId, 'second hand ltd');
    expect(first.effects[0]).toMatch(/: owner acme -> second hand ltd$/);
    const second = await transferDevice(bench, device.keyId, 'third hand ltd');
    expect(second.effects[0]).toMatch(/: owner second hand ltd -> third hand ltd$/);
    const other = await bench.putDevice(2, { ownerId: someUuid(9) });
    const unknown = await transferDevice(bench, other.keyId, 'third hand ltd', { dryRun: true });
    expect(unknown.effects[0]).toContain(`owner ${someUuid(9)} -> third hand ltd`);
  });

  it('keep the id of an owner from every device, before and after the transfer', async () => {
    const device = await bench.putDevice(1, provisioned);
    const { id } = ownerNamed('second hand ltd');
    await transferDevice(bench, device.keyId, 'second hand ltd');
    expect(await bench.store.claimDeviceId(id, device.keyId)).not.toBe(device.keyId);

    const taken = ownerNamed('third hand ltd').id;
    await bench.store.claimDeviceId(taken, device.keyId);
    await expect(transferDevice(bench, device.keyId, 'third hand ltd')).rejects.toMatchObject({
      code: 'operator.conflict',
      evidence: { ownerId: taken, device: device.keyId },
    });
  });

  it.each(['', '  ', 'two\nlines', 'x'.repeat(limits.policy.text + 1), '00000000-0000-0000-0000-000000000000'])(
    'refuse %j as an owner',
    async (owner) => {
      const { keyId } = await bench.putDevice(1);
      await expect(async () => transferDevice(bench, keyId, owner)).rejects.toMatchObject({ code: 'operator.input' });
    },
  );

  it('refuse a reason that is no line for people', async () => {
    const { keyId } = await bench.putDevice(1);
    await expect(async () => disableDevice(bench, keyId, { reason: 'a\u0007b' })).rejects.toMatchObject({
      code: 'operator.input',
      evidence: { field: 'reason' },
    });
  });

  it('allow one factory reset, and clear alarms', async () => {
    const alarm = { at: 5, kind: 'two-places', evidence: { first: '192.0.2.1', second: '192.0.2.2' } } as const;
    const { keyId } = await bench.putDevice(1, { alarms: [alarm, alarm] });
    expect((await allowReset(bench, keyId)).result.resetAllowed).toBe(true);
    expect((await clearAlarms(bench, keyId)).effects).toEqual([`device ${keyId} (CN=device 1): 2 alarms are cleared`]);
    expect(await bench.store.device(keyId)).toMatchObject({ resetAllowed: true, alarms: [] });
    expect((await bench.auditLines()).map(({ action }) => action)).toEqual([
      'device.allow-reset',
      'device.clear-alarms',
    ]);
  });

  describe('rekey', () => {
    it('gives what a device is to the key that was refused its device id', async () => {
      const old = await bench.putDevice(1, { ...provisioned, hubId: someUuid(300) });
      await bench.putCredential('aa', old);
      const next = await bench.putDevice(2, { state: 'active' });
      const { result, effects } = await rekeyDevice(bench, old.keyId, next.keyId, { reason: 'board swapped' });
      expect(result).toMatchObject({ keyId: next.keyId, deviceId: old.deviceId, generation: 1, hubId: someUuid(300) });
      expect(effects).toContain(`device id ${old.deviceId} goes over to key ${next.keyId}`);
      expect(await bench.store.device(old.keyId)).toMatchObject({ state: 'decommissioned', successor: next.keyId });
      expect(await bench.store.device(next.keyId)).toMatchObject({ state: 'active', deviceId: old.deviceId });
      expect(await bench.store.ownerOfDeviceId(someUuid(100))).toBe(next.keyId);
      expect((await bench.store.credential('aa'))?.revoked?.reason).toBe('superseded');
      const line = { action: 'device.rekey', target: `device ${old.keyId}`, detail: { to: next.keyId } };
      expect(await bench.auditLines()).toMatchObject([line]);
      // The beginning of the device id means the one that goes on.
      expect((await disableDevice(bench, someUuid(100).slice(0, 12))).result.keyId).toBe(next.keyId);
    });

    it('holds what the new key was given already when the old one is quarantined, and releases it with the device', async () => {
      const old = await bench.putDevice(1, { ...provisioned, state: 'quarantined' });
      const next = await bench.putDevice(2, { deviceId: someUuid(200), generation: 1 });
      await bench.putCredential('bb', next);
      const { result, effects } = await rekeyDevice(bench, old.keyId, next.keyId);
      expect(result.state).toBe('quarantined');
      expect(effects).toContain('credential bb is put on hold');
      expect((await bench.store.credential('bb'))?.revoked?.reason).toBe('certificateHold');
      await releaseDevice(bench, next.keyId);
      expect((await bench.store.credential('bb'))?.revoked).toBeUndefined();
    });

    it('prepares for a key that has not come yet, by its whole id', async () => {
      const old = await bench.putDevice(1, provisioned);
      const { effects } = await rekeyDevice(bench, old.keyId, someUuid(2));
      expect(effects).toContain(`device ${someUuid(2)} goes on for it, when it comes`);
      expect(await bench.store.device(someUuid(2))).toMatchObject({ state: 'active', deviceId: old.deviceId });
    });

    it('is refused onto itself, onto a device id, and a second time; and a dry run writes nothing', async () => {
      const old = await bench.putDevice(1, provisioned);
      const other = await bench.putDevice(2, { deviceId: someUuid(200) });
      const rekey = (to: string, dryRun = false) => rekeyDevice(bench, old.keyId, to, { dryRun });
      expect((await rekey(someUuid(3), true)).applied).toBe(false);
      expect(await bench.store.device(someUuid(3))).toBeUndefined();
      await expect(rekey(old.keyId)).rejects.toMatchObject({ code: 'operator.conflict' });
      await expect(rekey(someUuid(200))).rejects.toMatchObject({ code: 'operator.input' });
      await expect(rekey('77d0e912')).rejects.toMatchObject({ code: 'operator.not-found' });
      await rekey(other.keyId);
      await expect(rekey(someUuid(3))).rejects.toMatchObject({ code: 'operator.conflict' });
      expect(await bench.auditLines()).toHaveLength(1);
    });
  });

  it('decide again when the device was changed by somebody else meanwhile', async () => {
    const device = await bench.putDevice(1);
    let seen = 0;
    const store = contested(bench.store, 2, async () => {
      const present = await bench.store.device(device.keyId);
      if (present) await bench.store.putDevice({ ...present, lastSeenAt: ++seen });
    });
    await quarantineDevice({ ...bench, store }, device.keyId);
    expect(await bench.store.device(device.keyId)).toMatchObject({ state: 'quarantined', lastSeenAt: 2 });
    expect(await bench.auditLines()).toHaveLength(1);
  });

  it('give up with service.busy when a device keeps changing', async () => {
    const device = await bench.putDevice(1);
    const store = contested(bench.store, 100, async () => {
      const present = await bench.store.device(device.keyId);
      if (present) await bench.store.putDevice(present);
    });
    await expect(disableDevice({ ...bench, store }, device.keyId)).rejects.toMatchObject({ code: 'service.busy' });
    expect((await bench.store.device(device.keyId))?.state).toBe('active');
    expect(await bench.auditLines()).toEqual([]);
  });

  it('approve all that wait in a group, and nobody else', async () => {
    const group = someGroup(500);
    await bench.store.groups.put(group);
    const count = limits.operator.page + 20;
    await Promise.all(
      Array.from({ length: count }, (_, seed) => bench.putDevice(seed, { groupId: group.id, state: 'pending' })),
    );
    await bench.putDevice(5000, { state: 'pending' });
    await bench.putDevice(5001, { groupId: group.id, state: 'disabled' });
    const dry = await approveGroup(bench, group.name, { dryRun: true });
    expect(dry).toMatchObject({ applied: false });
    expect(dry.result).toHaveLength(count);
    expect(await bench.auditLines()).toEqual([]);
    const outcome = await approveGroup(bench, group.name);
    expect(outcome).toEqual({ ...dry, applied: true });
    expect((await bench.store.device(someUuid(7)))?.state).toBe('active');
    expect((await bench.store.device(someUuid(5000)))?.state).toBe('pending');
    expect((await bench.store.device(someUuid(5001)))?.state).toBe('disabled');
    expect(await bench.auditLines()).toHaveLength(2);
    expect(await approveGroup(bench, group.name)).toEqual({ applied: false, effects: [], result: [] });
  });

  it('approve more than are told one by one: the last line says how many more', async () => {
    const group = someGroup(500);
    await bench.store.groups.put(group);
    const count = limits.operator.listed + 3;
    await Promise.all(
      Array.from({ length: count }, (_, seed) => bench.putDevice(seed, { groupId: group.id, state: 'pending' })),
    );
    const { result, effects } = await approveGroup(bench, group.name);
    expect(result).toHaveLength(count);
    expect(effects).toHaveLength(limits.operator.listed + 1);
    expect(effects.at(-2)).toMatch(/^device .*: pending -> active$/);
    expect(effects.at(-1)).toBe('and so 3 more');
  });

  it('list devices by state, group, owner, alarms and text, a page at a time', async () => {
    const group = someGroup(500);
    await bench.store.groups.put(group);
    const alarm = { at: 5, kind: 'ids-in-turns', evidence: {} } as const;
    await bench.putDevice(1, { state: 'pending', groupId: group.id });
    await bench.putDevice(2, { ownerId: ownerNamed('alice').id, alarms: [alarm] });
    await bench.putDevice(3, { assignedOwner: ownerNamed('alice'), lastPeer: '198.51.100.9:5683' });
    await bench.putDevice(4, { assignedOwner: ownerNamed('bob'), ownerId: ownerNamed('alice').id });
    const found = async (filter: Parameters<typeof listDevices>[1]) => {
      const { rows } = await listDevices(bench.store, filter, { limit: 100 });
      return rows.map(({ manufacturer }) => Number(manufacturer.subject.slice('CN=device '.length))).sort();
    };
    expect(await found({ state: 'pending' })).toEqual([1]);
    expect(await found({ group: group.name })).toEqual([1]);
    expect(await found({ owner: 'alice' })).toEqual([2, 3]);
    expect(await found({ alarms: true })).toEqual([2]);
    expect(await found({ text: '198.51.100' })).toEqual([3]);
    expect(await found({ text: 'cn=DEVICE' })).toEqual([1, 2, 3, 4]);
    expect(await found({ owner: 'alice', alarms: true, state: 'disabled' })).toEqual([]);
    await expect(found({ group: 'nobody' })).rejects.toMatchObject({ code: 'operator.not-found' });

    const first = await listDevices(bench.store, {}, { limit: 3 });
    const second = await listDevices(bench.store, {}, { limit: 3, ...(first.next && { after: first.next }) });
    expect([...first.rows, ...second.rows].map(({ keyId }) => keyId)).toEqual([1, 2, 3, 4].map(someUuid).sort());
    expect(second.next).toBeUndefined();
    expect(first.rows.every(({ createdAt }) => createdAt === startOfRecords)).toBe(true);
  });

  it.each(['created', 'seen'] as const)(
    'finds the few that wait, the last %s first, behind any number of others',
    async (sort) => {
      const at = (n: number) => {
        const then = startOfRecords + minutes(n);
        return { createdAt: then, lastSeenAt: then };
      };
      const places = ({ rows }: { readonly rows: readonly Device[] }) =>
        rows.map(({ createdAt }) => (createdAt - startOfRecords) / minutes(1));
      for (const n of [1, 2, 3, 4, 5]) await bench.putDevice(n, { state: 'pending', ...at(n) });
      for (let n = 1000; n < 1010 + limits.operator.rowsSearched; n++) await bench.putDevice(n, at(n));
      const asked = { state: 'pending', sort } as const;
      const first = await listDevices(bench.store, asked, { limit: 2 });
      const second = await listDevices(bench.store, asked, { limit: 2, after: first.next });
      const third = await listDevices(bench.store, asked, { limit: 2, after: second.next });
      expect([first, second, third].map(places)).toEqual([[5, 4], [3, 2], [1]]);
      expect(third.next).toBeUndefined();

      // The same for the few that are called so.
      const text = 'CN=device 3';
      expect(places(await listDevices(bench.store, { text, sort }, { limit: 9 }))).toEqual([3]);
      const [last, before] = [1008, 1007].map((n) => n + limits.operator.rowsSearched);
      const common = { text: 'cn=DEVICE', sort } as const;
      const end = await listDevices(bench.store, common, { limit: 2 });
      expect(places(end)).toEqual([last, before].map((n = 0) => n + 1));
      expect(places(await listDevices(bench.store, common, { limit: 1, after: end.next }))).toEqual([before]);
      expect((await listDevices(bench.store, { text, state: 'pending' }, { limit: 9 })).rows).toHaveLength(1);
      expect((await listDevices(bench.store, { text, state: 'active' }, { limit: 9 })).rows).toEqual([]);

      // However a page begins, it does not sort many, and goes on behind the one before.
      const many = { state: 'active', sort } as const;
      const read = vi.spyOn(bench.store, 'devicesBy');
      expect(places(await listDevices(bench.store, many, { limit: 1, after: 'sorted 9' }))).toHaveLength(1);
      expect(read).not.toHaveBeenCalled();
      const newest = await listDevices(bench.store, many, { limit: 1 });
      for (let n = 1001; n < 1020; n++) await disableDevice(bench, someUuid(n));
      const next = await listDevices(bench.store, many, { limit: 1, after: newest.next });
      expect(read).toHaveBeenCalled();
      expect([newest, next].map(places)).toEqual([1009, 1008].map((n) => [n + limits.operator.rowsSearched]));
    },
  );
});
