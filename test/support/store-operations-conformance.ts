import { describe, expect, it } from 'vitest';
import { hours } from '../../src/core/clock.ts';
import { limits } from '../../src/core/limits.ts';
import { auditFault, auditHash, auditStart } from '../../src/store/audit.ts';
import type { AccessEntry, AuditEntry, DeviceSelector } from '../../src/store/model.ts';
import { type AuditDraft, accessKey, type Store } from '../../src/store/store.ts';
import {
  attemptId,
  closed,
  opened,
  someCredential,
  someDelivery,
  someDevice,
  someGroup,
  someHub,
  someToken,
  someUuid,
  someWebhook,
  startOfRecords,
} from './store-records.ts';
import { type StoreSubject, storeForEach } from './store-subject.ts';

/** The promises of src/store/store.ts to operators: changes that belong together, access lists, the audit log, counts, age. */
export function storeOperationsConformance(name: string, prepare: () => Promise<StoreSubject>): void {
  describe(name, () => {
    let store: Store;
    const { reopen } = storeForEach(prepare, (opened) => {
      store = opened;
    });

    describe('changes that belong together', () => {
      it('are all there afterwards, also after the store was opened again', async () => {
        await store.groups.put(someGroup(8));
        await store.hubs.put(someHub(9));
        await store.tokens.put(someToken(11));
        await store.webhooks.put(someWebhook(12));
        await store.commitDeliveries({
          webhookId: someUuid(12),
          put: [someDelivery(someUuid(12), '1-1', { dueAt: undefined })],
        });
        await store.claimDeviceId(someUuid(70), someUuid(5));
        await store.addCredential(someCredential('aa'));
        const device = await store.putDevice(someDevice(1));
        const revoked = someCredential('aa', { revoked: { at: 5, reason: 'superseded' } });
        const entry = listed({ by: 'serial', value: '0102' });
        const written = await store.commit({
          devices: [{ ...(device ?? someDevice(1)), state: 'disabled' }, someDevice(2)],
          newCredentials: [someCredential('bb', { keyId: someUuid(2) })],
          credentials: [revoked],
          claims: [{ deviceId: someUuid(70), keyId: someUuid(6) }],
          groups: [someGroup(7)],
          deletedGroups: [someGroup(8).id],
          hubs: [someHub(10)],
          deletedHubs: [someHub(9).id],
          tokens: [someToken(13)],
          deletedTokens: [someUuid(11)],
          revived: [someDelivery(someUuid(12), '1-1')],
          access: [entry],
          audit: draft('device.disable'),
        });
        expect(written).toBe(true);
        for (const again of [false, true]) {
          if (again) await reopen();
          expect(await store.device(someUuid(1))).toMatchObject({ state: 'disabled', revision: 2 });
          expect(await store.device(someUuid(2))).toMatchObject({ revision: 1 });
          expect(await store.credentials(someUuid(2))).toHaveLength(1);
          expect(await store.credentials(someUuid(1))).toEqual([revoked]);
          expect(await store.revoked('a1b2', startOfRecords)).toEqual([revoked]);
          expect(await store.ownerOfDeviceId(someUuid(70))).toBe(someUuid(6));
          expect(await store.groups.list()).toEqual([someGroup(7, { revision: 1 })]);
          expect(await store.hubs.list()).toEqual([someHub(10, { revision: 1 })]);
          expect(await store.tokens.list()).toEqual([someToken(13)]);
          expect(await store.deliveries({ webhookId: someUuid(12), limit: 9 })).toEqual([
            someDelivery(someUuid(12), '1-1'),
          ]);
          expect(await store.access({ groupId: entry.groupId, limit: 9 })).toEqual([entry]);
          expect(await store.auditHead()).toMatchObject({ seq: 1, action: 'device.disable' });
        }
      });

      it.each([
        ['a device that somebody else was first with', { devices: [someDevice(1)] }],
        ['a device twice', { devices: [someDevice(2), someDevice(2)] }],
        ['a serial number that is taken', { newCredentials: [someCredential('aa')] }],
        ['a serial number twice', { newCredentials: [someCredential('cc'), someCredential('cc')] }],
        ['a credential that is not known', { credentials: [someCredential('dd')] }],
        ['a revocation taken back that is final', { credentials: [someCredential('ff')] }],
        ['a token to delete that is not known', { deletedTokens: [someUuid(11)] }],
        ['a dead letter that is not known', { revived: [someDelivery(someUuid(12), '1-1')] }],
      ] as const)('are not written at all for %s', async (_, wrong) => {
        await store.putDevice(someDevice(1));
        await store.addCredential(someCredential('aa'));
        await store.addCredential(someCredential('ff', { revoked: { at: 1, reason: 'cessationOfOperation' } }));
        const good = {
          claims: [{ deviceId: someUuid(70), keyId: someUuid(6) }],
          groups: [someGroup(7)],
          tokens: [someToken(13)],
          access: [listed({ by: 'key', value: someUuid(3) })],
          audit: draft('device.approve'),
        };
        expect(await store.commit({ ...good, ...wrong })).toBe(false);
        await reopen();
        expect(await store.ownerOfDeviceId(someUuid(70))).toBeUndefined();
        expect(await store.groups.list()).toEqual([]);
        expect(await store.tokens.list()).toEqual([]);
        expect(await store.hasAccess(someUuid(3), 'allow')).toBe(false);
        expect(await store.auditHead()).toBeUndefined();
        expect((await store.credential('ff'))?.revoked?.reason).toBe('cessationOfOperation');
        expect(await store.device(someUuid(2))).toBeUndefined();
        expect(await store.commit(good)).toBe(true);
      });

      it('have one winner when a hundred change the same device at once, and one line in the audit log', async () => {
        const device = await store.putDevice(someDevice(1));
        const commits = Array.from({ length: 100 }, (_, flags) =>
          store.commit({ devices: [{ ...(device ?? someDevice(1)), flags }], audit: draft(`try ${flags}`) }),
        );
        expect((await Promise.all(commits)).filter(Boolean)).toHaveLength(1);
        const { flags } = (await store.device(someUuid(1))) ?? someDevice(0);
        expect(await store.audit({ limit: 9 })).toMatchObject([{ seq: 1, action: `try ${flags}` }]);
      });

      it('do not change when the caller changes its objects afterwards', async () => {
        const gateways = ['coaps://a'];
        const written = store.commit({ hubs: [someHub(1, { gateways })] });
        gateways.push('coaps://b');
        await written;
        expect((await store.hubs.get(someHub(1).id))?.gateways).toEqual(['coaps://a']);
      });

      it('may be two hundred thousand, while others go on writing', async () => {
        const groupId = someUuid(3);
        const access = Array.from({ length: 200_000 }, (_, k) => listed({ by: 'serial', value: k.toString(16) }));
        const imported = store.commit({ access, audit: draft('access.import') });
        const second = store.commit({ access: access.map((entry) => ({ ...entry, note: 'again' })) });
        let meanwhile = 0;
        let done = false;
        void imported.then(() => {
          done = true;
        });
        for (let k = 0; !done; k++) {
          await store.putDevice(someDevice(k));
          meanwhile++;
        }
        expect(await imported).toBe(true);
        expect(meanwhile).toBeGreaterThan(10);
        expect(await store.findAccess(groupId, 'allow', who({ serial: '30d3f' }))).toMatchObject({
          device: { value: '30d3f' },
        });
        expect(await second).toBe(true);
        const found = await store.findAccess(groupId, 'allow', who({ serial: '1' }));
        expect(found?.note).toBe('again');
        expect(await store.access({ groupId, limit: 300_000 })).toHaveLength(200_000);
      });
    });

    describe('revocation', () => {
      it('lists what an authority has to publish: revoked, not expired, and in order', async () => {
        const revoked = { at: 1, reason: 'superseded' } as const;
        await store.addCredential(someCredential('bb', { revoked }));
        await store.addCredential(someCredential('aa', { revoked, notAfter: startOfRecords + 10 }));
        await store.addCredential(someCredential('cc'));
        await store.addCredential(someCredential('dd', { revoked, issuerKeyId: 'ffff' }));
        const serials = async (at: number) => (await store.revoked('a1b2', at)).map(({ serial }) => serial);
        expect(await serials(startOfRecords)).toEqual(['aa', 'bb']);
        expect(await serials(startOfRecords + 10)).toEqual(['aa', 'bb']);
        expect(await serials(startOfRecords + 11)).toEqual(['bb']);
        expect(await store.revoked('a1', startOfRecords)).toEqual([]);
      });

      it('has its turns counted, each authority its own', async () => {
        const hold = { at: 1, reason: 'certificateHold' } as const;
        const turn = () => store.revocationTurn('a1b2');
        await store.addCredential(someCredential('aa'));
        await store.addCredential(someCredential('bb', { issuerKeyId: 'ffff', revoked: hold }));
        expect([await turn(), await store.revocationTurn('ffff')]).toEqual([0, 1]);
        await store.commit({ credentials: [someCredential('aa', { revoked: hold })] });
        await store.commit({ credentials: [someCredential('aa', { revoked: hold })] });
        expect(await turn()).toBe(1);
        await store.commit({ credentials: [someCredential('aa', { revoked: { ...hold, reason: 'superseded' } })] });
        expect([await turn(), await store.revocationTurn('ffff')]).toEqual([2, 1]);
      });

      it('can be taken back when it was a hold', async () => {
        await store.addCredential(someCredential('aa'));
        const hold = { at: 1, reason: 'certificateHold' } as const;
        await store.commit({ credentials: [someCredential('aa', { revoked: hold })] });
        expect(await store.revoked('a1b2', startOfRecords)).toHaveLength(1);
        await store.commit({ credentials: [someCredential('aa')] });
        expect(await store.revoked('a1b2', startOfRecords)).toEqual([]);
        expect(await store.credentials(someUuid(1))).toEqual([someCredential('aa')]);
      });

      it('lists have numbers that never come twice, each authority its own', async () => {
        const numbers = await Promise.all(Array.from({ length: 5 }, () => store.nextCrlNumber('a1')));
        expect(numbers).toEqual([1, 2, 3, 4, 5]);
        await reopen();
        expect(await store.nextCrlNumber('a1')).toBe(6);
        expect(await store.nextCrlNumber('a2')).toBe(1);
      });

      it('all credentials are paged in order of their serials', async () => {
        for (const serial of ['c', 'a', 'b', 'd', 'aa']) await store.addCredential(someCredential(serial));
        const first = await store.allCredentials({ limit: 3 });
        expect(first.map(({ serial }) => serial)).toEqual(['a', 'aa', 'b']);
        const rest = await store.allCredentials({ after: 'b', limit: 9 });
        expect(rest.map(({ serial }) => serial)).toEqual(['c', 'd']);
        expect(await store.allCredentials({ limit: 0 })).toEqual([]);
      });
    });

    describe('access lists', () => {
      const groupId = someUuid(3);

      it('name a device by key, by serial, then by subject', async () => {
        const subject = 'CN=device 1, O=Acme';
        const entries = (
          [
            { by: 'subject', value: '*Acme' },
            { by: 'subject', value: 'CN=device*' },
            { by: 'subject', value: subject },
            { by: 'serial', value: '0a' },
            { by: 'key', value: someUuid(1) },
          ] as const
        ).map((device) => listed(device));
        await store.commit({ access: entries });
        await reopen();
        const device = who({ keyId: someUuid(1), serial: '0a', subject });
        const order = [entries[4], entries[3], entries[2], entries[0], entries[1]];
        for (const entry of order) {
          expect(await store.findAccess(groupId, 'allow', device)).toEqual(entry);
          expect(await store.hasAccess(groupId, 'allow')).toBe(true);
          await store.commit({ deletedAccess: entry ? [entry] : [] });
        }
        expect(await store.findAccess(groupId, 'allow', device)).toBeUndefined();
        expect(await store.hasAccess(groupId, 'allow')).toBe(false);
      });

      it('of other groups and of other kinds do not count', async () => {
        await store.commit({ access: [listed({ by: 'subject', value: '*' }, { list: 'deny' })] });
        expect(await store.findAccess(groupId, 'allow', who({}))).toBeUndefined();
        expect(await store.findAccess(someUuid(4), 'deny', who({}))).toBeUndefined();
        expect(await store.hasAccess(groupId, 'preauthorized')).toBe(false);
        expect(await store.findAccess(groupId, 'deny', who({}))).toMatchObject({ list: 'deny' });
      });

      it('take subjects of any characters, each by itself and in the order of their keys', async () => {
        const texts = [
          '!',
          '"',
          'a!b',
          'a"b',
          '\0',
          'ä',
          '\ud800',
          '\udfff',
          '😀',
          '~',
          ' ',
          'CN=a*!',
          '*"*',
          '\uffff*',
          '',
        ];
        const entries = texts.map((value) => listed({ by: 'subject', value }));
        expect(await store.commit({ access: entries })).toBe(true);
        await reopen();
        const inOrder = entries.toSorted((a, b) =>
          accessKey('allow', a.device) < accessKey('allow', b.device) ? -1 : 1,
        );
        const seen: AccessEntry[] = [];
        for (let page = await store.access({ groupId, limit: 4 }); page.length > 0; ) {
          seen.push(...page);
          const last = page.at(-1);
          page = last ? await store.access({ groupId, after: accessKey('allow', last.device), limit: 4 }) : [];
        }
        expect(seen).toEqual(inOrder);
        for (const entry of entries)
          expect(await store.findAccess(groupId, 'allow', who({ subject: entry.device.value }))).toEqual(entry);
      });

      it('are paged one kind at a time when that is asked for', async () => {
        const of = (list: AccessEntry['list']) => listed({ by: 'serial', value: 'aa' }, { list });
        await store.commit({ access: [of('allow'), of('deny'), of('preauthorized')] });
        expect(await store.access({ groupId, list: 'deny', limit: 9 })).toEqual([of('deny')]);
        expect(await store.access({ groupId, list: 'deny', after: 'allow!key!x', limit: 9 })).toEqual([of('deny')]);
        expect(await store.access({ groupId, after: 'deny!serial!aa', limit: 9 })).toEqual([of('preauthorized')]);
        expect(await store.access({ groupId, limit: 0 })).toEqual([]);
      });

      it('find a subject among a hundred thousand patterns', async () => {
        const access = Array.from({ length: 100_000 }, (_, k) => listed({ by: 'subject', value: `CN=unit ${k}/*` }));
        await store.commit({ access });
        for (let k = 0; k < 100; k++) {
          const found = await store.findAccess(groupId, 'allow', who({ subject: `CN=unit ${k * 999}/abc` }));
          expect(found?.device.value).toBe(`CN=unit ${k * 999}/*`);
        }
      });
    });

    describe('the audit log', () => {
      it('is a chain without gaps, whoever writes at once, across openings of the store', async () => {
        for (let round = 0; round < 2; round++) {
          const lines = Array.from({ length: 50 }, (_, k) =>
            store.commit({ devices: [someDevice(round * 50 + k)], audit: draft(`${round}.${k}`) }),
          );
          await Promise.all(lines);
          await reopen();
        }
        const lines = await store.audit({ limit: 1000 });
        expect(lines).toHaveLength(100);
        expect(firstFault(lines)).toBeUndefined();
        expect(await store.auditHead()).toEqual(lines.at(-1));
        expect(await store.audit({ after: 98, limit: 1000 })).toEqual(lines.slice(98));
        expect(await store.audit({ limit: 0 })).toEqual([]);
      });

      it('has a line that hashes to the same when it is read again, whatever its detail holds', async () => {
        const detail = { b: [1, null, { z: 'ä\ud800', a: -0 }], a: 1e21, ['__proto__']: 'x' };
        await store.commit({ audit: { ...draft('a'), detail } });
        await reopen();
        const line = await store.auditHead();
        expect(line && auditHash(line)).toBe(line?.hash);
        expect(line).toMatchObject({ detail: { b: [1, null, { z: 'ä\ud800', a: 0 }] } });
      });
    });

    describe('counts of refused strangers', () => {
      const count = (hour: number, n: number, code: 'attest.unknown-issuer' | 'attest.handshake' = codes[0]) =>
        ({ hour: startOfRecords + hours(hour), code, count: n, recorded: 1 }) as const;

      it('add up by hour and code, and are told oldest first', async () => {
        await Promise.all([
          store.countRefusals([count(1, 2), count(1, 3), count(0, 1)]),
          store.countRefusals([count(1, 5)]),
        ]);
        await store.countRefusals([count(1, 1, codes[1])]);
        await reopen();
        expect(await store.refusalCounts(startOfRecords)).toEqual([
          count(0, 1),
          count(1, 1, codes[1]),
          { ...count(1, 10), recorded: 3 },
        ]);
        expect(await store.refusalCounts(startOfRecords + hours(1) + 5)).toHaveLength(2);
        expect(await store.refusalCounts(startOfRecords + hours(2))).toEqual([]);
      });

      it('are removed when they are old', async () => {
        await store.countRefusals([count(0, 1), count(1, 1)]);
        const age = limits.store.attemptAge;
        expect(await store.prune(startOfRecords + age + hours(1) - 1)).toBe(false);
        expect(await store.refusalCounts(0)).toEqual([count(1, 1)]);
      });
    });

    describe('attempts', () => {
      it('are removed when they are old, a piece at a time, wherever they are filed', async () => {
        const count = limits.store.pruneAttempts * 2 + 10;
        const keyOf = (k: number) => (k % 2 === 0 ? someUuid(1) : undefined);
        for (let k = 0; k < count + 5; k++) await store.appendAttempt(attemptId(k), [opened(k), closed(k)], keyOf(k));
        const now = startOfRecords + count + limits.store.attemptAge;
        let pieces = 1;
        while (await store.prune(now)) pieces++;
        expect(pieces).toBeGreaterThan(2);
        const left = [4, 3, 2, 1, 0].map((k) => attemptId(count + k));
        for (const again of [false, true]) {
          if (again) await reopen();
          expect((await store.attempts({ limit: 99 })).map(({ id }) => id)).toEqual(left);
          const own = await store.attempts({ keyId: someUuid(1), limit: 99 });
          expect(own.map(({ id }) => id)).toEqual(left.filter((_, k) => k % 2 === 0));
          expect(await store.attempt(attemptId(0))).toBeUndefined();
          expect(await store.attempt(attemptId(count))).toBeDefined();
        }
        expect(await store.prune(now)).toBe(false);
      });
    });
  });
}

const codes = ['attest.unknown-issuer', 'attest.handshake'] as const;

const draft = (action: string): AuditDraft => ({
  at: startOfRecords,
  actor: { kind: 'operator', name: 'kim', from: 'host.example' },
  action,
  target: 'device 1',
  detail: { reason: 'because' },
});

const listed = (device: DeviceSelector, changes: Partial<AccessEntry> = {}): AccessEntry => ({
  groupId: someUuid(3),
  list: 'allow',
  device,
  note: undefined,
  addedAt: startOfRecords,
  ...changes,
});

const who = (changes: { keyId?: string; serial?: string; subject?: string }) => ({
  keyId: someUuid(99),
  serial: undefined,
  subject: 'CN=nobody',
  ...changes,
});

function firstFault(lines: readonly AuditEntry[]) {
  let before: { seq: number; hash: string } = auditStart;
  for (const line of lines) {
    const fault = auditFault(before, line);
    if (fault) return { seq: line.seq, ...fault };
    before = line;
  }
  return undefined;
}
