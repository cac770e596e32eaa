import { describe, expect, it } from 'vitest';
import { createGateway, type GatewayDeps, type GatewaySession } from '../../../src/cloud/gateway.ts';
import type { GatewayEvent } from '../../../src/cloud/gateway-resources.ts';
import { localGatewayTokens } from '../../../src/cloud/gateway-tokens.ts';
import type { TokenIssuer } from '../../../src/cloud/issuer.ts';
import type { IncomingRequest, OutgoingResponse } from '../../../src/coap/endpoint.ts';
import { decided, failure, refused } from '../../../src/core/errors.ts';
import { limits } from '../../../src/core/limits.ts';
import { profiles } from '../../../src/pki/profile.ts';
import {
  bodyOf,
  cloudTime,
  deviceId,
  fault,
  hubId,
  identitySession,
  leaf,
  newIssuer,
  owner,
  post,
  request,
} from '../../support/cloud.ts';

describe('the small cloud', () => {
  it('takes a device from sign-up to published resources, and tells of each step', async () => {
    const { gateway, ask, events, token } = await subject();
    const signedUp = await ask(signUp(token()));
    expect(signedUp).toMatchObject({ code: 204, contentFormat: 10000 });
    const { accesstoken, uid, ...rest } = bodyOf(signedUp);
    expect(rest).toEqual({ refreshtoken: expect.any(String), expiresin: 3600, redirecturi: '' });
    expect(uid).toBe(owner.name);

    const signedIn = await ask(signIn(String(accesstoken)));
    expect(bodyOf(signedIn)).toEqual({ expiresin: 3600 });

    const published = await ask(post('/oic/rd', { di: deviceId, ttl: 0, links: [{ href: '/oic/d' }, { href: '/b' }] }));
    expect(bodyOf(published)).toEqual({
      di: deviceId,
      links: [
        { href: '/oic/d', ins: 1 },
        { href: '/b', ins: 2 },
      ],
      ttl: 0,
      lt: 0,
    });
    expect(gateway.devices()).toMatchObject([{ deviceId, owner: owner.name, online: true, links: [{}, {}] }]);
    expect(events.map(({ type }) => type)).toEqual(['signed-up', 'online', 'published']);
  });

  it('answers the same sign-up twice with usable tokens', async () => {
    const { ask, token } = await subject();
    const same = token();
    for (const answer of [await ask(signUp(same)), await ask(signUp(same))]) {
      expect((await ask(signIn(String(bodyOf(answer).accesstoken)))).code).toBe(204);
    }
  });

  it('renews tokens by the refresh token, also when the access token has ended', async () => {
    const { ask, token } = await subject();
    const { accesstoken, refreshtoken } = bodyOf(await ask(signUp(token())));
    const later = cloudTime + limits.cloud.tokenLife + 1000;
    expect(fault(await ask(signIn(String(accesstoken)), later))).toMatch(/^401 cloud.token/);
    const refresh = post('/oic/sec/tokenrefresh', {
      uid: owner.name,
      di: deviceId,
      granttype: 'refresh_token',
      refreshtoken: String(refreshtoken),
    });
    const renewed = bodyOf(await ask(refresh, later));
    expect(Object.keys(renewed)).toEqual(['accesstoken', 'refreshtoken', 'expiresin']);
    expect((await ask(signIn(String(renewed.accesstoken)), later)).code).toBe(204);
    expect(fault(await ask(signIn(String(refreshtoken)), later))).toMatch(/^401 cloud.token/);
  });

  it('shows a device offline when it signs out and when its session is gone, but not when an old session is', async () => {
    const { gateway, ask, events, token, session } = await subject();
    await ask(signIn(token()));
    expect(await ask(signOut(token()))).toMatchObject({ code: 204 });
    expect(gateway.devices()).toMatchObject([{ online: false }]);
    await ask(signIn(token()));
    const second = identitySession();
    await ask(signIn(token()), cloudTime, { ...second });
    gateway.closed(session, cloudTime);
    expect(gateway.devices()).toMatchObject([{ online: true }]);
    expect(events.map(({ type }) => type)).toEqual(['online', 'offline', 'online']);
  });

  it('forgets a device that signs off, and wants a new sign-up from it', async () => {
    const { gateway, ask, token } = await subject();
    const mine = token();
    await ask(signIn(mine));
    const query = [`di=${deviceId}`, `uid=${owner.name}`, `accesstoken=${mine}`];
    expect(await ask(request('DELETE', '/oic/sec/account', { query }))).toEqual({ code: 202 });
    expect(gateway.devices()).toEqual([]);
    expect(fault(await ask(signIn(mine)))).toMatch(/^401 cloud.token/);
    await ask(signUp(mine));
    expect((await ask(signIn(mine))).code).toBe(204);
  });

  it('takes a sign-off without the token, which is too long for a query, from a signed-in session only', async () => {
    const { ask, token } = await subject();
    const signOff = request('DELETE', '/oic/sec/account', { query: [`di=${deviceId}`] });
    expect(fault(await ask(signOff))).toMatch(/^401 cloud.token/);
    await ask(signIn(token()));
    expect(await ask(signOff)).toEqual({ code: 202 });
  });

  it('removes published resources by instance number, or all', async () => {
    const { gateway, ask, token } = await subject();
    await ask(signIn(token()));
    await ask(post('/oic/rd', { di: deviceId, links: [{ href: '/a', ins: 7 }, { href: '/b' }, { href: '/c' }] }));
    const remove = (...query: string[]) => ask(request('DELETE', '/oic/rd', { query: [`di=${deviceId}`, ...query] }));
    expect(await remove('ins=7', 'ins=9')).toEqual({ code: 202 });
    expect(gateway.devices()[0]?.links).toEqual([{ href: '/b', ins: 8 }]);
    await remove();
    expect(gateway.devices()[0]?.links).toEqual([]);
  });

  it('keeps the instance number of a resource that is published again', async () => {
    const { gateway, ask, token } = await subject();
    await ask(signIn(token()));
    for (const title of ['one', 'two']) await ask(post('/oic/rd', { links: [{ href: '/a', title }] }));
    expect(gateway.devices()[0]?.links).toEqual([{ href: '/a', title: 'two', ins: 1 }]);
  });

  it('answers long publications with less than the device can take', async () => {
    const { ask, token } = await subject();
    await ask(signIn(token()));
    const links = Array.from({ length: limits.cloud.links }, (_, k) => ({ href: `/r/${k}`, rt: ['x'.repeat(60)] }));
    const answer = await ask(post('/oic/rd', { links }));
    expect(answer.payload?.length).toBeLessThan(limits.device.responseBytes);
    expect(bodyOf(answer).links).toHaveLength(limits.cloud.links);
    expect(fault(await ask(post('/oic/rd', { links: [{ href: '/more' }] })))).toMatch(/^413/);
  });

  it('tells the time', async () => {
    const { ask } = await subject();
    expect(bodyOf(await ask(request('GET', '/x.plgd.dev/time')))).toEqual({ time: '2026-06-01T12:00:00.000Z' });
  });

  it('answers in plain CBOR to who asks for it, and without a version option to who has none', async () => {
    const { ask, token } = await subject();
    expect(await ask({ ...signIn(token()), accept: 60, contentFormat: 60 })).toMatchObject({
      code: 204,
      contentFormat: 60,
      options: [],
    });
    expect(fault(await ask({ ...signIn(token()), accept: 50 }))).toMatch(/^406/);
    expect(fault(await ask({ ...signIn(token()), contentFormat: 50 }))).toMatch(/^415/);
  });

  it('does not know what is not there', async () => {
    const { ask } = await subject();
    expect(fault(await ask(request('GET', '/oic/res')))).toMatch(/^404/);
    expect(fault(await ask(request('PUT', '/oic/rd')))).toMatch(/^405/);
    expect(fault(await ask({ ...request('POST', '/oic/sec/account'), payload: Uint8Array.of(0xff) }))).toMatch(/^400/);
    expect(fault(await ask(post('/oic/rd', { links: [] })))).toMatch(/^401 cloud.not-signed-in/);
    expect(fault(await ask({ ...request('GET', '/'), fault: { code: 402, text: 'bad option' } }))).toBe(
      '402 bad option',
    );
  });
});

describe('who is refused by the small cloud', () => {
  const bad: readonly (readonly [string, () => Uint8Array | undefined])[] = [
    ['no certificate', () => undefined],
    ['bytes that are no certificate', () => Uint8Array.of(1, 2, 3)],
    ['a name without an id', () => leaf('a device')],
    ['the usages of a service', () => leaf(`uuid:${deviceId}`, { profile: profiles.service })],
    ['an expired certificate', () => leaf(`uuid:${deviceId}`, { now: cloudTime - limits.pki.identityDays - 1000 })],
    ['a certificate from the future', () => leaf(`uuid:${deviceId}`, { now: cloudTime + 2 * limits.pki.backdate })],
  ];
  it.each(bad)('a session with %s', async (_, certificate) => {
    const { ask, token } = await subject();
    const answer = await ask(signUp(token()), cloudTime, { certificate: certificate() });
    expect(fault(answer)).toMatch(/^401 cloud.certificate/);
  });

  it('a token for another device, hub or issuer, an ended, a changed and no token', async () => {
    const { ask, issuer } = await subject();
    const about = { owner: owner.name, ownerId: owner.id, deviceId, audience: hubId };
    const give = (changes: object, now = cloudTime) => issuer.access({ ...about, ...changes }, now).token.reveal();
    const stranger = (await newIssuer()).access(about, cloudTime).token.reveal();
    const good = give({});
    const tokens = {
      'cloud.device-id': [give({ deviceId: hubId }), give({ deviceId: undefined })],
      'cloud.token': [
        give({ audience: deviceId }),
        stranger,
        give({}, cloudTime - limits.cloud.tokenLife - 1000),
        `${good.slice(0, -3)}AAA`,
        good.replace(/^[^.]*/, Buffer.from('{"alg":"none"}').toString('base64url')),
        'text',
        '',
      ],
    };
    for (const [code, list] of Object.entries(tokens)) {
      for (const token of list) {
        expect(fault(await ask(signUp(token)))).toMatch(`401 ${code}`);
        expect(fault(await ask(signIn(token)))).toMatch(`401 ${code}`);
      }
    }
    expect((await ask(signUp(good))).code).toBe(204);
  });

  it('a body about another device, another uid, another provider', async () => {
    const { ask, token } = await subject({ provider: 'plgd' });
    const body = { di: hubId, uid: owner.name, accesstoken: token(), login: true };
    expect(fault(await ask(post('/oic/sec/session', body)))).toMatch('401 cloud.device-id');
    expect(fault(await ask(post('/oic/sec/session', { ...body, di: deviceId, uid: 'x' })))).toMatch('401 cloud.token');
    expect(fault(await ask(post('/oic/sec/account', { accesstoken: token(), authprovider: 'x' })))).toMatch('401');
    expect((await ask(post('/oic/sec/account', { authcode: token(), authprovider: 'plgd' }))).code).toBe(204);
  });

  it('everybody for a while when the authorization server is away: 5.03, and the device repeats the step', async () => {
    const away = (): never => {
      throw failure('configure.token', {}, 'away');
    };
    const tokens = { verify: async () => away(), exchange: async () => away(), refresh: async () => away() };
    const { ask } = await subject({ tokens });
    expect(fault(await ask(signUp('x')))).toMatch(/^503/);
    expect(fault(await ask(signIn('x')))).toMatch(/^503/);
  });

  it('sessions beyond the bound', async () => {
    const { gateway, ask, token } = await subject();
    const sessions = Array.from({ length: limits.cloud.gatewaySessions }, () => ({ ...identitySession() }));
    for (const session of sessions) await ask(request('GET', '/x.plgd.dev/time'), cloudTime, session);
    expect(fault(await ask(signUp(token())))).toMatch(/^503 service.busy/);
    gateway.closed(sessions[0] ?? { certificate: undefined }, cloudTime);
    expect((await ask(signUp(token()))).code).toBe(204);
  });
});

describe('an arrival', () => {
  it('is confirmed once, with the token the device signed in with', async () => {
    const confirmed: string[] = [];
    const { gateway, ask, events, token } = await subject({
      confirm: async (id, accessToken) => {
        confirmed.push(`${id} ${accessToken.reveal()}`);
        return decided(undefined);
      },
    });
    const mine = token();
    await ask(signIn(mine));
    await gateway.settled();
    await ask(signIn(token()));
    await gateway.settled();
    expect(confirmed).toEqual([`${deviceId} ${mine}`]);
    expect(events.map(({ type }) => type)).toEqual(['online', 'confirmed']);
  });

  it('with another certificate is an arrival of its own: the device has been provisioned anew', async () => {
    const confirmed: string[] = [];
    const { gateway, ask, token } = await subject({
      confirm: async (id) => {
        confirmed.push(id);
        return decided(undefined);
      },
    });
    for (const session of [identitySession(), identitySession(), { certificate: leaf(`uuid:${deviceId}`) }]) {
      await ask(signIn(token()), cloudTime, session);
      await gateway.settled();
      gateway.closed(session, cloudTime);
    }
    expect(confirmed).toEqual([deviceId, deviceId]);
  });

  it('that could not be confirmed is confirmed when the device shows itself again', async () => {
    let calls = 0;
    const { gateway, ask, token } = await subject({
      confirm: async () => {
        calls++;
        if (calls === 1) throw new Error('no connection');
        return calls === 2 ? refused('service.busy', {}, '') : decided(undefined);
      },
    });
    expect((await ask(signIn(token()))).code).toBe(204);
    await gateway.settled();
    for (const confirmed of [false, true]) {
      await ask(post('/oic/rd', { links: [] }));
      await gateway.settled();
      expect(gateway.devices()).toMatchObject([{ confirmed }]);
    }
  });
});

const signUp = (token: string): IncomingRequest =>
  post('/oic/sec/account', { di: deviceId, authprovider: 'plgd', accesstoken: token, devicetype: 'device' });

const signIn = (token: string): IncomingRequest =>
  post('/oic/sec/session', { uid: owner.name, di: deviceId, accesstoken: token, login: true });

const signOut = (token: string): IncomingRequest =>
  post('/oic/sec/session', { uid: owner.name, di: deviceId, accesstoken: token, login: false });

interface Subject {
  readonly issuer: TokenIssuer;
  readonly gateway: ReturnType<typeof createGateway>;
  readonly session: GatewaySession;
  readonly events: GatewayEvent[];
  readonly ask: (request: IncomingRequest, now?: number, session?: GatewaySession) => Promise<OutgoingResponse>;
  /** A sign-up token as provisioning hands it out. */
  readonly token: () => string;
}

async function subject(deps: Partial<GatewayDeps> = {}): Promise<Subject> {
  const issuer = await newIssuer();
  const events: GatewayEvent[] = [];
  const gateway = createGateway({
    tokens: localGatewayTokens(issuer, hubId),
    onEvent: (event) => events.push(event),
    ...deps,
  });
  const session: GatewaySession = { ...identitySession() };
  const about = { owner: owner.name, ownerId: owner.id, deviceId, audience: hubId };
  return {
    issuer,
    gateway,
    session,
    events,
    ask: (asked, now = cloudTime, from = session) => gateway.handle(from, asked, now),
    token: () => issuer.access(about, cloudTime).token.reveal(),
  };
}
