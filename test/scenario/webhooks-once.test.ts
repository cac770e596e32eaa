import { afterEach, beforeEach, expect, test } from 'vitest';
import { putWebhook, redeliver, viewWebhook } from '../../src/operator/webhooks.ts';
import { openLevelStore } from '../../src/store/level.ts';
import type { Store } from '../../src/store/store.ts';
import { someActor } from '../support/operator-bench.ts';
import { someDelivery } from '../support/store-records.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { until } from '../support/until.ts';
import { openWebhookBench, type WebhookBench } from '../support/webhook-bench.ts';
import { type Receiver, startReceiver } from '../support/webhook-receiver.ts';

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let bench: WebhookBench;
let receiver: Receiver;

beforeEach(async () => {
  folder = await temporaryFolder();
  bench = await openWebhookBench(folder.path);
  receiver = await startReceiver();
});
afterEach(async () => {
  await bench.close();
  await receiver.close();
  await folder.remove();
});

/** A webhook that was told nothing yet but has two dead letters. */
async function withDeadLetters(): Promise<void> {
  receiver.secret = await bench.add({ name: 'hook', url: receiver.url, types: ['test'] });
  const { id } = (await viewWebhook(bench.store, 'hook')).webhook;
  await until(async () => (await bench.store.webhookCursor(id)) !== '');
  const put = ['0-1', '0-2'].map((event) => someDelivery(id, event, { dueAt: undefined, attempts: 9 }));
  await bench.store.commitDeliveries({ webhookId: id, put });
}

/** Somebody who has looked at the dead letters already when `first` happens. */
const behind = (first: () => Promise<void>): WebhookBench['deps'] => {
  let waited: Promise<void> | undefined;
  const commit: Store['commit'] = async (changes) => {
    waited ??= first();
    await waited;
    return bench.store.commit(changes);
  };
  return { ...bench.deps, store: { ...bench.store, commit } };
};

const told = async (): Promise<readonly string[]> => {
  bench.hub.tell('test', {});
  const { last } = bench.hub;
  await until(() => receiver.taken.includes(last));
  return receiver.asked.map(({ id }) => id).filter((id) => id !== last);
};

test('who tries a dead letter again that is on its way already is told so', async () => {
  await withDeadLetters();
  receiver.mood = () => 'hang';
  const second = behind(async () => {
    expect(await redeliver(bench.deps, 'hook', { event: '0-1' })).toMatchObject({ applied: true, result: 1 });
    await until(() => receiver.asked.length === 1);
  });
  await expect(redeliver(second, 'hook', { event: '0-1' })).rejects.toMatchObject({
    code: 'operator.conflict',
    evidence: { webhook: 'hook', event: '0-1' },
  });
  expect(receiver.asked.map(({ id }) => id)).toEqual(['0-1']);
});

test('who tries a dead letter again that was told meanwhile finds none, and it is not told twice', async () => {
  await withDeadLetters();
  const second = behind(async () => {
    await redeliver(bench.deps, 'hook', { event: '0-2' });
    await until(async () => (await viewWebhook(bench.store, 'hook')).waiting === 0);
  });
  await expect(redeliver(second, 'hook', { event: '0-2' })).rejects.toMatchObject({ code: 'operator.not-found' });
  expect(await told()).toEqual(['0-2']);
});

test('of two who try all dead letters again, the second finds none', async () => {
  await withDeadLetters();
  const second = behind(async () => {
    expect(await redeliver(bench.deps, 'hook', {})).toMatchObject({ applied: true, result: 2 });
    await until(async () => (await viewWebhook(bench.store, 'hook')).waiting === 0);
  });
  expect(await redeliver(second, 'hook', {})).toEqual({ applied: false, effects: [], result: 0 });
  expect((await told()).toSorted()).toEqual(['0-1', '0-2']);
});

test('a webhook that is made while no service runs is told what follows, and nothing of what was before', async () => {
  await bench.close();
  const store = await openLevelStore(folder.path, { synced: false });
  const change = (action: string) =>
    store.commit({ audit: { at: Date.now(), actor: someActor, action, target: 'x', detail: {} } });
  await change('test.before');
  const made = await putWebhook({ ...bench.deps, store }, { name: 'hook', url: receiver.url, types: ['test'] }, {});
  receiver.secret = made.result.secret ?? '';
  await change('test.after');
  await store.close();
  bench = await openWebhookBench(folder.path);
  await told();
  expect(receiver.asked.map(({ body }) => body.type).toSorted()).toEqual(['test', 'test.after']);
  expect(receiver.forged).toBe(0);
});
