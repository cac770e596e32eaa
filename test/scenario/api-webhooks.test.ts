import { afterAll, beforeAll, expect, test } from 'vitest';
import { limits } from '../../src/core/limits.ts';
import type { Delivery } from '../../src/store/model.ts';
import { owners, startTestApi, type TestApi } from '../support/api.ts';

let api: TestApi;
beforeAll(async () => {
  api = await startTestApi();
});
afterAll(() => api.close());

const hook = (name: string, more: object = {}) => ({ name, url: `https://example.com/${name}`, ...more });

test('a webhook is made with a secret that is told once, read, changed and deleted', async () => {
  const admin = api.as('admin');
  const planned = await admin.post('/webhooks?dryRun=true', hook('a'));
  expect([planned.status, planned.body.applied, planned.body.result.secret]).toEqual([200, false, undefined]);
  const made = await admin.post('/webhooks', hook('a', { types: ['device', 'device', 'attempt.closed'] }));
  expect(made.status).toBe(201);
  const { secret, webhook } = made.body.result;
  expect(Buffer.from(secret.replace('whsec_', ''), 'base64')).toHaveLength(32);
  expect(webhook).toMatchObject({ name: 'a', types: ['device', 'attempt.closed'], enabled: true, revision: 1 });
  const read = await admin.get('/webhooks/a');
  expect(read.headers.get('etag')).toBe('"1"');
  expect(read.text).not.toContain(secret.replace('whsec_', ''));
  expect((await admin.get('/webhooks')).body.items).toEqual([read.body]);

  const stale = await admin.put('/webhooks/a', hook('a'), { headers: { 'if-match': '"7"' } });
  expect([stale.status, stale.problem?.code, stale.problem?.evidence]).toMatchObject([
    412,
    'api.precondition',
    { revision: 1 },
  ]);
  const off = await admin.put(
    '/webhooks/a',
    { ...read.body.webhook, enabled: false },
    { headers: { 'if-match': '"1"' } },
  );
  expect([off.status, off.headers.get('etag'), off.body.result.secret]).toEqual([200, '"2"', undefined]);
  expect(off.body.effects).toEqual(['webhook a: enabled true -> false']);
  expect((await admin.get('/webhooks/a', { headers: { 'if-none-match': '"2"' } })).status).toBe(304);
  const { status } = await admin.del(`/webhooks/${webhook.id}`, { headers: { 'if-match': '"2"' } });
  expect(status).toBe(200);
  expect((await admin.get('/webhooks/a')).problem?.code).toBe('operator.not-found');
  const lines = (await api.store.audit({ limit: 100 })).filter(({ action }) => action.startsWith('webhook'));
  expect(lines.map(({ action }) => action)).toEqual(['webhook.create', 'webhook.update', 'webhook.delete']);
  expect(JSON.stringify(lines)).not.toContain(secret.replace('whsec_', ''));
});

test('what cannot be a webhook is refused, and so is who may not write any', async () => {
  const admin = api.as('admin');
  const code = async (body: object) => (await admin.post('/webhooks', body)).problem?.code;
  expect(await code(hook('b', { url: 'ftp://example.com/' }))).toBe('operator.input');
  expect(await code(hook('b', { url: 'https://user:password@example.com/' }))).toBe('operator.input');
  expect(await code(hook('b', { secret: Buffer.alloc(limits.webhooks.secretLeast - 1).toString('base64') }))).toBe(
    'operator.input',
  );
  expect(await code(hook('b', { secret: 'no base64 at all, but long enough for it' }))).toBe('operator.input');
  expect(await code(hook('b', { types: ['Device'] }))).toBe('request.malformed');
  expect(await code(hook('b', { colour: 'red' }))).toBe('request.malformed');
  expect(await code(hook('b\n'))).toBe('operator.input');
  expect(await code(hook('b'))).toBeUndefined();
  expect(await code(hook('b'))).toBe('operator.conflict');
  for (const who of ['viewer', 'operator', 'acmeOperator'] as const) {
    expect((await api.as(who).get('/webhooks')).status).toBe(403);
    expect((await api.as(who).post('/webhooks', hook('c'))).status).toBe(403);
  }
});

test('dead letters are listed in pages and tried again', async () => {
  const admin = api.as('admin');
  const { id: webhookId } = (await admin.post('/webhooks', hook('d'))).body.result.webhook;
  const letter = (n: number, dead: boolean): Delivery => ({
    webhookId,
    event: { id: `1-${n}`, at: n, type: 'test', ownerId: undefined, data: {} },
    attempts: 9,
    dueAt: dead ? undefined : 5,
    error: 'answered 500',
    lastTriedAt: n,
  });
  await api.store.commitDeliveries({ webhookId, put: [1, 2, 3, 4, 5].map((n) => letter(n, n !== 2)) });
  expect((await admin.get('/webhooks/d')).body).toMatchObject({ waiting: 1, dead: 4, lastError: 'answered 500' });
  const ids = (body: { items: Delivery[] }) => body.items.map(({ event }) => event.id);
  const first = (await admin.get('/webhooks/d/deliveries?dead=true&limit=3')).body;
  expect(ids(first)).toEqual(['1-1', '1-3', '1-4']);
  const second = (await admin.get(`/webhooks/d/deliveries?dead=true&limit=3&cursor=${first.next}`)).body;
  expect([ids(second), second.next]).toEqual([['1-5'], null]);
  expect(ids((await admin.get('/webhooks/d/deliveries?dead=false')).body)).toEqual(['1-2']);
  const { status, problem } = await admin.post('/webhooks/d/redeliver', { event: '1-2' });
  expect([status, problem?.code, problem?.evidence]).toEqual([
    409,
    'operator.conflict',
    { webhook: 'd', event: '1-2' },
  ]);
  expect((await admin.post('/webhooks/d/redeliver', { event: '1-9' })).problem?.code).toBe('operator.not-found');
  expect((await admin.post('/webhooks/d/redeliver', { event: '1-3' })).body).toMatchObject({
    applied: true,
    result: 1,
  });
  expect((await admin.post('/webhooks/d/redeliver', {})).body).toMatchObject({ applied: true, result: 3 });
  expect((await admin.get('/webhooks/d')).body).toMatchObject({ waiting: 5, dead: 0 });
  expect((await admin.post('/webhooks/d/redeliver', {})).body).toMatchObject({ applied: false, result: 0 });
});

test("webhooks of one owner are nobody else's but of those who see everything", async () => {
  const made = await api.as('acmeAdmin').post('/webhooks', hook('mine'));
  expect(made.body.result.webhook.ownerId).toBe(owners.acme);
  expect((await api.as('acmeAdmin').get('/webhooks')).body.items).toHaveLength(1);
  expect((await api.as('boltAdmin').get('/webhooks')).body.items).toEqual([]);
  for (const [method, path, body] of [
    ['GET', '/webhooks/mine', undefined],
    ['PUT', '/webhooks/mine', hook('mine')],
    ['DELETE', '/webhooks/mine', undefined],
    ['GET', '/webhooks/mine/deliveries', undefined],
    ['POST', '/webhooks/mine/redeliver', {}],
  ] as const) {
    const answer = await api.as('boltAdmin').call(method, path, body);
    expect([method, path, answer.status]).toEqual([method, path, 404]);
  }
  expect((await api.as('admin').get('/webhooks/mine')).status).toBe(200);
  expect((await api.as('boltAdmin').post('/webhooks', hook('mine'))).status).toBe(201);
  expect((await api.as('admin').get('/webhooks/mine')).problem?.code).toBe('operator.ambiguous');
  expect((await api.as('boltAdmin').del('/webhooks/mine')).status).toBe(200);
});
