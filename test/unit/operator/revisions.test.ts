import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { disableDevice, transferDevice } from '../../../src/operator/devices.ts';
import { deleteGroup, putGroup, setGroupEnabled } from '../../../src/operator/groups.ts';
import { deleteHub, putHub } from '../../../src/operator/hubs.ts';
import { type OperatorBench, openOperatorBench } from '../../support/operator-bench.ts';
import { someGroup, someHub } from '../../support/store-records.ts';

describe('an operation that names the revision it was decided on', () => {
  let bench: OperatorBench;
  beforeEach(async () => {
    bench = await openOperatorBench();
  });
  afterEach(() => bench.close());

  const own = { source: 'operator' } as const;
  const [group, hub] = [someGroup(1, { ...own, hubs: [] }), someHub(2, own)];
  const renamed = { create: false } as const;

  const operations = {
    'group update': (revision: number) => putGroup(bench, { ...group, name: 'new' }, { ...renamed, revision }),
    'group disable': (revision: number) => setGroupEnabled(bench, group.id, { enabled: false, revision }),
    'group delete': (revision: number) => deleteGroup(bench, group.id, { revision }),
    'hub update': (revision: number) => putHub(bench, { ...hub, name: 'new' }, { ...renamed, revision }),
    'hub delete': (revision: number) => deleteHub(bench, hub.id, { revision }),
    'device disable': async (revision: number) => {
      const [device] = await bench.store.devices({ limit: 1 });
      return disableDevice(bench, device?.keyId ?? '', { revision });
    },
    'device transfer': async (revision: number) => {
      const [device] = await bench.store.devices({ limit: 1 });
      return transferDevice(bench, device?.keyId ?? '', 'acme', { revision });
    },
  } as const;

  it.each(Object.entries(operations))('is refused when there is another one by now: %s', async (_, operation) => {
    await putGroup(bench, group, { create: true });
    await putHub(bench, hub, { create: true });
    await bench.putDevice(3);
    await expect(operation(7)).rejects.toMatchObject({
      code: 'api.precondition',
      evidence: { revision: 1, expected: 7 },
    });
    expect(await bench.auditLines()).toHaveLength(2);
    expect(await operation(1)).toMatchObject({ applied: true });
  });

  it('tells the revision of what it has written, and none that was not', async () => {
    expect((await putGroup(bench, group, { create: true, dryRun: true })).result.revision).toBe(0);
    expect((await putGroup(bench, group, { create: true })).result.revision).toBe(1);
    const change = { ...group, name: 'new' };
    expect((await putGroup(bench, change, { create: false, dryRun: true })).result.revision).toBe(1);
    expect((await putGroup(bench, change, { create: false })).result.revision).toBe(2);
    expect((await setGroupEnabled(bench, group.id, { enabled: false })).result.revision).toBe(3);
    expect((await bench.store.groups.get(group.id))?.revision).toBe(3);
    await bench.putDevice(3);
    const [device] = await bench.store.devices({ limit: 1 });
    expect((await disableDevice(bench, device?.keyId ?? '')).result.revision).toBe(2);
    expect((await bench.store.devices({ limit: 1 }))[0]?.revision).toBe(2);
  });

  it('keeps whose a hub is when an update says nothing of it', async () => {
    await putHub(bench, { ...hub, ownerId: group.owner.id }, { create: true });
    await putHub(bench, { ...hub, name: 'new' }, { create: false });
    expect(await bench.store.hubs.get(hub.id)).toMatchObject({ name: 'new', ownerId: group.owner.id, revision: 2 });
  });

  it('counts what is called revision inside of a payload as a change', async () => {
    await putGroup(bench, { ...group, payload: { revision: 1 } }, { create: true });
    const outcome = await putGroup(bench, { ...group, payload: { revision: 2 } }, { create: false });
    expect(outcome).toMatchObject({ applied: true, effects: [expect.stringContaining('payload')] });
  });
});
