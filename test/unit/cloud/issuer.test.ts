import { createLocalJWKSet, decodeJwt, decodeProtectedHeader, jwtVerify } from 'jose';
import { describe, expect, it } from 'vitest';
import { limits } from '../../../src/core/limits.ts';
import { cloudTime, deviceId, hubId, newIssuer, owner } from '../../support/cloud.ts';

const about = { owner: owner.name, ownerId: owner.id, deviceId, audience: hubId };

describe('the built-in issuer', () => {
  it('issues ES256 tokens that anybody verifies with the published key', async () => {
    const issuer = await newIssuer();
    const { token, expiresAt } = issuer.access(about, cloudTime);
    const { payload, protectedHeader } = await jwtVerify(
      token.reveal(),
      createLocalJWKSet({ keys: [issuer.key.jwk] }),
      {
        issuer: 'http://issuer.test',
        audience: hubId,
        currentDate: new Date(cloudTime),
      },
    );
    expect(protectedHeader).toEqual({ alg: 'ES256', typ: 'at+jwt', kid: issuer.key.kid });
    expect(payload).toEqual({
      iss: 'http://issuer.test',
      sub: owner.id,
      'https://plgd.dev/owner': owner.name,
      'https://plgd.dev/deviceId': deviceId,
      aud: hubId,
      iat: cloudTime / 1000,
      exp: (cloudTime + limits.cloud.tokenLife) / 1000,
      jti: expect.stringMatching(/^[0-9a-f]{32}$/),
    });
    expect(expiresAt).toBe(cloudTime + limits.cloud.tokenLife);
    expect(token.reveal().length).toBeLessThan(limits.cloud.accessTokenBytes);
  });

  it('publishes no private part of its key', async () => {
    const { key } = await newIssuer();
    expect(Object.keys(key.jwk).sort()).toEqual(['alg', 'crv', 'kid', 'kty', 'use', 'x', 'y']);
  });

  it('never issues the same token twice', async () => {
    const issuer = await newIssuer();
    const ids = Array.from({ length: 100 }, () => decodeJwt(issuer.access(about, cloudTime).token.reveal()).jti);
    expect(new Set(ids).size).toBe(100);
  });

  it('takes its own tokens until they end, each for its own use', async () => {
    const issuer = await newIssuer();
    const access = issuer.access(about, cloudTime).token.reveal();
    const grant = await issuer.exchange(access, cloudTime);
    if (!grant.ok) throw new TypeError('not granted');
    const refresh = grant.value.refreshToken.reveal();
    expect(decodeProtectedHeader(refresh).typ).toBe('rt+jwt');
    const judge = async (token: string, use: 'access' | 'refresh', later: number) =>
      (await issuer.verify(token, use, cloudTime + later)).ok;
    expect(await judge(access, 'access', limits.cloud.tokenLife - 1000)).toBe(true);
    expect(await judge(access, 'access', limits.cloud.tokenLife)).toBe(false);
    expect(await judge(refresh, 'refresh', limits.cloud.refreshLife - 1000)).toBe(true);
    expect(await judge(refresh, 'refresh', limits.cloud.refreshLife)).toBe(false);
    expect(await judge(access, 'refresh', 0)).toBe(false);
    expect(await judge(refresh, 'access', 0)).toBe(false);
    expect(await issuer.refresh(refresh, cloudTime)).toMatchObject({ ok: true, value: { subject: about } });
  });

  it('shows no token when it is printed', async () => {
    const issuer = await newIssuer();
    expect(`${JSON.stringify(issuer.access(about, cloudTime))}`).not.toContain('eyJ');
  });
});
