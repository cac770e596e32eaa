import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Route } from '../../src/api/route.ts';
import { routes } from '../../src/api/routes/index.ts';
import { encodePem } from '../../src/codec/pem.ts';
import { days } from '../../src/core/clock.ts';
import { type ApiAnswer, owners } from '../support/api.ts';
import { type ApiSite, openApiSite, tracesOf } from '../support/api-site.ts';
import { someUuid } from '../support/store-records.ts';

/** Ids of things, by the name of the parameter of the path. */
const foreign = (site: ApiSite): Readonly<Record<string, readonly string[]>> => ({
  group: [site.bolt.group, site.bolt.fileGroup, 'Boltware group'],
  hub: [site.bolt.hub, 'Boltware hub'],
  device: [...Object.values(site.bolt.devices), site.bolt.deviceIds.active, site.bolt.devices.active.slice(0, 9)],
  serial: site.bolt.serials,
  attempt: [...Object.values(site.bolt.attempts), site.bolt.attempts.open.slice(0, 18)],
  webhook: [site.bolt.webhook, 'Boltware webhook'],
});

const gateways = ['coaps+tcp://new.example:5684'];
const bodies = (site: ApiSite): Readonly<Record<string, unknown>> => ({
  putGroup: { name: 'x', owner: owners.acme, pins: ['ab'.repeat(32)], hubs: [site.acme.hub] },
  putHub: { gateways },
  addAccess: { list: 'allow', device: { by: 'serial', value: '1' } },
  transferDevice: { owner: 'x' },
  rekeyDevice: { to: someUuid(1) },
  putWebhook: { name: 'x', url: 'http://127.0.0.1:9/' },
});
const queries: Readonly<Record<string, string>> = {
  removeAccess: '?list=deny&by=subject&value=CN%3DBoltware%20thief',
  importAccess: '?list=allow',
};

/** A part that names something is as unknown to others as what does not exist. */
describe('what is of another owner', () => {
  let site: ApiSite;
  const acme = () => site.as('acmeAdmin');
  const traces = (answer: ApiAnswer, named: readonly string[] = []): readonly string[] => {
    const text = answer.text + JSON.stringify([...answer.headers]);
    return tracesOf(site, 'bolt').filter((trace) => text.includes(trace) && !named.some((own) => own.includes(trace)));
  };
  const unknown = (answer: ApiAnswer, named: readonly string[] = [], code = 'operator.not-found'): void => {
    expect({ code: answer.problem?.code, traces: traces(answer, named) }).toEqual({ code, traces: [] });
  };

  const send = (route: Route, path: string): Promise<ApiAnswer> => {
    const target = `${path}${queries[route.id] ?? ''}`;
    if (route.consumes) return acme().post(target, 'serial\n1\n', { headers: { 'content-type': 'text/csv' } });
    const body = route.body ? (bodies(site)[route.id] ?? {}) : undefined;
    return acme().call(route.method, target, body);
  };

  // Nothing of it changes anything: one site is enough.
  describe('for who asks', () => {
    beforeAll(async () => {
      site = await openApiSite();
    });
    afterAll(() => site.close());

    const named = routes.filter(({ path, unbound }) => /\{(?!issuer)/.test(path) && !unbound);
    it.each(named.map((route) => [`${route.method} ${route.path}`, route] as const))(
      'is unknown to %s',
      async (_, route) => {
        const [, parameter = ''] = /\{(\w+)\}/.exec(route.path) ?? [];
        for (const id of foreign(site)[parameter] ?? []) {
          const answer = await send(route, route.path.replace(/\{\w+\}/, encodeURIComponent(id)));
          unknown(answer, [id, queries[route.id] ?? '']);
        }
        expect(foreign(site)[parameter]?.length).toBeGreaterThan(0);
      },
    );

    // Who checks certificates gets the serial numbers of all that are revoked: revocation lists are public (RFC 5280 §5).
    const others = ['text/event-stream', 'application/pkix-crl'];
    const lists = routes.filter(({ method, path, unbound, produces = '' }) => {
      return method === 'GET' && !path.includes('{') && !unbound && !others.includes(produces);
    });
    it.each(lists.map((route) => [route.path, route] as const))('is not in %s', async (_, route) => {
      const answer = await acme().get(`${route.path}${'limit' in (route.query?.properties ?? {}) ? '?limit=500' : ''}`);
      expect({ status: answer.status, traces: traces(answer) }).toEqual({ status: 200, traces: [] });
      if (Array.isArray(answer.body?.items) && route.id !== 'listRefusals') {
        expect(answer.body.items.length).toBeGreaterThan(0);
      }
    });

    it('is not found by any filter, in any order', async () => {
      const { bolt } = site;
      for (const query of [
        `devices?group=${bolt.group}`,
        `devices?hub=${bolt.hub}`,
        `credentials?device=${bolt.devices.active}`,
        `credentials?group=${bolt.group}`,
        `attempts?group=${bolt.group}`,
        `attempts?device=${bolt.devices.active}`,
      ]) {
        unknown(await acme().get(`/${query}`), [query]);
      }
      for (const query of [
        `devices?owner=${owners.bolt}`,
        'devices?text=boltware',
        `devices?text=${bolt.devices.active}`,
        `devices?text=${bolt.deviceIds.active}`,
        `devices?text=${bolt.serials[0]}`,
        'attempts?text=boltware',
      ]) {
        const { status, body } = await acme().get(`/${query}`);
        expect([status, body.items]).toEqual([200, []]);
      }
      for (const query of [
        ...['key', 'seen', 'created'].map((sort) => `devices?limit=3&sort=${sort}`),
        ...['pending', 'active', 'quarantined'].map((state) => `devices?state=${state}`),
        'devices?alarms',
        'credentials?limit=2',
        `credentials?limit=2&expiringWithin=${days(365)}`,
        'attempts?limit=2',
        ...['verdict=provisioned', 'verdict=refused', 'verdict=open', 'code=bind'].map(
          (by) => `attempts?limit=1&${by}`,
        ),
      ]) {
        const found: unknown[] = [];
        for (let cursor: string | null = '', pages = 0; cursor !== null && pages < 9; pages++) {
          const more: string = cursor === '' ? '' : `&cursor=${encodeURIComponent(cursor)}`;
          const answer = await acme().get(`/${query}${more}`);
          expect({ status: answer.status, traces: traces(answer) }).toEqual({ status: 200, traces: [] });
          found.push(...answer.body.items);
          cursor = answer.body.next;
        }
        expect(found.length, query).toBeGreaterThan(0);
      }
    });
  });

  describe('for who changes things', () => {
    beforeEach(async () => {
      site = await openApiSite();
    });
    afterEach(() => site.close());

    it('is no hindrance to trying out a webhook of its own', async () => {
      const wished = { name: 'mine', url: 'http://127.0.0.1:9/' };
      const answer = await acme().post('/webhooks?dryRun=true', wished);
      expect([answer.status, answer.body]).toMatchObject([200, { applied: false, result: { waiting: 0, dead: 0 } }]);
    });

    it('is unknown in the body of a change', async () => {
      const { bolt } = site;
      const [serial = ''] = bolt.serials;
      for (const which of [{ serial }, { device: bolt.devices.active }, { group: bolt.group }]) {
        const id = Object.values(which);
        unknown(await acme().post('/credentials/revoke', { ...which, reason: 'superseded' }), id);
        unknown(await acme().post('/credentials/release', which), id);
      }
      const to = bolt.devices.active;
      unknown(await acme().post(`/devices/${site.acme.devices.active}/rekey`, { to }), [to]);
      unknown(await acme().post(`/devices/${site.acme.devices.active}/rekey?dryRun`, { to }), [to]);
      const chain = encodePem('CERTIFICATE', bolt.leaf.der);
      unknown(await acme().post('/explain', { chain, group: bolt.group }), [bolt.group]);
      const judged = await acme().post('/explain', { chain });
      expect([judged.body.explanation.verdict, judged.body.groups]).toEqual(['refused', 2]);
      expect(traces(judged, ['Boltware'])).toEqual([]);
      const { body } = await site.as('boltViewer').get('/ca');
      const anchor = body.manufacturers[0].anchors[0].fingerprint;
      unknown(await acme().post('/ca/rehearse', { anchor, on: Date.now() }), [anchor]);
      expect(await site.store.device(to)).toMatchObject({ ownerId: owners.bolt, state: 'active' });
    });

    it('cannot be claimed by a group: neither its authorities nor what is below, its pins, its identities, its hubs', async () => {
      const { bolt } = site;
      const group = { name: 'thief', owner: owners.acme, hubs: [site.acme.hub] };
      const root = encodePem('CERTIFICATE', bolt.root.der);
      const pin = Buffer.from('Boltware pin'.padEnd(32)).toString('hex');
      const psk = (identity: string) => ({ psk: [{ identity, key: 'ab'.repeat(16), derived: true }] });
      for (const claim of [
        { anchors: [root] },
        { pins: [pin] },
        psk('Boltware-*'),
        psk('Boltware-7'),
        psk('Bolt*'),
        psk('*'),
      ]) {
        for (const path of ['/groups', '/groups?dryRun']) {
          unknown(await acme().post(path, { ...group, ...claim }), ['Boltware'], 'operator.conflict');
        }
      }
      unknown(
        await acme().post('/groups', { ...group, id: bolt.group, pins: ['ab'.repeat(32)] }),
        [bolt.group],
        'operator.conflict',
      );
      unknown(await acme().post('/groups', { ...group, hubs: [bolt.hub], pins: ['ab'.repeat(32)] }), [bolt.hub]);
      const theirs = { ...group, owner: owners.bolt, pins: ['ab'.repeat(32)] };
      unknown(await acme().post('/groups', theirs), [owners.bolt], 'api.forbidden');
      unknown(await acme().post('/hubs', { id: bolt.hub, gateways }), [bolt.hub]);
      const free = await acme().post('/groups', { ...group, pins: ['ab'.repeat(32)] });
      expect([free.status, free.body?.applied]).toEqual([201, true]);
    });

    it('cannot be claimed by whoever is bound to an owner unless owners attest: not by any group', async () => {
      const strict = await openApiSite({ ownersAttest: false });
      try {
        const { group, hub } = strict.acme;
        const client = strict.as('acmeAdmin');
        const refused = (answer: ApiAnswer): void => {
          expect([answer.status, answer.problem?.code]).toEqual([403, 'api.forbidden']);
          expect(answer.problem?.fix).toMatch(/admin of the whole service.*api\.ownersAttest: true/);
        };
        const made = { name: 'thief', owner: owners.acme, hubs: [hub], pins: ['ab'.repeat(32)] };
        refused(await client.post('/groups', made));
        refused(await client.post('/groups?dryRun', made));
        const { body } = await client.get(`/groups/${group}`);
        const { ownerId: _, source: __, revision: ___, ...written } = body.group;
        refused(await client.put(`/groups/${group}`, { ...written, pins: ['ab'.repeat(32)] }));
        expect((await client.put(`/groups/${group}`, { ...written, admission: 'manual' })).body?.applied).toBe(true);
        expect((await client.post(`/groups/${group}/disable`)).body?.applied).toBe(true);
        const whole = strict.as('admin');
        expect((await whole.put(`/groups/${group}`, { ...written, pins: ['ab'.repeat(32)] })).body?.applied).toBe(true);
      } finally {
        await strict.close();
      }
    });

    it('a hub that everybody may use is seen and used, and not changed', async () => {
      expect((await acme().get(`/hubs/${site.sharedHub}`)).status).toBe(200);
      unknown(await acme().put(`/hubs/${site.sharedHub}`, { gateways }));
      unknown(await acme().del(`/hubs/${site.sharedHub}`), [], 'operator.conflict');
      const made = await acme().post('/hubs', { id: someUuid(8_000_000), gateways });
      expect(made.body.result.ownerId).toBe(owners.acme);
    });

    it('one who gives a device away does not see it any more, and the next owner does', async () => {
      const keyId = site.acme.devices.active;
      expect((await acme().post(`/devices/${keyId}/transfer`, { owner: owners.bolt })).status).toBe(200);
      unknown(await acme().get(`/devices/${keyId}`), [keyId]);
      const { body } = await site.as('boltViewer').get(`/devices/${keyId}`);
      expect([body.device.keyId, body.group, body.attempts]).toEqual([keyId, undefined, expect.any(Array)]);
      expect(body.attempts.map(({ ownerId }: { ownerId?: string }) => ownerId)).not.toContain(owners.acme);
    });
  });
});
