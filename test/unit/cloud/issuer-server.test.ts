import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { confirmOverHttp, type GatewayTokens, remoteGatewayTokens } from '../../../src/cloud/gateway-tokens.ts';
import { type Issuer, type IssuerOptions, startIssuer } from '../../../src/cloud/issuer-server.ts';
import { systemTimers } from '../../../src/core/clock.ts';
import { decided, refused } from '../../../src/core/errors.ts';
import { limits } from '../../../src/core/limits.ts';
import { silentLog } from '../../../src/core/log.ts';
import { systemRandom } from '../../../src/core/random.ts';
import { Secret } from '../../../src/core/secret.ts';
import { deviceId, hubId, owner } from '../../support/cloud.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';

const client = { id: 'a client', secret: new Secret('s:ecr&t%') };
const strangeDevice = '00000000-cafe-baba-0000-000000000001';
const resetDevice = '00000000-cafe-baba-0000-000000000002';

describe('the built-in issuer over HTTP', () => {
  let folder: Awaited<ReturnType<typeof temporaryFolder>>;
  let issuer: Issuer;
  const confirmed: string[] = [];
  const start = (changes: Partial<IssuerOptions> = {}): Promise<Issuer> =>
    startIssuer({
      host: '127.0.0.1',
      port: 0,
      keyFile: join(folder.path, 'token-key.pem'),
      clients: [client],
      holds: async (id) => id !== resetDevice,
      confirm: async (id) => {
        if (id === strangeDevice) return refused('confirm.unknown-device', { id }, '');
        confirmed.push(id);
        return decided(undefined);
      },
      timers: systemTimers,
      random: systemRandom,
      log: silentLog,
      ...changes,
    });
  beforeAll(async () => {
    folder = await temporaryFolder();
    issuer = await start();
  });
  afterAll(async () => {
    await issuer.close();
    await folder.remove();
  });

  const deviceToken = (id: string | undefined = deviceId): Secret<string> =>
    issuer.issuer.access({ owner: owner.name, ownerId: owner.id, deviceId: id, audience: hubId }, Date.now()).token;
  const askToken = (form: Record<string, string>, headers: Record<string, string> = {}): Promise<Response> =>
    fetch(`${issuer.url}/oauth/token`, { method: 'POST', headers, body: new URLSearchParams(form) });

  it('says that it is well, where its keys are and which keys they are', async () => {
    expect(await (await fetch(`${issuer.url}/health`)).json()).toEqual({ status: 'ok' });
    const found = await fetch(`${issuer.url}/.well-known/openid-configuration`);
    const discovery = (await found.json()) as { readonly jwks_uri: string };
    expect(discovery).toMatchObject({ issuer: issuer.url, token_endpoint: `${issuer.url}/oauth/token` });
    const jwks = await (await fetch(discovery.jwks_uri)).json();
    expect(jwks).toEqual({ keys: [issuer.issuer.key.jwk] });
  });

  it('refuses clients it does not know, wrong secrets and other grants, as RFC 6749 words it', async () => {
    const grant = { grant_type: 'client_credentials' };
    for (const form of [grant, { ...grant, client_id: client.id, client_secret: 'x' }, { ...grant, client_id: 'y' }]) {
      const answer = await askToken(form);
      expect([answer.status, await answer.json()]).toEqual([401, { error: 'invalid_client' }]);
    }
    const basic = await askToken(grant, { authorization: `Basic ${btoa('a+client:wrong')}` });
    expect(basic.status).toBe(401);
    expect(await (await askToken({ grant_type: 'password' })).json()).toEqual({ error: 'unsupported_grant_type' });
    expect(await (await askToken({ grant_type: 'refresh_token', refresh_token: 'x' })).json()).toEqual({
      error: 'invalid_grant',
    });
  });

  it('gives a known client a token with the claims it asks for', async () => {
    const form = {
      grant_type: 'client_credentials',
      client_id: client.id,
      client_secret: client.secret.reveal(),
      audience: hubId,
      'https://plgd.dev/owner': owner.name,
      'https://plgd.dev/deviceId': deviceId,
    };
    const answer = await askToken(form);
    expect(answer.headers.get('cache-control')).toBe('no-store');
    const { access_token, ...rest } = (await answer.json()) as { access_token: string };
    expect(rest).toEqual({ token_type: 'Bearer', expires_in: limits.cloud.tokenLife / 1000 });
    const verified = await issuer.issuer.verify(access_token, 'access', Date.now());
    expect(verified).toMatchObject({ ok: true, value: { owner: owner.name, deviceId, audience: hubId } });
    expect((await askToken({ ...form, 'https://plgd.dev/deviceId': 'no uuid' })).status).toBe(400);
  });

  it('gives a device that was reset or shut out no new tokens for its old ones', async () => {
    const grant = (id: string) => ({
      grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
      subject_token: deviceToken(id).reveal(),
    });
    expect((await askToken(grant(deviceId))).status).toBe(200);
    const refused = await askToken(grant(resetDevice));
    expect([refused.status, await refused.json()]).toEqual([400, { error: 'invalid_grant' }]);
  });

  it('takes a confirmation with the token of a device, and tells whose it is', async () => {
    const confirm = confirmOverHttp(issuer.url, systemTimers);
    expect(await confirm(deviceId, deviceToken(), Date.now())).toMatchObject({ ok: true });
    expect(confirmed).toEqual([deviceId]);
    expect(await confirm(deviceId, deviceToken(strangeDevice), Date.now())).toMatchObject({
      ok: false,
      refusal: { code: 'confirm.unknown-device' },
    });
    expect(await confirm(deviceId, new Secret('text'), Date.now())).toMatchObject({
      ok: false,
      refusal: { code: 'cloud.token' },
    });
    const clients = issuer.issuer.access(
      { owner: 'client', ownerId: undefined, deviceId: undefined, audience: undefined },
      Date.now(),
    ).token;
    expect(await confirm(deviceId, clients, Date.now())).toMatchObject({ ok: false });
    expect(confirmed).toHaveLength(1);
  });

  it('does not read what is too large, malformed or elsewhere', async () => {
    const big = await askToken({ grant_type: 'x'.repeat(limits.cloud.issuerRequestBytes) });
    expect([big.status, await big.json()]).toMatchObject([413, { error: 'request.too-large' }]);
    expect((await fetch(`${issuer.url}/elsewhere`)).status).toBe(404);
    const json = await fetch(`${issuer.url}/oauth/token`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: '{"grant_type":',
    });
    expect(await json.json()).toEqual({ error: 'unsupported_grant_type' });
  });

  it('tells its own faults to nobody', async () => {
    const broken = await start({
      confirm: () => Promise.reject(new Error('a secret of the database')),
    });
    const answer = await fetch(`${broken.url}/api/v1/confirmations`, {
      method: 'POST',
      headers: {
        authorization: `Bearer ${broken.issuer
          .access({ owner: 'o', ownerId: undefined, deviceId, audience: undefined }, Date.now())
          .token.reveal()}`,
      },
    });
    expect([answer.status, await answer.json()]).toEqual([
      500,
      { error: 'service.internal', message: 'internal error' },
    ]);
    await broken.close();
  });

  it('says so when its port is taken', async () => {
    const port = Number(new URL(issuer.url).port);
    await expect(start({ port })).rejects.toMatchObject({
      code: 'service.address-in-use',
      evidence: { host: '127.0.0.1', port },
    });
  });

  describe('to a gateway in another process', () => {
    let tokens: GatewayTokens;
    beforeAll(async () => {
      tokens = await remoteGatewayTokens({ authority: issuer.url, audience: hubId, timers: systemTimers });
    });

    it('verifies, exchanges and renews the tokens of a device', async () => {
      const token = deviceToken().reveal();
      expect(await tokens.verify(token, deviceId, Date.now())).toMatchObject({
        ok: true,
        value: { owner: owner.name },
      });
      const grant = await tokens.exchange(token, deviceId, Date.now());
      expect(grant).toMatchObject({ ok: true, value: { subject: { owner: owner.name } } });
      if (!grant.ok) return;
      const renewed = await tokens.refresh(grant.value.refreshToken.reveal(), deviceId, Date.now());
      if (!renewed.ok) throw new TypeError('not renewed');
      expect(await tokens.verify(renewed.value.accessToken.reveal(), deviceId, Date.now())).toMatchObject({ ok: true });
    });

    it('refuses bad tokens, those for others, and refresh tokens in the place of access tokens', async () => {
      const token = deviceToken().reveal();
      const code = async (answer: Promise<{ ok: boolean }>): Promise<unknown> => await answer;
      expect(await code(tokens.verify(`${token}x`, deviceId, Date.now()))).toMatchObject({
        refusal: { code: 'cloud.token' },
      });
      expect(await code(tokens.verify(token, strangeDevice, Date.now()))).toMatchObject({
        refusal: { code: 'cloud.device-id' },
      });
      expect(await code(tokens.exchange('text', deviceId, Date.now()))).toMatchObject({
        refusal: { code: 'cloud.token' },
      });
      const grant = await tokens.exchange(token, deviceId, Date.now());
      if (!grant.ok) throw new TypeError('not granted');
      const refreshToken = grant.value.refreshToken.reveal();
      expect((await tokens.exchange(refreshToken, deviceId, Date.now())).ok).toBe(false);
      expect((await tokens.verify(refreshToken, deviceId, Date.now())).ok).toBe(false);
    });

    it('is a fault that passes when it has gone', async () => {
      const other = await start();
      const elsewhere = await remoteGatewayTokens({ authority: other.url, audience: hubId, timers: systemTimers });
      await other.close();
      const fault = { code: 'configure.token' };
      await expect(elsewhere.verify(deviceToken().reveal(), deviceId, Date.now())).rejects.toMatchObject(fault);
      await expect(elsewhere.refresh('x', deviceId, Date.now())).rejects.toMatchObject(fault);
      await expect(
        remoteGatewayTokens({ authority: other.url, audience: undefined, timers: systemTimers }),
      ).rejects.toMatchObject(fault);
    });

    it('cannot take the owner from the subject: in these tokens that is the client', async () => {
      await expect(
        remoteGatewayTokens({ authority: issuer.url, audience: undefined, ownerClaim: 'sub', timers: systemTimers }),
      ).rejects.toMatchObject({ code: 'service.config' });
    });
  });
});
