import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { encodePem } from '../../src/codec/pem.ts';
import { hours } from '../../src/core/clock.ts';
import { good, refused } from '../support/api-answers.ts';
import { type ApiSite, openApiSite } from '../support/api-site.ts';
import { someUuid } from '../support/store-records.ts';

/** Answers are held against the schemas of their routes: one that does not fit is a 500. */
describe('over HTTP', () => {
  let site: ApiSite;
  beforeEach(async () => {
    site = await openApiSite();
  });
  afterEach(() => site.close());

  const admin = () => site.as('admin');

  describe('groups', () => {
    const newGroup = () => ({
      name: 'new group',
      owner: 'acme',
      anchors: [pem(site.acme.leaf.der)],
      hubs: [site.sharedHub],
    });
    const pskGroup = (key: string | null | undefined) => ({
      name: 'samples',
      owner: 'acme',
      psk: [{ identity: 'sample-*', ...(key !== undefined && { key }), derived: true }],
      hubs: [site.sharedHub],
    });

    it('are listed with their devices, without keys', async () => {
      const { items, next } = good(await admin().get('/groups'));
      expect([items.length, next]).toEqual([4, null]);
      const { group, devices } = items.find((item: { group: { id: string } }) => item.group.id === site.acme.group);
      expect(devices).toEqual({ active: 1, pending: 1, quarantined: 1, disabled: 1, decommissioned: 1 });
      expect(group).toMatchObject({ psk: [{ identity: 'Acmeware-*', key: null }], ownerPsk: null, source: 'operator' });
    });

    it('are shown by id and by name, with their revision as ETag', async () => {
      const answer = await admin().get(`/groups/${encodeURIComponent('Acmeware group')}`);
      expect(good(answer).hubs.map(({ name }: { name: string }) => name)).toEqual(['Acmeware hub', 'shared hub']);
      const etag = answer.headers.get('etag') ?? '';
      expect(etag).toBe(`"${answer.body.group.revision}"`);
      const again = await admin().get(`/groups/${site.acme.group}`, { headers: { 'if-none-match': etag } });
      expect([again.status, again.text]).toEqual([304, '']);
      refused(await admin().get('/groups/nobody'), 404, 'operator.not-found');
    });

    it('are made from what is sent, changed by what was read, and keep the keys that nobody was told', async () => {
      const made = good(await admin().post('/groups', pskGroup('ab'.repeat(16))), 201);
      expect(made).toMatchObject({ applied: true, result: { psk: [{ key: null }], revision: 1 } });
      const key = (await site.store.groups.get(made.result.id))?.attestation.psk[0]?.key;
      const { group } = good(await admin().get('/groups/samples'));
      const put = good(await admin().put('/groups/samples', { ...group, admission: 'manual' }));
      expect(put).toMatchObject({ applied: true, effects: ['group samples: admission auto -> manual'] });
      const stored = await site.store.groups.get(made.result.id);
      expect([stored?.admission, stored?.attestation.psk[0]?.key]).toEqual(['manual', key]);
      refused(await admin().post('/groups', { ...pskGroup(null), name: 'other' }), 400, 'operator.input');
    });

    it('are not written by a dry run', async () => {
      const { applied, effects } = good(await admin().post('/groups?dryRun=true', pskGroup('ab'.repeat(16))));
      expect([applied, effects.length]).toEqual([false, 1]);
      refused(await admin().get('/groups/samples'), 404, 'operator.not-found');
    });

    it('say which key cannot be used', async () => {
      const broken = await admin().post('/groups', { ...newGroup(), anchors: [pem(site.acme.root.der), 'no PEM'] });
      refused(broken, 400, 'operator.input');
      expect(broken.problem?.evidence).toEqual({ key: 'anchors[1]' });
      refused(await admin().post('/groups', newGroup()), 400, 'operator.input');
      const file = await admin().post('/groups', { ...newGroup(), anchors: ['/etc/passwd'] });
      expect(file.problem).toMatchObject({ code: 'operator.input', evidence: { key: 'anchors[0]' } });
      const keyFile = { ...pskGroup(undefined), psk: [{ identity: 'a', keyFile: '/etc/passwd' }] };
      refused(await admin().post('/groups', keyFile), 400, 'request.malformed');
      refused(
        await admin().post('/groups', { ...pskGroup('ab'.repeat(16)), ownerPskFile: 'x' }),
        400,
        'request.malformed',
      );
      const webhook = { webhook: { url: 'https://alloc.example/', secretFile: '../../etc/passwd' } };
      const outside = await admin().post('/groups', { ...pskGroup('ab'.repeat(16)), allocation: webhook });
      expect(outside.problem).toMatchObject({
        code: 'operator.input',
        evidence: { key: 'allocation.webhook.secretFile' },
      });
      const unknown = await admin().post('/groups', { ...pskGroup('ab'.repeat(16)), hubs: [someUuid(77)] });
      refused(unknown, 404, 'operator.not-found');
    });

    it('are refused when the id or the name is taken, when a file has them, and when they have changed meanwhile', async () => {
      refused(
        await admin().post('/groups', { ...pskGroup('ab'.repeat(16)), name: 'Acmeware group' }),
        409,
        'operator.conflict',
      );
      const { group } = good(await admin().get(`/groups/${site.acme.fileGroup}`));
      refused(
        await admin().put(`/groups/${site.acme.fileGroup}`, { ...group, enabled: false }),
        409,
        'operator.file-managed',
      );
      const stale = { headers: { 'if-match': '"99"' } };
      const { group: own } = good(await admin().get(`/groups/${site.acme.group}`));
      const late = await admin().put(`/groups/${site.acme.group}`, own, stale);
      refused(late, 412, 'api.precondition');
      expect(late.problem?.evidence.revision).toBe(own.revision);
      refused(await admin().put(`/groups/${site.acme.group}`, { ...own, id: someUuid(1) }), 400, 'operator.input');
    });

    it('have a key of their owner for all devices only with the key that it is', async () => {
      const path = `/groups/${site.acme.group}`;
      const { group } = good(await admin().get(path));
      expect(group).toMatchObject({ ownerPsk: null, ownerPskShared: false });
      const kept = await admin().put(path, { ...group, ownerPskShared: true });
      refused(kept, 400, 'operator.input');
      expect(kept.problem?.evidence.field).toBe('ownerPskShared');
      const ownerPsk = 'ab'.repeat(20);
      const { result } = good(await admin().put(path, { ...group, ownerPsk, ownerPskShared: true }));
      expect(result).toMatchObject({ ownerPsk: null, ownerPskShared: true });
      expect(good(await admin().put(path, { ...result, name: 'renamed' })).result.ownerPskShared).toBe(true);
      const { active } = site.acme.devices;
      const told = good(await admin().post(`/devices/${active}/owner-psk`));
      expect(told).toMatchObject({ key: 'ab'.repeat(16), shared: true });
      const { ownerPsk: _, ...without } = result;
      refused(await admin().put(path, without), 400, 'operator.input');
    });

    it('are disabled, enabled, approved and deleted', async () => {
      const path = `/groups/${site.acme.group}`;
      expect(good(await admin().post(`${path}/disable`)).result.enabled).toBe(false);
      expect(good(await admin().post(`${path}/enable`)).result.enabled).toBe(true);
      const { result } = good(await admin().post(`${path}/approve`, { reason: 'all seen' }));
      expect(result).toEqual([site.acme.devices.pending]);
      refused(await admin().del(path), 409, 'operator.conflict');
      expect(good(await admin().del(`${path}?force=true`)).applied).toBe(true);
      refused(await admin().get(path), 404, 'operator.not-found');
    });

    it('have long lists', async () => {
      const path = `/groups/${site.acme.group}/access`;
      const device = { by: 'serial', value: '0A1B' };
      const added = good(await admin().post(path, { list: 'allow', device, note: 'the first' }), 201);
      expect(added.result).toMatchObject({ device: { by: 'serial', value: '0a1b' }, note: 'the first' });
      const page = good(await admin().get(`${path}?limit=1`));
      expect([page.items.length, typeof page.next]).toEqual([1, 'string']);
      const rest = good(await admin().get(`${path}?limit=5&cursor=${encodeURIComponent(page.next)}`));
      expect([rest.items.length, rest.next]).toEqual([1, null]);
      expect(good(await admin().get(`${path}?list=deny`)).items).toHaveLength(1);
      expect(good(await admin().del(`${path}?list=allow&by=serial&value=0a1b`)).applied).toBe(true);
      refused(await admin().del(`${path}?list=allow&by=serial&value=0a1b`), 404, 'operator.not-found');
      refused(await admin().post(path, { list: 'allow', device: { by: 'key', value: 'x' } }), 400, 'operator.input');
    });

    it('take imports as they come', async () => {
      const path = `/groups/${site.acme.group}/access/import?list=preauthorized`;
      const csv = { headers: { 'content-type': 'text/csv' } };
      const lines = Array.from({ length: 3000 }, (_, at) => `${at.toString(16)},line ${at}\n`).join('');
      const report = good(await admin().post(path, `serial,note\n${lines}`, csv));
      expect(report).toMatchObject({ applied: true, added: 3000, duplicates: 0, problems: 0 });
      const ndjson = { headers: { 'content-type': 'application/x-ndjson' } };
      const partly = good(
        await admin().post(`${path}&partial`, '{"serial":"0"}\n{"serial":"zz"}\n{"serial":"abcdef01"}\n', ndjson),
      );
      expect(partly).toMatchObject({ applied: true, added: 1, duplicates: 1, problems: 1 });
      refused(await admin().post(path, 'colour\nred\n', csv), 400, 'operator.input');
      refused(
        await admin().post(path, '{}', { headers: { 'content-type': 'application/json' } }),
        415,
        'request.content-format',
      );
    });
  });

  it('hubs are made, listed, shown, changed and deleted', async () => {
    const id = someUuid(9_000_001);
    const gateways = ['coaps+tcp://new.example:5684'];
    expect(good(await admin().post('/hubs', { id, gateways }), 201).result).toMatchObject({
      id,
      name: id,
      revision: 1,
    });
    refused(await admin().post('/hubs', { id, gateways }), 409, 'operator.conflict');
    const { items } = good(await admin().get('/hubs'));
    expect(items.find(({ hub }: { hub: { id: string } }) => hub.id === site.sharedHub)).toMatchObject({ groups: 4 });
    const shown = await admin().get(`/hubs/${id}`);
    expect(shown.headers.get('etag')).toBe('"1"');
    const put = good(
      await admin().put(`/hubs/${id}`, { ...shown.body.hub, name: 'new' }, { headers: { 'if-match': '"1"' } }),
    );
    expect(put.result).toMatchObject({ name: 'new', revision: 2 });
    refused(await admin().del(`/hubs/${id}`, { headers: { 'if-match': '"1"' } }), 412, 'api.precondition');
    expect(good(await admin().del(`/hubs/${id}`)).applied).toBe(true);
    refused(await admin().get(`/hubs/${id}`), 404, 'operator.not-found');
    refused(await admin().del(`/hubs/${site.acme.hub}`), 409, 'operator.conflict');
    refused(await admin().del(`/hubs/${site.fileHub}`), 409, 'operator.file-managed');
    const oauth = { authority: 'https://issuer.example', clientId: 'a', clientSecretFile: 'nothing-here' };
    const secret = await admin().post('/hubs', { id: someUuid(9_000_002), gateways, oauth });
    expect(secret.problem).toMatchObject({ code: 'operator.input', evidence: { key: 'oauth.clientSecretFile' } });
    refused(await admin().post('/hubs', { id: someUuid(9_000_003), gateways: ['coaps://'] }), 400, 'operator.input');
  });

  it('the policy is given as a file without keys, and another one is tried', async () => {
    const answer = await admin().get('/policy');
    expect(answer.headers.get('content-type')).toMatch(/^application\/yaml/);
    expect(answer.text).toContain('name: Acmeware group');
    expect(answer.text).not.toContain('0707');
    const since = Date.now() - hours(24);
    const { effects } = good(await admin().post('/policy/dry-run', { groups: [], hubs: [], since }));
    expect(effects).toContain('group Acmeware file group is removed');
    const taken = { groups: [], hubs: [{ id: site.acme.hub, gateways: ['coaps://a.example:1'] }], since };
    refused(await admin().post('/policy/dry-run', taken), 409, 'operator.conflict');
    const broken = await admin().post('/policy/dry-run', {
      groups: [{ name: 'x', owner: 'y', anchors: ['z'], hubs: [site.fileHub] }],
      hubs: [],
      since,
    });
    expect(broken.problem).toMatchObject({ code: 'operator.input', evidence: { key: 'groups[0].anchors[0]' } });
  });
});

const pem = (der: Uint8Array): string => encodePem('CERTIFICATE', der);
