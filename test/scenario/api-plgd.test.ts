import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { encodeCertificates } from '../../src/codec/pem.ts';
import { toBase64, utf8 } from '../../src/core/bytes.ts';
import { type ApiClient, owners, startTestApi, type TestApi } from '../support/api.ts';
import { makeIdentities, type TestIdentities } from '../support/identities.ts';
import { plgdPrefix as prefix, protojson, results } from '../support/plgd-results.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

/** What plgd's own tests pin of its REST for groups and hubs (contract, plgd-service 4), asked as its callers ask. */

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
    const none = await acme.del(`${prefix}/hubs?idFilter=${hubId}`);
    expect([none.status, none.body.code]).toEqual([400, 3]);
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
    const { authorization } = body;
    const kept = { ...body, authorization: { ...authorization, provider: { ...provider, clientSecret: '' } } };
    expect((await acme.put(`${prefix}/hubs/${hubId}`, kept)).status).toBe(200);
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

  test('a hub without an id gets one, keeps it, and has no authority of its own', async () => {
    const certificateAuthority = { grpc: { address: 'ca.example.com:9100' } };
    const made = await acme.post(`${prefix}/hubs`, { gateways: ['a:1'], certificateAuthority }, protojson);
    const hub = JSON.parse(made.text);
    expect(hub).toMatchObject({ hubId: hub.id, name: hub.id, owner: owners.acme, certificateAuthority: null });
    const moved = await acme.put(`${prefix}/hubs/${hub.id}`, { ...hub, hubId: otherId });
    expect([moved.status, moved.body.code]).toEqual([400, 3]);
    const put = await acme.put(`${prefix}/hubs/${hub.id}`, { gateways: ['b:1'] }, protojson);
    expect(JSON.parse(put.text)).toMatchObject({ id: hub.id, hubId: hub.id, gateways: ['coaps+tcp://b:1'] });
    expect(await results(api.as('boltViewer'), `${prefix}/hubs?idFilter=${hub.id}`)).toEqual([]);
    expect((await api.as('boltAdmin').del(`${prefix}/hubs?idFilter=${hub.id}`)).status).toBe(400);
    expect((await acme.del(`${prefix}/hubs?idFilter=${hub.id}`)).body).toEqual({ count: '1' });
  });

  test("the path that both services have is plgd's for who asks as its callers do", async () => {
    expect((await acme.get('/hubs')).body).toHaveProperty('items');
    expect((await acme.get('/hubs', protojson)).text).toMatch(/^\{"result":/);
    expect((await acme.get(`/hubs?hubIdFilter[]=${hubId}`)).text).toMatch(/^\{"result":/);
    expect((await acme.get(`/hubs?hubidfilter=${hubId}`)).text).toMatch(/^\{"result":/);
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
    expect(made.headers.get('content-type')).toMatch(/^application\/protojson/);
    const group1 = JSON.parse(made.text);
    expect(group1).toMatchObject({
      id: expect.stringMatching(/^[0-9a-f-]{36}$/),
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
    expect(await by(`IDFILTER=${otherId}&hubidfilter=${hubId}`)).toEqual(all);
    expect(await by(`idFilter[]=${all[0].id}&idFilter[]=${otherId}`)).toEqual(all);
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

  test('a missing hub, a token without an owner and a key that is none are refused', async () => {
    const made = (body: object) => acme.post(`${prefix}/enrollment-groups`, body);
    for (const preSharedKey of ['/etc/psk', dataUri('too short')]) {
      const answer = await made({ ...group(), preSharedKey });
      expect([answer.status, answer.body.code]).toEqual([400, 3]);
      expect(answer.body.message).toContain('preSharedKey');
    }
    expect((await made({ ...group(), hubIds: [] })).body.message).toContain('hubIds');
    const absent = await made({ ...group(), hubIds: [otherId] });
    expect([absent.status, absent.body.code]).toEqual([404, 5]);
    const nobody = await api.as('admin').post(`${prefix}/enrollment-groups`, group());
    expect([nobody.status, nobody.body.code]).toEqual([403, 7]);
  });

  test('a key for all devices is taken, never told, stays with what is put back, and goes when none is sent', async () => {
    const path = `${prefix}/enrollment-groups`;
    const made = await acme.post(path, { ...group(), name: 'keyed', preSharedKey: dataUri('0123456789abcdef…') });
    const { id, preSharedKey } = made.body;
    expect(made.text + (await acme.get(path, protojson)).text).not.toContain(
      toBase64(utf8('0123456789abcdef')).slice(0, 20),
    );
    const key = async () => {
      const stored = await api.store.groups.get(id);
      return [stored?.ownerPsk, stored?.ownerPskShared];
    };
    const shared = [toBase64(utf8('0123456789abcdef')), true];
    expect(await key()).toEqual(shared);

    const [listed] = await results(acme, `${path}?idFilter=${id}`);
    expect(listed.preSharedKey).toBe(preSharedKey);
    await acme.put(`${path}/${id}`, { ...listed, name: 'keyed anew' });
    expect(await key()).toEqual(shared);
    expect((await acme.get(`/groups/${id}`)).body.group).toMatchObject({ ownerPsk: null, ownerPskShared: true });

    const elsewhere = await acme.post(path, { ...listed, name: 'copied' });
    expect([elsewhere.status, elsewhere.body.message]).toEqual([400, expect.stringContaining('preSharedKey')]);

    expect((await acme.put(`${path}/${id}`, { ...listed, preSharedKey: '' })).body).not.toHaveProperty('preSharedKey');
    expect(await key()).toEqual([undefined, undefined]);
    expect((await acme.del(`${path}?idFilter=${id}`)).body).toEqual({ count: '1' });
  });

  test('putting a group that nobody has is not found', async () => {
    const put = await acme.put(`${prefix}/enrollment-groups/${otherId}`, group());
    expect([put.status, put.body.code]).toEqual([404, 5]);
  });

  test('hubs of which a group uses one are not deleted, none of them', async () => {
    await acme.post(`${prefix}/hubs`, { hubId: otherId, gateways: ['other:1'] });
    const used = await acme.del(`${prefix}/hubs`);
    expect([used.status, used.body.code]).toEqual([400, 3]);
    expect(await results(acme, `${prefix}/hubs`, protojson)).toHaveLength(2);
    expect((await acme.del(`${prefix}/hubs?idfilter=${otherId}`)).body).toEqual({ count: '1' });
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

const hubId = 'd03a1bb4-0a77-428c-b78c-1c46efe6a38e';
const otherId = '0f8f1c52-5d0e-4b8e-9d3b-6a6d3b1c9a11';

const dataUri = (text: string): string => `data:;base64,${toBase64(utf8(text))}`;
