import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { days } from '../../src/core/clock.ts';
import type { Operations } from '../../src/operator/operations.ts';
import type { EnrollmentGroup, Hub } from '../../src/store/model.ts';
import { auditedIn, type OperationsBench, seeded, seededAt } from './operations-bench.ts';
import { someHub, someUuid } from './store-records.ts';

const { machines, samples, production, unused, devices } = seeded;
const page = { limit: 100 };

/** What every implementation of Operations does with policy and authorities. `open` gives one over a store that is seeded. */
export function policyOperationsConformance(open: () => Promise<OperationsBench>): void {
  let bench: OperationsBench;
  let operations: Operations;
  beforeEach(async () => {
    bench = await open();
    operations = bench.operations;
  });
  afterEach(() => bench.close());

  const audited = () => auditedIn(bench);

  describe('groups', () => {
    test('are listed with how many devices are in which state', async () => {
      const groups = await operations.groups();
      expect(groups.map(({ group: { name } }) => name).toSorted()).toEqual(['samples', 'washing machines']);
      const counts = groups.find(({ group }) => group.id === samples)?.devices;
      expect(counts).toMatchObject({ active: 1, pending: 1, disabled: 0 });
    });

    test('are shown by id and by name, whole but for their keys', async () => {
      const stored = await bench.store.groups.get(machines);
      const { group, hubs, devices: counts } = await operations.group('washing machines');
      expect(group).toEqual(stored);
      expect(hubs).toEqual([{ id: production, name: 'production' }]);
      expect(counts).toMatchObject({ quarantined: 1, disabled: 1, decommissioned: 1 });
      expect((await operations.group(samples)).group.name).toBe('samples');
    });

    test('show the revocation lists that are fetched for them', async () => {
      const url = 'http://crl.example.com/acme.crl';
      const none = { pem: undefined, thisUpdate: undefined, nextUpdate: undefined, fetchedAt: undefined };
      await bench.store.crls.put({ id: someUuid(9), url, ...none, triedAt: seededAt, error: 'it is down' });
      await bench.store.crls.put({ id: someUuid(8), url: 'http://else', ...none, triedAt: seededAt, error: undefined });
      const { lists } = await operations.group(machines);
      expect(lists).toMatchObject([{ url, error: 'it is down' }]);
    });

    test('one that is not known is not found', async () => {
      await expect(operations.group('dryers')).rejects.toMatchObject({
        code: 'operator.not-found',
        evidence: { group: 'dryers' },
        fix: expect.stringContaining('washing machines'),
      });
    });

    test('are made, with their keys, and not twice', async () => {
      const { group } = await operations.group(machines);
      const key = 'AQIDBAUGBwgJCgsMDQ4PEA==';
      const made: EnrollmentGroup = {
        ...group,
        id: someUuid(510),
        name: 'new ones',
        attestation: { ...group.attestation, psk: [{ identity: 'n', key, derived: false }] },
        ownerPsk: key,
        ownerPskShared: true,
      };
      const dry = await operations.putGroup(made, { create: true, dryRun: true });
      expect(dry).toMatchObject({ applied: false, effects: [expect.stringContaining('new ones is added')] });
      expect(await bench.store.groups.get(made.id)).toBeUndefined();
      expect(await operations.putGroup(made, { create: true })).toMatchObject({
        applied: true,
        result: { id: made.id, name: 'new ones', source: 'operator', revision: 1 },
      });
      expect(await bench.store.groups.get(made.id)).toEqual({ ...made, source: 'operator', revision: 1 });
      await expect(operations.putGroup(made, { create: true })).rejects.toMatchObject({ code: 'operator.conflict' });
      const homeless = { ...made, id: someUuid(511), name: 'homeless', hubs: [someUuid(699)] };
      await expect(operations.putGroup(homeless, { create: true })).rejects.toMatchObject({
        code: 'operator.not-found',
      });
    });

    test('are changed, keep the keys that are left out, and the revision counts', async () => {
      const stored = await bench.store.groups.get(samples);
      const { group } = await operations.group(samples);
      const keyless: EnrollmentGroup = {
        ...group,
        admission: 'auto',
        attestation: { ...group.attestation, psk: group.attestation.psk.map((entry) => ({ ...entry, key: '' })) },
        ownerPsk: '',
      };
      const outcome = await operations.putGroup(keyless, { create: false, revision: group.revision });
      expect(outcome).toMatchObject({ applied: true, effects: ['group samples: admission manual -> auto'] });
      expect(await bench.store.groups.get(samples)).toEqual({
        ...stored,
        admission: 'auto',
        revision: group.revision + 1,
      });
      const late = operations.putGroup(
        { ...keyless, admission: 'manual' },
        { create: false, revision: group.revision },
      );
      await expect(late).rejects.toMatchObject({
        code: 'api.precondition',
        evidence: { revision: group.revision + 1 },
      });
      const gone = operations.deleteGroup(samples, { force: true, revision: group.revision });
      await expect(gone).rejects.toMatchObject({ code: 'api.precondition' });
      expect(await operations.putGroup(keyless, { create: false })).toMatchObject({ applied: false, effects: [] });
    });

    test('a key that is left out of a new group is missed', async () => {
      const { group } = await operations.group(samples);
      const psk = [{ identity: 'other', key: '', derived: false }];
      const made = {
        ...group,
        id: someUuid(512),
        name: 'keyless',
        attestation: { ...group.attestation, psk },
        ownerPsk: undefined,
      };
      await expect(operations.putGroup(made, { create: true })).rejects.toMatchObject({ code: 'operator.input' });
    });

    test('are disabled and enabled', async () => {
      expect(await operations.setGroupEnabled(machines, { enabled: false, dryRun: true })).toMatchObject({
        applied: false,
        result: { enabled: false },
      });
      expect(await operations.setGroupEnabled('washing machines', { enabled: false })).toMatchObject({ applied: true });
      expect((await bench.store.groups.get(machines))?.enabled).toBe(false);
      expect(await operations.setGroupEnabled(machines, { enabled: true })).toMatchObject({ applied: true });
      expect(await audited()).toEqual(['group.disable', 'group.enable']);
    });

    test('are deleted, those with devices by force', async () => {
      await expect(operations.deleteGroup(machines, {})).rejects.toMatchObject({ code: 'operator.conflict' });
      const dry = await operations.deleteGroup(machines, { force: true, dryRun: true });
      expect(dry).toMatchObject({ applied: false, result: { name: 'washing machines' } });
      expect(await operations.deleteGroup(machines, { force: true })).toMatchObject({ applied: true });
      expect(await bench.store.groups.get(machines)).toBeUndefined();
    });

    test('approve all who wait in them', async () => {
      const outcome = await operations.approveGroup(samples, { reason: 'unpacked' });
      expect(outcome).toMatchObject({ applied: true, result: [devices.pending] });
      expect(await bench.store.device(devices.pending)).toMatchObject({ state: 'active', stateReason: 'unpacked' });
    });
  });

  describe('access lists', () => {
    const entry = { group: 'washing machines', list: 'deny', device: { by: 'serial', value: '3fa2b1' } } as const;

    test('take and lose entries', async () => {
      expect(await operations.addAccess({ ...entry, note: 'stolen' }, { dryRun: true })).toMatchObject({
        applied: false,
      });
      expect(await operations.addAccess({ ...entry, note: 'stolen' }, {})).toMatchObject({
        applied: true,
        result: { groupId: machines, list: 'deny', device: entry.device, note: 'stolen' },
      });
      expect(await operations.addAccess(entry, {})).toMatchObject({ applied: false, result: { note: 'stolen' } });
      const { rows, next } = await operations.access(machines, { list: 'deny', ...page });
      expect([rows.length, next]).toEqual([1, undefined]);
      expect((await operations.access(machines, { list: 'allow', ...page })).rows).toEqual([]);
      expect(await operations.removeAccess(entry, {})).toMatchObject({ applied: true });
      await expect(operations.removeAccess(entry, {})).rejects.toMatchObject({ code: 'operator.not-found' });
      const nonsense = { ...entry, device: { by: 'key', value: 'x' } } as const;
      await expect(operations.addAccess(nonsense, {})).rejects.toMatchObject({ code: 'operator.input' });
    });

    test('come in pages', async () => {
      for (const value of ['CN=a', 'CN=b & c/d', 'CN=c!*']) {
        await operations.addAccess({ ...entry, device: { by: 'subject', value } }, {});
      }
      const seen: string[] = [];
      let after: string | undefined;
      do {
        const { rows, next } = await operations.access(machines, { limit: 1, after });
        seen.push(...rows.map(({ device }) => device.value));
        after = next;
      } while (after !== undefined);
      expect(seen).toEqual(['CN=a', 'CN=b & c/d', 'CN=c!*']);
      await operations.removeAccess({ ...entry, device: { by: 'subject', value: 'CN=b & c/d' } }, {});
      expect((await operations.access(machines, page)).rows).toHaveLength(2);
    });

    async function* pieces(...texts: string[]): AsyncGenerator<string> {
      yield* texts;
    }
    const request = { group: 'washing machines', list: 'allow', format: 'csv', file: 'ids.csv' } as const;

    test('are filled from a file, all or nothing unless it is said so', async () => {
      const text = () => pieces('serial,no', 'te\n3fa2b1,first\nxyz,wrong\n', '3fa2b2,ünı\n3fa2b1,again\n');
      const refused = await operations.importAccess(text(), request);
      expect(refused).toMatchObject({ applied: false, added: 2, duplicates: 1, problems: 1, file: 'ids.csv' });
      expect(refused.lines).toMatchObject([
        { line: 2, outcome: 'added' },
        { line: 3, outcome: 'problem', field: 'serial' },
        { line: 4, outcome: 'added' },
        { line: 5, outcome: 'duplicate', of: 2 },
      ]);
      expect(await operations.importAccess(text(), { ...request, partial: true, dryRun: true })).toMatchObject({
        applied: false,
      });
      expect(await operations.importAccess(text(), { ...request, partial: true })).toMatchObject({ applied: true });
      const { rows } = await operations.access(machines, { list: 'allow', ...page });
      expect(rows.map(({ device, note }) => [device.value, note])).toEqual([
        ['3fa2b1', 'first'],
        ['3fa2b2', 'ünı'],
      ]);
      const lines = pieces('{"subject":"CN=x"}\n{"key":"nonsense"}\n');
      expect(await operations.importAccess(lines, { ...request, format: 'ndjson' })).toMatchObject({ problems: 1 });
    });

    test('a header line that makes no sense is told with the name of the file', async () => {
      await expect(operations.importAccess(pieces('a,b\n'), request)).rejects.toMatchObject({
        code: 'operator.input',
        evidence: { file: 'ids.csv' },
      });
    });
  });

  describe('hubs', () => {
    test('are listed and shown with who uses them', async () => {
      const hubs = await operations.hubs();
      expect(hubs.find(({ hub }) => hub.id === production)).toMatchObject({ groups: 2, devices: 4 });
      const { hub, groups } = await operations.hub('production');
      expect(hub).toEqual(await bench.store.hubs.get(production));
      expect(groups.map(({ name }) => name).toSorted()).toEqual(['samples', 'washing machines']);
      await expect(operations.hub('nowhere')).rejects.toMatchObject({ code: 'operator.not-found' });
    });

    test('of one owner are not given to groups of another', async () => {
      const hub: Hub = { ...someHub(611), name: 'theirs', ownerId: someUuid(612) };
      await bench.store.commit({ hubs: [hub] });
      const { group } = await operations.group(samples);
      const next = { ...group, hubs: [hub.id] };
      await expect(operations.putGroup(next, { create: false })).rejects.toMatchObject({
        code: 'operator.conflict',
        evidence: { hub: 'theirs' },
      });
      const own = { ...next, owner: { id: someUuid(612), name: someUuid(612) } };
      expect(await operations.putGroup(own, { create: false, dryRun: true })).toMatchObject({ applied: false });
    });

    test('are made, changed and deleted', async () => {
      const made: Hub = { ...someHub(610), name: 'staging' };
      expect(await operations.putHub(made, { create: true, dryRun: true })).toMatchObject({ applied: false });
      expect(await operations.putHub(made, { create: true })).toMatchObject({
        applied: true,
        result: { id: made.id, revision: 1, source: 'operator' },
      });
      await expect(operations.putHub(made, { create: true })).rejects.toMatchObject({ code: 'operator.conflict' });
      const moved = { ...made, gateways: ['coaps+tcp://new.example:5684', 'coaps://new.example:5684'] };
      expect(await operations.putHub(moved, { create: false, revision: 1 })).toMatchObject({ applied: true });
      expect((await bench.store.hubs.get(made.id))?.gateways).toEqual(moved.gateways);
      await expect(operations.putHub(made, { create: false, revision: 1 })).rejects.toMatchObject({
        code: 'api.precondition',
      });
      await expect(operations.deleteHub(made.id, { revision: 1 })).rejects.toMatchObject({ code: 'api.precondition' });
      await expect(operations.deleteHub(production, {})).rejects.toMatchObject({
        code: 'operator.conflict',
        evidence: { groups: expect.stringContaining('washing machines') },
      });
      expect(await operations.deleteHub('unused', {})).toMatchObject({ applied: true, result: { id: unused } });
      expect(await audited()).toEqual(['hub.create', 'hub.update', 'hub.delete']);
    });
  });

  describe('the authority', () => {
    test('is shown', async () => {
      const { roots, issuing, manufacturers } = await operations.ca();
      expect(roots).toMatchObject([{ role: 'present' }]);
      expect(issuing).toMatchObject([{ role: 'present', live: 1, revoked: 1, crlNumber: 0 }]);
      expect(manufacturers).toMatchObject([{ group: { id: machines, name: 'washing machines' } }]);
    });

    test('says who is cut off if an anchor goes', async () => {
      const rehearsal = await operations.rehearse({ anchor: 'root', on: Date.now() + days(1) });
      expect(rehearsal).toMatchObject({ anchor: { kind: 'own' }, devices: 1, cutOff: [{ reason: 'signed-under-it' }] });
      await expect(operations.rehearse({ anchor: 'deadbeef', on: Date.now() })).rejects.toMatchObject({
        code: 'operator.not-found',
      });
    });

    test('rolls over', async () => {
      const dry = await operations.rotate({ what: 'issuing', dryRun: true });
      expect(dry).toMatchObject({ applied: false, result: { stage: 'issuing', cutOff: 0 } });
      expect(await operations.rotate({ what: 'issuing' })).toMatchObject({ applied: true });
      expect((await operations.ca()).issuing).toMatchObject([{ role: 'present' }, { role: 'retired' }]);
      await expect(operations.rotate({ what: 'root', stage: 'retire' })).rejects.toMatchObject({
        code: 'operator.conflict',
      });
    });
  });

  describe('a policy that might come', () => {
    test('is judged beside what operators made', async () => {
      const { group } = await operations.group(machines);
      const other = {
        ...group,
        id: someUuid(520),
        name: 'by files',
        source: 'file',
        attestation: { ...group.attestation, x509: undefined, pins: ['ab'.repeat(32)] },
      } as const;
      const { effects, report } = await operations.dryRun({ groups: [other], hubs: [] }, seededAt - days(1));
      expect(effects).toEqual(['group by files is added']);
      expect(report).toMatchObject({ strangers: 1, changes: [], notJudged: 1 });
      await expect(
        operations.dryRun({ groups: [{ ...group, source: 'file' }], hubs: [] }, seededAt),
      ).rejects.toMatchObject({
        code: 'operator.conflict',
      });
      const disabled = await operations.dryRun({ groups: [{ ...group, admission: 'manual' }], hubs: [] }, seededAt);
      expect(disabled.effects).toEqual(['group washing machines: admission auto -> manual']);
      expect(await audited()).toEqual([]);
    });
  });
}
