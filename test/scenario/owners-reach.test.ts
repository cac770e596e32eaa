import { mkdir, writeFile } from 'node:fs/promises';
import { createServer, get, type IncomingMessage, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { createAllocationWebhook } from '../../src/cloud/allocation-webhook.ts';
import { responseOf } from '../../src/cloud/bounded-fetch.ts';
import { createRevocationLists } from '../../src/cloud/revocation-lists.ts';
import { createTokenSource } from '../../src/cloud/tokens.ts';
import { encodeCertificates } from '../../src/codec/pem.ts';
import { systemTimers } from '../../src/core/clock.ts';
import { FirstbootError } from '../../src/core/errors.ts';
import { silentLog } from '../../src/core/log.ts';
import { ownerView } from '../../src/operator/owner-view.ts';
import { owners, startTestApi, type TestApi, type TokenName } from '../support/api.ts';
import { makeIdentities } from '../support/identities.ts';
import { someActor } from '../support/operator-bench.ts';
import { someDevice, someUuid } from '../support/store-records.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

const timers = systemTimers;
const { anchors } = makeIdentities(Date.now());

/** What nobody but this machine reaches: it takes every question, and answers as `answers` says. */
let server: Server;
let port: number;
let asked: string[] = [];
let answers: RequestListener;

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let api: TestApi;
let made = 0;

beforeAll(async () => {
  server = createServer((request, response) => {
    asked.push(`${request.method} ${request.url}`);
    answers(request, response);
  });
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
  ({ port } = server.address() as AddressInfo);
  folder = await temporaryFolder();
  await mkdir(join(folder.path, owners.acme));
  for (const whose of ['', owners.acme]) await writeFile(join(folder.path, whose, 'oauth'), 'secret\n');
  api = await startTestApi({ secretsFolder: folder.path });
});

afterAll(async () => {
  await api.close();
  server.closeAllConnections();
  server.close();
  await folder.remove();
});

beforeEach(() => {
  asked = [];
  answers = (_, response) => response.writeHead(500).end();
});

const inside = (path: string, host = '127.0.0.1'): string => `http://${host}:${port}/${path}`;

async function newHub(who: TokenName, more: object = {}): Promise<string> {
  const { status, body } = await api.as(who).post('/hubs', {
    id: someUuid(5_000 + made),
    name: `hub ${made++}`,
    gateways: ['coaps+tcp://hub.example:5684'],
    ...more,
  });
  expect(status, JSON.stringify(body)).toBe(201);
  return body.result.id;
}

const groupWith = (hub: string, more: object): object => ({
  name: `group ${made++}`,
  owner: owners.acme,
  hubs: [hub],
  pins: [made.toString(16).padStart(64, '0')],
  ...more,
});

async function newGroup(who: TokenName, hub: string, more: object): Promise<string> {
  const { status, body } = await api.as(who).post('/groups', groupWith(hub, more));
  expect(status, JSON.stringify(body)).toBe(201);
  return body.result.id;
}

async function rewrite(who: TokenName, id: string, changes: object): Promise<void> {
  const { body } = await api.as(who).get(`/groups/${id}`);
  const { ownerId: _, source: _source, revision: _revision, ...written } = body.group;
  expect(await api.as(who).put(`/groups/${id}`, { ...written, ...changes })).toMatchObject({ status: 200 });
}

const allocating = (path: string, host?: string) => ({ allocation: { webhook: { url: inside(path, host) } } });

const codeOf = async (work: Promise<unknown>): Promise<string> => {
  try {
    await work;
    return 'reached';
  } catch (error) {
    if (!(error instanceof FirstbootError)) throw error;
    return `${error.code} ${error.evidence.reason ?? error.evidence.problem ?? error.evidence.status}`;
  }
};

describe('the allocation webhook of a group', () => {
  let hub: string;
  beforeAll(async () => {
    hub = await newHub('admin');
  });
  beforeEach(() => {
    answers = (_, response) => response.end(JSON.stringify({ hub }));
  });

  const allocate = async (id: string, ownersReachPrivate?: boolean): Promise<string> => {
    const group = await api.store.groups.get(id);
    if (!group) throw new Error('the group is there');
    const device = someDevice(1, { deviceId: someUuid(2) });
    return codeOf(createAllocationWebhook({ timers, ownersReachPrivate }).hubFor({ group, device }, timers.now()));
  };
  const refused = 'configure.allocation unreachable';

  it.each(['127.0.0.1', 'localhost', '2130706433', '[::ffff:127.0.0.1]'])(
    'that an owner has written does not reach %s, and says of it what it says of nobody there',
    async (host) => {
      const id = await newGroup('acmeAdmin', hub, allocating('hub', host));
      expect([await allocate(id), asked]).toEqual([refused, []]);
      const nobody = await newGroup('acmeAdmin', hub, { allocation: { webhook: { url: 'http://127.0.0.1:1/' } } });
      expect(await allocate(nobody)).toBe(refused);
    },
  );

  it('does, where owners may reach what the service reaches, and when an admin of everything has written it', async () => {
    const owned = await newGroup('acmeAdmin', hub, allocating('hub'));
    expect([await allocate(owned, true), asked]).toEqual(['reached', ['POST /hub']]);
    const given = await newGroup('admin', hub, allocating('given'));
    expect([await allocate(given), asked.at(-1)]).toEqual(['reached', 'POST /given']);
  });

  it('stays whose it was when the group is written again by somebody else', async () => {
    const owned = await newGroup('acmeAdmin', hub, allocating('owned'));
    await rewrite('admin', owned, { name: `seen ${made++}` });
    expect(await allocate(owned)).toBe(refused);
    await rewrite('admin', owned, allocating('approved'));
    expect(await allocate(owned)).toBe('reached');
    await rewrite('acmeAdmin', owned, { name: `mine ${made++}` });
    expect(await allocate(owned)).toBe('reached');
    expect((await api.as('acmeAdmin').post(`/groups/${owned}/disable`)).status).toBe(200);
    await rewrite('acmeAdmin', owned, allocating('elsewhere'));
    expect(await allocate(owned)).toBe(refused);
    expect(asked).toEqual(['POST /approved', 'POST /approved']);
  });

  it('is known for an owner’s whatever comes from that owner into the store', async () => {
    const id = await newGroup('acmeAdmin', hub, allocating('hub'));
    const group = await api.store.groups.get(id);
    if (!group) throw new Error('the group is there');
    const audit = { at: 0, actor: someActor, action: 'group.update', target: 'group', detail: {} };
    const view = ownerView(api.store, owners.acme);
    expect(await view.commit({ groups: [{ ...group, ownersUrls: undefined }], audit })).toBe(true);
    expect(await allocate(id)).toBe(refused);
  });
});

describe('the authorization server of a hub', () => {
  const tokenOf = async (id: string, ownersReachPrivate?: boolean): Promise<string> => {
    const hub = await api.store.hubs.get(id);
    if (!hub) throw new Error('the hub is there');
    const owner = { id: owners.acme, name: 'acme' };
    const source = createTokenSource({ timers, ownersReachPrivate });
    return codeOf(source.accessToken({ hub, owner, deviceId: someUuid(3) }, timers.now()));
  };
  const oauth = (path = '') => ({ oauth: { authority: inside(path), clientId: 'c', clientSecretFile: 'oauth' } });

  it('is not reached on a private network for a hub that an owner has made, whoever changes it', async () => {
    const id = await newHub('acmeAdmin', oauth());
    expect([await tokenOf(id), asked]).toEqual(['configure.token unreachable', []]);
    const { body } = await api.as('admin').get(`/hubs/${id}`);
    const { ownerId: _, source: _source, revision: _revision, ...written } = body.hub;
    const changed = await api.as('admin').put(`/hubs/${id}`, { ...written, ...oauth('other') });
    expect(changed.status, changed.text).toBe(200);
    expect([await tokenOf(id), asked]).toEqual(['configure.token unreachable', []]);
  });

  it('is, where owners may reach what the service reaches, and for a hub of everybody', async () => {
    for (const [who, anywhere] of [
      ['acmeAdmin', true],
      ['admin', false],
    ] as const) {
      asked = [];
      await tokenOf(await newHub(who, oauth()), anywhere);
      expect(asked).toEqual(['GET /.well-known/openid-configuration']);
    }
  });
});

describe('a secret that an admin of everything has given', () => {
  const named = (path: string) => ({ webhook: { url: `https://alloc.example/${path}`, secretFile: 'given' } });
  beforeAll(() => writeFile(join(folder.path, 'given'), 'not the owner’s\n'));

  const change = async (kind: 'groups' | 'hubs', id: string, changes: object, query = '') => {
    const acme = api.as('acmeAdmin');
    const { body } = await acme.get(`/${kind}/${id}`);
    const answer = await acme.put(`/${kind}/${id}${query}`, { ...body[kind.slice(0, -1)], ...changes });
    return [answer.status, answer.problem?.code];
  };
  const [good, refused] = [
    [200, undefined],
    [403, 'api.forbidden'],
  ];

  it('goes with a group of an owner to where that admin sends it, and to no other webhook', async () => {
    const id = await newGroup('admin', await newHub('admin'), { allocation: named('hub') });
    expect(await change('groups', id, { allocation: named('other') })).toEqual(refused);
    expect(await change('groups', id, { allocation: named('other') }, '?dryRun=true')).toEqual(refused);
    expect(await change('groups', id, { name: `mine ${made++}`, allocation: named('hub') })).toEqual(good);
    const own = { webhook: { ...named('other').webhook, secretFile: 'oauth' } };
    expect(await change('groups', id, { allocation: own })).toEqual(good);
    expect(await change('groups', id, { allocation: named('hub') })).toEqual([400, 'operator.input']);
    expect((await api.store.groups.get(id))?.allocation).toMatchObject({
      secretFile: join(folder.path, owners.acme, 'oauth'),
    });
  });

  it('goes with a hub of an owner to no other authorization server, over the paths of plgd neither', async () => {
    const oauth = { authority: 'https://auth.example', clientId: 'c', clientSecretFile: 'oauth' };
    const id = await newHub('acmeAdmin', { oauth });
    const { body } = await api.as('admin').get(`/hubs/${id}`);
    const given = { ...oauth, clientSecretFile: 'given' };
    expect((await api.as('admin').put(`/hubs/${id}`, { ...body.hub, oauth: given })).status).toBe(200);
    expect(await change('hubs', id, { name: `mine ${made++}` })).toEqual(good);
    expect(await change('hubs', id, { oauth: { ...given, authority: 'https://evil.example' } })).toEqual(refused);
    expect(await change('hubs', id, { oauth: { ...given, scopes: ['everything'] } })).toEqual(refused);
    const provider = { name: 'plgd', authority: 'https://evil.example', clientId: 'c', clientSecret: '' };
    const message = { hubId: id, gateways: ['hub.example:5684'], authorization: { provider } };
    const plgd = await api.as('acmeAdmin').put(`//device-provisioning-service/api/v1/hubs/${id}`, message);
    expect(plgd.status).toBe(403);
    expect(await change('hubs', id, { oauth: { ...oauth, authority: 'https://other.example' } })).toEqual(good);
  });
});

describe('the revocation lists of a group', () => {
  const fetched = async (ids: readonly string[], ownersReachPrivate?: boolean): Promise<readonly string[]> => {
    asked = [];
    const rows = await Promise.all(ids.map((id) => api.store.groups.get(id)));
    const groups = () => rows.flatMap((row) => row ?? []);
    const changed = async () => undefined;
    const { store } = api;
    const lists = createRevocationLists({ store, groups, changed, timers, log: silentLog, ownersReachPrivate });
    await lists.refresh();
    await lists.stop();
    return asked;
  };
  const listing = { anchors: [encodeCertificates(anchors)], crls: [] as string[] };

  it('that an owner names are not fetched from a private network, unless an admin names them as well', async () => {
    const hub = await newHub('admin');
    const owned = await newGroup('acmeAdmin', hub, { ...listing, crls: [inside('crl')] });
    expect(await fetched([owned])).toEqual([]);
    expect((await api.store.crls.list()).map(({ error }) => error)).toEqual(['the server cannot be used: unreachable']);
    expect(await fetched([owned], true)).toEqual(['GET /crl']);
    const given = await newGroup('admin', hub, { ...listing, crls: [inside('crl')] });
    expect(await fetched([owned, given])).toEqual(['GET /crl']);
  });
});

it('a revocation list that an admin names is no webhook of an owner’s, and stays a list', async () => {
  const hub = await newHub('admin');
  const crls = [inside('crl')];
  const id = await newGroup('admin', hub, { anchors: [encodeCertificates(anchors)], crls });
  await rewrite('acmeAdmin', id, allocating('crl'));
  const group = await api.store.groups.get(id);
  if (!group) throw new Error('the group is there');
  const device = someDevice(1, { deviceId: someUuid(2) });
  expect(await codeOf(createAllocationWebhook({ timers }).hubFor({ group, device }, timers.now()))).toBe(
    'configure.allocation unreachable',
  );
  const { store } = api;
  const changed = async () => undefined;
  const lists = createRevocationLists({ store, groups: () => [group], changed, timers, log: silentLog });
  await lists.refresh();
  await lists.stop();
  expect(asked).toEqual(['GET /crl']);
});

describe('the answer of a public server', () => {
  const answered = (listener: RequestListener): Promise<Response> => {
    answers = listener;
    return new Promise<IncomingMessage>((resolve, reject) => get(inside(''), resolve).on('error', reject)).then(
      responseOf,
    );
  };

  it('is what fetch would give', async () => {
    const response = await answered((_, to) => {
      to.writeHead(201, { etag: '"1"', 'x-twice': ['a', 'b'] });
      to.write('in ');
      to.end('parts');
    });
    expect([response.status, response.headers.get('etag'), response.headers.get('x-twice')]).toEqual([
      201,
      '"1"',
      'a, b',
    ]);
    expect(await response.text()).toBe('in parts');
  });

  it.each([204, 304])('has no body when its status is %s', async (status) => {
    const response = await answered((_, to) => to.writeHead(status, { etag: '"2"' }).end());
    expect([response.status, response.body, response.headers.get('etag')]).toEqual([status, null, '"2"']);
  });

  it('breaks where it is cut off', async () => {
    const response = await answered((_, to) => {
      to.writeHead(200, { 'content-length': '100' });
      to.write('some', () => to.destroy());
    });
    await expect(response.text()).rejects.toThrow();
  });
});
