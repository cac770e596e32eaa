import { hash } from 'node:crypto';
import { Agent } from 'node:https';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { serviceRoutes } from '../../src/api/routes/service.ts';
import { sessionRoutes } from '../../src/api/routes/session.ts';
import { startApi } from '../../src/api/server.ts';
import { days, systemTimers } from '../../src/core/clock.ts';
import { silentLog } from '../../src/core/log.ts';
import { systemRandom } from '../../src/core/random.ts';
import type { KeyedChain } from '../../src/pki/issuer.ts';
import { owners, startTestApi, type TestApi } from '../support/api.ts';
import { type Asked, askHttps, httpsPeers, pemKey } from '../support/https-peers.ts';
import { makeIdentities } from '../support/identities.ts';

const now = Date.now();
const identities = makeIdentities(now);
const { named } = identities;
const { serverIdentity, tlsOf, client } = httpsPeers(identities, now);
const [ci, pinned, stranger] = [client('ci'), client('pinned'), client('nobody')];

let api: TestApi;

beforeAll(async () => {
  api = await startTestApi({
    routes: [...sessionRoutes, ...serviceRoutes],
    tls: tlsOf(serverIdentity()),
    authentication: {
      certificates: [
        { subject: 'ci', role: 'operator', ownerId: owners.acme },
        {
          fingerprint: hash('sha256', pinned.chain[0] ?? new Uint8Array(), 'hex').toUpperCase(),
          role: 'admin',
          ownerId: undefined,
        },
      ],
    },
  });
});

afterAll(() => api.close());

const ask = (
  identity: KeyedChain | undefined,
  { url = api.url, path = '/api/v1/session', ...asked }: Partial<Asked> & { url?: string; path?: string } = {},
) => askHttps(`${url}${path}`, identity, { ...asked, authorities: identities.anchors });

describe('a client certificate', () => {
  it('lets its holder in as the rule for its name says', async () => {
    const { status, body } = await ask(ci);
    expect(status).toBe(200);
    expect(body).toMatchObject({
      name: expect.stringMatching(/^O=Acme, CN=ci \(certificate [0-9a-f]{16}\)$/),
      role: 'operator',
      by: 'certificate',
      ownerId: owners.acme,
    });
  });

  it('lets its holder in as the rule for its fingerprint says', async () => {
    expect((await ask(pinned)).body).toMatchObject({ role: 'admin', by: 'certificate' });
  });

  it('of a known authority without a rule is forbidden, and the evidence helps to write one', async () => {
    const { status, body } = await ask(stranger);
    expect([status, body.code]).toEqual([403, 'api.forbidden']);
    expect(body.evidence).toMatchObject({
      subject: 'O=Acme, CN=nobody',
      fingerprint: expect.stringMatching(/^[0-9a-f]{64}$/),
    });
  });

  it.each(['unknownAuthority', 'selfSigned', 'expired', 'notYetValid', 'lookAlikeAuthority', 'incomplete'] as const)(
    'that is bad (%s) is refused in an answer, with the reason',
    async (name) => {
      const { status, body } = await ask(named[name]);
      expect([status, body.code]).toEqual([401, 'api.unauthenticated']);
      expect(body.evidence.certificate).toMatch(/^[A-Z_]+$/);
    },
  );

  it.each([
    ['POST', '/api/v1/reload'],
    ['DELETE', '/device-provisioning-service/api/v1/hubs?idFilter=x'],
  ])('that a browser sends along for a page of another site changes nothing: %s %s', async (method, path) => {
    const change = (headers: Record<string, string>) => ask(pinned, { method, path, headers });
    for (const headers of [
      { origin: 'https://evil.example', 'sec-fetch-site': 'cross-site' },
      { 'sec-fetch-site': 'same-site' },
      { origin: 'https://evil.example' },
      { origin: 'null' },
    ])
      expect((await change(headers)).status).toBe(403);
    // By a program, and by a page of the API's own: there is nothing to change here.
    for (const headers of [{}, { 'sec-fetch-site': 'same-origin' }, { origin: new URL(api.url).origin }])
      expect([400, 404, 409]).toContain((await change(headers)).status);
  });

  it('is not asked for: a token alone does, and beats a certificate', async () => {
    const headers = { authorization: `Bearer ${api.tokens.viewer}` };
    expect((await ask(undefined, { headers })).body.name).toBe('viewer');
    expect((await ask(pinned, { headers })).body.name).toBe('viewer');
    expect((await ask(named.unknownAuthority, { headers })).status).toBe(200);
    expect((await ask(undefined)).status).toBe(401);
  });

  it('is not lent to who resumes a session without one', async () => {
    const agent = new Agent({ keepAlive: false, maxCachedSessions: 10 });
    expect((await ask(undefined, { agent })).status).toBe(401);
    expect((await ask(undefined, { agent })).status).toBe(401);
    expect((await ask(undefined, { agent })).status).toBe(401);
  });

  it('that expires while its connection is open is of no use any more', async () => {
    let [skew] = [0];
    const timers = { ...systemTimers, now: () => Date.now() + skew };
    const brief = client('brief', now + days(1));
    const other = await startTestApi({
      routes: sessionRoutes,
      timers,
      tls: tlsOf(serverIdentity()),
      authentication: { certificates: [{ subject: 'O=Acme, CN=brief', role: 'viewer', ownerId: undefined }] },
    });
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    try {
      expect((await ask(brief, { url: other.url, agent })).status).toBe(200);
      skew = days(2);
      const { status, body } = await ask(brief, { url: other.url, agent });
      expect([status, Object.keys(body.evidence)]).toEqual([401, ['expired']]);
    } finally {
      agent.destroy();
      await other.close();
    }
  });
});

describe('TLS of the API', () => {
  it('makes cookies that go over TLS only', async () => {
    const { setCookie } = await ask(undefined, { send: JSON.stringify({ token: api.tokens.viewer }) });
    expect(setCookie).toContain('; Secure');
  });

  it('shows a renewed certificate on new connections, and goes on with the old one when the new one is bad', async () => {
    const options = {
      host: '127.0.0.1',
      port: 0,
      routes: sessionRoutes,
      storeFor: () => api.store,
      operationsFor: () => {
        throw new TypeError('not needed');
      },
      store: api.store,
      health: () => ({ ready: true, reasons: [], codes: [] }),
      secretsFolder: '',
      timers: systemTimers,
      random: systemRandom,
      log: silentLog,
      version: '0.0.0',
    };
    const other = await startApi({ ...options, tls: tlsOf(serverIdentity()) });
    try {
      expect((await ask(ci, { url: other.url })).subject).toBe('api');
      expect(() => other.prepare({ tls: { ...tlsOf(serverIdentity()), key: pemKey(ci) } })).toThrow(
        /key is that of the certificate/,
      );
      expect((await ask(ci, { url: other.url })).subject).toBe('api');
      other.prepare({ tls: tlsOf(serverIdentity('renewed')) })();
      expect((await ask(ci, { url: other.url })).subject).toBe('renewed');
    } finally {
      await other.close();
    }
  });

  it.each(['0.0.0.0', '::', '192.0.2.1', 'example.com'])(
    'is needed on %s, unless somebody takes the blame',
    async (host) => {
      await expect(startTestApi({ routes: sessionRoutes, host })).rejects.toMatchObject({
        code: 'service.config',
        fix: expect.stringMatching(/api\.tls.*api\.insecure/),
      });
    },
  );

  it('may be left to a proxy: cookies are for TLS all the same', async () => {
    const other = await startTestApi({ routes: sessionRoutes, host: '0.0.0.0', insecure: true });
    try {
      const url = other.url.replace('0.0.0.0', '127.0.0.1');
      const answer = await fetch(`${url}/api/v1/session`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ token: other.tokens.viewer }),
      });
      expect(answer.headers.get('set-cookie')).toContain('; Secure');
    } finally {
      await other.close();
    }
  });
});
