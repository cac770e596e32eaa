import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { seededRandom } from '../../../src/core/random.ts';
import { applyPolicy } from '../../../src/operator/apply-policy.ts';
import { putGroup } from '../../../src/operator/groups.ts';
import { putHub } from '../../../src/operator/hubs.ts';
import { ownerView } from '../../../src/operator/owner-view.ts';
import { createToken } from '../../../src/operator/tokens.ts';
import { putWebhook } from '../../../src/operator/webhooks.ts';
import { type OperatorBench, openOperatorBench } from '../../support/operator-bench.ts';
import { someGroup, someHub, someUuid } from '../../support/store-records.ts';

const url = 'https://shop.example/events';
const many = Array.from({ length: 20 }, (_, k) => k);

describe('names of what operators write', () => {
  let bench: OperatorBench;
  beforeEach(async () => {
    bench = await openOperatorBench();
    await bench.store.hubs.put(someHub(9));
  });
  afterEach(() => bench.close());

  const owner = { id: someUuid(500), name: 'alice' };
  const hubs = [someUuid(9)];
  const deps = (seed: number) => ({ ...bench, random: seededRandom(seed) });
  const creates = {
    groups: (seed: number, name: string) =>
      putGroup(bench, someGroup(seed + 1000, { name, owner, hubs }), { create: true }),
    hubs: (seed: number, name: string) => putHub(bench, someHub(seed + 1000, { name }), { create: true }),
    webhooks: (seed: number, name: string) => putWebhook(deps(seed), { name, url }, {}),
    tokens: (seed: number, name: string) => createToken(deps(seed), { name, role: 'viewer' }),
  } as const;
  const names = async (kind: keyof typeof creates) => (await bench.store[kind].list()).map(({ name }) => name);
  const codes = (settled: readonly PromiseSettledResult<unknown>[]) =>
    settled.map((one) => (one.status === 'fulfilled' ? 'written' : one.reason.code)).toSorted();

  it.each(Object.keys(creates) as (keyof typeof creates)[])(
    'go to one of twenty who take the same one for their %s at once',
    async (kind) => {
      const before = await names(kind);
      const settled = await Promise.allSettled(many.map((seed) => creates[kind](seed, 'twin')));
      expect(codes(settled)).toEqual([...many.slice(1).map(() => 'operator.conflict'), 'written']);
      expect((await names(kind)).toSorted()).toEqual([...before, 'twin'].toSorted());
      expect(await bench.auditLines()).toHaveLength(1);
    },
  );

  it.each(Object.keys(creates) as (keyof typeof creates)[])(
    'are given to all of twenty who take different ones for their %s at once',
    async (kind) => {
      const settled = await Promise.allSettled(many.map((seed) => creates[kind](seed, `one ${seed}`)));
      expect(codes(settled)).toEqual(many.map(() => 'written'));
    },
  );

  it('go to one of two who rename theirs at once', async () => {
    for (const seed of [1, 2]) await creates.hubs(seed, `hub of ${seed}`);
    const renamed = [1, 2].map((seed) => putHub(bench, someHub(seed + 1000, { name: 'twin' }), { create: false }));
    expect(codes(await Promise.allSettled(renamed))).toEqual(['operator.conflict', 'written']);
  });

  it('are taken by what is written only', async () => {
    const hub = someHub(1, { name: 'twin' });
    const taken = { of: 'hubs', id: hub.id, name: hub.name } as const;
    expect(await bench.store.commit({ hubs: [hub], names: [taken], deletedTokens: [someUuid(77)] })).toBe(false);
    expect(await bench.store.commit({ hubs: [hub], names: [taken] })).toBe(true);
    expect(await bench.store.commit({ hubs: [someHub(2)], names: [{ ...taken, id: someUuid(2) }] })).toBe(false);
    expect(await bench.store.commit({ hubs: [{ ...hub, revision: 1 }], names: [taken] })).toBe(true);
  });

  it('may be the same with many owners, who do not see each other, also at once', async () => {
    const owners = many.map((seed) => ({ id: someUuid(500 + seed), name: `owner ${seed}` }));
    const put = owners.map((one, seed) => {
      const view = ownerView(bench.store, one.id, { ownersAttest: true });
      const attestation = { x509: undefined, psk: [], pins: [someUuid(seed)] };
      const group = someGroup(seed + 1, { name: 'twin', owner: one, hubs: [], attestation });
      return putGroup({ ...bench, store: view }, group, { create: true });
    });
    expect(codes(await Promise.allSettled(put))).toEqual(many.map(() => 'written'));
  });

  it('that an owner takes are in nobody’s way who had them: not in the files’, nor in another owner’s', async () => {
    const files = {
      groups: [someGroup(1, { name: 'twin', source: 'file', hubs })],
      hubs: [{ ...someHub(9), name: 'twin', source: 'file' as const }],
    };
    await bench.store.hubs.delete(someUuid(9));
    await applyPolicy(bench, files);
    await creates.groups(2, 'pair');
    await creates.webhooks(3, 'pair');
    const bob = { id: someUuid(501), name: 'bob' };
    const bobs = { ...deps(4), store: ownerView(bench.store, bob.id, { ownersAttest: true }), ownerId: bob.id };
    const attestation = { x509: undefined, psk: [], pins: [someUuid(1)] };
    for (const [seed, name] of ['twin', 'pair'].entries()) {
      const group = someGroup(seed + 7, { name, owner: bob, hubs: [], attestation });
      await putGroup(bobs, group, { create: true });
      await putHub(bobs, someHub(seed + 7, { name, ownerId: bob.id }), { create: true });
    }
    await putWebhook(bobs, { name: 'pair', url }, {});

    const [file] = files.groups;
    if (!file) throw new Error('no group');
    expect(await applyPolicy(bench, { ...files, groups: [{ ...file, enabled: false }] })).toMatchObject({
      applied: true,
    });
    const pair = await bench.store.groups.get(someUuid(1002));
    if (!pair) throw new Error('no group');
    expect(await putGroup(bench, { ...pair, enabled: false }, { create: false })).toMatchObject({ applied: true });
    const [webhook] = (await bench.store.webhooks.list()).filter(({ ownerId }) => ownerId === undefined);
    const request = { name: 'pair', url, enabled: false };
    expect(await putWebhook(deps(5), request, { which: webhook?.id ?? '' })).toMatchObject({ applied: true });
    // Whoever takes a name sees to it that nobody has it of those whom he sees.
    await expect(creates.hubs(6, 'pair')).rejects.toMatchObject({ code: 'operator.conflict' });
  });
});
