import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { firstToken } from '../../../src/api/local-tokens.ts';
import { seededRandom } from '../../../src/core/random.ts';
import { setGroupEnabled } from '../../../src/operator/groups.ts';
import { createToken, revokeToken } from '../../../src/operator/tokens.ts';
import { redeliver } from '../../../src/operator/webhooks.ts';
import type { Store, StoreChanges } from '../../../src/store/store.ts';
import { contested, type OperatorBench, openOperatorBench } from '../../support/operator-bench.ts';
import { someDelivery, someGroup, someToken, someUuid, someWebhook } from '../../support/store-records.ts';

const webhookId = someUuid(2);
const letter = (id: string) => someDelivery(webhookId, id, { attempts: 9, dueAt: undefined, error: 'status 500' });

describe('a change of tokens and of what is told again', () => {
  let bench: OperatorBench;
  beforeEach(async () => {
    bench = await openOperatorBench();
    await bench.store.commit({ tokens: [someToken(1, { name: 'old' })], webhooks: [someWebhook(2, { name: 'shop' })] });
    const put = [letter('1-1'), letter('1-2'), someDelivery(webhookId, '1-3')];
    await bench.store.commitDeliveries({ webhookId, put });
  });
  afterEach(() => bench.close());

  const dead = async () =>
    (await bench.store.deliveries({ webhookId, dead: true, limit: 9 })).map((one) => one.event.id);
  const names = async () => (await bench.store.tokens.list()).map(({ name }) => name).toSorted();
  const withStore = (store: Store) => ({ ...bench, store, random: seededRandom(7) });

  const changes = {
    'a token that is made': (store: Store) => createToken(withStore(store), { name: 'new', role: 'viewer' }),
    'a token that is revoked': (store: Store) => revokeToken(withStore(store), 'old'),
    'dead letters': (store: Store) => redeliver(withStore(store), 'shop', {}),
    'one dead letter': (store: Store) => redeliver(withStore(store), 'shop', { event: '1-2' }),
  } as const;

  it.each(Object.entries(changes))('is written with its line of the audit log, in one write: %s', async (_, change) => {
    const commits: (keyof StoreChanges)[][] = [];
    const store = commitsThrough(bench.store, (next) => {
      const { names: _, ...written } = next;
      commits.push(Object.keys(written).toSorted() as (keyof StoreChanges)[]);
      return bench.store.commit(next);
    });
    expect(await change(store)).toMatchObject({ applied: true });
    expect(commits).toEqual([['audit', expect.stringMatching(/^(tokens|deletedTokens|revived)$/)]]);
    expect(await bench.auditLines()).toHaveLength(1);
  });

  it.each(Object.entries(changes))('is not there when it could not be written: %s', async (_, change) => {
    const store = commitsThrough(bench.store, () => Promise.reject(new Error('the disk is full')));
    await expect(change(store)).rejects.toThrow('the disk is full');
    expect([await names(), await dead(), await bench.auditLines()]).toEqual([['old'], ['1-1', '1-2'], []]);
  });

  it('is done by one of two who do it at once', async () => {
    const store = contested(bench.store, 1, () => revokeToken(bench, 'old'));
    await expect(revokeToken(withStore(store), 'old')).rejects.toMatchObject({ code: 'operator.not-found' });
    const gone = contested(bench.store, 1, () => bench.store.webhooks.delete(webhookId));
    await expect(redeliver(withStore(gone), 'shop', {})).rejects.toMatchObject({ code: 'operator.not-found' });
    expect((await bench.auditLines()).map(({ action }) => action)).toEqual(['token.revoke']);
  });

  it('is refused to the second of two as what it is, while the first one is on its way to the disk', async () => {
    const revoked = await Promise.allSettled([revokeToken(bench, 'old'), revokeToken(bench, 'old')]);
    expect(revoked).toMatchObject([{ status: 'fulfilled' }, { reason: { code: 'operator.not-found' } }]);
    await bench.store.commit({ groups: [someGroup(5, { source: 'operator' })] });
    const turns = [1, 2].map(() => setGroupEnabled(bench, someUuid(5), { enabled: false }));
    expect(await Promise.all(turns)).toMatchObject([{ applied: true }, { applied: false }]);
  });

  it('is one write on the first start, too', async () => {
    await bench.store.tokens.delete(someUuid(1));
    const store = commitsThrough(bench.store, () => Promise.reject(new Error('the disk is full')));
    const first = { now: 0, random: seededRandom(7), actor: bench.actor };
    await expect(firstToken(store, first)).rejects.toThrow('the disk is full');
    expect([await names(), await bench.auditLines()]).toEqual([[], []]);
    expect(await firstToken(bench.store, first)).toMatch(/^fb_/);
    expect([await names(), (await bench.auditLines()).length]).toEqual([['admin'], 1]);
  });
});

/** A store whose commits go another way; nothing else of it may be written. */
const commitsThrough = (store: Store, commit: Store['commit']): Store =>
  new Proxy(store, {
    get(target, name) {
      if (name === 'commit') return commit;
      const member: unknown = Reflect.get(target, name, target);
      return typeof member === 'function' ? member.bind(target) : member;
    },
  });
