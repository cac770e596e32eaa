import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { encodeCertificates } from '../../src/codec/pem.ts';
import { toBase64, utf8 } from '../../src/core/bytes.ts';
import { minutes } from '../../src/core/clock.ts';
import { type ApiClient, owners, startTestApi, type TestApi } from '../support/api.ts';
import { bootDevice, isProvisioned } from '../support/booting.ts';
import { makeIdentities, type TestIdentities } from '../support/identities.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { World } from '../support/world.ts';

/** What plgd's own tests pin of its REST (contract, plgd-service 4: 37 to 47), asked as its callers ask. */

const prefix = '//device-provisioning-service/api/v1';
const protojson = { headers: { accept: 'application/protojson' } };

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let api: TestApi;
let acme: ApiClient;
let identities: TestIdentities;
let chain: string;
beforeAll(async () => {
  folder = await temporaryFolder();
  api = await startTestApi({ secretsFolder: join(folder.path, 'secrets') });
  acme = api.as('acmeAdmin');
  identities = makeIdentities(Date.now());
  chain = dataUri(encodeCertificates([identities.intermediate.certificate.der, identities.root.certificate.der]));
});
afterAll(async () => {
  await api.close();
  await folder.remove();
});

describe('hubs', () => {
  test('a hub is created with an id, is listed, changed and deleted', async () => {
    const made = await acme.post(`${prefix}/hubs`, { hubId, gateways: ['hub.example.com:5684'], name: 'first' });
    expect(made.status).toBe(200);
    expect(made.body).toMatchObject({
      id: hubId,
      hubId,
      gateways: ['coaps+tcp://hub.example.com:5684'],
      name: 'first',
    });
    expect(await results(acme, `${prefix}/hubs?idFilter=${hubId}`)).toHaveLength(1);

    const put = await acme.put(`${prefix}/hubs/${hubId}`, {
      hubId,
      gateways: ['coaps://two.example.com'],
      name: 'second',
    });
    expect(put.body).toMatchObject({ name: 'second', gateways: ['coaps://two.example.com'] });
    expect((await acme.del(`${prefix}/hubs?idFilter=${hubId}`)).body).toEqual({ count: '1' });
    expect(await results(acme, `${prefix}/hubs`)).toEqual([]);
  });

  test('an empty hub, a gateway that no device is sent to and an unknown id are refused as grpc does', async () => {
    expect((await acme.post(`${prefix}/hubs`, {})).body).toMatchObject({ code: 3 });
    const clear = await acme.post(`${prefix}/hubs`, { hubId, gateways: ['coap://hub.example.com'] });
    expect(clear.status).toBe(400);
    expect(clear.body).toMatchObject({ code: 3, details: [] });
    const unknown = await acme.put(`${prefix}/hubs/${otherId}`, { gateways: ['a:1'] });
    expect([unknown.status, unknown.body.code]).toEqual([404, 5]);
  });

  test('the client secret is kept in a file and never told again', async () => {
    const provider = {
      name: 'plgd',
      authority: 'https://auth.example',
      clientId: 'dps',
      clientSecret: dataUri('s3cr3t'),
    };
    const body = { hubId, gateways: ['a:1'], authorization: { ownerClaim: 'sub', provider } };
    const made = await acme.post(`${prefix}/hubs`, body, protojson);
    expect(JSON.parse(made.text).authorization.provider).toMatchObject({
      authority: 'https://auth.example',
      clientSecret: '',
    });
    const secrets = join(folder.path, 'secrets', owners.acme);
    const [file = ''] = await readdir(secrets);
    expect(await readFile(join(secrets, file), 'utf8')).toBe('s3cr3t');
    expect((await api.store.hubs.get(hubId))?.authorization).toMatchObject({ clientSecretFile: join(secrets, file) });
    const path = { ...provider, clientSecret: '/etc/passwd' };
    const read = await acme.put(`${prefix}/hubs/${hubId}`, {
      ...body,
      authorization: { ownerClaim: 'sub', provider: path },
    });
    expect(read.body).toMatchObject({
      code: 3,
      message: expect.stringContaining('files of this host cannot be named'),
    });
  });

  test("the path that both services have is plgd's for who asks as its callers do", async () => {
    expect((await acme.get('/hubs')).body).toHaveProperty('items');
    expect((await acme.get('/hubs', protojson)).text).toMatch(/^\{"result":/);
    expect((await acme.get(`/hubs?hubIdFilter[]=${hubId}`)).text).toMatch(/^\{"result":/);
  });
});

describe('enrollment groups', () => {
  const group = () => ({
    name: 'line 1',
    attestationMechanism: { x509: { certificateChain: chain, expiredCertificateEnabled: true } },
    hubIds: [hubId],
  });

  test('a group is created for the owner of the token, with its lead certificate', async () => {
    const made = await acme.post(`${prefix}/enrollment-groups`, group(), protojson);
    expect(made.status).toBe(200);
    const group1 = JSON.parse(made.text);
    expect(group1).toMatchObject({
      owner: owners.acme,
      hubIds: [hubId],
      preSharedKey: '',
      attestationMechanism: { x509: { leadCertificateName: 'Acme Intermediate CA', expiredCertificateEnabled: true } },
    });
    const stored = await api.store.groups.get(group1.id);
    expect(stored?.attestation.x509).toMatchObject({
      anchors: [encodeCertificates([identities.root.certificate.der])],
      leads: [encodeCertificates([identities.intermediate.certificate.der])],
    });
    expect(stored?.owner.id).toBe(owners.acme);
  });

  test('a group is not created by who is bound to an owner where owners do not attest', async () => {
    const strict = await startTestApi({ ownersAttest: false });
    try {
      const client = strict.as('acmeAdmin');
      await client.post(`${prefix}/hubs`, { hubId, gateways: ['hub.example.com:5684'], name: 'first' });
      const { status, body } = await client.post(`${prefix}/enrollment-groups`, group());
      expect([status, body]).toEqual([403, expect.objectContaining({ code: 7 })]);
      expect(body.message).toMatch(/api\.ownersAttest/);
    } finally {
      await strict.close();
    }
  });

  test('what is listed can be put back as it came', async () => {
    const [listed] = await results(acme, '/enrollment-groups', protojson);
    const put = await acme.put(`/enrollment-groups/${listed.id}`, { ...listed, name: 'renamed' }, protojson);
    expect(JSON.parse(put.text)).toEqual({ ...listed, name: 'renamed' });
  });

  test('filters are joined by or; nobody else sees the group', async () => {
    const all = await results(acme, `${prefix}/enrollment-groups`);
    expect(all).toHaveLength(1);
    const by = (query: string) => results(acme, `${prefix}/enrollment-groups?${query}`);
    expect(await by(`hubIdFilter=${hubId}`)).toEqual(all);
    expect(await by(`idFilter=${otherId}&attestationMechanismX509CertificateNames=Acme%20Intermediate%20CA`)).toEqual(
      all,
    );
    expect(await by(`idFilter=${otherId}`)).toEqual([]);
    expect(await results(api.as('boltAdmin'), `${prefix}/enrollment-groups`)).toEqual([]);
  });

  test.each([
    ['a path', { certificateChain: '/etc/ssl/root.pem' }, 'certificateChain'],
    ['no certificate', { certificateChain: 'data:,none' }, 'PEM'],
    ['an unknown lead', () => ({ certificateChain: chain, leadCertificateName: 'nobody' }), 'leadCertificateName'],
    [
      'a chain without its root',
      () => ({ certificateChain: dataUri(encodeCertificates([identities.intermediate.certificate.der])) }),
      'root',
    ],
  ])('a chain that is %s is refused by its name', async (_what, x509, named) => {
    const given = typeof x509 === 'function' ? x509() : x509;
    const made = await acme.post(`${prefix}/enrollment-groups`, { ...group(), attestationMechanism: { x509: given } });
    expect([made.status, made.body.code]).toEqual([400, 3]);
    expect(made.body.message).toContain(named);
  });

  test('a key for all devices, a missing hub and a token without an owner are refused', async () => {
    const made = (body: object) => acme.post(`${prefix}/enrollment-groups`, body);
    expect((await made({ ...group(), preSharedKey: dataUri('0123456789abcdef') })).body.message).toContain(
      'preSharedKey',
    );
    expect((await made({ ...group(), hubIds: [] })).body.message).toContain('hubIds');
    const nobody = await api.as('admin').post(`${prefix}/enrollment-groups`, group());
    expect([nobody.status, nobody.body.code]).toEqual([403, 7]);
  });

  test('deleting without a filter deletes all of the caller; then there is none to delete', async () => {
    expect((await acme.del(`${prefix}/enrollment-groups`)).body).toEqual({ count: '1' });
    const none = await acme.del(`${prefix}/enrollment-groups`);
    expect([none.status, none.body.code]).toEqual([400, 3]);
  });
});

test('without a token the answer is a status of grpc, too', async () => {
  const answer = await api.as(undefined).get(`${prefix}/hubs`);
  expect([answer.status, answer.body.code]).toEqual([401, 16]);
  expect((await api.as('acmeViewer').post(`${prefix}/hubs`, {})).body.code).toBe(7);
});

describe('provisioning records', () => {
  test('a device that was provisioned is one record with all five steps', async () => {
    const world = await World.create({});
    const device = await bootDevice({ world, scheme: 'coaps+tcp' });
    await world.run(() => isProvisioned(device));
    await world.run(() => false, minutes(1));
    const records = await startTestApi({ store: world.store });
    const viewer = records.as('viewer');
    const all = await results(viewer, `${prefix}/provisioning-records`, protojson);
    expect(all).toHaveLength(1);
    const [record] = all;
    expect(record).toMatchObject({
      deviceId: device.state.deviceId,
      attestation: { x509: { certificatePem: expect.stringContaining('BEGIN CERTIFICATE') } },
      plgdTime: { coapCode: 69, errorMessage: '' },
      ownership: { status: { coapCode: 69 }, owner: device.state.owner },
      cloud: { status: { coapCode: 68 }, selectedGateway: 0 },
      credential: { status: { coapCode: 68 }, identityCertificatePem: expect.stringContaining('BEGIN CERTIFICATE') },
      acl: { status: { coapCode: 69 } },
    });
    expect(record.acl.accessControlList).toHaveLength(3);
    expect(BigInt(record.creationDate)).toBeGreaterThan(0n);
    const by = (query: string) => results(viewer, `${prefix}/provisioning-records?${query}`, protojson);
    expect(await by(`deviceidfilter=${device.state.deviceId}`)).toEqual(all);
    expect(await by(`idFilter=${record.id}&enrollmentGroupIdFilter=${record.enrollmentGroupId}`)).toEqual(all);
    expect(await by(`idFilter=${otherId}`)).toEqual([]);
    expect(await results(records.as('acmeViewer'), `${prefix}/provisioning-records`)).toEqual([]);
    const forget = await records.as('admin').del(`${prefix}/provisioning-records?idFilter=${record.id}`);
    expect([forget.status, forget.body.code]).toEqual([501, 12]);
    expect(forget.body.message).toContain('decommission');
    await records.close();
    await world.close();
  });
});

const hubId = 'd03a1bb4-0a77-428c-b78c-1c46efe6a38e';
const otherId = '0f8f1c52-5d0e-4b8e-9d3b-6a6d3b1c9a11';

const dataUri = (text: string): string => `data:;base64,${toBase64(utf8(text))}`;

/** What a stream of results holds. */
// biome-ignore lint/suspicious/noExplicitAny: the test says what it expects of it
async function results(client: ApiClient, path: string, options = {}): Promise<any[]> {
  const { status, text } = await client.get(path, options);
  expect(status, text).toBe(200);
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line).result);
}
