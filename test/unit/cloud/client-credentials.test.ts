import { writeFile } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { join } from 'node:path';
import { inspect } from 'node:util';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type Issuer, startIssuer } from '../../../src/cloud/issuer-server.ts';
import { createTokenSource } from '../../../src/cloud/tokens.ts';
import { systemTimers, type Timers } from '../../../src/core/clock.ts';
import { decided, FirstbootError } from '../../../src/core/errors.ts';
import { limits } from '../../../src/core/limits.ts';
import { silentLog } from '../../../src/core/log.ts';
import { systemRandom } from '../../../src/core/random.ts';
import { Secret } from '../../../src/core/secret.ts';
import type { HubAuthorization } from '../../../src/store/model.ts';
import { deviceId, hubId, newIssuer, owner } from '../../support/cloud.ts';
import { someHub } from '../../support/store-records.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';
import { until } from '../../support/until.ts';

const secret = 'p+q/r=&%: secret';
const claims = { ownerClaim: 'https://plgd.dev/owner', deviceIdClaim: 'https://plgd.dev/deviceId' };

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let secretFile: string;
beforeAll(async () => {
  folder = await temporaryFolder();
  secretFile = join(folder.path, 'secret');
  await writeFile(secretFile, `${secret}\n`);
});
afterAll(() => folder.remove());

const hubAt = (
  authority: string,
  changes: Partial<Extract<HubAuthorization, { type: 'client-credentials' }>> = {},
): ReturnType<typeof someHub> =>
  someHub(1, {
    id: hubId,
    authorization: {
      type: 'client-credentials',
      authority,
      clientId: 'a client',
      clientSecretFile: secretFile,
      audience: hubId,
      scopes: [],
      ...claims,
      ...changes,
    },
  });

const ask = (hub: ReturnType<typeof someHub>, source = createTokenSource({ timers: systemTimers }), now = Date.now()) =>
  source.accessToken({ hub, owner, deviceId }, now);

describe("tokens from the built-in issuer's own token endpoint", () => {
  let issuer: Issuer;
  beforeAll(async () => {
    issuer = await startIssuer({
      host: '127.0.0.1',
      port: 0,
      keyFile: join(folder.path, 'token-key.pem'),
      clients: [{ id: 'a client', secret: new Secret(secret) }],
      holds: async () => true,
      confirm: async () => decided(undefined),
      timers: systemTimers,
      random: systemRandom,
      log: silentLog,
    });
  });
  afterAll(() => issuer.close());

  it('carry owner, device and audience', async () => {
    const token = await ask(hubAt(issuer.url));
    expect(await issuer.issuer.verify(token.reveal(), 'access', Date.now())).toMatchObject({
      ok: true,
      value: { owner: owner.name, deviceId, audience: hubId },
    });
  });

  it('are refused with the wrong secret, which is in no message', async () => {
    const wrong = join(folder.path, 'wrong');
    await writeFile(wrong, 'not-the-secret');
    const error = await failed(ask(hubAt(issuer.url, { clientSecretFile: wrong })));
    expect(error).toMatchObject({ code: 'configure.token', evidence: { authority: issuer.url, status: 401 } });
    expect(inspect(error, { depth: 9 })).not.toContain('not-the-secret');
  });

  it('are refused when the secret file is missing or empty', async () => {
    const missing = await failed(ask(hubAt(issuer.url, { clientSecretFile: join(folder.path, 'none') })));
    expect(missing.evidence).toMatchObject({ found: 'ENOENT' });
    const empty = join(folder.path, 'empty');
    await writeFile(empty, '\n');
    expect((await failed(ask(hubAt(issuer.url, { clientSecretFile: empty })))).evidence).toMatchObject({
      found: 'nothing',
    });
  });

  it('come straight from the built-in issuer for a built-in hub', async () => {
    const hub = someHub(1, { id: hubId });
    const token = await issuer.tokens.accessToken({ hub, owner, deviceId }, Date.now());
    expect(await issuer.issuer.verify(token.reveal(), 'access', Date.now())).toMatchObject({
      ok: true,
      value: { owner: owner.name, ownerId: owner.id, deviceId, audience: hubId },
    });
    await expect(ask(hub)).rejects.toMatchObject({ code: 'configure.token' });
  });
});

describe('a provider that is not as it should be', () => {
  let provider: Provider;
  beforeEach(async () => {
    provider = await Provider.start();
  });
  afterEach(() => provider.close());

  it.each([
    ['answers discovery with 500', { discovery: [500, '{}'] }, { step: 'discovery', status: 500 }],
    ['has no discovery', { discovery: [404, 'nothing here'] }, { step: 'discovery', status: 404 }],
    ['answers discovery with broken JSON', { discovery: [200, '{"issuer":'] }, { step: 'discovery' }],
    ['calls itself something else', { discovery: [200, '{"issuer":"http://127.0.0.1:1"}'] }, { step: 'discovery' }],
    ['answers discovery without end', { discovery: [200, 'x'.repeat(200_000)] }, { problem: 'too-large' }],
    ['redirects discovery', { discovery: [302, ''] }, { problem: 'redirect' }],
    ['answers the token request with 500', { token: [500, 'oops'] }, { step: 'token', status: 500 }],
    ['answers the token request with broken JSON', { token: [200, '{"access_token":'] }, { step: 'token' }],
    ['answers the token request without end', { token: [200, 'x'.repeat(200_000)] }, { problem: 'too-large' }],
    ['redirects the token request', { token: [307, ''] }, { problem: 'redirect' }],
    ['gives no token', { token: [200, '{"token_type":"bearer"}'] }, { step: 'token' }],
    ['gives a token that is no JWT', { token: [200, tokenAnswer('opaque')] }, { step: 'claims', found: 'no JWT' }],
    ['gives a token devices cannot hold', { token: [200, tokenAnswer('x'.repeat(5000))] }, { characters: 5000 }],
    ['knows no such scope', { token: [400, '{"error":"invalid_scope"}'] }, { status: 400, error: 'invalid_scope' }],
  ] as const)('%s', async (_, answers, evidence) => {
    Object.assign(provider, answers);
    const error = await failed(ask(hubAt(provider.url)));
    expect(error.code).toBe('configure.token');
    expect(error.evidence).toMatchObject({ authority: provider.url, ...evidence });
    expect(error.fix).not.toBe('');
    expect(inspect(error, { depth: 9 })).not.toContain(secret);
  });

  it('leaves out or changes a claim that was asked for', async () => {
    const issuer = await newIssuer();
    const give = (changes: object, now = Date.now()): void => {
      const subject = { owner: owner.name, ownerId: owner.id, deviceId, audience: undefined, ...changes };
      provider.token = [200, tokenAnswer(issuer.access(subject, now).token.reveal())];
    };
    give({ owner: 'somebody else' });
    expect((await failed(ask(hubAt(provider.url)))).evidence).toMatchObject({
      step: 'claims',
      claim: claims.ownerClaim,
      found: 'another value',
    });
    give({ deviceId: undefined });
    const missing = await failed(ask(hubAt(provider.url)));
    expect(missing.evidence).toMatchObject({ claim: claims.deviceIdClaim, found: 'missing' });
    expect(missing.fix).toContain(claims.deviceIdClaim);
    give({}, Date.now() - limits.cloud.tokenLife - 1000);
    expect((await failed(ask(hubAt(provider.url)))).evidence).toMatchObject({ claim: 'exp' });
    give({ deviceId: undefined });
    expect((await ask(hubAt(provider.url, { deviceIdClaim: undefined }))).reveal()).toMatch(/^eyJ/);
  });

  it('is slow: it is given up after the time for a token request', async () => {
    provider.token = 'hang';
    const timers = hurried();
    const asked = failed(ask(hubAt(provider.url), createTokenSource({ timers })));
    await provider.reached('token');
    timers.fire();
    expect((await asked).evidence).toMatchObject({ step: 'token', problem: 'timeout' });
    expect(timers.delays()).toContain(limits.cloud.tokenRequest);
  });

  it('is slow to many: those beyond the bound are told to come again', async () => {
    provider.token = 'hang';
    const timers = hurried();
    const source = createTokenSource({ timers });
    const bound = limits.cloud.tokenRequestsInFlight;
    const waiting = Array.from({ length: bound }, () => failed(ask(hubAt(provider.url), source)));
    await expect(ask(hubAt(provider.url), source)).rejects.toMatchObject({ code: 'service.busy' });
    await provider.reached('token');
    await provider.close();
    expect(new Set((await Promise.all(waiting)).map(({ code }) => code))).toEqual(new Set(['configure.token']));
  });

  it('is not there', async () => {
    await provider.close();
    expect((await failed(ask(hubAt(provider.url)))).evidence).toMatchObject({ problem: 'unreachable' });
  });

  it('is asked for its discovery once by many, again when it is old, and again when it failed', async () => {
    const issuer = await newIssuer();
    const about = { owner: owner.name, ownerId: owner.id, deviceId, audience: undefined };
    const now = Date.now();
    provider.token = [200, tokenAnswer(issuer.access(about, now + 3_000_000).token.reveal())];
    const source = createTokenSource({ timers: systemTimers });
    await Promise.all(Array.from({ length: 8 }, () => ask(hubAt(provider.url), source, now)));
    expect(provider.count('discovery')).toBe(1);
    expect(provider.count('token')).toBe(8);
    await ask(hubAt(provider.url), source, now + limits.cloud.discoveryLife);
    expect(provider.count('discovery')).toBe(2);
    provider.discovery = [500, ''];
    const fresh = createTokenSource({ timers: systemTimers });
    await failed(ask(hubAt(provider.url), fresh, now));
    provider.discovery = undefined;
    await ask(hubAt(provider.url), fresh, now);
  });

  it('is sent no secret in the clear unless it is on this machine', async () => {
    for (const authority of ['http://provider.example', 'ftp://provider.example', 'no url']) {
      expect((await failed(ask(hubAt(authority)))).evidence).toEqual({ authority });
    }
    provider.endpoint = 'http://provider.example/token';
    expect((await failed(ask(hubAt(provider.url)))).fix).toContain('https');
    expect(provider.count('token')).toBe(0);
  });
});

async function failed(asked: Promise<unknown>): Promise<FirstbootError> {
  const error = await asked.then(
    () => new TypeError('it should have failed'),
    (reason: unknown) => reason,
  );
  if (error instanceof FirstbootError) return error;
  throw error;
}

const tokenAnswer = (token: string): string => JSON.stringify({ access_token: token, token_type: 'bearer' });

/** A clock that stands still, with timers that fire when told. */
function hurried(): Timers & { fire(): void; delays(): number[] } {
  const scheduled: { delay: number; wake: () => void }[] = [];
  const now = Date.now();
  return {
    now: () => now,
    schedule(at, wake) {
      scheduled.push({ delay: at - now, wake });
      return () => undefined;
    },
    fire: () => {
      for (const { wake } of scheduled) wake();
    },
    delays: () => scheduled.map(({ delay }) => delay),
  };
}

type Canned = readonly [status: number, body: string] | 'hang' | undefined;

/** A provider on loopback that answers what a test wants. */
class Provider {
  discovery: Canned;
  token: Canned;
  endpoint: string | undefined;
  readonly url: string;
  private readonly server: Server;
  private readonly asked: string[] = [];

  private constructor(server: Server, port: number) {
    this.server = server;
    this.url = `http://127.0.0.1:${port}`;
    server.on('request', (request: IncomingMessage, response: ServerResponse) => this.answer(request, response));
  }

  static async start(): Promise<Provider> {
    const server = createServer();
    const port = await new Promise<number>((resolve) =>
      server.listen(0, '127.0.0.1', () => {
        const address = server.address();
        resolve(typeof address === 'object' && address ? address.port : 0);
      }),
    );
    return new Provider(server, port);
  }

  count(what: 'discovery' | 'token'): number {
    return this.asked.filter((one) => one === what).length;
  }

  async reached(what: 'token'): Promise<void> {
    await until(() => this.count(what) > 0);
  }

  async close(): Promise<void> {
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }

  private answer(request: IncomingMessage, response: ServerResponse): void {
    const what = request.url?.includes('well-known') ? 'discovery' : 'token';
    this.asked.push(what);
    const canned = this[what] ?? [200, what === 'discovery' ? this.document() : '{}'];
    if (canned === 'hang') return;
    const [status, body] = canned;
    response.writeHead(status, { 'content-type': 'application/json', location: 'http://127.0.0.1:1/' });
    response.end(body);
  }

  private document(): string {
    const token_endpoint = this.endpoint ?? `${this.url}/token`;
    return JSON.stringify({ issuer: this.url, token_endpoint, jwks_uri: `${this.url}/jwks` });
  }
}
