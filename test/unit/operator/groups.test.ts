import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { encodePem } from '../../../src/codec/pem.ts';
import { nilUuid } from '../../../src/core/ids.ts';
import { limits } from '../../../src/core/limits.ts';
import { deleteGroup, listGroups, putGroup, setGroupEnabled } from '../../../src/operator/groups.ts';
import { x509Attestation } from '../../../src/provision/group.ts';
import type { EnrollmentGroup } from '../../../src/store/model.ts';
import { type Made, makeCertificate, makeCrl } from '../../support/chains.ts';
import { contested, type OperatorBench, openOperatorBench } from '../../support/operator-bench.ts';
import { someGroup, someHub, someUuid } from '../../support/store-records.ts';

describe('operations on groups', () => {
  let bench: OperatorBench;
  const hub = someHub(900);
  beforeEach(async () => {
    bench = await openOperatorBench();
    await bench.store.hubs.put(hub);
  });
  afterEach(() => bench.close());

  const group = (seed: number, changes: Partial<EnrollmentGroup> = {}): EnrollmentGroup =>
    someGroup(seed, { source: 'operator', hubs: [hub.id], ...changes });
  const create = (row: EnrollmentGroup, dryRun = false) => putGroup(bench, row, { create: true, dryRun });
  const update = (row: EnrollmentGroup, dryRun = false) => putGroup(bench, row, { create: false, dryRun });

  it('create a group as an operator, tell the running service, and write who did it', async () => {
    const outcome = await create(group(1, { source: 'file' }));
    expect(outcome).toMatchObject({ applied: true, result: { source: 'operator' } });
    expect(outcome.effects).toEqual([`group group 1 is added as ${someUuid(1)}, owner somebody, admission auto`]);
    expect(await bench.store.groups.get(someUuid(1))).toEqual(group(1, { revision: 1 }));
    expect(bench.policyChanges()).toBe(1);
    expect(await bench.auditLines()).toMatchObject([{ action: 'group.create', target: `group ${someUuid(1)}` }]);
  });

  it('refuse to create one whose id or name is taken, or whose hub is not there', async () => {
    await create(group(1));
    for (const [row, code] of [
      [group(1, { name: 'other' }), 'operator.conflict'],
      [group(5, { name: 'group 1' }), 'operator.conflict'],
      [group(7, { hubs: [hub.id, someUuid(44)] }), 'operator.not-found'],
    ] as const) {
      await expect(create(row)).rejects.toMatchObject({ code });
    }
    expect(await bench.store.groups.list()).toHaveLength(1);
    expect(await bench.auditLines()).toHaveLength(1);
  });

  it("refuse an owner whose id is a device's, and a name that cannot be shown", async () => {
    const device = await bench.putDevice(20, { deviceId: someUuid(1) });
    const owner = { id: someUuid(1), name: 'acme' };
    const refused = { code: 'operator.conflict', evidence: { owner: 'acme', ownerId: owner.id, device: device.keyId } };
    await expect(create(group(1, { owner }))).rejects.toMatchObject(refused);
    await create(group(1));
    await expect(update(group(1, { owner }))).rejects.toMatchObject(refused);
    await expect(create(group(2, { name: 'a\u202eb' }))).rejects.toMatchObject({ code: 'operator.input' });
    await bench.store.claimDeviceId(someUuid(2), nilUuid);
    expect((await create(group(2, { owner: { id: someUuid(2), name: 'bolt' } }))).applied).toBe(true);
  });

  it('refuse a revocation list that none of its own authorities has signed, also one that stays when they go', async () => {
    const [root, namesake] = [
      await makeCertificate({ subject: 'CN=Root', ca: true }),
      await makeCertificate({ subject: 'CN=Root', ca: true }),
    ];
    const lists = [encodePem('X509 CRL', await makeCrl(root, []))];
    const of = (...anchors: readonly Made[]): EnrollmentGroup => {
      const x509 = x509Attestation({ anchors: anchors.map(({ der }) => encodePem('CERTIFICATE', der)), crls: lists });
      return group(1, { attestation: { x509, psk: [], pins: [] } });
    };
    const refused = { code: 'operator.input', evidence: { group: 'group 1', field: 'crls', list: 'CN=Root' } };
    await expect(create(of(namesake))).rejects.toMatchObject(refused);
    await create(of(namesake, root));
    await expect(update(of(namesake), true)).rejects.toMatchObject(refused);
    expect((await update(of(root))).applied).toBe(true);
  });

  it('update a group under its id and say what changes, without showing what may be secret', async () => {
    await create(group(1));
    const next = group(1, { name: 'renamed', admission: 'manual', ownerPsk: 'c2VjcmV0c2VjcmV0c2VjcmV0' });
    const dry = await update(next, true);
    expect(dry.effects).toEqual([
      'group group 1: admission auto -> manual',
      'group group 1: name group 1 -> renamed',
      'group group 1: ownerPsk changes',
    ]);
    expect((await bench.store.groups.get(someUuid(1)))?.name).toBe('group 1');
    expect(await update(next)).toEqual({ ...dry, applied: true, result: { ...next, revision: 2 } });
    expect(await bench.store.groups.get(someUuid(1))).toEqual({ ...next, revision: 2 });
    const [, line] = await bench.auditLines();
    expect(line).toMatchObject({ action: 'group.update', detail: { changed: ['admission', 'name', 'ownerPsk'] } });
    expect(JSON.stringify(line)).not.toContain('c2VjcmV0');
  });

  it('keep keys that are left out, but none of them becomes the key of all devices, or stops being it', async () => {
    const key = 'c2VjcmV0c2VjcmV0c2VjcmV0';
    await create(group(1, { ownerPsk: key }));
    expect((await update(group(1, { ownerPsk: '', name: 'renamed' }))).result.ownerPsk).toBe(key);
    const refused = { code: 'operator.input', evidence: { field: 'ownerPskShared' } };
    await expect(update(group(1, { ownerPsk: '', ownerPskShared: true }))).rejects.toMatchObject(refused);
    const shared = group(1, { ownerPsk: 'bmV3IG5ldyBuZXcgbmV3IG4=', ownerPskShared: true });
    expect((await update(shared)).effects).toContain('group renamed: ownerPskShared changes');
    expect((await update({ ...shared, ownerPsk: '', name: 'again' })).result).toMatchObject({
      ownerPsk: shared.ownerPsk,
      ownerPskShared: true,
    });
    await expect(update(group(1, { ownerPsk: '' }))).rejects.toMatchObject(refused);
    expect((await update(group(1))).result.ownerPsk).toBeUndefined();
  });

  it('do nothing, and write nothing, when an update changes nothing', async () => {
    await create(group(1));
    expect(await update(group(1))).toMatchObject({ applied: false, effects: [] });
    expect(await bench.auditLines()).toHaveLength(1);
    expect(bench.policyChanges()).toBe(1);
  });

  it('refuse to update a group that is not there, one of a file, and one onto the name of another', async () => {
    await bench.store.groups.put(group(1, { source: 'file' }));
    await create(group(5));
    await expect(update(group(9))).rejects.toMatchObject({ code: 'operator.not-found' });
    await expect(update(group(1, { admission: 'manual' }))).rejects.toMatchObject({
      code: 'operator.file-managed',
      fix: expect.stringContaining('file'),
    });
    await expect(update(group(5, { name: 'group 1' }))).rejects.toMatchObject({ code: 'operator.conflict' });
  });

  it('enable and disable, once; those of a file in the file', async () => {
    await create(group(1));
    expect(await setGroupEnabled(bench, 'group 1', { enabled: true })).toMatchObject({ applied: false, effects: [] });
    await setGroupEnabled(bench, 'group 1', { enabled: false, dryRun: true });
    expect((await bench.store.groups.get(someUuid(1)))?.enabled).toBe(true);
    const { effects } = await setGroupEnabled(bench, 'group 1', { enabled: false });
    expect(effects).toEqual(['group group 1 is disabled: none of its devices is let in']);
    expect((await bench.store.groups.get(someUuid(1)))?.enabled).toBe(false);
    await bench.store.groups.put(group(5, { source: 'file' }));
    await expect(setGroupEnabled(bench, 'group 5', { enabled: false })).rejects.toMatchObject({
      code: 'operator.file-managed',
    });
  });

  it('delete a group with its lists, but only by force while devices are in it', async () => {
    await create(group(1));
    await create(group(5));
    const entry = (groupId: string, seed: number) =>
      ({ groupId, list: 'deny', device: { by: 'key', value: someUuid(seed) }, note: undefined, addedAt: 1 }) as const;
    await bench.store.commit({ access: [entry(someUuid(1), 1), entry(someUuid(1), 2), entry(someUuid(5), 3)] });
    const device = await bench.putDevice(1, { groupId: someUuid(1) });
    await expect(deleteGroup(bench, 'group 1')).rejects.toMatchObject({
      code: 'operator.conflict',
      evidence: { devices: 1 },
    });
    const dry = await deleteGroup(bench, 'group 1', { force: true, dryRun: true });
    expect(dry.effects).toEqual([
      `group group 1 (${someUuid(1)}) is deleted`,
      '2 entries of its long lists are deleted',
      '1 devices are left without this group',
    ]);
    expect(await bench.store.groups.list()).toHaveLength(2);
    expect(await deleteGroup(bench, 'group 1', { force: true })).toEqual({ ...dry, applied: true });
    expect(await bench.store.groups.get(someUuid(1))).toBeUndefined();
    expect(await bench.store.access({ groupId: someUuid(1), limit: 9 })).toEqual([]);
    expect(await bench.store.access({ groupId: someUuid(5), limit: 9 })).toHaveLength(1);
    expect(await bench.store.device(device.keyId)).toEqual(device);
    await expect(deleteGroup(bench, 'group 1')).rejects.toMatchObject({ code: 'operator.not-found' });
  });

  it('delete a group whose lists are too long for one piece: it is disabled before the first entry goes', async () => {
    await create(group(1));
    const count = limits.operator.commitRows + 10;
    const access = Array.from({ length: count }, (_, n) => ({
      groupId: someUuid(1),
      list: 'deny' as const,
      device: { by: 'serial' as const, value: n.toString(16).padStart(6, '0') },
      note: undefined,
      addedAt: 1,
    }));
    await bench.store.commit({ access });
    const before: (boolean | undefined)[] = [];
    const store = contested(bench.store, 2, async () => {
      before.push((await bench.store.groups.get(someUuid(1)))?.enabled);
    });
    await deleteGroup({ ...bench, store }, 'group 1');
    expect(before).toEqual([true, false]);
    expect(await bench.store.access({ groupId: someUuid(1), limit: 1 })).toEqual([]);
    expect(await bench.store.groups.list()).toEqual([]);
    const lines = await bench.auditLines();
    expect(lines.map(({ action }) => action)).toEqual(['group.create', 'group.clear', 'group.delete']);
    expect(lines.map(({ detail }) => detail.entries)).toEqual([undefined, limits.operator.commitRows, 10]);
  });

  it('list groups with how many of their devices are in which state', async () => {
    await create(group(1));
    await create(group(5));
    await bench.putDevice(1, { groupId: someUuid(1) });
    await bench.putDevice(2, { groupId: someUuid(1) });
    await bench.putDevice(3, { groupId: someUuid(1), state: 'pending' });
    await bench.putDevice(4, { groupId: someUuid(777) });
    const nobody = { pending: 0, active: 0, quarantined: 0, disabled: 0, decommissioned: 0 };
    const counts = new Map((await listGroups(bench.store)).map(({ group: { name }, devices }) => [name, devices]));
    expect(counts.get('group 1')).toEqual({ ...nobody, active: 2, pending: 1 });
    expect(counts.get('group 5')).toEqual(nobody);
  });
});
