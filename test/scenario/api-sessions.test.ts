import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Principal } from '../../src/api/principal.ts';
import { sessionRoutes } from '../../src/api/routes/session.ts';
import { tokenRoutes } from '../../src/api/routes/tokens.ts';
import { SignedIn } from '../../src/api/signed-in.ts';
import { hours, ManualTimers, minutes, systemTimers } from '../../src/core/clock.ts';
import { limits } from '../../src/core/limits.ts';
import type { Log } from '../../src/core/log.ts';
import { silentLog } from '../../src/core/log.ts';
import { systemRandom } from '../../src/core/random.ts';
import { createToken, revokeToken } from '../../src/operator/tokens.ts';
import { startTestApi, type TestApi } from '../support/api.ts';
import { someActor } from '../support/operator-bench.ts';

const clock = new ManualTimers(Date.UTC(2026, 5, 1));
const lines: string[] = [];
const log: Log = { ...silentLog, warn: (fields, text) => void lines.push(JSON.stringify({ ...fields, text })) };
let api: TestApi;
let origin: string;

beforeAll(async () => {
  api = await startTestApi({
    routes: [...sessionRoutes, ...tokenRoutes],
    timers: { ...systemTimers, now: () => clock.now() },
    log,
  });
  origin = api.url;
});

afterAll(() => api.close());

beforeEach(() => {
  lines.length = 0;
});

async function signIn(token: string): Promise<{ readonly cookie: string; readonly setCookie: string }> {
  const { status, headers } = await api.as(undefined).post('/session', { token });
  expect(status).toBe(200);
  const setCookie = headers.get('set-cookie') ?? '';
  return { cookie: setCookie.split(';')[0] ?? '', setCookie };
}

const someone: Principal = {
  id: '',
  name: 'x',
  role: 'viewer',
  ownerId: undefined,
  by: 'token',
  from: '',
  expiresAt: undefined,
};

const makeToken = async (name: string, expiresAt?: number): Promise<string> => {
  const deps = { store: api.store, now: () => clock.now(), actor: someActor, random: systemRandom };
  return (await createToken(deps, { name, role: 'admin', expiresAt })).result.token;
};

describe("the dashboard's session", () => {
  it('is a cookie that no script reads and no other site sends', async () => {
    const { setCookie } = await signIn(api.tokens.operator);
    expect(setCookie).toMatch(/^firstboot-session=[\w-]{43}; Max-Age=43200; Path=\/; HttpOnly; SameSite=Strict$/);
  });

  it('is who the token is', async () => {
    const { cookie } = await signIn(api.tokens.acmeViewer);
    const { body } = await api.with({ cookie }).get('/session');
    expect(body).toMatchObject({ name: 'acmeViewer', role: 'viewer', by: 'token' });
    expect(body.expiresAt).toBe(clock.now() + limits.api.signedInLife);
  });

  it('is not given for a wrong token, and the token is in no log', async () => {
    const wrong = `fb_${'1'.repeat(32)}_${'Z'.repeat(43)}`;
    const { status, headers, problem } = await api.as(undefined).post('/session', { token: wrong });
    expect([status, headers.get('set-cookie'), problem?.code]).toEqual([401, null, 'api.unauthenticated']);
    expect(lines).toHaveLength(1);
    expect(lines[0]).toContain('a sign-in failed');
    expect(lines.join()).not.toContain('Z'.repeat(10));
  });

  it('changes things from pages of the same origin only', async () => {
    const { cookie } = await signIn(api.tokens.admin);
    const host = new URL(origin).host;
    const make = (headers: Readonly<Record<string, string>>) =>
      api.with({ cookie }).post('/tokens?dryRun=true', { name: 'from a page', role: 'viewer' }, { headers });
    expect((await make({ 'sec-fetch-site': 'same-origin' })).status).toBe(200);
    expect((await make({ origin })).status).toBe(200);
    for (const headers of [
      {},
      { 'sec-fetch-site': 'cross-site' },
      { 'sec-fetch-site': 'same-site' },
      { 'sec-fetch-site': 'none' },
      { 'sec-fetch-site': 'cross-site', origin },
      { origin: 'null' },
      { origin: 'https://evil.example' },
      { origin: `http://${host}.evil.example` },
      { origin: `${origin.replace(/\d+$/, '')}1` },
    ] as readonly Readonly<Record<string, string>>[]) {
      const { status, problem } = await make(headers);
      expect([headers, status, problem?.code]).toEqual([headers, 403, 'api.forbidden']);
    }
  });

  it('reads from wherever it is asked', async () => {
    const { cookie } = await signIn(api.tokens.viewer);
    expect((await api.with({ cookie, 'sec-fetch-site': 'cross-site' }).get('/session')).status).toBe(200);
  });

  it('is opened by no other site', async () => {
    const { status, headers } = await api
      .with({ 'sec-fetch-site': 'cross-site' })
      .post('/session', { token: api.tokens.viewer });
    expect([status, headers.get('set-cookie')]).toEqual([403, null]);
  });

  it('ends with a sign-out, which takes the cookie back', async () => {
    const { cookie } = await signIn(api.tokens.viewer);
    const { status, headers } = await api.with({ cookie, 'sec-fetch-site': 'same-origin' }).del('/session');
    expect([status, headers.get('set-cookie')]).toEqual([
      204,
      expect.stringContaining('firstboot-session=; Max-Age=0'),
    ]);
    expect((await api.with({ cookie }).get('/session')).problem?.evidence).toEqual({ session: 'ended' });
  });

  it('ends when its token is revoked', async () => {
    const { cookie } = await signIn(await makeToken('revoked soon'));
    expect((await api.with({ cookie }).get('/session')).status).toBe(200);
    const deps = { store: api.store, now: () => clock.now(), actor: someActor };
    await revokeToken(deps, 'revoked soon');
    expect((await api.with({ cookie }).get('/session')).status).toBe(401);
  });

  it('ends when its token does', async () => {
    const { cookie, setCookie } = await signIn(await makeToken('an hour', clock.now() + hours(1)));
    expect(setCookie).toContain('Max-Age=3600');
    clock.advanceTo(clock.now() + minutes(59));
    expect((await api.with({ cookie }).get('/session')).status).toBe(200);
    clock.advanceTo(clock.now() + minutes(1));
    expect((await api.with({ cookie }).get('/session')).status).toBe(401);
  });

  it('ends after twelve hours', async () => {
    const { cookie } = await signIn(api.tokens.viewer);
    clock.advanceTo(clock.now() + hours(12));
    expect((await api.with({ cookie }).get('/session')).problem?.code).toBe('api.unauthenticated');
  });

  it('makes room for new ones of its own: the oldest ends, and nobody else is signed out', async () => {
    const { cookie: other } = await signIn(api.tokens.admin);
    const { cookie: oldest } = await signIn(api.tokens.viewer);
    let newest = '';
    for (let count = 0; count < limits.api.signedInEach; count++) newest = (await signIn(api.tokens.viewer)).cookie;
    expect((await api.with({ cookie: other }).get('/session')).status).toBe(200);
    expect((await api.with({ cookie: oldest }).get('/session')).status).toBe(401);
    expect((await api.with({ cookie: newest }).get('/session')).status).toBe(200);
  });

  it('of who has most makes room when there are too many of all', () => {
    const sessions = new SignedIn(systemRandom);
    const principal = (id: string): Principal => ({ ...someone, id });
    const open = (id: string): string => sessions.open({ principal: principal(id), claims: undefined }, 0).value;
    const first = open('few');
    const most = Array.from({ length: limits.api.signedInEach }, () => open('most'));
    for (let n = most.length + 1; n < limits.api.signedIn; n++) open(`one ${n}`);
    open('another');
    expect(sessions.find(first, 1).principal.id).toBe('few');
    expect(() => sessions.find(most[0] ?? '', 1)).toThrow(expect.objectContaining({ code: 'api.unauthenticated' }));
    expect(sessions.find(most[1] ?? '', 1).principal.id).toBe('most');
  });

  it('gives way to a token in the same request', async () => {
    const { cookie } = await signIn(api.tokens.viewer);
    const { body } = await api.with({ cookie, authorization: `Bearer ${api.tokens.admin}` }).get('/session');
    expect(body.name).toBe('admin');
  });
});
