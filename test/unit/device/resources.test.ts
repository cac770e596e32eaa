import { beforeEach, describe, expect, it } from 'vitest';
import type { IncomingRequest, OutgoingResponse } from '../../../src/coap/endpoint.ts';
import { optionNumber, uintOf, uintOption } from '../../../src/coap/options.ts';
import { type CborMap, type CborValue, decodeCbor, encodeCbor } from '../../../src/codec/cbor.ts';
import { fromUtf8, noBytes, utf8 } from '../../../src/core/bytes.ts';
import { type Caller, stranger } from '../../../src/device/access.ts';
import { DeviceResources, publishedLinks, type Visitor } from '../../../src/device/resources/device-resources.ts';
import type { ResourceHost } from '../../../src/device/resources/resource.ts';
import type { DeviceState, Endpoint } from '../../../src/device/state.ts';
import { type DeviceStatus, deviceStatus, lastErrors, progressFlags } from '../../../src/device/status.ts';

const deviceId = '0a1b2c3d-4e5f-4a6b-8c7d-9e0f1a2b3c4d';
const platformId = '99999999-2222-4333-8444-555555555555';
const owner = '5c4b3a29-1807-4f6e-8d5c-4b3a29180700';

/** A device without a network behind it; what was asked of it is in `calls`. */
class FakeHost implements ResourceHost {
  state: DeviceState = {
    deviceId,
    key: 'private key',
    endpoints: [{ uri: 'coaps://dps.example:20030', name: 'first' }],
    selected: 0,
    clockOffset: 3_600_000,
    owner,
    acl: [
      { permission: 31, subject: { uuid: owner }, resources: [{ wc: '*' }], tag: 'dps' },
      { permission: 2, subject: { conntype: 'anon-clear' }, resources: [{ href: '/oic/res' }], tag: 'dps' },
    ],
    credentials: {
      trustAnchors: ['anchor PEM'],
      identity: 'identity PEM',
      validFrom: 0,
      validTo: 1,
      psks: [{ subject: owner, key: 'c2VjcmV0' }],
    },
  };
  status = deviceStatus(progressFlags.initialized, lastErrors.ok);
  readonly name = 'device-1';
  readonly platformId = platformId;
  readonly calls: unknown[] = [];
  readonly listeners = new Set<(status: DeviceStatus) => void>();
  now = (): number => Date.UTC(2026, 5, 1);
  onStatus(listener: (status: DeviceStatus) => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }
  forceReprovision(): void {
    this.calls.push('forceReprovision');
  }
  setEndpoints(endpoints: readonly Endpoint[]): void {
    this.calls.push(endpoints);
  }
  becomes(progress: number): void {
    this.status = deviceStatus(progress, lastErrors.ok);
    for (const listener of [...this.listeners]) listener(this.status);
  }
}

let host: FakeHost;
let resources: DeviceResources;
let visitor: Visitor;
let answers: OutgoingResponse[];
let notifications: { readonly id: number; readonly response: OutgoingResponse }[];
let lastId: number;
beforeEach(() => {
  host = new FakeHost();
  resources = new DeviceResources(host);
  visitor = visit({ subject: { kind: 'uuid', uuid: owner }, connection: 'auth-crypt' });
  lastId = 0;
});

function visit(caller: Caller): Visitor {
  answers = [];
  notifications = [];
  return resources.visit(caller, {
    respond: (_, response) => answers.push(response),
    notify: (id, response) => notifications.push({ id, response }),
  });
}

function request(method: 'GET' | 'POST' | 'PUT' | 'DELETE', uri: string, more: Partial<IncomingRequest> = {}) {
  const [path = '', query] = uri.split('?');
  const incoming: IncomingRequest = {
    method,
    path: path.split('/').slice(1),
    query: query?.split('&') ?? [],
    payload: noBytes,
    contentFormat: undefined,
    accept: undefined,
    options: [],
    confirmable: true,
    token: noBytes,
    ...more,
  };
  visitor.request(++lastId, incoming);
  const answer = answers.at(-1);
  if (!answer) throw new Error('no answer');
  return answer;
}

const body = ({ payload = noBytes }: OutgoingResponse): CborValue => decodeCbor(payload);
const get = (uri: string): CborMap => body(request('GET', uri)) as CborMap;
const post = (uri: string, content: CborValue) =>
  request('POST', uri, { payload: encodeCbor(content), contentFormat: 10000 });

describe('/oic/res', () => {
  const links = (uri: string) => body(request('GET', uri)) as unknown as readonly CborMap[];
  const hrefs = (uri: string) => links(uri).map(({ href }) => href);

  it('lists what can be found, with types, interfaces, and where: the public ones also without security', () => {
    resources.endpoints = ['coap://127.0.0.1:5683', 'coaps://127.0.0.1:5684'];
    const found = links('/oic/res');
    expect(found.find(({ href }) => href === '/oic/d')).toEqual({
      anchor: `ocf://${deviceId}`,
      href: '/oic/d',
      rt: ['oic.d.cloudDevice', 'oic.wk.d'],
      if: ['oic.if.r', 'oic.if.baseline'],
      p: { bm: 1 },
      eps: [{ ep: 'coap://127.0.0.1:5683' }, { ep: 'coaps://127.0.0.1:5684' }],
    });
    expect(found.find(({ href }) => href === '/plgd/dps')).toMatchObject({
      p: { bm: 3 },
      eps: [{ ep: 'coaps://127.0.0.1:5684' }],
    });
    expect(found.find(({ href }) => href === '/oic/res')).toMatchObject({ rel: 'self' });
    expect(found.map(({ href }) => href)).not.toContain('/oic/sec/cred');
  });

  it('filters by resource type', () => {
    expect(hrefs('/oic/res?rt=core.light')).toEqual(['/light/1']);
    expect(hrefs('/oic/res?rt=oic.wk.d')).toEqual(['/oic/d']);
    expect(hrefs('/oic/res?if=oic.if.ll&rt=x.plgd.dps.conf')).toEqual(['/plgd/dps']);
    expect(hrefs('/oic/res?rt=unheard.of')).toEqual([]);
  });

  it('is wrapped with its own type by the baseline interface', () => {
    expect(links('/oic/res?if=oic.if.baseline')).toMatchObject([
      { rt: ['oic.wk.res'], if: ['oic.if.ll', 'oic.if.b', 'oic.if.baseline'], links: expect.any(Array) },
    ]);
  });

  it('by the batch interface has the resources themselves, those that the caller may read', () => {
    const batch = links('/oic/res?if=oic.if.b');
    expect(batch.find(({ href }) => href === `ocf://${deviceId}/light/1`)?.rep).toMatchObject({
      state: false,
      power: 0,
    });
    visitor = visit(stranger);
    expect(hrefs('/oic/res?if=oic.if.b')).toEqual([]);
  });

  it('has the published links, those of the device, its platform, its provisioning and its light', () => {
    expect(publishedLinks.map(({ href }) => href)).toEqual(['/oic/d', '/oic/p', '/plgd/dps', '/light/1']);
    expect(new Set(publishedLinks.map(({ instance }) => instance)).size).toBe(publishedLinks.length);
  });
});

describe('the core resources', () => {
  it('/oic/d and /oic/p tell who the device is', () => {
    expect(get('/oic/d')).toMatchObject({ n: 'device-1', di: deviceId, piid: platformId, icv: 'ocf.2.2.5' });
    expect(get('/oic/d')).not.toHaveProperty('rt');
    expect(get('/oic/d?if=oic.if.baseline')).toMatchObject({ rt: ['oic.d.cloudDevice', 'oic.wk.d'] });
    expect(get('/oic/p')).toEqual({ pi: platformId, mnmn: 'firstboot' });
  });

  it('/x.plgd.dev/time tells the time that the service told', () => {
    visitor = visit({ subject: { kind: 'uuid', uuid: owner }, connection: 'auth-crypt' });
    expect(get('/x.plgd.dev/time')).toEqual({ time: '2026-06-01T01:00:00.000Z' });
  });

  it('/oic/sec/doxm tells whose the device is, before and after it has an owner', () => {
    expect(get('/oic/sec/doxm')).toMatchObject({
      deviceuuid: deviceId,
      devowneruuid: owner,
      rowneruuid: owner,
      owned: true,
      oxmsel: 0xff01,
      sct: 9,
    });
    host.state = { deviceId, key: '', endpoints: [], selected: 0 };
    visitor = visit(stranger);
    expect(get('/oic/sec/doxm')).toMatchObject({ owned: false, devowneruuid: '00000000-0000-0000-0000-000000000000' });
  });

  it('/oic/sec/cred lists the credentials, and nothing private of them', () => {
    const answer = request('GET', '/oic/sec/cred');
    expect(body(answer)).toEqual({
      creds: [
        { credid: 1, credtype: 1, subjectuuid: owner, tag: 'dps' },
        {
          credid: 2,
          credtype: 8,
          subjectuuid: deviceId,
          credusage: 'oic.sec.cred.cert',
          publicdata: { data: 'identity PEM', encoding: 'oic.sec.encoding.pem' },
          tag: 'dps',
        },
        {
          credid: 3,
          credtype: 8,
          subjectuuid: '*',
          credusage: 'oic.sec.cred.trustca',
          publicdata: { data: 'anchor PEM', encoding: 'oic.sec.encoding.pem' },
          tag: 'dps',
        },
      ],
      rowneruuid: owner,
    });
    const bytes = Buffer.from(answer.payload ?? noBytes);
    for (const secret of ['secret', 'c2VjcmV0', 'private key']) expect(bytes.includes(secret)).toBe(false);
  });

  it('/oic/sec/acl2 lists the entries', () => {
    expect(get('/oic/sec/acl2')).toMatchObject({
      aclist2: [
        { aceid: 1, subject: { uuid: owner }, permission: 31, resources: [{ wc: '*' }], tag: 'dps' },
        { aceid: 2 },
      ],
      rowneruuid: owner,
    });
  });
});

describe('/plgd/dps', () => {
  it('tells status and endpoint, by the baseline interface unless asked otherwise', () => {
    const status = { lastErrorCode: 0, provisionStatus: 'initialized' };
    const settings = { endpoint: 'coaps://dps.example:20030', endpointName: 'first', forceReprovision: false };
    const common = { rt: ['x.plgd.dps.conf'], if: ['oic.if.baseline', 'oic.if.r', 'oic.if.rw'] };
    expect(get('/plgd/dps')).toEqual({ ...common, ...status, ...settings });
    expect(get('/plgd/dps?if=oic.if.r')).toEqual({ ...status, ...settings });
    expect(get('/plgd/dps?if=oic.if.rw')).toEqual(settings);
  });

  it('lists the endpoints when there is more than one, and has an empty one when there is none', () => {
    host.state = { ...host.state, endpoints: [{ uri: 'coaps://a:1' }, { uri: 'coaps://b:2', name: 'b' }], selected: 1 };
    expect(get('/plgd/dps?if=oic.if.rw')).toEqual({
      endpoint: 'coaps://b:2',
      endpointName: 'b',
      endpoints: [
        { uri: 'coaps://a:1', name: '' },
        { uri: 'coaps://b:2', name: 'b' },
      ],
      forceReprovision: false,
    });
    host.state = { ...host.state, endpoints: [], selected: 0 };
    expect(get('/plgd/dps?if=oic.if.rw')).toEqual({ endpoint: '', endpointName: '', forceReprovision: false });
  });

  it.each<[string, CborMap, unknown]>([
    ['a full run', { forceReprovision: true }, 'forceReprovision'],
    ['another service', { endpoint: 'coaps://b:2', endpointName: 'b' }, [{ uri: 'coaps://b:2', name: 'b' }]],
    [
      'several',
      { endpoint: 'coaps://b:2', endpoints: [{ uri: 'coaps://c:3', name: 'c' }, { uri: 'coaps://b:2' }] },
      [{ uri: 'coaps://b:2' }, { uri: 'coaps://c:3', name: 'c' }],
    ],
    ['a factory reset', { endpoint: '' }, []],
  ])('is asked for %s', (_, content, call) => {
    expect(post('/plgd/dps', content).code).toBe(204);
    expect(host.calls).toEqual([call]);
  });

  it.each<[CborValue]>([
    [{}],
    [{ forceReprovision: false }],
    [{ forceReprovision: 'yes' }],
    [{ unheard: 1 }],
    [{ endpoint: 5 }],
    [{ endpoint: 'http://x' }],
    [{ endpoint: 'coaps://b:2', endpointName: 5 }],
    [{ endpoint: 'coaps://b:2', endpoints: 'c' }],
    [{ endpoint: 'coaps://b:2', endpoints: [5] }],
    [{ endpoint: 'coaps://b:2', endpoints: Array.from({ length: 16 }, (_, at) => ({ uri: `coaps://x:${at + 1}` })) }],
    [[]],
  ])('answers 4.00 to %j, and does nothing', (content) => {
    expect(post('/plgd/dps', content).code).toBe(400);
    expect(host.calls).toEqual([]);
  });

  it('does what it is asked once the answer is on its way: it may end the session', () => {
    let order: string[] = [];
    host.forceReprovision = () => order.push('run');
    visitor = resources.visit(
      { subject: { kind: 'uuid', uuid: owner }, connection: 'auth-crypt' },
      { respond: (_, response) => order.push(`${response.code}`) && answers.push(response), notify: () => undefined },
    );
    post('/plgd/dps', { forceReprovision: true });
    expect(order).toEqual(['204', 'run']);
    order = [];
  });

  it('cannot be written through its read-only interface', () => {
    expect(post('/plgd/dps?if=oic.if.r', { forceReprovision: true }).code).toBe(405);
    expect(host.calls).toEqual([]);
  });
});

describe('observing', () => {
  const observe = { options: [uintOption(optionNumber.observe, 0)] };

  it('/plgd/dps hears of every change of the status, until the observation or the session ends', () => {
    expect(request('GET', '/plgd/dps?if=oic.if.r', observe).observe).toBe(true);
    request('GET', '/plgd/dps?if=oic.if.r', observe);
    host.becomes(progressFlags.getTime);
    expect(notifications.map(({ id, response }) => [id, (body(response) as CborMap).provisionStatus])).toEqual([
      [1, 'provisioning time'],
      [2, 'provisioning time'],
    ]);
    visitor.unobserved(1);
    host.becomes(progressFlags.hasTime);
    expect(notifications).toHaveLength(3);
    visitor.close();
    expect(host.listeners.size).toBe(0);
  });

  it('/light/1 hears of changes only', () => {
    request('GET', '/light/1', observe);
    expect(post('/light/1', { state: false }).code).toBe(204);
    expect(notifications).toEqual([]);
    expect(post('/light/1', { state: true, power: 7 }).code).toBe(204);
    expect(notifications.map(({ response }) => body(response))).toEqual([{ state: true, power: 7 }]);
  });

  it('ends with 4.01 when the right to read is taken away', () => {
    request('GET', '/plgd/dps', observe);
    host.state = { ...host.state, acl: [] };
    host.becomes(progressFlags.getTime);
    host.becomes(progressFlags.hasTime);
    expect(notifications.map(({ response }) => response.code)).toEqual([401]);
    expect(host.listeners.size).toBe(0);
  });

  it('is not offered by what does not change, nor after a refusal, and a cancellation is a plain read', () => {
    expect(request('GET', '/oic/d', observe).observe).toBeUndefined();
    expect(request('GET', '/plgd/dps', { options: [uintOption(optionNumber.observe, 1)] }).observe).toBeUndefined();
    visitor = visit(stranger);
    expect(request('GET', '/plgd/dps', observe)).toMatchObject({ code: 401 });
    expect(host.listeners.size).toBe(0);
  });
});

describe('a request', () => {
  it('that no entry allows is refused before anything is looked up', () => {
    visitor = visit(stranger);
    for (const uri of ['/plgd/dps', '/light/1', '/oic/sec/cred', '/nothing/here']) {
      expect({ uri, code: request('GET', uri).code }).toEqual({ uri, code: 401 });
    }
    expect(post('/plgd/dps', { forceReprovision: true }).code).toBe(401);
    expect(host.calls).toEqual([]);
  });

  it.each([
    ['GET', '/nothing/here', 404],
    ['PUT', '/light/1', 405],
    ['DELETE', '/light/1', 405],
    ['POST', '/oic/d', 405],
    ['GET', '/light/1?if=oic.if.unheard', 400],
    ['GET', '/oic/d?if=oic.if.rw', 400],
  ] as const)('%s %s is answered with %d', (method, uri, code) => {
    expect(request(method, uri).code).toBe(code);
  });

  it('to a path with a slash inside of a segment finds nothing', () => {
    expect(request('GET', '/x', { path: ['light/1'] }).code).toBe(404);
  });

  it('is answered in the format it accepts, and with the version of OCF if it speaks of versions', () => {
    expect(request('GET', '/light/1')).toMatchObject({ code: 205, contentFormat: 10000, options: [] });
    const versioned = request('GET', '/light/1', { accept: 10000, options: [uintOption(2049, 2048)] });
    expect(uintOf(versioned.options ?? [], 2053)).toBe(2048);
    expect(request('GET', '/light/1', { accept: 60 })).toMatchObject({ contentFormat: 60 });
    const json = request('GET', '/light/1', { accept: 50 });
    expect(JSON.parse(fromUtf8(json.payload ?? noBytes))).toEqual({ state: false, power: 0 });
    expect(request('GET', '/light/1', { accept: 0 }).code).toBe(406);
  });

  it('with a body that cannot be read is refused', () => {
    expect(request('POST', '/light/1', { payload: utf8('{}'), contentFormat: 50 }).code).toBe(415);
    expect(request('POST', '/light/1', { payload: utf8('{}'), contentFormat: 10000 }).code).toBe(400);
    expect(post('/light/1', { state: 'on' }).code).toBe(400);
    expect(post('/light/1', { power: 1.5 }).code).toBe(400);
  });

  it('with a fault is answered with it', () => {
    expect(request('GET', '/light/1', { fault: { code: 402, text: 'bad option' } })).toMatchObject({ code: 402 });
  });

  it('for what the device has no resource for goes to its application, if it may', () => {
    const asked: string[] = [];
    resources = new DeviceResources(host, ({ path }, subject) => {
      asked.push(`${path.join('/')} ${subject.kind}`);
      return path[0] === 'mine' ? { code: 204 } : undefined;
    });
    visitor = visit({ subject: { kind: 'uuid', uuid: owner }, connection: 'auth-crypt' });
    expect(request('GET', '/mine').code).toBe(204);
    expect(request('GET', '/yours').code).toBe(404);
    visitor = visit(stranger);
    expect(request('GET', '/mine').code).toBe(401);
    expect(asked).toEqual(['mine uuid', 'yours uuid']);
  });
});
