import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { encodePem } from '../../src/codec/pem.ts';
import { days, hours } from '../../src/core/clock.ts';
import { readCrl } from '../../src/pki/revocation-list.ts';
import { type ApiAnswer, startTestApi } from '../support/api.ts';
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
  const good = (answer: ApiAnswer, status = 200): ApiAnswer['body'] => {
    expect({ status: answer.status, problem: answer.problem }).toEqual({ status, problem: undefined });
    return answer.body;
  };
  const refused = (answer: ApiAnswer, status: number, code: string): void => {
    expect([answer.status, answer.problem?.code]).toEqual([status, code]);
  };

  it('the overview adds up what there is', async () => {
    const body = good(await admin().get('/overview'));
    expect(body).toMatchObject({
      devices: { total: 10, byState: { active: 2, pending: 2 }, alarms: 2 },
      pending: 2,
      attempts24h: { verdicts: { provisioned: 8 } },
      openAttempts: 7,
      groups: 4,
      hubs: 4,
      readiness: { ready: true },
    });
    const own = good(await site.as('acmeViewer').get('/overview'));
    expect(own).toMatchObject({
      devices: { total: 5 },
      attempts24h: { verdicts: { provisioned: 3 } },
      openAttempts: null,
    });
  });

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

  describe('devices', () => {
    it('are listed by what they are, in three orders, a page at a time', async () => {
      const keys = async (query: string) =>
        good(await admin().get(`/devices?${query}`)).items.map(({ keyId }: { keyId: string }) => keyId);
      const { acme, bolt } = site;
      expect(await keys('state=pending')).toEqual([acme.devices.pending, bolt.devices.pending].toSorted());
      expect(await keys(`group=${acme.group}&state=active`)).toEqual([acme.devices.active]);
      expect(await keys(`hub=${bolt.hub}&alarms`)).toEqual([bolt.devices.quarantined]);
      expect(await keys('text=acmeware%20sensor%203')).toEqual([acme.devices.disabled]);
      expect(await keys(`text=${acme.deviceIds.active}`)).toEqual([acme.devices.active]);
      expect(await keys(`text=${acme.serials[1]}`)).toEqual([acme.devices.pending]);
      expect((await keys(`sort=seen&group=${acme.group}`))[0]).toBe(acme.devices.active);
      expect(await keys(`sort=created&group=${acme.group}`)).toEqual(
        (['active', 'pending', 'quarantined', 'disabled', 'decommissioned'] as const).map(
          (state) => acme.devices[state],
        ),
      );
      for (const sort of ['key', 'seen', 'created']) {
        const seen: string[] = [];
        let cursor: string | null = '';
        for (let pages = 0; cursor !== null && pages < 9; pages++) {
          const more: string = cursor === '' ? '' : `&cursor=${encodeURIComponent(cursor)}`;
          const page = good(await admin().get(`/devices?sort=${sort}&limit=3${more}`));
          seen.push(...page.items.map(({ keyId }: { keyId: string }) => keyId));
          cursor = page.next;
        }
        expect([cursor, seen.length, new Set(seen).size]).toEqual([null, 10, 10]);
      }
      refused(await admin().get('/devices?group=nobody'), 404, 'operator.not-found');
      refused(await admin().get('/devices?color=red'), 400, 'request.malformed');
    });

    it('are shown with what belongs to them', async () => {
      const answer = await admin().get(`/devices/${site.acme.devices.active}`);
      expect(good(answer)).toMatchObject({ group: { name: 'Acmeware group' }, hub: { name: 'Acmeware hub' } });
      expect([answer.body.credentials.length, answer.body.attempts.length]).toEqual([1, 4]);
      expect(answer.headers.get('etag')).toBe(`"${answer.body.device.revision}"`);
      refused(await admin().get(`/devices/${someUuid(1)}`), 404, 'operator.not-found');
      refused(await admin().get('/devices/x'), 400, 'operator.input');
    });

    it('take every turn that their state allows', async () => {
      const { pending, active, quarantined, disabled } = site.acme.devices;
      const turn = async (keyId: string, name: string) =>
        good(await admin().post(`/devices/${keyId}/${name}`, { reason: `to ${name}` })).result.state;
      expect(await turn(pending, 'approve')).toBe('active');
      expect(await turn(active, 'quarantine')).toBe('quarantined');
      expect(await turn(active, 'release')).toBe('active');
      expect(await turn(active, 'disable')).toBe('disabled');
      expect(await turn(active, 'enable')).toBe('active');
      expect(await turn(quarantined, 'clear-alarms')).toBe('quarantined');
      expect(await turn(disabled, 'decommission')).toBe('decommissioned');
      expect(await turn(active, 'allow-reset')).toBe('active');
      expect(await turn(site.bolt.devices.pending, 'reject')).toBe('disabled');
      refused(await admin().post(`/devices/${active}/approve`), 409, 'operator.conflict');
      const stale = await admin().post(`/devices/${active}/disable`, undefined, { headers: { 'if-match': '"1"' } });
      refused(stale, 412, 'api.precondition');
      refused(await admin().post(`/devices/${active}/disable`, { reason: 'a\nb' }), 400, 'operator.input');
    });

    it('are transferred, rekeyed, and tell the key of their owner', async () => {
      const { active, pending } = site.acme.devices;
      const psk = good(await admin().post(`/devices/${active}/owner-psk`));
      expect(psk).toMatchObject({ deviceId: site.acme.deviceIds.active, key: expect.stringMatching(/^[0-9a-f]{32}$/) });
      const moved = good(await admin().post(`/devices/${active}/transfer`, { owner: 'new owner' }));
      expect(moved.result.assignedOwner.name).toBe('new owner');
      const next = someUuid(9_100_000);
      expect(good(await admin().post(`/devices/${active}/rekey`, { to: next })).result.keyId).toBe(next);
      refused(await admin().post(`/devices/${pending}/transfer`, { owner: '\u0000' }), 400, 'operator.input');
      refused(await admin().post(`/devices/${pending}/rekey`, { to: 'x' }), 400, 'operator.input');
    });
  });

  it('credentials are listed, in order of their end, shown, revoked and released', async () => {
    const { acme } = site;
    expect(good(await admin().get('/credentials')).items).toHaveLength(10);
    const ends = good(await admin().get(`/credentials?group=${acme.group}&expiringWithin=${days(365)}`)).items;
    expect(ends.map(({ serial }: { serial: string }) => serial)).toEqual([acme.serials[0]]);
    expect(good(await admin().get(`/credentials?device=${acme.devices.pending}&revoked`)).items).toHaveLength(1);
    const serial = acme.serials[0];
    expect(good(await admin().get(`/credentials/${serial}`))).toMatchObject({ group: { name: 'Acmeware group' } });
    refused(await admin().get('/credentials/abcdef'), 404, 'operator.not-found');
    const hold = { serial, reason: 'certificateHold' };
    expect(good(await admin().post('/credentials/revoke', hold)).result).toEqual({ changed: 1, serials: [serial] });
    expect(good(await admin().post('/credentials/release', { serial })).result.changed).toBe(1);
    refused(await admin().post('/credentials/release', { serial }), 409, 'operator.conflict');
    const device = { device: acme.devices.active, generation: 9, reason: 'keyCompromise' };
    refused(await admin().post('/credentials/revoke', device), 404, 'operator.not-found');
    refused(await admin().post('/credentials/revoke', { serial, reason: 'whim' }), 400, 'request.malformed');
    refused(await admin().post('/credentials/revoke', { serial: 'xyz', reason: 'superseded' }), 400, 'operator.input');
  });

  it('attempts are listed, shown and explained, and strangers counted', async () => {
    const { acme } = site;
    const ids = async (query: string) =>
      good(await admin().get(`/attempts?${query}`)).items.map(({ id }: { id: string }) => id);
    expect(await ids('limit=500')).toHaveLength(8);
    expect(await ids(`device=${acme.devices.active}&verdict=provisioned`)).toEqual([acme.attempts.provisioned]);
    expect(await ids(`code=bind.reprovisioning&group=${acme.group}`)).toEqual([acme.attempts.refused]);
    expect(await ids('code=bind')).toHaveLength(4);
    expect(await ids(`verdict=open&text=${acme.word.toLowerCase()}`)).toEqual([acme.attempts.open]);
    expect(await ids(`since=${Date.now()}`)).toEqual([]);
    expect(good(await admin().get(`/attempts/${acme.attempts.refused}`)).entries).toHaveLength(4);
    const why = good(await admin().get(`/attempts/${acme.attempts.refused}/explanation`));
    expect([why.recorded.verdict, why.now.verdict, why.now.group.name]).toEqual([
      'refused',
      'accepted',
      'Acmeware group',
    ]);
    refused(await admin().get(`/attempts/${someUuid(4)}`), 404, 'operator.not-found');
    refused(await admin().get('/attempts/x'), 400, 'operator.input');
    expect(good(await admin().get('/refusals')).items).toMatchObject([{ count: 40 }]);
    const chain = good(await admin().post('/explain', { chain: pem(acme.leaf.der), group: 'Boltware group' }));
    expect(chain.explanation.refusal.code).toBe('attest.unknown-issuer');
    refused(await admin().post('/explain', { chain: 'nothing' }), 400, 'pem.malformed');
    refused(await admin().post('/explain', { chain: '-----BEGIN CERTIFICATE-----\n?\n' }), 400, 'pem.malformed');
  });

  it('authorities are shown, rehearsed and rolled over; the horizon says what ends when', async () => {
    const ca = good(await admin().get('/ca'));
    expect(ca).toMatchObject({ roots: [{ role: 'present' }], issuing: [{ role: 'present', live: 2 }] });
    expect(good(await site.as('acmeViewer').get('/ca')).issuing).toMatchObject([{ live: 1, revoked: 4 }]);
    const { days: ending, issuers, anchors } = good(await admin().get('/ca/horizon'));
    expect(ending).toEqual([{ day: expect.any(Number), count: 2 }]);
    expect([issuers.length, anchors.length]).toEqual([2, 2]);
    expect(good(await site.as('acmeViewer').get('/ca/horizon'))).toMatchObject({
      days: [{ count: 1 }],
      anchors: [{ group: { name: 'Acmeware group' } }],
    });
    const gone = good(await admin().post('/ca/rehearse', { anchor: anchors[0].fingerprint, on: Date.now() + days(1) }));
    expect(gone.anchor.kind).toBe('manufacturer');
    refused(await admin().post('/ca/rehearse', { anchor: 'ffffffff', on: 0 }), 404, 'operator.not-found');
    expect(good(await admin().post('/ca/rotate?dryRun', { what: 'issuing' })).applied).toBe(false);
    expect(good(await admin().post('/ca/rotate', { what: 'root' })).result.stage).toBe('announce');
    refused(await admin().post('/ca/rotate', { what: 'root', stage: 'retire' }), 409, 'operator.conflict');
    const bare = await startTestApi();
    try {
      for (const path of ['/ca', '/ca/horizon']) {
        const { status, problem } = await bare.as('viewer').get(path);
        expect([status, problem?.code, problem?.fix]).toEqual([
          404,
          'operator.not-found',
          expect.stringMatching(/a program started this service/),
        ]);
      }
    } finally {
      await bare.close();
    }
  });

  it('our revocation lists are given out in DER', async () => {
    const answer = await fetch(`${site.url}/api/v1/crl`, {
      headers: { authorization: `Bearer ${site.tokens.viewer}` },
    });
    expect(answer.headers.get('content-type')).toBe('application/pkix-crl');
    expect(readCrl(new Uint8Array(await answer.arrayBuffer())).revoked).toHaveLength(8);
    expect((await admin().get(`/crl/${site.issuerKeyId}`)).status).toBe(200);
    refused(await admin().get('/crl/abcd'), 404, 'operator.not-found');
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

  it('the audit log is read from both ends, and checked', async () => {
    for (let n = 0; n < 3; n++) await admin().post(`/groups/${site.acme.group}/${n % 2 ? 'enable' : 'disable'}`);
    const { items, next } = good(await admin().get('/audit?newest&limit=2'));
    expect(items.map(({ action }: { action: string }) => action)).toEqual(['group.disable', 'group.enable']);
    const rest = good(await admin().get(`/audit?newest&limit=100&cursor=${next}`));
    expect(rest.items[0].seq).toBe(items[1].seq - 1);
    expect(good(await admin().get('/audit?action=group&actor=admin')).items).toHaveLength(3);
    expect(good(await admin().get('/audit/verification'))).toMatchObject({ ok: true });
    expect(good(await admin().get(`/audit/verification?head=${'a'.repeat(64)}`))).toMatchObject({ ok: false });
    refused(await admin().get('/audit?cursor=x'), 400, 'operator.input');
  });
});

const pem = (der: Uint8Array): string => encodePem('CERTIFICATE', der);
