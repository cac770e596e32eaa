import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startTestApi, type TestApi } from '../support/api.ts';
import { trialRoutes } from '../support/trial-routes.ts';

const trial = trialRoutes();
let api: TestApi;

beforeAll(async () => {
  api = await startTestApi({ routes: trial.routes });
});

afterAll(() => api.close());

describe('idempotency keys', () => {
  const keyed = (key: string) => ({ headers: { 'idempotency-key': key } });

  it('does the same request once, and gives the same answer again', async () => {
    const before = trial.counted();
    const first = await api.as('operator').post('/test/count', { by: 2 }, keyed('one'));
    const again = await api.as('operator').post('/test/count', { by: 2 }, keyed('one'));
    expect(trial.counted()).toBe(before + 2);
    expect([again.status, again.body, again.headers.get('etag')]).toEqual([201, first.body, first.headers.get('etag')]);
    expect(first.headers.get('idempotency-replayed')).toBeNull();
    expect(again.headers.get('idempotency-replayed')).toBe('true');
  });

  it('refuses another request under the same key', async () => {
    await api.as('operator').post('/test/count', { by: 1 }, keyed('two'));
    const before = trial.counted();
    const other = await api.as('operator').post('/test/count', { by: 3 }, keyed('two'));
    const elsewhere = await api.as('operator').post('/test/count?dryRun=true', { by: 1 }, keyed('two'));
    expect([other.status, other.problem?.code, elsewhere.status]).toEqual([422, 'api.idempotency', 422]);
    expect(trial.counted()).toBe(before);
  });

  it('keeps the keys of two callers apart', async () => {
    await api.as('operator').post('/test/count', { by: 1 }, keyed('three'));
    const { status, headers } = await api.as('admin').post('/test/count', { by: 5 }, keyed('three'));
    expect([status, headers.get('idempotency-replayed')]).toEqual([201, null]);
  });

  it('does what was refused when it comes again', async () => {
    const put = (tag: string) =>
      api.as('admin').put('/test/things/abc', undefined, { headers: { 'if-match': tag, 'idempotency-key': 'four' } });
    expect((await put('"2"')).status).toBe(412);
    expect((await put('"3"')).status).toBe(200);
  });

  it('tells a repetition that comes while the first is under way to wait', async () => {
    const gate = trial.hold();
    const first = api.as('operator').post('/test/slow', undefined, keyed('five'));
    await gate.reached;
    const early = await api.as('operator').post('/test/slow', undefined, keyed('five'));
    expect([early.status, early.problem?.code]).toEqual([409, 'api.in-progress']);
    gate.open();
    expect((await first).status).toBe(200);
    const late = await api.as('operator').post('/test/slow', undefined, keyed('five'));
    expect([late.status, late.headers.get('idempotency-replayed')]).toEqual([200, 'true']);
  });

  it('keeps no answer that holds a secret: a repetition is refused, and nothing is done twice', async () => {
    const first = await api.as('admin').post('/test/secret', undefined, keyed('six'));
    const again = await api.as('admin').post('/test/secret', undefined, keyed('six'));
    expect([first.status, again.status, again.problem?.code]).toEqual([200, 409, 'operator.conflict']);
    expect(first.body.secret).toBe(`secret ${trial.counted()}`);
  });

  it('compares the body of an import too', async () => {
    const send = (text: string) =>
      api
        .as('operator')
        .post('/test/import', text, { headers: { 'content-type': 'text/csv', 'idempotency-key': '7' } });
    expect((await send('a,b\n')).status).toBe(200);
    const before = trial.counted();
    expect((await send('a,b\n')).headers.get('idempotency-replayed')).toBe('true');
    expect((await send('a,c\n')).status).toBe(422);
    expect(trial.counted()).toBe(before);
  });

  it.each(['', ' ', 'x'.repeat(201), 'zwölf'])('refuses the key %j', async (key) => {
    const { status } = await api
      .as('operator')
      .post('/test/count', { by: 1 }, keyed(Buffer.from(key, 'utf8').toString('latin1')));
    expect(status).toBe(400);
  });
});
