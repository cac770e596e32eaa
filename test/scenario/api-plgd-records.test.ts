import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { confined } from '../../src/api/confined.ts';
import { failure } from '../../src/core/errors.ts';
import { systemRandom } from '../../src/core/random.ts';
import type { DeviceClient } from '../../src/device/client.ts';
import type { Store } from '../../src/store/store.ts';
import { startTestApi, type TestApi } from '../support/api.ts';
import { type ApiSite, openApiSite } from '../support/api-site.ts';
import { bootDevice, isProvisioned, manufacturerOf, pass, visit } from '../support/booting.ts';
import { plgdPrefix, protojson, results } from '../support/plgd-results.ts';
import { World } from '../support/world.ts';

/** What plgd's own tests pin of its REST for provisioning records (contract, plgd-service 4), asked as its callers ask. */

const path = `${plgdPrefix}/provisioning-records`;
const otherId = '0f8f1c52-5d0e-4b8e-9d3b-6a6d3b1c9a11';

describe('the record of a device', () => {
  let world: World;
  let device: DeviceClient;
  let api: TestApi;
  beforeEach(async () => {
    world = await World.create({});
    device = await bootDevice({ world, scheme: 'coaps+tcp' });
    await world.run(() => isProvisioned(device));
    // Until the sessions are closed and everything is written.
    await pass(world, 60_000);
    api = await startTestApi({ store: world.store, timers: world.timers });
  });
  afterEach(async () => {
    await api.close();
    await device.shutdown();
    await world.close();
  });

  const list = (query = '') => results(api.as('viewer'), `${path}${query}`, protojson);
  const remove = (query = '') => api.as('operator').del(`${path}${query}`);
  const stored = async () => {
    const [row] = await world.store.devices({ limit: 2 });
    if (!row) throw new Error('the device is not on record');
    return row;
  };
  /** A whole run, from time to acls. */
  const runAgain = async () => {
    const runs = world.requests.get('acls') ?? 0;
    device.forceReprovision();
    await world.run(() => (world.requests.get('acls') ?? 0) > runs && isProvisioned(device));
    await pass(world, 60_000);
  };

  test('tells all five steps, and is found by each of its ids', async () => {
    const all = await list();
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
    expect(await list(`?deviceidfilter=${device.state.deviceId}`)).toEqual(all);
    expect(await list(`?IDFILTER=${otherId}&enrollmentgroupidfilter=${record.enrollmentGroupId}`)).toEqual(all);
    expect(await list(`?idFilter[]=${record.id}`)).toEqual(all);
    expect(await list(`?idFilter=${otherId}`)).toEqual([]);
    expect(await results(api.as('viewer'), '/provisioning-records', protojson)).toEqual(all);
    expect(await results(api.as('acmeViewer'), path)).toEqual([]);
  });

  test('is stripped of what is empty for who does not ask for protojson', async () => {
    const [whole] = await list();
    const [record] = await results(api.as('viewer'), path);
    expect(whole).toMatchObject({ localEndpoints: [], credential: { preSharedKey: null } });
    expect(record).not.toHaveProperty('localEndpoints');
    expect(record.credential).not.toHaveProperty('preSharedKey');
    expect(record.plgdTime).toEqual({ date: whole.plgdTime.date, coapCode: 69 });
  });

  test('that is deleted is gone, and the device is what it was', async () => {
    const before = await stored();
    const [record] = await list();
    expect((await remove(`?idFilter=${otherId}`)).body).toEqual({ count: '0' });
    const deleted = await remove(`?idFilter=${record.id}`);
    expect([deleted.status, deleted.body]).toEqual([200, { count: '1' }]);
    expect(await list()).toEqual([]);
    expect(await list(`?deviceIdFilter=${record.deviceId}`)).toEqual([]);
    expect((await remove()).body).toEqual({ count: '0' });

    const at = world.timers.now();
    const { recordDeletedAt, updatedAt, revision, ...after } = await stored();
    expect([recordDeletedAt, updatedAt, revision]).toEqual([at, at, before.revision + 1]);
    expect({ ...after, updatedAt: before.updatedAt, revision: before.revision }).toEqual(before);
    const { body } = await api.as('viewer').get(`/devices/${record.id}`);
    expect(body.device).toMatchObject({ state: 'active', deviceId: record.deviceId, recordDeletedAt: at });
    expect(isProvisioned(device)).toBe(true);
    const { items } = (await api.as('admin').get('/audit?action=record')).body;
    expect(items).toMatchObject([{ action: 'record.delete', target: `device ${record.id}` }]);
  });

  test('begins anew when the device comes again, with what it does then', async () => {
    const [before] = await list();
    expect((await remove()).body).toEqual({ count: '1' });
    const deletedAt = BigInt(world.timers.now()) * 1_000_000n;
    await pass(world, 60_000);
    expect(await list()).toEqual([]);
    await runAgain();
    const [record] = await list();
    expect(record).toMatchObject({ id: before.id, deviceId: before.deviceId, acl: { status: { coapCode: 69 } } });
    for (const date of [record.creationDate, record.plgdTime.date, record.attestation.date]) {
      expect(BigInt(date)).toBeGreaterThan(deletedAt);
    }
    const since = record.creationDate;
    await runAgain();
    expect((await list())[0].creationDate).toBe(since);
    expect(await stored()).not.toHaveProperty('recordDeletedAt');
    expect((await remove()).body).toEqual({ count: '1' });
  });

  test('begins anew in the middle of a session, too', async () => {
    const session = await visit({ world, scheme: 'coaps+tcp', identity: manufacturerOf(world) });
    await session.ask({ method: 'GET', path: ['x.plgd.dev', 'time'] });
    expect((await remove()).body).toEqual({ count: '1' });
    await pass(world, 1000);
    await session.ask({ method: 'GET', path: ['api', 'v1', 'provisioning', 'ownership'] });
    session.close();
    await pass(world, 60_000);
    const [record] = await list();
    expect(record).toMatchObject({
      plgdTime: null,
      ownership: { status: { coapCode: 69 } },
      credential: { status: null },
    });
  });

  test('does not come back while the device is held, and its hold stays', async () => {
    const { keyId } = await stored();
    await api.as('operator').post(`/devices/${keyId}/quarantine`, { reason: 'looks odd' });
    expect((await remove()).body).toEqual({ count: '1' });
    const session = await visit({ world, scheme: 'coaps+tcp', identity: manufacturerOf(world) });
    const answer = await session.ask({ method: 'GET', path: ['x.plgd.dev', 'time'] });
    expect(answer?.code).not.toBe(205);
    await pass(world, 60_000);
    expect(await stored()).toMatchObject({ state: 'quarantined', stateReason: 'looks odd' });
    expect(await list()).toEqual([]);
    await api.as('operator').post(`/devices/${keyId}/release`, {});
    await runAgain();
    expect(await list()).toHaveLength(1);
  });
});

describe('records of two owners', () => {
  let site: ApiSite;
  beforeAll(async () => {
    site = await openApiSite();
  });
  afterAll(() => site.close());

  const of = async (who: 'acmeViewer' | 'boltViewer', query = '') =>
    (await results(site.as(who), `${path}${query}`, protojson)).map(({ id }) => id).toSorted();

  test('are listed and deleted by their own people only', async () => {
    const { acme, bolt } = site;
    const [own, others] = [Object.values(acme.devices).toSorted(), Object.values(bolt.devices).toSorted()];
    expect(await of('acmeViewer')).toEqual(own);
    expect(await of('acmeViewer', `?enrollmentGroupIdFilter=${bolt.group}&idFilter=${others[0]}`)).toEqual([]);

    const viewer = await site.as('acmeViewer').del(path);
    expect([viewer.status, viewer.body.code]).toEqual([403, 7]);
    const nobody = await site.as(undefined).del(path);
    expect([nobody.status, nobody.body.code]).toEqual([401, 16]);

    const acmes = site.as('acmeOperator');
    const foreign = `?idFilter=${others[0]}&deviceIdFilter=${bolt.deviceIds.active}&enrollmentGroupIdFilter=${bolt.group}`;
    expect((await acmes.del(`${path}${foreign}`)).body).toEqual({ count: '0' });
    const two = `?idFilter=${acme.devices.active}&DEVICEIDFILTER=${acme.deviceIds.active}&idFilter=${acme.devices.pending}`;
    expect((await acmes.del(`${path}${two}`)).body).toEqual({ count: '2' });
    expect((await acmes.del(`${path}?enrollmentGroupIdFilter=${acme.group}`)).body).toEqual({ count: '3' });
    expect(await of('acmeViewer')).toEqual([]);
    expect(await of('boltViewer')).toEqual(others);
  });

  test.each([
    ['provisioning-records', 'hubIdFilter'],
    ['provisioning-records', 'idFilters'],
    ['enrollment-groups', 'hubIdFilter'],
    ['hubs', 'hubIdFilter'],
  ])('are not deleted at %s by a query with a filter that is none there: %s', async (things, filter) => {
    const all = () => results(site.as('boltViewer'), `${plgdPrefix}/${things}`, protojson);
    const before = await all();
    expect(before.length).toBeGreaterThan(0);
    const { status, body } = await site.as('boltAdmin').del(`${plgdPrefix}/${things}?${filter}=${otherId}`);
    expect([status, body.code, body.message]).toEqual([400, 3, expect.stringContaining(filter)]);
    expect(await all()).toEqual(before);
  });

  test('are filtered by names as protobuf writes them, too', async () => {
    const { bolt } = site;
    expect(await of('boltViewer', `?device_id_filter=${bolt.deviceIds.active}`)).toEqual([bolt.devices.active]);
    const removed = await site.as('boltOperator').del(`${path}?id_filter=${otherId}`);
    expect(removed.body).toEqual({ count: '0' });
  });
});

test('a list that breaks off says so in its last line', async () => {
  let asked = 0;
  const breaking = (store: Store): Store =>
    new Proxy(store, {
      get(target, name) {
        const member: unknown = Reflect.get(target, name, target);
        if (typeof member !== 'function') return member;
        if (name !== 'attempts') return member.bind(target);
        return async (page: Parameters<Store['attempts']>[0]) => {
          if (++asked > 2) throw failure('service.store', {}, '');
          return target.attempts(page);
        };
      },
    });
  const site: ApiSite = await openApiSite({
    operationsFor: (principal) =>
      confined({ store: breaking(site.store), now: Date.now, random: systemRandom }).operationsFor(principal),
  });
  try {
    const { status, text } = await site.as('viewer').get(path, protojson);
    const lines = text.trimEnd().split('\n');
    expect([status, lines.length]).toEqual([200, 3]);
    expect(lines.slice(0, 2).map((line) => Object.keys(JSON.parse(line)))).toEqual([['result'], ['result']]);
    expect(JSON.parse(lines[2] ?? '')).toEqual({ error: { code: 14, message: expect.any(String), details: [] } });
  } finally {
    await site.close();
  }
});
