import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { days } from '../../../src/core/clock.ts';
import { limits } from '../../../src/core/limits.ts';
import { listCredentials, releaseCredentials, revokeCredentials } from '../../../src/operator/credentials.ts';
import { quarantineDevice } from '../../../src/operator/devices.ts';
import { contested, type OperatorBench, openOperatorBench } from '../../support/operator-bench.ts';
import { someCredential, someGroup, someUuid, startOfRecords } from '../../support/store-records.ts';

describe('operations on credentials', () => {
  let bench: OperatorBench;
  const group = someGroup(500);
  beforeEach(async () => {
    bench = await openOperatorBench();
    await bench.store.groups.put(group);
  });
  afterEach(() => bench.close());

  const reasonOf = async (serial: string) => (await bench.store.credential(serial))?.revoked?.reason;
  /** A device in its second generation, with credentials aa (1), b0 and b1 (2), and one that has expired. */
  const twoGenerations = async () => {
    const device = await bench.putDevice(1, { groupId: group.id, deviceId: someUuid(100), generation: 2 });
    await bench.putCredential('aa', device, { generation: 1 });
    await bench.putCredential('b0', device);
    await bench.putCredential('b1', device);
    await bench.putCredential('cc', device, { generation: 1, notAfter: bench.now() - 1 });
    return device;
  };

  it('revoke one by its serial number, however it is written, with one line of the audit log', async () => {
    const device = await bench.putDevice(1);
    await bench.putCredential('0a1b', device);
    const selection = { serial: '000A1B' };
    const dry = await revokeCredentials(bench, selection, { reason: 'keyCompromise', dryRun: true });
    expect(dry).toEqual({
      applied: false,
      effects: ['credential 0a1b is revoked for good (keyCompromise)'],
      result: { changed: 1, serials: ['0a1b'] },
    });
    expect(await reasonOf('0a1b')).toBeUndefined();
    expect(await revokeCredentials(bench, selection, { reason: 'keyCompromise' })).toEqual({ ...dry, applied: true });
    expect((await bench.store.credential('0a1b'))?.revoked).toEqual({ at: bench.now(), reason: 'keyCompromise' });
    expect(await bench.auditLines()).toMatchObject([
      {
        action: 'credential.revoke',
        target: 'credential 0a1b',
        detail: { reason: 'keyCompromise', number: 1, serials: ['0a1b'] },
      },
    ]);
    const listed = await bench.store.revoked('a1b2', bench.now());
    expect(listed.map(({ serial }) => serial)).toEqual(['0a1b']);
  });

  it('revoke those of a device, or of one generation of it, but not what has expired', async () => {
    const { keyId } = await twoGenerations();
    const old = await revokeCredentials(bench, { device: keyId, generation: 1 }, { reason: 'superseded' });
    expect(old.result).toEqual({ changed: 1, serials: ['aa'] });
    const rest = await revokeCredentials(bench, { device: someUuid(100) }, { reason: 'affiliationChanged' });
    expect(rest.result).toEqual({ changed: 2, serials: ['b0', 'b1'] });
    expect(await reasonOf('aa')).toBe('superseded');
    expect(await reasonOf('cc')).toBeUndefined();
    expect(await bench.auditLines()).toHaveLength(2);
  });

  it('revoke those of a group, and of no other', async () => {
    await twoGenerations();
    await bench.putCredential('dd', await bench.putDevice(2));
    const { result } = await revokeCredentials(bench, { group: group.name }, { reason: 'privilegeWithdrawn' });
    expect(result.serials).toEqual(['aa', 'b0', 'b1']);
    expect(await reasonOf('dd')).toBeUndefined();
    expect(await bench.auditLines()).toMatchObject([{ target: `group ${group.id}`, detail: { number: 3 } }]);
  });

  it('revoke more than fits into one piece, each piece with its line of the audit log', async () => {
    const count = limits.operator.commitRows + 5;
    const serial = (n: number) => n.toString(16).padStart(8, '0');
    const newCredentials = Array.from({ length: count }, (_, n) =>
      someCredential(serial(n), { groupId: group.id, certificate: 'pem' }),
    );
    await bench.store.commit({ newCredentials });
    const { result, effects } = await revokeCredentials(bench, { group: group.id }, { reason: 'superseded' });
    expect(result.changed).toBe(count);
    expect(result.serials).toHaveLength(limits.operator.listed);
    expect(effects.at(-1)).toBe(`and so ${count - limits.operator.listed} more`);
    expect((await bench.auditLines()).map(({ detail }) => detail.number)).toEqual([limits.operator.commitRows, 5]);
    expect(await bench.store.revoked('a1b2', bench.now())).toHaveLength(count);
    expect((await revokeCredentials(bench, { group: group.id }, { reason: 'superseded' })).applied).toBe(false);
  });

  it('never take a revocation back or change it, except for a hold', async () => {
    const device = await bench.putDevice(1);
    await bench.putCredential('aa', device);
    await revokeCredentials(bench, { serial: 'aa' }, { reason: 'certificateHold' });
    expect((await releaseCredentials(bench, { serial: 'aa' }, { dryRun: true })).applied).toBe(false);
    expect(await reasonOf('aa')).toBe('certificateHold');
    expect((await releaseCredentials(bench, { serial: 'aa' })).effects).toEqual(['credential aa is taken off hold']);
    expect(await reasonOf('aa')).toBeUndefined();
    await revokeCredentials(bench, { serial: 'aa' }, { reason: 'certificateHold' });
    await revokeCredentials(bench, { serial: 'aa' }, { reason: 'keyCompromise' });
    for (const reason of ['certificateHold', 'superseded'] as const) {
      expect(await revokeCredentials(bench, { serial: 'aa' }, { reason })).toMatchObject({
        applied: false,
        effects: [],
      });
    }
    await expect(releaseCredentials(bench, { serial: 'aa' })).rejects.toMatchObject({ code: 'operator.conflict' });
    expect((await releaseCredentials(bench, { device: device.keyId })).result.changed).toBe(0);
    expect(await reasonOf('aa')).toBe('keyCompromise');
  });

  it('leave the holds of a quarantined device to its release', async () => {
    const device = await bench.putDevice(1);
    await bench.putCredential('aa', device);
    await quarantineDevice(bench, device.keyId);
    await expect(releaseCredentials(bench, { serial: 'aa' })).rejects.toMatchObject({
      code: 'operator.conflict',
      evidence: { device: 'quarantined' },
    });
    expect((await releaseCredentials(bench, { device: device.keyId })).result.changed).toBe(0);
    expect(await reasonOf('aa')).toBe('certificateHold');
  });

  it('leave a credential on hold whose device is quarantined while it is taken off', async () => {
    const device = await bench.putDevice(1);
    await bench.putCredential('aa', device);
    await revokeCredentials(bench, { device: device.keyId }, { reason: 'certificateHold' });
    const store = contested(bench.store, 1, () => quarantineDevice(bench, device.keyId));
    const { result } = await releaseCredentials({ ...bench, store }, { device: device.keyId });
    expect(result.changed).toBe(0);
    expect(await reasonOf('aa')).toBe('certificateHold');
  });

  it('refuse what is no serial number, what is not there, and a generation that never was', async () => {
    const device = await bench.putDevice(1, { generation: 2 });
    const revoke = (selection: Parameters<typeof revokeCredentials>[1]) =>
      revokeCredentials(bench, selection, { reason: 'unspecified' });
    await expect(revoke({ serial: 'xyz' })).rejects.toMatchObject({ code: 'operator.input' });
    await expect(revoke({ serial: '1'.repeat(41) })).rejects.toMatchObject({ code: 'operator.input' });
    await expect(revoke({ serial: 'aa' })).rejects.toMatchObject({ code: 'operator.not-found' });
    await expect(revoke({ group: 'nobody' })).rejects.toMatchObject({ code: 'operator.not-found' });
    await expect(revoke({ device: device.keyId, generation: 7 })).rejects.toMatchObject({
      code: 'operator.not-found',
      fix: 'the device is in generation 2',
    });
    expect(await bench.auditLines()).toEqual([]);
  });

  it('list by device, group, revocation and time left, a page at a time', async () => {
    const { keyId } = await twoGenerations();
    await bench.putCredential('0d', await bench.putDevice(2), { notAfter: startOfRecords + days(3) });
    await revokeCredentials(bench, { serial: 'b1' }, { reason: 'superseded' });
    const serials = async (filter: Parameters<typeof listCredentials>[1]) =>
      (await listCredentials(bench.store, filter, { now: bench.now(), limit: 100 })).rows.map(({ serial }) => serial);
    expect(await serials({})).toEqual(['0d', 'aa', 'b0', 'b1', 'cc']);
    expect(await serials({ device: keyId, revoked: false })).toEqual(['aa', 'b0', 'cc']);
    expect(await serials({ group: group.name, revoked: true })).toEqual(['b1']);
    expect(await serials({ expiringWithin: days(2) })).toEqual(['0d']);
    expect(await serials({ expiringWithin: days(1) })).toEqual([]);
    const page = (after?: string) =>
      listCredentials(bench.store, { device: keyId }, { now: bench.now(), limit: 3, ...(after && { after }) });
    const first = await page();
    expect(first.next).toBe('b1');
    expect((await page(first.next)).rows.map(({ serial }) => serial)).toEqual(['cc']);
  });
});
