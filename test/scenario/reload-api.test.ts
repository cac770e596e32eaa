import { mkdir, writeFile } from 'node:fs/promises';
import { Agent } from 'node:https';
import { join } from 'node:path';
import { SignJWT } from 'jose';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { encodeCertificates } from '../../src/codec/pem.ts';
import { systemTimers, type Timers } from '../../src/core/clock.ts';
import { limits } from '../../src/core/limits.ts';
import type { KeyedChain } from '../../src/pki/issuer.ts';
import { type ConfiguredService, startConfiguredService } from '../support/configured-service.ts';
import { followEvents } from '../support/event-stream.ts';
import { type Asked, askHttps, httpsPeers, pemKey } from '../support/https-peers.ts';
import { makeIdentities } from '../support/identities.ts';
import { type IssuerKey, newKey, TestIssuer } from '../support/oidc-issuer.ts';
import { someUuid } from '../support/store-records.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

const now = Date.now();
const [ours, theirs] = [makeIdentities(now), makeIdentities(now)];
const peers = httpsPeers(ours, now);
const [ci, guest] = [peers.client('ci'), httpsPeers(theirs, now).client('guest')];
const issuer = new TestIssuer();
let key: IssuerKey;

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let running: ConfiguredService;
const agents: Agent[] = [];
/** Streams are looked at again every limits.api.streamRecheck: that clock is ours. */
let looks: (() => void)[];

const timers: Timers = {
  now: () => systemTimers.now(),
  schedule: (at, wake) => {
    const away = at - systemTimers.now();
    if (Math.abs(away - limits.api.streamRecheck) > 100) return systemTimers.schedule(at, wake);
    looks.push(wake);
    return () => undefined;
  },
};

beforeAll(async () => {
  await issuer.listen();
  key = await newKey('first');
  issuer.keys = [key];
});

afterAll(() => issuer.close());

beforeEach(async () => {
  looks = [];
  folder = await temporaryFolder();
  await mkdir(join(folder.path, 'api'));
  await show(peers.serverIdentity('old'));
  await trust(ours);
  running = await startConfiguredService({ folder: folder.path, timers, more: [apiWith(everybody)] });
});

afterEach(async () => {
  for (const agent of agents.splice(0)) agent.destroy();
  await running.close();
  await folder.remove();
});

const inApi = (name: string): string => join(folder.path, 'api', name);

async function show(identity: KeyedChain): Promise<void> {
  await writeFile(inApi('chain.pem'), peers.tlsOf(identity).chain);
  await writeFile(inApi('key.pem'), pemKey(identity), { mode: 0o600 });
}

const trust = (...authorities: readonly { readonly anchors: readonly Uint8Array[] }[]): Promise<void> =>
  writeFile(inApi('clients.pem'), encodeCertificates(authorities.flatMap(({ anchors }) => anchors)));

interface Rules {
  readonly certificates: readonly string[];
  readonly oidc: readonly string[];
  readonly clientCas?: boolean;
  readonly host?: string;
}

const oidcOf = (roles: string, audience = 'firstboot'): string =>
  `{ issuer: '${issuer.url}', audience: ${audience}, roles: { ${roles} } }`;
const ciRule = '{ subject: ci, role: operator }';

const everybody: Rules = {
  get oidc() {
    return [oidcOf('boss: admin')];
  },
  certificates: [ciRule],
};

const apiWith = ({ certificates, oidc, clientCas = true, host = '127.0.0.1' }: Rules): string =>
  `api: { host: ${host}, tls: { chain: api/chain.pem, key: api/key.pem${clientCas ? ', clientCas: api/clients.pem' : ''} }, ` +
  `certificates: [${certificates.join(', ')}], oidc: [${oidc.join(', ')}] }`;

const configure = (changes: Partial<Rules>): Promise<void> =>
  running.configure({ more: [apiWith({ certificates: everybody.certificates, oidc: everybody.oidc, ...changes })] });

const keepAlive = (options: { readonly maxCachedSessions?: number } = {}): Agent => {
  const agent = new Agent({ keepAlive: true, maxSockets: 1, ...options });
  agents.push(agent);
  return agent;
};

const ask = (identity?: KeyedChain, { path = '/session', ...asked }: Partial<Asked> & { path?: string } = {}) =>
  askHttps(`${running.service.apiUrl}/api/v1${path}`, identity, { ...asked, authorities: ours.anchors });

const jwt = (roles = 'boss', aud = 'firstboot'): Promise<string> =>
  new SignJWT({ roles })
    .setProtectedHeader({ alg: key.alg, kid: key.kid })
    .setSubject('alice')
    .setIssuer(issuer.url)
    .setAudience(aud)
    .setExpirationTime('5m')
    .sign(key.pair.privateKey);

const bearer = async () => ({ authorization: `Bearer ${await jwt()}` });

async function signIn(token: string): Promise<{ readonly cookie: string }> {
  const { status, setCookie } = await ask(undefined, { send: JSON.stringify({ token }) });
  expect(status).toBe(200);
  return { cookie: setCookie.split(';')[0] ?? '' };
}

const codeOf = async (answer: ReturnType<typeof ask>): Promise<string | number> => {
  const { status, body } = await answer;
  return status === 200 ? 200 : body.code;
};

describe('another certificate of the API', () => {
  it('is shown to new connections, and those of before go on: kept alive ones, and event streams', async () => {
    const agent = keepAlive();
    const old = { agent, headers: await bearer() };
    expect((await ask(undefined, old)).subject).toBe('old');
    const stream = await followEvents(`${running.service.apiUrl}/api/v1/events`, {
      token: await jwt(),
      ca: encodeCertificates(ours.anchors),
    });
    await show(peers.serverIdentity('new'));
    const { body } = await ask(undefined, { path: '/reload', method: 'POST', headers: await bearer() });
    expect(body.effects).toEqual(['the API shows another certificate']);

    expect((await ask(undefined, { headers: await bearer() })).subject).toBe('new');
    expect(await ask(undefined, old)).toMatchObject({ status: 200, subject: 'old' });
    await expect.poll(() => stream.events.map(({ event }) => event)).toEqual(['service.reloaded']);
    for (const look of looks.splice(0)) look();
    await running.service.reload();
    await expect.poll(() => stream.events.length).toBe(2);
    stream.cut();
  });

  it.each([
    ['that is none', 'chain.pem', () => 'no certificate'],
    ['with the key of another one', 'key.pem', () => pemKey(ci)],
    ['beside authorities that are none', 'clients.pem', () => 'no certificate'],
  ])('%s is refused, and said; the old one stays', async (_, file, text) => {
    await show(peers.serverIdentity('new'));
    await writeFile(inApi(file), text(), { mode: 0o600 });
    // Nothing else is taken up either.
    await configure({ certificates: [] });
    const refused = await ask(undefined, { path: '/reload', method: 'POST', headers: await bearer() });
    expect([refused.status, refused.body.code]).toEqual([500, 'service.config']);
    expect(JSON.stringify(refused.body.evidence)).toContain(file);
    expect((await ask(ci)).status).toBe(200);
    expect((await ask(undefined, { headers: await bearer() })).subject).toBe('old');
    const { body } = await ask(undefined, { path: '/events/history?types=service', headers: await bearer() });
    expect(body.items).toMatchObject([{ type: 'service.reload-failed' }]);
    const ready = await askHttps(`${running.service.apiUrl}/health/ready`, undefined, {
      authorities: ours.anchors,
      headers: await bearer(),
    });
    expect(ready.body.reasons).toEqual([expect.stringContaining('the last reload was refused')]);
  });
});

it('nothing of the API is replaced when the policy cannot be', async () => {
  const { store } = running.service;
  const [group] = await store.groups.list();
  if (!group) throw new Error('there is a group');
  await store.groups.put({ ...group, id: someUuid(77), name: 'machines', source: 'operator' });
  await show(peers.serverIdentity('new'));
  await running.configure({ group: 'machines', more: [apiWith({ oidc: [], certificates: [] })] });
  await expect(running.service.reload()).rejects.toMatchObject({ code: 'operator.conflict' });
  expect(await ask(ci)).toMatchObject({ status: 200, subject: 'old' });
  expect((await ask(undefined, { headers: await bearer() })).status).toBe(200);
});

describe('other authorities of client certificates', () => {
  it('count for new connections: who was let in by one that is gone is asked to connect again', async () => {
    const agent = keepAlive();
    expect((await ask(ci, { agent })).status).toBe(200);
    expect((await ask(guest)).status).toBe(401);
    await configure({ certificates: [ciRule, '{ subject: guest, role: viewer }'] });
    await trust(theirs);
    expect((await running.service.reload()).effects).toEqual([
      'the API takes client certificates of other authorities',
      'the API takes client certificates by other rules',
    ]);
    const refused = await ask(ci, { agent });
    expect([refused.status, refused.body.evidence]).toEqual([401, { certificate: 'AUTHORITIES_CHANGED' }]);
    expect((await ask(guest)).status).toBe(200);
    // On its next connection it is judged by the others.
    const again = await ask(ci, { agent });
    expect([again.status, again.body.evidence.certificate]).toEqual([401, expect.not.stringContaining('CHANGED')]);
  });

  it('may be more: nobody has to connect again then', async () => {
    const agent = keepAlive();
    expect((await ask(ci, { agent })).status).toBe(200);
    await configure({ certificates: [ciRule, '{ subject: guest, role: viewer }'] });
    await trust(ours, theirs);
    await running.service.reload();
    expect([(await ask(ci, { agent })).status, (await ask(guest)).status]).toEqual([200, 200]);
  });

  it('may be none at all, and some again: no certificate is asked for, and no resumed session brings one back', async () => {
    const agent = keepAlive({ maxCachedSessions: 10 });
    expect((await ask(ci, { agent })).status).toBe(200);
    await configure({ clientCas: false });
    await running.service.reload();
    expect((await ask(ci, { agent })).body.evidence).toEqual({ certificate: 'AUTHORITIES_CHANGED' });
    const none = await ask(ci, { agent });
    expect([none.status, none.body.evidence]).toEqual([401, {}]);
    await configure({});
    await running.service.reload();
    expect((await ask(ci)).status).toBe(200);
  });
});

describe('other rules of who may come in', () => {
  it('count for the next request of a certificate, on the connection that it has', async () => {
    const agent = keepAlive();
    expect((await ask(ci, { agent })).body.role).toBe('operator');
    await configure({ certificates: ['{ subject: ci, role: viewer, owner: acme }'] });
    expect((await running.service.reload()).effects).toEqual(['the API takes client certificates by other rules']);
    expect((await ask(ci, { agent })).body).toMatchObject({ role: 'viewer', ownerId: expect.any(String) });
    await configure({ certificates: [] });
    await running.service.reload();
    expect(await codeOf(ask(ci, { agent }))).toBe('api.forbidden');
  });

  it('count for the next request with a JWT, and for dashboards that signed in with one', async () => {
    const token = { authorization: `Bearer ${await jwt()}` };
    const cookie = await signIn(await jwt());
    const roles = async () =>
      Promise.all([token, cookie].map(async (headers) => (await ask(undefined, { headers })).body.role));
    expect(await roles()).toEqual(['admin', 'admin']);

    await configure({ oidc: [oidcOf('boss: viewer')] });
    expect((await running.service.reload()).effects).toEqual(['the API takes JWTs by other rules']);
    expect(await roles()).toEqual(['viewer', 'viewer']);

    const codes = () => Promise.all([token, cookie].map((headers) => codeOf(ask(undefined, { headers }))));
    await configure({ oidc: [oidcOf('other: admin')] });
    await running.service.reload();
    expect(await codes()).toEqual(['api.forbidden', 'api.forbidden']);
    await configure({ oidc: [oidcOf('boss: admin', 'another')] });
    await running.service.reload();
    expect(await codes()).toEqual(['api.unauthenticated', 'api.unauthenticated']);
    // Whose issuer has gone has to sign in again, also when it is back.
    await configure({});
    await running.service.reload();
    expect(await codes()).toEqual([200, 'api.unauthenticated']);
  });

  it('end event streams of those who are not let in any more', async () => {
    const stream = await followEvents(`${running.service.apiUrl}/api/v1/events`, {
      token: await jwt(),
      ca: encodeCertificates(ours.anchors),
    });
    await configure({ oidc: [] });
    await running.service.reload();
    for (const look of looks.splice(0)) look();
    await stream.over;
  });

  it.each([
    ['a lower role', 'roles: { boss: viewer }'],
    ['an owner', 'roles: { boss: admin }, ownerClaim: sub'],
  ])('end event streams of those who have %s now: they come back for what they may see', async (_, rule) => {
    const stream = await followEvents(`${running.service.apiUrl}/api/v1/events`, {
      token: await jwt(),
      ca: encodeCertificates(ours.anchors),
    });
    await configure({ oidc: [`{ issuer: '${issuer.url}', audience: firstboot, ${rule} }`] });
    await running.service.reload();
    for (const look of looks.splice(0)) look();
    await stream.over;
  });

  it('do not forget the keys of an issuer that stays', async () => {
    expect(await codeOf(ask(undefined, { headers: await bearer() }))).toBe(200);
    await configure({ oidc: [oidcOf('boss: operator')] });
    await running.service.reload();
    issuer.broken = true;
    try {
      expect((await ask(undefined, { headers: await bearer() })).body.role).toBe('operator');
    } finally {
      issuer.broken = false;
    }
  });

  it('are taken up beside what waits for a restart, which is named by its key', async () => {
    await configure({ host: 'localhost', oidc: [oidcOf('boss: viewer')] });
    expect((await running.service.reload()).effects).toEqual([
      'the API takes JWTs by other rules',
      'api.host has changed: it counts after a restart',
    ]);
    await running.configure({});
    expect((await running.service.reload()).effects).toEqual([
      'the API takes JWTs by other rules',
      'the API takes client certificates by other rules',
      'api.tls has changed: it counts after a restart',
    ]);
  });
});
