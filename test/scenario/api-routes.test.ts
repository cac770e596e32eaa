import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { encodePem } from '../../src/codec/pem.ts';
import { days } from '../../src/core/clock.ts';
import { readCrl } from '../../src/pki/revocation-list.ts';
import { startTestApi } from '../support/api.ts';
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
