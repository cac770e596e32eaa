import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { limits } from '../../../src/core/limits.ts';
import { addAccess, listAccess, removeAccess } from '../../../src/operator/access.ts';
import type { DeviceSelector } from '../../../src/store/model.ts';
import { type OperatorBench, openOperatorBench } from '../../support/operator-bench.ts';
import { someGroup, someUuid } from '../../support/store-records.ts';

describe('long lists of a group', () => {
  let bench: OperatorBench;
  const group = someGroup(500, { source: 'file' });
  beforeEach(async () => {
    bench = await openOperatorBench();
    await bench.store.groups.put(group);
  });
  afterEach(() => bench.close());

  const add = (device: DeviceSelector, options = {}) =>
    addAccess(bench, { group: group.name, list: 'deny', device, note: 'stolen' }, options);
  const remove = (device: DeviceSelector, options = {}) =>
    removeAccess(bench, { group: group.id, list: 'deny', device }, options);
  const all = async () => (await listAccess(bench.store, group.name, { limit: 100 })).rows.map(({ device }) => device);

  it('take a device, also of a group that is written in a file, in the form in which devices are compared', async () => {
    expect((await add({ by: 'serial', value: '00A1' }, { dryRun: true })).applied).toBe(false);
    expect(await all()).toEqual([]);
    const { effects, result } = await add({ by: 'serial', value: '00A1' });
    expect(effects).toEqual([`serial a1 comes on the deny list of group ${group.name}`]);
    expect(result).toEqual({
      groupId: group.id,
      list: 'deny',
      device: { by: 'serial', value: 'a1' },
      note: 'stolen',
      addedAt: bench.now(),
    });
    await add({ by: 'key', value: someUuid(1).toUpperCase() });
    await add({ by: 'subject', value: 'CN=Sensor !*, O=Factory' });
    expect(new Set((await all()).map(({ value }) => value))).toEqual(
      new Set(['a1', someUuid(1), 'CN=Sensor !*, O=Factory']),
    );
    expect(await bench.store.findAccess(group.id, 'deny', { keyId: someUuid(9), serial: 'a1', subject: '' })).toEqual(
      result,
    );
    expect((await bench.auditLines())[0]).toMatchObject({
      action: 'access.add',
      target: `group ${group.id}`,
      detail: { list: 'deny', serial: 'a1' },
    });
    expect(bench.policyChanges()).toBe(0);
  });

  it('take a device once', async () => {
    await add({ by: 'serial', value: 'a1' });
    bench.setTime(bench.now() + 1000);
    expect(await add({ by: 'serial', value: 'A1' })).toMatchObject({
      applied: false,
      effects: [],
      result: { addedAt: bench.now() - 1000 },
    });
    expect(await bench.auditLines()).toHaveLength(1);
  });

  it('let go of exactly the entry that was named, and of none that begins or ends alike', async () => {
    const values = ['CN=a', 'CN=ab', 'CN=ab*', 'CN=abc', 'CN=a\u{1f600}', 'CN=a\u{1f601}', 'CN=\uffff'];
    for (const value of values) await add({ by: 'subject', value });
    for (const [at, value] of values.entries()) {
      expect((await remove({ by: 'subject', value }, { dryRun: true })).applied).toBe(false);
      expect((await remove({ by: 'subject', value })).result.device.value).toBe(value);
      const left = (await all()).map((device) => device.value);
      expect(new Set(left)).toEqual(new Set(values.slice(at + 1)));
    }
    await expect(remove({ by: 'subject', value: 'CN=ab' })).rejects.toMatchObject({ code: 'operator.not-found' });
    expect((await bench.auditLines()).at(-1)?.action).toBe('access.remove');
  });

  it.each([
    { by: 'key', value: 'abc' },
    { by: 'serial', value: '' },
    { by: 'serial', value: 'a1:b2' },
    { by: 'serial', value: '1'.repeat(41) },
    { by: 'subject', value: '' },
    { by: 'subject', value: 'CN=a\nb' },
    { by: 'subject', value: 'x'.repeat(limits.policy.text + 1) },
  ] as const)('refuse $by $value', async (device) => {
    await expect(add(device)).rejects.toMatchObject({ code: 'operator.input', evidence: { field: device.by } });
    await expect(remove(device)).rejects.toMatchObject({ code: 'operator.input' });
  });

  it('refuse a note of two lines, and a group that is not there', async () => {
    const device = { by: 'serial', value: 'a1' } as const;
    await expect(addAccess(bench, { group: group.id, list: 'allow', device, note: 'a\nb' })).rejects.toMatchObject({
      code: 'operator.input',
      evidence: { field: 'note' },
    });
    await expect(addAccess(bench, { group: 'nobody', list: 'allow', device })).rejects.toMatchObject({
      code: 'operator.not-found',
    });
  });

  it('are listed a page at a time, all of them or one', async () => {
    for (const value of ['a1', 'a2', 'a3']) await add({ by: 'serial', value });
    await addAccess(bench, { group: group.id, list: 'allow', device: { by: 'serial', value: 'a4' } });
    const first = await listAccess(bench.store, group.id, { list: 'deny', limit: 2 });
    const second = await listAccess(bench.store, group.id, { list: 'deny', limit: 2, after: first.next ?? '' });
    expect([...first.rows, ...second.rows].map(({ device }) => device.value)).toEqual(['a1', 'a2', 'a3']);
    expect(second.next).toBeUndefined();
    expect(await all()).toHaveLength(4);
  });
});
