import { readFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { methodOf } from '../../../src/coap/code.ts';
import type { IncomingRequest, Method, OutgoingResponse } from '../../../src/coap/endpoint.ts';
import { decodeFrame } from '../../../src/coap/framing.ts';
import { optionNumber, uintOption } from '../../../src/coap/options.ts';
import { readRequest } from '../../../src/coap/request.ts';
import { type CborMap, type CborValue, decodeCbor, encodeCbor } from '../../../src/codec/cbor.ts';
import { decodeCertificates, encodePem } from '../../../src/codec/pem.ts';
import { fromHex, fromUtf8, noBytes, toHex } from '../../../src/core/bytes.ts';
import { type ErrorCode, errorTable, failure } from '../../../src/core/errors.ts';
import { limits } from '../../../src/core/limits.ts';
import { silentLog } from '../../../src/core/log.ts';
import { createOcfDialect } from '../../../src/dialects/ocf/dialect.ts';
import { parseCertificate } from '../../../src/pki/certificate.ts';
import { checkCsr, readCsr } from '../../../src/pki/csr.ts';
import type { ProvisioningSession } from '../../../src/provision/contract.ts';
import { ownerPskOf } from '../../../src/provision/owner-psk.ts';
import type { AceTemplate } from '../../../src/store/model.ts';
import {
  deviceEvidence,
  endSession,
  openPipeline,
  openSession,
  type Pipeline,
  testDevice,
  testHub,
  testIds,
  testStart,
} from '../../support/provisioning.ts';

/** See test/vectors/ocf/README.md: what the reference device sends, byte by byte. */
const vectors = JSON.parse(
  await readFile(new URL('../../vectors/ocf/plgd-device-requests.json', import.meta.url), 'utf8'),
) as readonly { readonly name: string; readonly session: number; readonly message: string }[];

const theDevice = '21565d33-acc1-44ce-5dd0-25c86cbd0bce';
const now = testStart + 123;
const dialect = createOcfDialect({ log: silentLog });

function sent(name: string): IncomingRequest {
  const frame = decodeFrame(fromHex(vectors.find((vector) => vector.name === name)?.message ?? ''));
  if (frame.type !== 'message') throw new Error(`${name}: ${frame.type}`);
  return readRequest(frame.message, methodOf(frame.message.code) ?? 'GET', true);
}

function request(
  changes: Partial<IncomingRequest> & { readonly method: Method; readonly at: string },
): IncomingRequest {
  return {
    path: changes.at.slice(1).split('/'),
    query: [],
    payload: noBytes,
    contentFormat: undefined,
    accept: undefined,
    options: [],
    confirmable: true,
    token: noBytes,
    ...changes,
  };
}

const post = (at: string, body: CborValue, changes: Partial<IncomingRequest> = {}): IncomingRequest =>
  request({ method: 'POST', at, payload: encodeCbor(body), contentFormat: 10000, ...changes });

const paths = {
  time: '/x.plgd.dev/time',
  ownership: '/api/v1/provisioning/ownership',
  cloud: '/api/v1/provisioning/cloud-configuration',
  credentials: '/api/v1/provisioning/credentials',
  acls: '/api/v1/provisioning/acls',
} as const;

let pipeline: Pipeline;

beforeAll(async () => {
  pipeline = await openPipeline();
});

afterAll(() => pipeline.close());

/** Each session is a millisecond later than the one before, so that attempts sort. */
let at = now;

const session = (index = 0): Promise<ProvisioningSession> =>
  openSession(pipeline, deviceEvidence(pipeline.pki, index), ++at);

async function ask(asked: IncomingRequest, index = 0): Promise<OutgoingResponse> {
  const open = await session(index);
  const response = await dialect.handle(open, asked, now);
  await endSession(open, at);
  return response;
}

const content = (response: OutgoingResponse): CborValue => decodeCbor(response.payload ?? noBytes);
const text = (response: OutgoingResponse): string => fromUtf8(response.payload ?? noBytes);

function expectRefusal(response: OutgoingResponse, code: ErrorCode): void {
  expect(text(response)).toBe(`${code}: ${errorTable[code].text}`);
  expect(response.code).toBe(errorTable[code].coap);
  expect(response.contentFormat).toBeUndefined();
  expect(response.options).toBeUndefined();
}

describe('the requests of the reference device', () => {
  test('time: a text in RFC 3339', async () => {
    const response = await ask(sent('time'));
    expect(response).toMatchObject({ code: 205, contentFormat: 10000 });
    // {"time": "2026-06-01T12:00:00.123Z"}
    expect(toHex(response.payload ?? noBytes)).toBe(
      `a16474696d657818${Buffer.from('2026-06-01T12:00:00.123Z').toString('hex')}`,
    );
    expect(response.options).toEqual([{ number: 2053, value: fromHex('0800') }]);
  });

  test('ownership: one key and no other', async () => {
    const response = await ask(sent('ownership'));
    expect(response).toMatchObject({ code: 205, contentFormat: 10000 });
    expect(toHex(response.payload ?? noBytes)).toBe(
      `a16c6465766f776e6572757569647824${Buffer.from(testIds.owner).toString('hex')}`,
    );
  });

  test('cloud-configuration: a default gateway that nobody knows is no error; keys in the order of the reference service', async () => {
    const response = await ask(sent('cloud-configuration'));
    expect(response).toMatchObject({ code: 204, contentFormat: 10000 });
    expect(Object.entries(content(response) as object)).toEqual([
      ['apn', 'plgd.dps'],
      ['cis', 'coaps+tcp://hub.example.com:5684'],
      ['at', `token-hub-1-${theDevice}`],
      ['sid', testIds.hub],
      [
        'x.org.iotivity.servers',
        [
          { id: testIds.hub, uri: 'coaps+tcp://hub.example.com:5684' },
          { id: testIds.hub, uri: 'coaps+tcp://hub2.example.com:5684' },
        ],
      ],
    ]);
  });

  test('credentials: its own request is signed by its own key, and answered with chain and anchor', async () => {
    const { payload } = sent('credentials');
    const body = decodeCbor(payload) as { csr: { data: string; encoding: string } };
    const der = new Uint8Array(Buffer.from(body.csr.data.replace(/-----[A-Z ]+-----|\n/g, ''), 'base64'));
    const csr = readCsr(der);
    expect(checkCsr(csr).ok).toBe(true);

    const response = await ask(sent('credentials'));
    expect(response).toMatchObject({ code: 204, contentFormat: 10000 });
    const { creds, ...rest } = content(response) as { creds: Record<string, CborValue>[] };
    expect(rest).toEqual({});
    expect(creds).toEqual([
      {
        credtype: 8,
        subjectuuid: theDevice,
        credusage: 'oic.sec.cred.cert',
        publicdata: { data: expect.any(String), encoding: 'oic.sec.encoding.pem' },
        tag: 'dps',
      },
      {
        credtype: 8,
        subjectuuid: testIds.owner,
        credusage: 'oic.sec.cred.trustca',
        publicdata: {
          data: encodePem('CERTIFICATE', pipeline.pki.authority.root.certificate.der),
          encoding: 'oic.sec.encoding.pem',
        },
        tag: 'dps',
      },
    ]);
    expect(creds.map((cred) => Object.keys(cred))).toEqual(
      Array(2).fill(['credtype', 'subjectuuid', 'credusage', 'publicdata', 'tag']),
    );
    const { publicdata } = creds[0] as { readonly publicdata: { readonly data: string } };
    const [leaf, intermediate, ...others] = decodeCertificates(publicdata.data).map(parseCertificate);
    expect(others).toEqual([]);
    expect(leaf?.subject.text).toBe(`CN=uuid:${theDevice}`);
    expect(leaf?.spki).toEqual(csr.publicKey.spki);
    expect(intermediate?.selfIssued).toBe(false);
  });

  test('acls: the list of the reference service without its duplicate', async () => {
    const response = await ask(sent('acls'));
    expect(response).toMatchObject({ code: 205, contentFormat: 10000 });
    const everywhere = (href: string) => ({ href, if: ['*'] });
    const all = { if: ['*'], wc: '*' };
    const expected = {
      aclist2: [
        {
          permission: 31,
          resources: [
            ...['/CoapCloudConfResURI', '/oic/sec/sp', '/x.plgd.dev/time', '/oc/con', '/oc/swu', '/oic/mnt'].map(
              everywhere,
            ),
            all,
          ],
          subject: { uuid: testIds.owner },
          tag: 'dps',
        },
        {
          permission: 2,
          resources: ['/oic/d', '/oic/p', '/oic/res', '/oic/sec/sdi', '/oic/sec/doxm'].map(everywhere),
          subject: { conntype: 'anon-clear' },
          tag: 'dps',
        },
        {
          permission: 31,
          resources: [...['/oc/con', '/oc/swu', '/oic/mnt', '/x.plgd.dev/time'].map(everywhere), all],
          subject: { uuid: testIds.hub },
          tag: 'dps',
        },
      ],
    };
    expect(toHex(response.payload ?? noBytes)).toBe(toHex(encodeCbor(expected)));
    // 641 bytes is what the reference service sends, with {"href": "/x.plgd.dev/time", "if": ["*"]} twice.
    expect(response.payload?.length).toBe(641 - encodeCbor(everywhere('/x.plgd.dev/time')).length);
  });

  test('all five, in their two sessions, are a whole run', async () => {
    const fresh = await openPipeline();
    for (const number of [1, 2]) {
      const open = await openSession(fresh, deviceEvidence(fresh.pki), now + number);
      for (const { name } of vectors.filter((vector) => vector.session === number)) {
        const asked = sent(name);
        const response = await dialect.handle(open, asked, now + number);
        expect(response.code, name).toBe(asked.method === 'GET' ? 205 : 204);
      }
      await endSession(open, now + number);
    }
    expect(await fresh.store.attempts({ limit: 5 })).toMatchObject([{ verdict: 'provisioned' }]);
    await fresh.close();
  });
});

test('a payload of the group goes with the cloud configuration, behind what plgd knows; roles have their authority or none', async () => {
  const payload = { site: 'north', lamps: [1, { on: true }] };
  const role = { type: 'role', role: 'installer' } as const;
  const acl: AceTemplate[] = [
    { subject: { ...role, authority: undefined }, permission: 2, resources: [] },
    { subject: { ...role, authority: 'CN=acme' }, permission: 4, resources: [{ wildcard: '+' }] },
  ];
  await pipeline.configure({ groups: [{ ...pipeline.group, payload, acl }] });
  const configuration = content(await ask(sent('cloud-configuration'))) as CborMap;
  expect(Object.keys(configuration)).toEqual([
    'apn',
    'cis',
    'at',
    'sid',
    'x.org.iotivity.servers',
    'x.firstboot.payload',
  ]);
  expect(configuration['x.firstboot.payload']).toEqual(payload);
  const json = JSON.parse(text(await ask({ ...sent('cloud-configuration'), accept: 50 }))) as CborMap;
  expect(json['x.firstboot.payload']).toEqual(payload);
  expect(content(await ask(sent('acls')))).toEqual({
    aclist2: [
      { permission: 2, resources: [], subject: { role: 'installer' }, tag: 'dps' },
      {
        permission: 4,
        resources: [{ if: ['*'], wc: '+' }],
        subject: { authority: 'CN=acme', role: 'installer' },
        tag: 'dps',
      },
    ],
  });
  await pipeline.configure({ groups: [pipeline.group] });
});

describe('an optional pre-shared key of the owner', () => {
  test('comes first, as bytes in CBOR and as base64 in JSON', async () => {
    const master = Buffer.from('0123456789abcdef');
    const { di } = decodeCbor(sent('credentials').payload) as { di: string };
    const key = Buffer.from(ownerPskOf(master, di));
    await pipeline.configure({ groups: [{ ...pipeline.group, ownerPsk: master.toString('base64') }] });
    const cbor = content(await ask(sent('credentials'))) as { creds: CborValue[] };
    expect(cbor.creds).toHaveLength(3);
    expect(cbor.creds[0]).toEqual({
      credtype: 1,
      subjectuuid: testIds.owner,
      privatedata: { data: new Uint8Array(key), encoding: 'oic.sec.encoding.raw' },
      tag: 'dps',
    });
    const json = JSON.parse(text(await ask({ ...sent('credentials'), accept: 50 }))) as { creds: unknown[] };
    expect(json.creds[0]).toMatchObject({
      privatedata: { data: key.toString('base64'), encoding: 'oic.sec.encoding.base64' },
    });
    await pipeline.configure({ groups: [pipeline.group] });
  });
});

describe('content formats', () => {
  test.each([
    [undefined, 10000],
    [10000, 10000],
    [60, 60],
    [50, 50],
  ])('Accept %s is answered in %s', async (accept, format) => {
    const asked = request({ method: 'GET', at: paths.ownership, ...(accept === undefined ? {} : { accept }) });
    const response = await ask(asked);
    expect(response.contentFormat).toBe(format);
    const value = format === 50 ? (JSON.parse(text(response)) as unknown) : content(response);
    expect(value).toEqual({ devowneruuid: testIds.owner });
  });

  test('another Accept is refused', async () => {
    expectRefusal(await ask(request({ method: 'GET', at: paths.acls, accept: 0 })), 'request.accept');
  });

  test('the version option goes only to those who speak of versions, in OCF CBOR only', async () => {
    const options = [uintOption(optionNumber.ocfAcceptContentFormatVersion, 2048)];
    const answered = async (changes: Partial<IncomingRequest>) =>
      (await ask(request({ method: 'GET', at: paths.time, ...changes }))).options;
    expect(await answered({ options })).toHaveLength(1);
    expect(await answered({})).toEqual([]);
    expect(await answered({ options, accept: 60 })).toEqual([]);
  });

  const device = testDevice(40);
  const csr = { data: encodePem('CERTIFICATE REQUEST', device.csr), encoding: 'oic.sec.encoding.pem' };

  test.each([
    [paths.credentials, 60, 'ok'],
    [paths.credentials, undefined, 'request.content-format'],
    [paths.credentials, 50, 'request.content-format'],
    [paths.cloud, 60, 'ok'],
    [paths.cloud, undefined, 'ok'],
    [paths.cloud, 0, 'request.content-format'],
  ] as const)('a POST to %s with Content-Format %s: %s', async (path, contentFormat, expected) => {
    const response = await ask(post(path, { di: device.deviceId, csr }, { contentFormat }), 2);
    if (expected === 'ok') expect(response.code).toBe(204);
    else expectRefusal(response, expected);
  });
});

describe('requests that cannot be read', () => {
  const { deviceId, csr } = testDevice(40);
  const pem = encodePem('CERTIFICATE REQUEST', csr);
  const encoding = 'oic.sec.encoding.pem';

  test.each([
    [
      'the certificate request as bytes',
      { di: deviceId, csr: { data: new Uint8Array(Buffer.from(pem)), encoding } },
      'csr.encoding',
    ],
    ['another encoding', { di: deviceId, csr: { data: pem, encoding: 'oic.sec.encoding.der' } }, 'csr.encoding'],
    ['no encoding', { di: deviceId, csr: { data: pem } }, 'csr.encoding'],
    ['no certificate request', { di: deviceId }, 'csr.encoding'],
    ['an empty certificate request', { di: deviceId, csr: { data: '', encoding } }, 'csr.encoding'],
    ['something else in PEM', { di: deviceId, csr: { data: encodePem('CERTIFICATE', csr), encoding } }, 'csr.encoding'],
    ['damaged PEM', { di: deviceId, csr: { data: pem.slice(0, -20), encoding } }, 'csr.encoding'],
    [
      'no DER inside',
      { di: deviceId, csr: { data: encodePem('CERTIFICATE REQUEST', csr.slice(2)), encoding } },
      'csr.malformed',
    ],
    ['a csr that is no map', { di: deviceId, csr: pem }, 'request.malformed'],
    ['a device id in bytes', { di: new Uint8Array(16), csr: { data: pem, encoding } }, 'request.malformed'],
    ['no device id', { csr: { data: pem, encoding } }, 'bind.device-id-missing'],
    ['an array', [], 'request.malformed'],
  ] as const)('credentials with %s', async (_, body, code) => {
    expectRefusal(await ask(post(paths.credentials, body), 2), code);
  });

  test.each([
    ['an empty payload', noBytes, 'request.malformed'],
    ['half a map', fromHex('a16264'), 'cbor.malformed'],
    ['a number as gateway', encodeCbor({ di: deviceId, selectedGateway: { uri: 5, id: '' } }), 'request.malformed'],
    ['a gateway that is no map', encodeCbor({ di: deviceId, selectedGateway: 'x' }), 'request.malformed'],
  ] as const)('cloud-configuration with %s', async (_, payload, code) => {
    expectRefusal(await ask(request({ method: 'POST', at: paths.cloud, payload, contentFormat: 10000 }), 2), code);
  });

  test('unknown keys, and null for what may be missing, are fine', async () => {
    const body = { di: deviceId, selectedGateway: null, somethingNew: [1, { a: true }] };
    expect((await ask(post(paths.cloud, body), 2)).code).toBe(204);
    const gateway = { di: deviceId, selectedGateway: { uri: null, port: 5 } };
    expect((await ask(post(paths.cloud, gateway), 2)).code).toBe(204);
  });

  test('are on the record with their reason', async () => {
    await ask(post(paths.credentials, { di: deviceId }), 2);
    const [latest] = await pipeline.store.attempts({ limit: 50 });
    expect(latest).toMatchObject({ verdict: 'refused', refusal: { code: 'csr.encoding' } });
  });

  test('unknown paths, other methods and faults found below', async () => {
    expectRefusal(await ask(request({ method: 'GET', at: '/foo' })), 'request.unknown-path');
    expectRefusal(await ask(request({ method: 'GET', at: `${paths.acls}/` })), 'request.unknown-path');
    expectRefusal(await ask(request({ method: 'PUT', at: paths.time })), 'request.method');
    expectRefusal(await ask(request({ method: 'GET', at: paths.credentials })), 'request.method');
    const fault = { code: 402, text: 'an unknown critical option' };
    expect(await ask({ ...sent('time'), fault })).toEqual({
      code: 402,
      payload: new Uint8Array(Buffer.from(fault.text)),
    });
  });
});

describe('answers that cannot be given', () => {
  test('one that is too long for the device is refused and told to the log, not sent', async () => {
    const told: string[] = [];
    const log = { ...silentLog, error: (_: unknown, line: string) => void told.push(line) };
    const many = Array.from({ length: 120 }, (_, k) => `coaps+tcp://gateway-${k}.example.com:5684`);
    await pipeline.configure({ hubs: [testHub({ gateways: many })] });
    const open = await session(2);
    const response = await createOcfDialect({ log }).handle(
      open,
      post(paths.cloud, { di: testDevice(40).deviceId }),
      now,
    );
    await endSession(open, at);
    await pipeline.configure({ hubs: [pipeline.hub] });
    expectRefusal(response, 'service.config');
    expect(told[0]).toContain('too long');
    const [latest] = await pipeline.store.attempts({ limit: 50 });
    expect(latest).toMatchObject({ refusal: { evidence: { limit: limits.device.responseBytes } } });
  });

  test('temporary faults are 5.03, and their reason stays here', async () => {
    const away = { accessToken: () => Promise.reject(failure('configure.token', { server: 'a.example' }, 'start it')) };
    const faulty = await openPipeline({ tokens: away });
    const open = await openSession(faulty, deviceEvidence(faulty.pki), now);
    expectRefusal(await dialect.handle(open, sent('cloud-configuration'), now), 'configure.token');
    await faulty.close();
    expect(errorTable['configure.token'].coap).toBe(503);
  });

  test('every refusal has a code that the reference device takes for one', () => {
    const usable = [400, 401, 402, 403, 404, 405, 406, 413, 415, 500, 501, 502, 503, 504, 505];
    for (const [code, { coap }] of Object.entries(errorTable)) expect(usable, code).toContain(coap);
  });
});
