import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { IncomingRequest, Method } from '../../src/coap/endpoint.ts';
import { type CborValue, encodeCbor } from '../../src/codec/cbor.ts';
import { noBytes } from '../../src/core/bytes.ts';
import type { Caller } from '../../src/device/access.ts';
import { DeviceResources } from '../../src/device/resources/device-resources.ts';
import type { ResourceHost } from '../../src/device/resources/resource.ts';
import { deviceStatus, lastErrors } from '../../src/device/status.ts';

const owner = '5c4b3a29-1807-4f6e-8d5c-4b3a29180700';
const calls: unknown[] = [];
const host: ResourceHost = {
  state: {
    deviceId: owner,
    key: '',
    endpoints: [{ uri: 'coaps://a:1' }],
    selected: 0,
    owner,
    acl: [{ permission: 2, subject: { conntype: 'anon-clear' }, resources: [{ href: '/oic/res' }] }],
  },
  status: deviceStatus(1, lastErrors.ok),
  name: 'device',
  platformId: owner,
  now: () => 0,
  onStatus: () => () => undefined,
  forceReprovision: () => calls.push('run'),
  setEndpoints: (endpoints) => calls.push(endpoints),
};

const names = ['oic', 'res', 'd', 'sec', 'cred', 'plgd', 'dps', 'light', '1', 'a/b', '', '__proto__', 'constructor'];
const path = fc.oneof(
  fc.constantFrom(['oic', 'res'], ['plgd', 'dps'], ['light', '1'], ['oic', 'd']),
  fc.array(fc.oneof(fc.constantFrom(...names), fc.string({ maxLength: 8 })), { maxLength: 4 }),
);
const query = fc.array(
  fc.oneof(fc.constantFrom('if=oic.if.rw', 'if=oic.if.baseline', 'rt=core.light', 'if=', 'rt='), fc.string()),
  { maxLength: 3 },
);
const value: fc.Arbitrary<CborValue> = fc.oneof(
  fc.boolean(),
  fc.integer(),
  fc.double(),
  fc.string(),
  fc.constantFrom('', 'coaps://b:2', 'http://x', 'coaps://'),
  fc.array(fc.record({ uri: fc.oneof(fc.string(), fc.constant('coaps://c:3')), name: fc.string() }), { maxLength: 20 }),
);
const body = fc.dictionary(
  fc.constantFrom('forceReprovision', 'endpoint', 'endpointName', 'endpoints', 'state', 'power', 'other'),
  value,
);
const payload = fc.oneof(
  body.map((map) => encodeCbor(map)),
  fc.uint8Array({ maxLength: 64 }),
);

const request = fc
  .record({
    method: fc.constantFrom<Method>('GET', 'POST', 'PUT', 'DELETE', 'FETCH', 'PATCH', 'iPATCH'),
    path,
    query,
    payload,
    contentFormat: fc.constantFrom(undefined, 0, 50, 60, 10000),
    accept: fc.constantFrom(undefined, 0, 50, 60, 10000),
  })
  .map((parts): IncomingRequest => ({ ...parts, options: [], confirmable: true, token: noBytes }));

describe('whatever is asked of the device', () => {
  const friend: Caller = { subject: { kind: 'uuid', uuid: owner }, connection: 'auth-crypt' };
  const everything: ResourceHost = {
    ...host,
    state: { ...host.state, acl: [{ permission: 31, subject: { uuid: owner }, resources: [{ wc: '*' }] }] },
  };

  it('it answers with a code that plgd has, and never with a fault of its own', () => {
    const resources = new DeviceResources(everything);
    fc.assert(
      fc.property(request, (asked) => {
        const { response } = resources.answer(asked, friend);
        expect([204, 205, 400, 401, 404, 405, 406, 415]).toContain(response.code);
      }),
      { seed: 1, numRuns: 1000 },
    );
  });

  it('a stranger gets nothing but what its entry says, and changes nothing', () => {
    const resources = new DeviceResources(host);
    fc.assert(
      fc.property(request, (asked) => {
        const { response, afterwards } = resources.answer(asked, {
          subject: { kind: 'anonymous' },
          connection: 'anon-clear',
        });
        const open = asked.path.join('/') === 'oic/res' && (asked.method === 'GET' || asked.method === 'FETCH');
        if (!open) expect(response.code).toBe(401);
        expect(afterwards).toBeUndefined();
      }),
      { seed: 1, numRuns: 500 },
    );
    expect(calls).toEqual([]);
    expect(resources.light).toMatchObject({ state: false, power: 0 });
  });
});
