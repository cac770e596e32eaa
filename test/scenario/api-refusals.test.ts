import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { serviceRoutes } from '../../src/api/routes/service.ts';
import { sessionRoutes } from '../../src/api/routes/session.ts';
import { tokenRoutes } from '../../src/api/routes/tokens.ts';
import { hours, ManualTimers, systemTimers } from '../../src/core/clock.ts';
import { limits } from '../../src/core/limits.ts';
import { systemRandom } from '../../src/core/random.ts';
import { createToken, revokeToken } from '../../src/operator/tokens.ts';
import { startTestApi, type TestApi } from '../support/api.ts';
import { someActor } from '../support/operator-bench.ts';
import { trialRoutes } from '../support/trial-routes.ts';

let api: TestApi;

beforeAll(async () => {
  api = await startTestApi({
    routes: [...sessionRoutes, ...tokenRoutes, ...serviceRoutes, ...trialRoutes().routes],
  });
});

afterAll(() => api.close());

describe('who may come in', () => {
  it('asks somebody without a token for one', async () => {
    const { status, problem, headers } = await api.as(undefined).get('/session');
    expect(status).toBe(401);
    expect(problem?.code).toBe('api.unauthenticated');
    expect(headers.get('www-authenticate')).toBe('Bearer realm="firstboot"');
  });

  it.each([
    ['a token that was never made', `Bearer fb_${'0'.repeat(32)}_${'A'.repeat(43)}`],
    ['something that is no token', 'Bearer letmein'],
    ['a password', `Basic ${Buffer.from('admin:admin').toString('base64')}`],
    ['a token of absurd length', `Bearer ${'A'.repeat(9000)}`],
  ])('refuses %s, and says so in the challenge', async (_what, authorization) => {
    const { status, problem, headers, text } = await api.with({ authorization }).get('/session');
    expect([status, problem?.code]).toEqual([401, 'api.unauthenticated']);
    expect(headers.get('www-authenticate')).toContain('error="invalid_token"');
    expect(text).not.toContain(authorization.slice(7));
  });

  it('refuses a token with one character changed', async () => {
    const token = api.tokens.admin;
    const other = `${token.slice(0, -1)}${token.endsWith('A') ? 'B' : 'A'}`;
    expect((await api.with({ authorization: `Bearer ${other}` }).get('/session')).status).toBe(401);
  });

  it('refuses a revoked token at once', async () => {
    const deps = { store: api.store, now: () => Date.now(), actor: someActor, random: systemRandom };
    const { result } = await createToken(deps, { name: 'short-lived', role: 'viewer' });
    const client = api.with({ authorization: `Bearer ${result.token}` });
    expect((await client.get('/session')).status).toBe(200);
    await revokeToken(deps, 'short-lived');
    expect((await client.get('/session')).problem?.code).toBe('api.unauthenticated');
  });

  it('refuses an expired token', async () => {
    const timers = new ManualTimers(Date.UTC(2026, 5, 1));
    const other = await startTestApi({
      routes: sessionRoutes,
      timers: { ...systemTimers, now: () => timers.now() },
    });
    try {
      expect((await other.as('viewer').get('/session')).status).toBe(200);
      timers.advanceTo(timers.now() + hours(1001));
      const { status, problem } = await other.as('viewer').get('/session');
      expect([status, problem?.evidence]).toEqual([401, { token: 'expired' }]);
    } finally {
      await other.close();
    }
  });

  it('tells who one is', async () => {
    const { body } = await api.as('acmeOperator').get('/session');
    expect(body).toMatchObject({ name: 'acmeOperator', role: 'operator', by: 'token' });
    expect(body.ownerId).toMatch(/^[0-9a-f-]{36}$/);
  });
});

describe('who may do what', () => {
  it('refuses a role that is too little, and names the one that is needed', async () => {
    const { status, problem } = await api.as('viewer').post('/test/count', { by: 1 });
    expect([status, problem?.code, problem?.evidence]).toEqual([
      403,
      'api.forbidden',
      { role: 'viewer', needed: 'operator' },
    ]);
  });

  it('refuses somebody of one owner where all owners are concerned', async () => {
    const { status, problem } = await api.as('acmeAdmin').post('/test/secret');
    expect([status, problem?.code]).toEqual([403, 'api.forbidden']);
    expect((await api.as('acmeAdmin').get('/tokens')).status).toBe(403);
  });

  it('says nothing about a request before it knows whose it is', async () => {
    const { problem } = await api.as(undefined).post('/test/count?nonsense=1', 'no json', {
      headers: { 'content-type': 'text/plain' },
    });
    expect(problem?.code).toBe('api.unauthenticated');
    expect((await api.as('viewer').post('/test/count', { by: 'x' })).problem?.code).toBe('api.forbidden');
  });
});

describe('what a request has to be', () => {
  it.each([
    ['no JSON', '{"by": 1', 'application/json', 400, 'request.malformed', undefined],
    ['__proto__ in the JSON', '{"by": 1, "__proto__": {}}', 'application/json', 400, 'request.malformed', undefined],
    ['an unknown key', '{"by": 1, "bye": 2}', 'application/json', 400, 'request.malformed', 'body.bye'],
    ['a missing key', '{}', 'application/json', 400, 'request.malformed', 'body'],
    ['a value out of range', '{"by": 11}', 'application/json', 400, 'request.malformed', 'body.by'],
    ['a list for an object', '[]', 'application/json', 400, 'request.malformed', 'body'],
    ['another media type', 'by=1', 'application/x-www-form-urlencoded', 415, 'request.content-format', undefined],
  ])('refuses %s', async (_what, text, type, status, code, at) => {
    const answer = await api.as('operator').post('/test/count', text, { headers: { 'content-type': type } });
    expect([answer.status, answer.problem?.code]).toEqual([status, code]);
    if (at !== undefined) expect(answer.problem?.evidence.at).toBe(at);
  });

  it('says where a body is no JSON, what range a number has, and all that is wrong at once', async () => {
    const post = async (text: string) =>
      (await api.as('operator').post('/test/count', text, { headers: { 'content-type': 'application/json' } })).problem;
    expect(await post('{"by": 1,\n "x" y}')).toMatchObject({
      evidence: { at: 'body', found: expect.stringContaining('line 2 column 6') },
      fix: expect.stringContaining('JSON'),
    });
    expect((await post('{"by": 11}'))?.fix).toMatch(/from 1 to 10/);
    const many = await post('{"by": 11, "note": 3, "a": 1, "b": 2, "c": 3, "d": 4}');
    expect(many?.evidence.faults).toBe(6);
    expect(many?.fix.match(/body\.\w+: /g)).toHaveLength(limits.api.faults);
  });

  it('takes no body for one in which everything is missing', async () => {
    const { problem } = await api.as('operator').post('/test/count');
    expect(problem?.evidence.at).toBe('body');
    expect(problem?.fix).toContain('by');
  });

  it('refuses a body where there is none', async () => {
    expect((await api.as('admin').post('/test/secret', { a: 1 })).problem?.evidence.at).toBe('body');
  });

  it('refuses a body that is too large', async () => {
    const { status, problem } = await api
      .as('operator')
      .post('/test/count', { by: 1, note: 'x'.repeat(limits.api.requestBytes) })
      .catch(() => ({ status: 413, problem: { code: 'request.too-large' } }));
    expect([status, problem?.code]).toEqual([413, 'request.too-large']);
  });

  it.each([
    ['an unknown key', 'limit=3&depth=4', 'query.depth'],
    ['a key that is there twice', 'limit=3&limit=4', 'query.limit'],
    ['text for a number', 'limit=three', 'query.limit'],
    ['a number out of range', 'limit=6', 'query.limit'],
    ['text for yes or no', 'deep=maybe', 'query.deep'],
  ])('refuses a query with %s, by name', async (_what, query, at) => {
    const { status, problem } = await api.as('viewer').get(`/test/things?${query}`);
    expect([status, problem?.code, problem?.evidence.at]).toEqual([400, 'request.malformed', at]);
  });

  it('reads numbers and flags of a query', async () => {
    expect((await api.as('viewer').get('/test/things?limit=3&deep=true')).body).toEqual({ limit: 3, deep: true });
    expect((await api.as('viewer').get('/test/things?deep')).body).toEqual({ limit: 2, deep: true });
  });

  it('refuses a parameter of the path that it cannot be', async () => {
    const { problem } = await api.as('admin').put('/test/things/A1');
    expect(problem).toMatchObject({ code: 'request.malformed', evidence: { at: 'path.thing' } });
    expect((await api.as('admin').put('/test/things/%ff')).problem?.code).toBe('request.malformed');
    expect((await api.as('admin').put(`/test/things/${'a'.repeat(600)}`)).problem?.status).toBeLessThan(500);
  });

  it('names the methods of a path, and knows no others', async () => {
    const wrong = await api.as('admin').call('PATCH', '/test/things/abc');
    expect([wrong.status, wrong.problem?.code, wrong.headers.get('allow')]).toEqual([405, 'request.method', 'PUT']);
    const known = await api.as(undefined).del('/test/things');
    expect([known.status, known.headers.get('allow')]).toEqual([405, 'GET, HEAD']);
    expect((await api.as('admin').get('/test/nothing')).problem?.code).toBe('request.unknown-path');
    expect((await api.as('admin').post('//health/live')).headers.get('allow')).toBe('GET, HEAD');
  });

  it('answers HEAD as GET, without the body', async () => {
    const { status, text, headers } = await api.as('viewer').call('HEAD', '/test/things');
    expect([status, text, headers.get('etag')]).toEqual([200, '', '"7"']);
  });
});

describe('revisions', () => {
  it('gives a revision as ETag, and 304 to who has it', async () => {
    const first = await api.as('viewer').get('/test/things');
    expect(first.headers.get('etag')).toBe('"7"');
    const again = await api.as('viewer').get('/test/things', { headers: { 'if-none-match': '"6", W/"7"' } });
    expect([again.status, again.text]).toEqual([304, '']);
    expect((await api.as('viewer').get('/test/things', { headers: { 'if-none-match': '"6"' } })).status).toBe(200);
  });

  it('hands If-Match on, and answers 412 with the revision that is there', async () => {
    const put = (tag: string) => api.as('admin').put('/test/things/abc', undefined, { headers: { 'if-match': tag } });
    expect((await put('"3"')).body).toEqual({ revision: 3 });
    expect((await put('*')).body).toEqual({ revision: null });
    const stale = await put('"2"');
    expect([stale.status, stale.problem?.evidence]).toEqual([412, { revision: 3 }]);
  });

  it.each(['3', 'W/"3"', '"3", "4"', '"abc"', ''])('refuses the If-Match %j', async (tag) => {
    const { problem } = await api.as('admin').put('/test/things/abc', undefined, { headers: { 'if-match': tag } });
    expect(problem).toMatchObject({ code: 'request.malformed', evidence: { at: 'header.if-match' } });
  });

  it('refuses an If-Match that it would not keep', async () => {
    const { problem } = await api.as('operator').post('/test/count', { by: 1 }, { headers: { 'if-match': '"3"' } });
    expect(problem?.evidence.at).toBe('header.if-match');
  });
});

describe('bodies that are read as they come', () => {
  const csv = { headers: { 'content-type': 'text/csv; charset=utf-8' } };

  it('puts characters together that were cut in two', async () => {
    const bytes = new TextEncoder().encode('ä€😀'.repeat(1000));
    const pieces = new ReadableStream<Uint8Array>({
      start(controller) {
        for (let at = 0; at < bytes.length; at += 7) controller.enqueue(bytes.subarray(at, at + 7));
        controller.close();
      },
    });
    const { body } = await api.as('operator').post('/test/import', pieces, csv);
    expect(body).toEqual({ characters: 4000, type: 'text/csv' });
  });

  it('refuses what is not UTF-8', async () => {
    const { problem } = await api.as('operator').post('/test/import', new Uint8Array([0x61, 0xff, 0x62]), csv);
    expect(problem).toMatchObject({ code: 'request.malformed', fix: 'send UTF-8' });
  });

  it('refuses another media type, and none', async () => {
    expect((await api.as('operator').post('/test/import', { a: 1 })).status).toBe(415);
    expect((await api.as('operator').post('/test/import')).status).toBe(415);
  });

  it('stops reading at the limit, whatever the length was said to be', async () => {
    const piece = new Uint8Array(1024 * 1024).fill(0x61);
    let sent = 0;
    const endless = new ReadableStream<Uint8Array>({
      pull(controller) {
        if (sent++ > 2 * (limits.api.importBytes / piece.length)) controller.close();
        else controller.enqueue(piece);
      },
    });
    const outcome = await api
      .as('operator')
      .post('/test/import', endless, csv)
      .catch(() => ({ status: 413 }));
    expect(outcome.status).toBe(413);
    expect(sent).toBeLessThan(1.5 * (limits.api.importBytes / piece.length));
  });
});

describe('what an answer says', () => {
  it('tells nothing of an error that nobody expected', async () => {
    for (const who of ['admin', 'viewer'] as const) {
      const { status, text, problem } = await api.as(who).get('/test/broken');
      expect([status, problem?.code]).toEqual([500, 'service.internal']);
      expect(text).not.toMatch(/inside|somebody|cause|TypeError|\.ts/);
    }
  });

  it('tells what is wrong inside to who runs the service, and to nobody else', async () => {
    expect((await api.as('admin').get('/test/store-fault')).problem?.fix).toBe('mount the disk');
    for (const who of ['viewer', 'operator', 'acmeAdmin'] as const) {
      const { problem, text } = await api.as(who).get('/test/store-fault');
      expect(problem).toMatchObject({ code: 'service.store', status: 503, evidence: {}, fix: '' });
      expect(text).not.toContain('/var/lib');
    }
  });

  it('is a problem document with the id of the request', async () => {
    const { problem, headers } = await api.as('admin').get('/test/nothing');
    expect(headers.get('content-type')).toContain('application/problem+json');
    expect(problem).toMatchObject({
      type: 'urn:firstboot:error:request.unknown-path',
      status: 404,
      title: 'unknown path',
    });
    expect(problem?.instance).toBe(headers.get('x-request-id'));
  });

  it('is kept by nobody, framed by nobody, and taken for nothing else', async () => {
    for (const path of ['/session', '/test/things', '/openapi.json', '/test/nothing', '//health/live']) {
      const { headers } = await api.as('viewer').get(path);
      expect(Object.fromEntries(headers)).toMatchObject({
        'cache-control': 'no-store',
        'x-content-type-options': 'nosniff',
        'x-frame-options': 'DENY',
        'referrer-policy': 'no-referrer',
        'cross-origin-resource-policy': 'same-origin',
        'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
      });
      expect(headers.get('access-control-allow-origin')).toBeNull();
    }
  });
});
