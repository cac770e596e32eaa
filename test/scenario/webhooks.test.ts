import { afterEach, beforeEach, expect, test } from 'vitest';
import { hours, type ManualTimers, minutes, seconds } from '../../src/core/clock.ts';
import { limits } from '../../src/core/limits.ts';
import { deleteWebhook, listDeliveries, putWebhook, redeliver, viewWebhook } from '../../src/operator/webhooks.ts';
import { someUuid } from '../support/store-records.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { until } from '../support/until.ts';
import { movedTimers, openWebhookBench, type WebhookBench } from '../support/webhook-bench.ts';
import { type Receiver, startReceiver } from '../support/webhook-receiver.ts';

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let timers: ManualTimers;
let bench: WebhookBench;
let receiver: Receiver;

beforeEach(async () => {
  folder = await temporaryFolder();
  timers = movedTimers();
  bench = await openWebhookBench(folder.path, timers);
  receiver = await startReceiver();
  receiver.now = () => timers.now();
});

afterEach(async () => {
  await bench.close();
  await receiver.close();
  await folder.remove();
});

const add = async (request: Partial<Parameters<WebhookBench['add']>[0]> = {}, ownerId?: string): Promise<void> => {
  receiver.secret = await bench.add({ name: 'hook', url: receiver.url, types: ['test'], ...request }, ownerId);
  await until(
    async () => (await bench.store.webhookCursor((await viewWebhook(bench.store, 'hook')).webhook.id)) !== '',
  );
};

const tell = (count: number, type = 'test'): string[] =>
  Array.from({ length: count }, (_, k) => {
    bench.hub.tell(type, { k });
    return bench.hub.last;
  });

const view = () => viewWebhook(bench.store, 'hook');
const settled = async (waiting: number, dead: number): Promise<void> =>
  until(async () => {
    const { waiting: waits, dead: gone } = await view();
    return waits === waiting && gone === dead;
  });

/** Lets time pass in steps; in between, what is due is begun, and what was begun is answered, if it is. */
const pass = async (span: number, step = seconds(5)): Promise<void> => {
  for (let end = timers.now() + span; timers.now() < end; ) {
    timers.advanceTo(Math.min(end, timers.now() + step));
    await bench.quiet(() => receiver.hanging);
  }
};

test('events are told signed, each one, few at a time, and others are not', async () => {
  tell(3);
  await add();
  tell(2, 'other');
  const ids = tell(40);
  await until(() => receiver.taken.length === 40);
  expect(new Set(receiver.taken)).toEqual(new Set(ids));
  expect(receiver.forged).toBe(0);
  expect(receiver.most).toBeLessThanOrEqual(limits.webhooks.inFlight);
  const { body } = receiver.asked[0] ?? {};
  expect(body).toMatchObject({ id: ids[0], type: 'test', data: { k: 0 } });
  expect(await view()).toMatchObject({ waiting: 0, dead: 0, lastError: undefined });
});

test('a receiver that answers 500, resets and redirects is told all of it in the end', async () => {
  await add();
  const moods = [500, 204, 'reset', 204, { redirect: `${receiver.url}/elsewhere` }, 200, 503, 202, 204] as const;
  receiver.mood = (asked) => moods[asked % moods.length] ?? 204;
  const ids = tell(60);
  await until(() => receiver.asked.length >= 60);
  await until(async () => (await view()).waiting > 0);
  expect((await view()).lastError).toMatch(/answered 500|answered 503|no connection: |answered 307: redirects/);
  for (let rounds = 0; rounds < 40 && new Set(receiver.taken).size < 60; rounds++) await pass(hours(1), minutes(10));
  expect(new Set(receiver.taken)).toEqual(new Set(ids));
  expect(receiver.forged).toBe(0);
  await settled(0, 0);
});

test('a receiver that hangs is waited for ten seconds', async () => {
  await add();
  receiver.mood = () => 'hang';
  tell(1);
  await until(() => receiver.asked.length === 1);
  await pass(seconds(9));
  expect((await view()).waiting).toBe(0);
  await pass(seconds(2));
  await settled(1, 0);
  expect((await view()).lastError).toBe('no answer within 10 s');
});

test('the pauses are those that are documented, and then it is a dead letter that can be tried again', async () => {
  await add();
  receiver.mood = () => 500;
  const [id = ''] = tell(1);
  await until(() => receiver.asked.length === 1);
  const tried = [timers.now()];
  const written = async () => (await listDeliveries(bench.store, 'hook', { limit: 1 })).rows[0]?.attempts;
  for (const pause of limits.webhooks.retries) {
    // Its next try is set when this one is written down.
    await until(async () => (await written()) === tried.length);
    await settled(1, 0);
    const before = receiver.asked.length;
    await pass(pause - seconds(1), hours(1));
    expect(receiver.asked).toHaveLength(before);
    await pass(Math.ceil(pause / 5) + seconds(1), hours(1));
    await until(() => receiver.asked.length === before + 1);
    tried.push(timers.now());
  }
  await settled(0, 1);
  expect(tried).toHaveLength(9);
  expect(await view()).toMatchObject({ lastError: 'answered 500' });
  const { rows } = await listDeliveries(bench.store, 'hook', { dead: true, limit: 5 });
  expect(rows).toMatchObject([{ event: { id }, attempts: 9, error: 'answered 500' }]);
  expect(bench.said.join()).toContain('a dead letter');

  receiver.mood = () => 204;
  await expect(redeliver(bench.deps, 'hook', { event: '1-999' })).rejects.toMatchObject({ code: 'operator.not-found' });
  expect(await redeliver(bench.deps, 'hook', { dryRun: true })).toMatchObject({ applied: false, result: 1 });
  expect(await redeliver(bench.deps, 'hook', { event: id })).toMatchObject({ applied: true, result: 1 });
  await until(() => receiver.taken.length === 1);
  await settled(0, 0);
});

test('a receiver that is away is tried one event at a time, and what it missed it gets when it is back', async () => {
  await add();
  receiver.mood = () => 503;
  const ids = tell(300);
  await until(() => receiver.asked.length >= limits.webhooks.failing);
  await bench.quiet(() => receiver.hanging);
  expect(receiver.asked.length).toBeLessThan(limits.webhooks.failing + limits.webhooks.inFlight);
  const before = receiver.asked.length;
  await pass(minutes(1));
  await until(() => receiver.asked.length > before);
  const probes = receiver.asked.length - before;
  expect(probes).toBeGreaterThan(0);
  expect(probes).toBeLessThan(60);
  receiver.mood = () => 204;
  for (let rounds = 0; rounds < 20 && new Set(receiver.taken).size < 300; rounds++) await pass(minutes(20), minutes(1));
  await until(() => new Set(receiver.taken).size === 300);
  expect(new Set(receiver.taken)).toEqual(new Set(ids));
});

test('410 disables it, with a line of the audit log; enabled again, it gets what it has missed', async () => {
  await add();
  receiver.mood = () => 410;
  const ids = tell(2);
  await until(async () => bench.underWay() === 0 && !(await view()).webhook.enabled);
  const lines = await bench.store.audit({ limit: 10 });
  expect(lines.at(-1)).toMatchObject({
    action: 'webhook.disable',
    actor: { kind: 'service' },
    detail: { status: 410 },
  });
  ids.push(...tell(2));
  receiver.mood = () => 204;
  await pass(minutes(1));
  expect(receiver.taken).toEqual([]);
  await putWebhook(bench.deps, { name: 'hook', url: receiver.url, enabled: true }, { which: 'hook' });
  await pass(seconds(10));
  await until(() => receiver.taken.length === 4);
  expect(new Set(receiver.taken)).toEqual(new Set(ids));
});

test('a change of the address, the secret and the types counts from then on; a deleted one hears nothing', async () => {
  await add();
  const other = await startReceiver();
  other.secret = Buffer.alloc(32, 7).toString('base64');
  const change = { name: 'hook', url: other.url, secret: other.secret, types: ['other'] };
  const before = bench.readers();
  const changed = await putWebhook(bench.deps, change, { which: 'hook', revision: 1 });
  expect(changed.result).toMatchObject({ webhook: { revision: 2 }, secret: `whsec_${other.secret}` });
  // It reads anew, what is meant for it now.
  await until(() => bench.readers() > before);
  tell(1);
  const [id] = tell(1, 'other');
  await until(() => other.taken.length === 1);
  expect(other.taken).toEqual([id]);
  expect(other.forged).toBe(0);
  const open = bench.hub.open;
  await deleteWebhook(bench.deps, 'hook');
  await until(() => bench.hub.open < open);
  tell(3, 'other');
  await bench.quiet(() => other.hanging);
  expect(other.asked).toHaveLength(1);
  expect(receiver.asked).toHaveLength(0);
  await other.close();
});

test("an owner's webhook reaches nothing of this machine, and the service's own does", async () => {
  await bench.close();
  bench = await openWebhookBench(folder.path, timers, false);
  const owner = someUuid(7);
  await add();
  await bench.add({ name: 'theirs', url: receiver.url, types: ['test'] }, owner);
  const theirs = () => viewWebhook(bench.store, 'theirs');
  await until(async () => (await bench.store.webhookCursor((await theirs()).webhook.id)) !== '');
  bench.hub.tell('test', {}, owner);
  await until(async () => (await theirs()).waiting === 1);
  await until(() => receiver.taken.length === 1);
  expect((await theirs()).lastError).toBe('no connection: it cannot be reached, or is not on the public Internet');
  expect(receiver.asked).toHaveLength(1);
});

test("an owner's webhook is told of the owner's events, and not who did what", async () => {
  const owner = someUuid(1);
  await add({ types: [] }, owner);
  bench.hub.tell('device.pending', {});
  bench.hub.tell('device.pending', {}, someUuid(2));
  bench.hub.tell('device.approve', { seq: 3, target: 'device x', actor: { name: 'kim' }, detail: {} }, owner);
  bench.hub.tell('device.pending', {}, owner);
  await until(() => receiver.taken.length === 2);
  await bench.quiet(() => receiver.hanging);
  const bodies = receiver.asked.map(({ body }) => [body.type, body.data]);
  expect(bodies.toSorted()).toEqual([
    ['device.approve', { seq: 3, target: 'device x' }],
    ['device.pending', {}],
  ]);
});

test('a webhook goes on where it was after a restart, and notes how far it is while nothing is for it', async () => {
  await add();
  const ids = tell(5);
  await until(() => receiver.taken.length === 5);
  tell(3, 'other');
  await pass(limits.webhooks.cursorDelay + seconds(1));
  const { webhook } = await view();
  await until(async () => {
    await pass(seconds(5));
    return (await bench.store.webhookCursor(webhook.id)) === bench.hub.last;
  });
  receiver.mood = () => 'reset';
  ids.push(...tell(2));
  await until(() => receiver.asked.length >= 7);
  await bench.close();
  receiver.mood = () => 204;
  bench = await openWebhookBench(folder.path, timers);
  ids.push(...tell(1));
  await pass(seconds(10));
  await until(() => new Set(receiver.taken).size === 8);
  expect(new Set(receiver.taken)).toEqual(new Set(ids));
});

test('events that the log does not have any more are a dead letter that says so', async () => {
  await add();
  const { id } = (await view()).webhook;
  await bench.deliverer.stop();
  await bench.store.commitDeliveries({ webhookId: id, cursor: '7-500' });
  await bench.close();
  bench = await openWebhookBench(folder.path, timers);
  const [last] = tell(1);
  await until(() => receiver.taken.includes(String(last)));
  await settled(0, 1);
  const { rows } = await listDeliveries(bench.store, 'hook', { limit: 5 });
  expect(rows).toMatchObject([{ event: { type: 'webhook.lost', data: { after: '7-500' } } }]);
  expect((await view()).lastError).toContain('not kept any more');
  expect(bench.said.join()).toContain('events are lost for a webhook that was away');
});
