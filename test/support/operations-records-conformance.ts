import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { days } from '../../src/core/clock.ts';
import type { Operations } from '../../src/operator/operations.ts';
import { auditedIn, type OperationsBench, seeded, seededAt } from './operations-bench.ts';

const { machines, samples, production, devices } = seeded;
const page = { limit: 100 };

/** What every implementation of Operations does with what there is on record. `open` gives one over a store that is seeded. */
export function recordOperationsConformance(open: () => Promise<OperationsBench>): void {
  let bench: OperationsBench;
  let operations: Operations;
  beforeEach(async () => {
    bench = await open();
    operations = bench.operations;
  });
  afterEach(() => bench.close());

  const audited = () => auditedIn(bench);

  describe('devices', () => {
    test('are listed by what is asked of them, in pages', async () => {
      const keys = async (filter: Parameters<Operations['devices']>[0]) =>
        (await operations.devices(filter, page)).rows.map(({ keyId }) => keyId);
      expect(await keys({})).toEqual(Object.values(devices).toSorted());
      expect(await keys({ state: 'pending' })).toEqual([devices.pending]);
      expect(await keys({ group: 'samples' })).toEqual([devices.active, devices.pending].toSorted());
      expect(await keys({ owner: 'acme' })).toHaveLength(5);
      expect(await keys({ owner: 'bolt' })).toEqual([]);
      expect(await keys({ hub: 'production' })).toHaveLength(4);
      expect(await keys({ hub: 'unused' })).toEqual([]);
      expect(await keys({ sort: 'created' })).toEqual(Object.values(devices).toSorted().toReversed());
      expect(await keys({ alarms: true })).toEqual([]);
      expect(await keys({ text: 'DEVICE 3' })).toEqual([devices.quarantined]);
      await expect(operations.devices({ group: 'dryers' }, page)).rejects.toMatchObject({ code: 'operator.not-found' });
      const first = await operations.devices({}, { limit: 2 });
      expect(first.rows).toHaveLength(2);
      const rest = await operations.devices({}, { limit: 10, after: first.next });
      expect([...first.rows, ...rest.rows].map(({ keyId }) => keyId)).toEqual(Object.values(devices).toSorted());
      expect(rest.next).toBeUndefined();
    });

    test('are shown with what belongs to them, by any of their ids', async () => {
      for (const which of [devices.active, seeded.deviceId, devices.active.slice(0, 8)]) {
        const view = await operations.device(which);
        expect(view).toMatchObject({
          device: { keyId: devices.active, deviceId: seeded.deviceId, revision: 1 },
          group: { id: samples, name: 'samples' },
          hub: { id: production, name: 'production' },
          owner: { name: 'acme' },
        });
        expect(view.credentials.map(({ serial }) => serial)).toEqual(['a1b2c3', 'd4e5f6']);
        expect(view.attempts).toMatchObject([{ id: seeded.accepted, verdict: 'provisioned' }]);
      }
      await expect(operations.device('deadbeef')).rejects.toMatchObject({ code: 'operator.not-found' });
      await expect(operations.device('abc')).rejects.toMatchObject({ code: 'operator.input' });
    });

    test.each([
      ['approve', devices.pending, 'active'],
      ['reject', devices.pending, 'disabled'],
      ['quarantine', devices.active, 'quarantined'],
      ['release', devices.quarantined, 'active'],
      ['disable', devices.active, 'disabled'],
      ['enable', devices.disabled, 'active'],
      ['decommission', devices.active, 'decommissioned'],
      ['allow-reset', devices.active, 'active'],
    ] as const)('%s', async (turn, which, state) => {
      const dry = await operations.turnDevice(turn, which, { dryRun: true });
      expect(dry).toMatchObject({ applied: false, result: { state } });
      expect(dry.effects.length).toBeGreaterThan(0);
      expect(await operations.turnDevice(turn, which, { reason: 'a "good" one' })).toMatchObject({
        applied: true,
        effects: dry.effects,
      });
      expect((await bench.store.device(which))?.state).toBe(state);
      const [line] = await bench.store.audit({ after: bench.linesBefore, limit: 1 });
      expect(line).toMatchObject({ action: `device.${turn}`, detail: { reason: 'a "good" one' } });
    });

    test('alarms are cleared', async () => {
      const device = await bench.store.device(devices.active);
      if (!device) throw new Error('no device');
      await bench.store.putDevice({ ...device, alarms: [{ at: seededAt, kind: 'two-places', evidence: {} }] });
      expect((await operations.devices({ alarms: true }, page)).rows).toHaveLength(1);
      expect(await operations.turnDevice('clear-alarms', devices.active, {})).toMatchObject({ applied: true });
      expect((await bench.store.device(devices.active))?.alarms).toEqual([]);
    });

    test('a turn that makes no sense is refused', async () => {
      await expect(operations.turnDevice('release', devices.active, {})).rejects.toMatchObject({
        code: 'operator.conflict',
      });
      const reason = 'two\nlines';
      await expect(operations.turnDevice('quarantine', devices.active, { reason })).rejects.toMatchObject({
        code: 'operator.input',
      });
    });

    test('go to another owner, and to another key', async () => {
      const outcome = await operations.transferDevice(devices.active, 'second hand ltd', { reason: 'sold' });
      expect(outcome).toMatchObject({ applied: true, result: { assignedOwner: { name: 'second hand ltd' } } });
      await expect(operations.transferDevice(devices.active, ' ', {})).rejects.toMatchObject({
        code: 'operator.input',
      });
      const rekeyed = await operations.rekeyDevice(devices.active, devices.pending, { reason: 'board swapped' });
      expect(rekeyed).toMatchObject({ applied: true, result: { keyId: devices.pending } });
      expect((await bench.store.device(devices.active))?.successor).toBe(devices.pending);
    });

    test('the key of the owner is told, and that goes on record', async () => {
      const told = await operations.ownerPsk(devices.active);
      const key = expect.stringMatching(/^[0-9a-f]{32}$/);
      expect(told).toMatchObject({ deviceId: seeded.deviceId, key, shared: false });
      expect(await audited()).toEqual(['credential.owner-psk']);
      await expect(operations.ownerPsk(devices.pending)).rejects.toMatchObject({ code: 'operator.conflict' });
      await expect(operations.ownerPsk(devices.disabled)).rejects.toMatchObject({ code: 'operator.not-found' });
    });
  });

  describe('credentials', () => {
    test('are listed and shown', async () => {
      const serials = async (filter: Parameters<Operations['credentials']>[0]) =>
        (await operations.credentials(filter, page)).rows.map(({ serial }) => serial);
      expect(await serials({})).toEqual(['a1b2c3', 'd4e5f6']);
      expect(await serials({ revoked: true })).toEqual(['d4e5f6']);
      expect(await serials({ revoked: false })).toEqual(['a1b2c3']);
      expect(await serials({ device: devices.active, expiringWithin: days(40) })).toEqual(['a1b2c3']);
      expect(await serials({ group: 'washing machines' })).toEqual([]);
      expect(await operations.credential('A1B2C3')).toMatchObject({
        credential: { serial: 'a1b2c3', deviceId: seeded.deviceId },
        manufacturer: 'CN=device 1',
        group: { name: 'samples' },
      });
      await expect(operations.credential('ff')).rejects.toMatchObject({ code: 'operator.not-found' });
    });

    test('are revoked and released', async () => {
      const reason = 'keyCompromise' as const;
      expect(await operations.revokeCredentials({ serial: 'a1b2c3' }, { reason, dryRun: true })).toMatchObject({
        applied: false,
        result: { changed: 1 },
      });
      expect(await operations.releaseCredentials({ serial: 'd4e5f6' }, {})).toMatchObject({ applied: true });
      expect(await operations.revokeCredentials({ device: devices.active, generation: 1 }, { reason })).toMatchObject({
        applied: true,
        result: { changed: 2, serials: ['a1b2c3', 'd4e5f6'] },
      });
      expect((await bench.store.credential('a1b2c3'))?.revoked?.reason).toBe(reason);
      expect(await operations.revokeCredentials({ group: 'samples' }, { reason })).toMatchObject({ applied: false });
      await expect(operations.releaseCredentials({ serial: 'a1b2c3' }, {})).rejects.toMatchObject({
        code: 'operator.conflict',
      });
      await expect(operations.revokeCredentials({ serial: 'ff' }, { reason })).rejects.toMatchObject({
        code: 'operator.not-found',
      });
    });
  });

  describe('attempts', () => {
    test('are listed, newest first, by what is asked of them', async () => {
      const ids = async (filter: Parameters<Operations['attempts']>[0]) =>
        (await operations.attempts(filter, page)).rows.map(({ id }) => id);
      expect(await ids({})).toEqual([seeded.open, seeded.accepted, seeded.refused]);
      expect(await ids({ verdict: 'open' })).toEqual([seeded.open]);
      expect(await ids({ verdict: 'refused' })).toEqual([seeded.refused]);
      expect(await ids({ code: 'attest' })).toEqual([seeded.refused]);
      expect(await ids({ code: 'attest.incomplete-chain' })).toEqual([seeded.refused]);
      expect(await ids({ code: 'bind' })).toEqual([]);
      expect(await ids({ device: devices.active })).toEqual([seeded.accepted]);
      expect(await ids({ group: 'samples' })).toEqual([]);
      expect(await ids({ since: seededAt + 500 })).toEqual([seeded.open, seeded.accepted]);
      expect(await ids({ text: 'device-0001' })).toContain(seeded.accepted);
      const { rows } = await operations.attempts({ verdict: 'refused' }, page);
      expect(rows).toMatchObject([{ peer: { addresses: ['192.0.2.1:4711'] }, refusal: { code: expect.any(String) } }]);
      const first = await operations.attempts({}, { limit: 2 });
      expect((await operations.attempts({}, { limit: 2, after: first.next })).rows.map(({ id }) => id)).toEqual([
        seeded.refused,
      ]);
    });

    test('are shown whole', async () => {
      expect(await operations.attempt(seeded.refused)).toEqual(await bench.store.attempt(seeded.refused));
      await expect(operations.attempt('00000000')).rejects.toMatchObject({ code: 'operator.not-found' });
      await expect(operations.attempt('nonsense')).rejects.toMatchObject({ code: 'operator.input' });
    });

    test('strangers that were refused are counted', async () => {
      expect(await operations.refusals(seededAt - days(1))).toMatchObject([
        { code: 'attest.incomplete-chain', count: 40, recorded: 1 },
      ]);
      expect(await operations.refusals(Date.now() + days(1))).toEqual([]);
    });

    test('are explained: what was decided then, and what would be now', async () => {
      const refused = await operations.explainAttempt(seeded.refused, {});
      expect(refused).toMatchObject({
        attempt: seeded.refused,
        recorded: { verdict: 'refused', refusal: { code: 'attest.incomplete-chain' } },
        now: { verdict: 'refused', refusal: { code: 'attest.incomplete-chain' } },
        groups: 2,
      });
      const nothingShown = await operations.explainAttempt(seeded.open, {});
      expect(nothingShown.now).toBeUndefined();
      const elsewhere = await operations.explainAttempt(seeded.accepted, { group: 'samples' });
      expect(elsewhere.now).toMatchObject({ verdict: 'refused' });
      await expect(operations.explainAttempt(seeded.accepted, { group: 'dryers' })).rejects.toMatchObject({
        code: 'operator.not-found',
      });
    });

    test('a chain is explained', async () => {
      const { explanation, groups } = await operations.explainChain(seeded.goodChain, { at: seededAt });
      expect(groups).toBe(2);
      expect(explanation).toMatchObject({ verdict: 'accepted', at: seededAt, group: { name: 'washing machines' } });
      const later = await operations.explainChain(seeded.goodChain, { at: seededAt + days(40_000) });
      expect(later.explanation).toMatchObject({ verdict: 'refused', refusal: { code: 'attest.authority-expired' } });
      const other = await operations.explainChain(seeded.goodChain, { group: 'samples', at: seededAt });
      expect(other.explanation.verdict).toBe('refused');
    });
  });

  describe('the audit log', () => {
    test('is read in both directions and verified', async () => {
      await operations.turnDevice('approve', devices.pending, {});
      await operations.setGroupEnabled(machines, { enabled: false });
      await operations.turnDevice('disable', devices.active, {});
      const before = bench.linesBefore;
      const actions = async (filter: Parameters<Operations['audit']>[0], newest = false) =>
        (await operations.audit(filter, { ...page, newest })).rows.flatMap(({ seq, action }) =>
          seq > before ? [action] : [],
        );
      expect(await actions({})).toEqual(['device.approve', 'group.disable', 'device.disable']);
      expect(await actions({}, true)).toEqual(['device.disable', 'group.disable', 'device.approve']);
      expect(await actions({ action: 'device' })).toEqual(['device.approve', 'device.disable']);
      expect(await actions({ target: machines })).toEqual(['group.disable']);
      expect(await actions({ actor: 'nobody' })).toEqual([]);
      expect(await actions({ since: Date.now() + days(1) })).toEqual([]);
      expect(await actions({ until: seededAt })).toEqual([]);
      const first = await operations.audit({}, { limit: 2, newest: true });
      const second = await operations.audit({}, { limit: 2, newest: true, after: first.next });
      expect([...first.rows, ...second.rows].map(({ seq }) => seq - before).slice(0, 3)).toEqual([3, 2, 1]);
      const verdict = await operations.verifyAudit({});
      expect(verdict).toMatchObject({ ok: true, lines: before + 3 });
      expect(await operations.verifyAudit({ head: 'ab'.repeat(32) })).toMatchObject({
        ok: false,
        problem: { fault: 'head' },
      });
    });
  });

  describe('tokens', () => {
    test('are made, told once, listed without what they are, and revoked', async () => {
      const known = (await operations.tokens()).length;
      const request = { name: 'grafana', role: 'viewer', owner: 'acme', expiresAt: Date.now() + days(1) } as const;
      expect(await operations.createToken(request, { dryRun: true })).toMatchObject({ applied: false });
      const { result } = await operations.createToken(request, {});
      expect(result).toMatchObject({ name: 'grafana', role: 'viewer', token: expect.stringMatching(/^fb_/) });
      const listed = await operations.tokens();
      expect(listed).toHaveLength(known + 1);
      expect(JSON.stringify(listed)).not.toContain(result.token);
      await expect(operations.createToken(request, {})).rejects.toMatchObject({ code: 'operator.conflict' });
      expect(await operations.revokeToken('grafana', { dryRun: true })).toMatchObject({ applied: false });
      expect(await operations.revokeToken('grafana', {})).toMatchObject({ applied: true, result: { id: result.id } });
      await expect(operations.revokeToken('grafana', {})).rejects.toMatchObject({ code: 'operator.not-found' });
      expect(await operations.tokens()).toHaveLength(known);
    });
  });

  describe('webhooks', () => {
    test('are made, changed, listed and deleted', async () => {
      const request = { name: 'shop', url: 'https://shop.example.com/hook', types: ['device'] };
      expect(await operations.putWebhook(request, { dryRun: true })).toMatchObject({ applied: false });
      const { result } = await operations.putWebhook(request, {});
      expect(result).toMatchObject({ webhook: { name: 'shop', enabled: true, revision: 1 }, waiting: 0, dead: 0 });
      expect(result.secret).toMatch(/^whsec_/);
      expect(JSON.stringify([await operations.webhooks(), await operations.webhook('shop')])).not.toContain('whsec_');
      const changed = await operations.putWebhook({ ...request, enabled: false }, { which: 'shop', revision: 1 });
      expect(changed).toMatchObject({ applied: true, result: { webhook: { enabled: false, revision: 2 } } });
      expect(changed.result.secret).toBeUndefined();
      await expect(operations.putWebhook(request, { which: 'shop', revision: 1 })).rejects.toMatchObject({
        code: 'api.precondition',
      });
      await expect(operations.putWebhook({ ...request, url: 'nonsense' }, {})).rejects.toMatchObject({
        code: expect.stringMatching(/^(operator\.input|request\.malformed)$/),
      });
      await expect(operations.deleteWebhook('shop', { revision: 1 })).rejects.toMatchObject({
        code: 'api.precondition',
      });
      expect(await operations.deleteWebhook('shop', {})).toMatchObject({ applied: true });
      expect(await operations.webhooks()).toEqual([]);
      await expect(operations.webhook('shop')).rejects.toMatchObject({ code: 'operator.not-found' });
    });

    test('show what was given up, and try it again', async () => {
      const { result } = await operations.putWebhook({ name: 'shop', url: 'https://shop.example.com/hook' }, {});
      const webhookId = result.webhook.id;
      const delivery = (n: number, dueAt: number | undefined) => ({
        webhookId,
        event: { id: `1-${n}`, at: seededAt, type: 'device.enrolled', ownerId: undefined, data: { n } },
        attempts: 9,
        dueAt,
        error: 'status 500',
        lastTriedAt: seededAt,
      });
      await bench.store.commitDeliveries({ webhookId, put: [delivery(1, undefined), delivery(2, Date.now())] });
      expect(await operations.webhook('shop')).toMatchObject({ waiting: 1, dead: 1, lastError: 'status 500' });
      expect((await operations.deliveries('shop', page)).rows).toHaveLength(2);
      expect((await operations.deliveries('shop', { ...page, dead: true })).rows).toMatchObject([
        { event: { id: '1-1' } },
      ]);
      expect(await operations.redeliver('shop', { dryRun: true })).toMatchObject({ applied: false, result: 1 });
      expect(await operations.redeliver('shop', { event: '1-1' })).toMatchObject({ applied: true, result: 1 });
      expect((await operations.deliveries('shop', { ...page, dead: true })).rows).toEqual([]);
      for (const [event, code] of [
        ['1-1', 'operator.conflict'],
        ['1-9', 'operator.not-found'],
      ] as const) {
        await expect(operations.redeliver('shop', { event })).rejects.toMatchObject({ code });
      }
    });
  });
}
