import { createHmac } from 'node:crypto';
import { exportJWK, exportSPKI, SignJWT } from 'jose';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { sessionRoutes } from '../../src/api/routes/session.ts';
import { limits } from '../../src/core/limits.ts';
import { ownerNamed } from '../../src/provision/owner.ts';
import { startTestApi, type TestApi } from '../support/api.ts';
import { type IssuerKey, newKey, TestIssuer } from '../support/oidc-issuer.ts';

const [issuer, other] = [new TestIssuer(), new TestIssuer()];
let first: IssuerKey;
let api: TestApi;

beforeAll(async () => {
  await issuer.listen();
  await other.listen();
  first = await newKey('first');
  issuer.keys = [first, await newKey('rsa', 'RS256')];
  other.keys = [await newKey('first')];
  api = await startTestApi({
    routes: sessionRoutes,
    authentication: {
      oidc: [
        {
          issuer: issuer.url,
          audience: 'firstboot',
          roleClaim: 'realm.roles',
          ownerClaim: 'tenant',
          roles: { ops: 'operator', boss: 'admin' },
        },
        { issuer: issuer.url, audience: 'firstboot-hq', roles: { boss: 'admin', reader: 'viewer' } },
        { issuer: other.url, audience: 'firstboot', roles: { boss: 'admin' } },
      ],
      // Keys may be asked for again at once.
      oidcPause: 0,
    },
  });
});

afterAll(async () => {
  await api.close();
  issuer.close();
  other.close();
});

const good = { tenant: 'Acme', realm: { roles: ['nothing', 'ops'] } };

async function jwt(
  claims: Readonly<Record<string, unknown>> = good,
  {
    key = first,
    aud = 'firstboot',
    iss = issuer.url,
    exp = '5m',
    kid = key.kid,
    subject = 'alice',
  }: {
    readonly key?: IssuerKey;
    readonly aud?: string;
    readonly iss?: string;
    readonly exp?: string | number;
    readonly kid?: string;
    readonly subject?: string;
  } = {},
): Promise<string> {
  return new SignJWT(claims)
    .setProtectedHeader({ alg: key.alg, kid })
    .setSubject(subject)
    .setIssuer(iss)
    .setAudience(aud)
    .setIssuedAt()
    .setExpirationTime(exp)
    .sign(key.pair.privateKey);
}

const ask = async (token: string) => api.with({ authorization: `Bearer ${token}` }).get('/session');
const base64url = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');

describe('a JWT of a configured issuer', () => {
  it('has the role and the owner of its claims', async () => {
    const { status, body } = await ask(await jwt());
    expect(status).toBe(200);
    expect(body).toMatchObject({
      name: `alice (${issuer.url})`,
      role: 'operator',
      by: 'jwt',
      ownerId: ownerNamed('Acme').id,
    });
  });

  it('is called by one line that moves nothing beside it, however odd its subject is', async () => {
    const odd = `admin\u202e\n\u0007\u001b[2J${'x'.repeat(500)}`;
    const { body } = await ask(await jwt(good, { subject: odd }));
    expect(body.name).toBe(`admin\\u{202e}\\u{a}\\u{7}\\u{1b}[2J${'x'.repeat(limits.api.name - 12)} (${issuer.url})`);
  });

  it('has the highest of its roles', async () => {
    const { body } = await ask(await jwt({ tenant: 'Acme', realm: { roles: ['ops', 'boss'] } }));
    expect(body.role).toBe('admin');
  });

  it('goes by the settings of its audience', async () => {
    const { body } = await ask(await jwt({ roles: 'reader other' }, { aud: 'firstboot-hq' }));
    expect([body.role, body.ownerId]).toEqual(['viewer', undefined]);
  });

  it('may be signed with RSA', async () => {
    const [, rsa] = issuer.keys;
    expect((await ask(await jwt(good, rsa && { key: rsa }))).status).toBe(200);
  });

  it('signs a dashboard in, no longer than it lasts itself', async () => {
    const { status, headers } = await api.as(undefined).post('/session', { token: await jwt() });
    expect(status).toBe(200);
    const [, age = ''] = /Max-Age=(\d+)/.exec(headers.get('set-cookie') ?? '') ?? [];
    expect(Number(age)).toBeLessThanOrEqual(300);
  });

  it.each([
    ['no role that counts', { tenant: 'Acme', realm: { roles: ['admin', 'toString', '__proto__'] } }],
    ['a role under another claim', { tenant: 'Acme', roles: ['boss'] }],
    ['no owner although owners are asked for', { realm: { roles: ['boss'] } }],
    ['an owner that is no text', { tenant: ['Acme'], realm: { roles: ['boss'] } }],
  ])('is refused with %s', async (_what, claims) => {
    const { status, problem } = await ask(await jwt(claims));
    expect([status, problem?.code]).toEqual([403, 'api.forbidden']);
  });

  it.each([
    ['of another audience', () => jwt(good, { aud: 'somebody-else' })],
    ['that has expired', () => jwt(good, { exp: Math.floor(Date.now() / 1000) - 60 })],
    ['of an issuer that is not configured', () => jwt(good, { iss: 'https://evil.example' })],
    ['signed by another issuer under the same key id', async () => jwt(good, { key: other.keys[0] ?? first })],
    ['that says it is of the other issuer', async () => jwt({ roles: 'boss' }, { iss: other.url })],
    ['with a key id that nobody has', () => jwt(good, { kid: 'unknown' })],
    ['that is none', async () => 'a.b.c'],
  ])('is refused when it is one %s', async (_what, make) => {
    const { status, problem } = await ask(await make());
    expect([status, problem?.code]).toEqual([401, 'api.unauthenticated']);
  });

  it('is refused without an end', async () => {
    const token = await new SignJWT(good)
      .setProtectedHeader({ alg: 'ES256', kid: 'first' })
      .setSubject('alice')
      .setIssuer(issuer.url)
      .setAudience('firstboot')
      .sign(first.pair.privateKey);
    expect((await ask(token)).status).toBe(401);
  });

  it('is refused unsigned', async () => {
    const now = Math.floor(Date.now() / 1000);
    const payload = { ...good, sub: 'alice', iss: issuer.url, aud: 'firstboot', exp: now + 300 };
    for (const alg of ['none', 'None', 'NONE']) {
      expect((await ask(`${base64url({ alg })}.${base64url(payload)}.`)).status).toBe(401);
    }
    const [header, , signature] = (await jwt()).split('.');
    expect((await ask(`${header}.${base64url({ ...payload, tenant: 'Bolt' })}.${signature}`)).status).toBe(401);
  });

  it('is refused when a public key was taken for a shared secret', async () => {
    const now = Math.floor(Date.now() / 1000);
    const head = base64url({ alg: 'HS256', kid: 'first' });
    const payload = base64url({ ...good, sub: 'alice', iss: issuer.url, aud: 'firstboot', exp: now + 300 });
    for (const secret of [
      await exportSPKI(first.pair.publicKey),
      JSON.stringify(await exportJWK(first.pair.publicKey)),
    ]) {
      const mac = createHmac('sha256', secret).update(`${head}.${payload}`).digest('base64url');
      expect((await ask(`${head}.${payload}.${mac}`)).status).toBe(401);
    }
  });

  it('is taken with a key that the issuer has begun to use, and not with one that it has dropped', async () => {
    const next = await newKey('second');
    const before = await jwt();
    expect((await ask(await jwt(good, { key: next }))).status).toBe(401);
    issuer.keys = [next];
    expect((await ask(await jwt(good, { key: next }))).status).toBe(200);
    expect((await ask(before)).status).toBe(401);
    issuer.keys = [first, next];
  });
});

describe('an issuer that cannot be asked', () => {
  it.each([
    [
      'is down',
      () => {
        issuer.broken = true;
      },
    ],
    [
      'says that it is another one',
      () => {
        issuer.claims = { issuer: 'https://evil.example' };
      },
    ],
    [
      'has its keys in a file',
      () => {
        issuer.claims = { jwks_uri: 'file:///etc/passwd' };
      },
    ],
  ])('that %s: its people are told to try again, others get in', async (_what, breakIt) => {
    const fresh = await startTestApi({
      routes: sessionRoutes,
      authentication: { oidc: [{ issuer: issuer.url, audience: 'firstboot', roles: { boss: 'admin' } }] },
    });
    try {
      breakIt();
      const token = await jwt({ roles: ['boss'] });
      const { status, problem, headers } = await fresh.with({ authorization: `Bearer ${token}` }).get('/session');
      expect([status, problem?.code, headers.get('retry-after')]).toEqual([503, 'service.busy', '5']);
      const asked = issuer.asked;
      await fresh.with({ authorization: `Bearer ${token}` }).get('/session');
      expect(issuer.asked).toBe(asked);
      expect((await fresh.as('viewer').get('/session')).status).toBe(200);
    } finally {
      [issuer.broken, issuer.claims] = [false, {}];
      await fresh.close();
    }
  });
});
