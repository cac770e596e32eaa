import { createHash } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { days } from '../../../src/core/clock.ts';
import { nilUuid } from '../../../src/core/ids.ts';
import type { GuardedStore } from '../../../src/operator/change.ts';
import { listCredentials } from '../../../src/operator/credentials.ts';
import { approveDevice, rekeyDevice, transferDevice } from '../../../src/operator/devices.ts';
import { findDevice } from '../../../src/operator/find.ts';
import { putHub } from '../../../src/operator/hubs.ts';
import { ownerView } from '../../../src/operator/owner-view.ts';
import type { Credential, Device } from '../../../src/store/model.ts';
import type { Store } from '../../../src/store/store.ts';
import { type OperatorBench, openOperatorBench } from '../../support/operator-bench.ts';
import {
  attemptId,
  opened,
  someCredential,
  someDelivery,
  someGroup,
  someHub,
  someToken,
  someUuid,
  someWebhook,
  startOfRecords,
} from '../../support/store-records.ts';

const [own, other] = [someUuid(1), someUuid(2)];

describe('the view of an owner', () => {
  let bench: OperatorBench;
  let view: GuardedStore;
  let mine: Device;
  let theirs: Device;
  let credential: Credential;
  beforeEach(async () => {
    bench = await openOperatorBench();
    view = ownerView(bench.store, own);
    mine = await bench.putDevice(10, { ownerId: own, deviceId: someUuid(20), state: 'pending' });
    theirs = await bench.putDevice(11, { ownerId: other, deviceId: someUuid(21), state: 'pending' });
    credential = await bench.putCredential('b2', theirs);
  });
  afterEach(() => bench.close());

  const refusal = (changes: Parameters<Store['commit']>[0]) =>
    view.commit(changes).then(
      () => 'written',
      (error: { readonly code?: string }) => error.code,
    );

  it('writes what is its own', async () => {
    const outcome = await approveDevice({ ...bench, store: view }, mine.keyId);
    expect([outcome.applied, (await view.device(mine.keyId))?.state]).toEqual([true, 'active']);
  });

  it('refuses rows of others, and rows that would be others', async () => {
    const group = someGroup(30, { owner: { id: other, name: 'other' }, hubs: [] });
    const hub = someHub(40, { ownerId: other });
    const entry = {
      groupId: group.id,
      list: 'allow',
      device: { by: 'key', value: mine.keyId },
      note: undefined,
      addedAt: 1,
    } as const;
    await bench.store.commit({ groups: [group], hubs: [hub] });
    const absent = 'operator.not-found';
    expect(await refusal({ devices: [{ ...theirs, state: 'active' }] })).toBe(absent);
    expect(await refusal({ devices: [{ ...theirs, keyId: someUuid(99), revision: 0 }] })).toBe(absent);
    expect(await refusal({ credentials: [credential] })).toBe(absent);
    expect(await refusal({ credentials: [someCredential('c3')] })).toBe(absent);
    expect(await refusal({ claims: [{ deviceId: someUuid(21), keyId: mine.keyId }] })).toBe('operator.conflict');
    expect(await refusal({ groups: [group] })).toBe(absent);
    expect(await refusal({ groups: [{ ...group, owner: { id: own, name: 'own' } }] })).toBe('operator.conflict');
    expect(await refusal({ deletedGroups: [group.id] })).toBe(absent);
    expect(await refusal({ hubs: [{ ...hub, ownerId: own }] })).toBe(absent);
    expect(await refusal({ hubs: [someHub(41, { ownerId: undefined, revision: 0 })] })).toBe(absent);
    expect(await refusal({ deletedHubs: [hub.id] })).toBe(absent);
    await bench.store.commit({
      tokens: [someToken(45, { ownerId: other })],
      webhooks: [someWebhook(46, { ownerId: other })],
    });
    expect(await refusal({ tokens: [someToken(47, { ownerId: other })] })).toBe(absent);
    expect(await refusal({ tokens: [someToken(47)] })).toBe(absent);
    expect(await refusal({ tokens: [someToken(45, { ownerId: own })] })).toBe(absent);
    expect(await refusal({ deletedTokens: [someUuid(45)] })).toBe(absent);
    expect(await refusal({ webhooks: [someWebhook(46, { ownerId: own, revision: 1 })] })).toBe(absent);
    expect(await refusal({ deletedWebhooks: [someUuid(46)] })).toBe(absent);
    expect(await refusal({ revived: [someDelivery(someUuid(46), '1-1')] })).toBe(absent);
    const webhookId = someUuid(46);
    for (const read of [view.deliveryCounts({ webhookId }), view.lastDeliveryError(webhookId)]) {
      await expect(read).rejects.toMatchObject({ code: absent });
    }
    expect(await refusal({ access: [entry] })).toBe(absent);
    expect(await refusal({ deletedAccess: [entry] })).toBe(absent);
    expect((await bench.auditLines()).length).toBe(0);
  });

  it('rekeys to what has come and is its own, so that nobody decides about a device that has not', async () => {
    const deps = { ...bench, store: view };
    const key = someUuid(99);
    for (const to of [key, theirs.keyId]) {
      for (const dryRun of [true, false]) {
        await expect(rekeyDevice(deps, mine.keyId, to, { dryRun })).rejects.toMatchObject({
          code: 'operator.not-found',
          evidence: { device: to },
          fix: expect.stringContaining('ask an admin of the whole service'),
        });
      }
    }
    expect([await bench.store.device(key), await bench.auditLines()]).toEqual([undefined, []]);
    const next = await bench.putDevice(12, { ownerId: own, state: 'active' });
    expect((await rekeyDevice(deps, mine.keyId, next.keyId)).applied).toBe(true);
    expect((await rekeyDevice(bench, next.keyId, key)).applied).toBe(true);
  });

  it('transfers to owners that there are, and keeps no id of a device for an owner', async () => {
    const deps = { ...bench, store: view };
    const named = someUuid(50);
    await bench.store.groups.put(someGroup(30, { owner: { id: named, name: named } }));
    for (const owner of ['somebody new', theirs.deviceId ?? '', someUuid(60)]) {
      await expect(transferDevice(deps, mine.keyId, owner)).rejects.toMatchObject({
        code: 'operator.not-found',
        evidence: { owner },
        fix: expect.stringContaining('ask an admin of the whole service'),
      });
    }
    const claims = [{ deviceId: someUuid(60), keyId: nilUuid }];
    expect(await refusal({ claims })).toBe('operator.not-found');
    expect(await bench.store.ownerOfDeviceId(someUuid(60))).toBeUndefined();
    await bench.putDevice(13, { ownerId: other, deviceId: named });
    await expect(transferDevice(deps, mine.keyId, named)).rejects.toMatchObject({
      code: 'operator.conflict',
      evidence: { deviceId: named },
    });
    expect((await transferDevice(deps, mine.keyId, other)).applied).toBe(true);
  });

  it('makes no hub and no group under the device id of somebody else, and does not tell whose it is', async () => {
    const deps = { ...bench, store: view };
    const hub = someHub(21, { ownerId: own });
    const fix = 'this id is taken: choose another';
    for (const dryRun of [true, false]) {
      await expect(putHub(deps, hub, { create: true, dryRun })).rejects.toEqual(
        expect.objectContaining({ code: 'operator.conflict', evidence: { hub: hub.id }, fix }),
      );
    }
    const device = await bench.putDevice(14, { ownerId: other, deviceId: own });
    const group = someGroup(31, { owner: { id: own, name: 'own' }, hubs: [], revision: 0 });
    const trusting = ownerView(bench.store, own, { ownersAttest: true });
    const refused = trusting.commit({ groups: [group] });
    await expect(refused).rejects.toMatchObject({ code: 'operator.conflict', evidence: { owner: own }, fix });
    await expect(refused).rejects.not.toThrow(device.keyId);
  });

  it('leaves what groups know devices by to admins of the whole service, unless owners do that', async () => {
    const owner = { id: own, name: 'own' };
    const group = someGroup(30, { owner, hubs: [] });
    const forbidden = 'api.forbidden';
    expect(await refusal({ groups: [{ ...group, revision: 0 }] })).toBe(forbidden);
    await bench.store.commit({ groups: [group] });
    const present = { ...group, revision: 1 };
    const { attestation } = group;
    const x509 = { anchors: [], leads: [], intermediates: [], crls: [], crlUrls: [], expiredGrace: 0 };
    for (const changed of [
      { pins: ['ab'.repeat(32)] },
      { psk: [{ identity: 'a*', key: 'AAAAAAAAAAAAAAAAAAAAAA==', derived: false }] },
      { x509: { ...x509, ...attestation.x509, intermediates: ['pem'] } },
      { x509: { ...x509, ...attestation.x509, crlUrls: ['http://lists.example/'] } },
      { x509: { ...x509, ...attestation.x509, expiredGrace: 1 } },
    ]) {
      const next = { ...present, attestation: { ...attestation, ...changed } };
      expect(await refusal({ groups: [next] })).toBe(forbidden);
      await expect(view.requireAllowed?.({ groups: [next] })).rejects.toMatchObject({
        evidence: { attestation: Object.keys(changed).join() },
        fix: expect.stringMatching(/admin of the whole service.*api\.ownersAttest/),
      });
    }
    expect(await view.commit({ groups: [{ ...present, enabled: false, admission: 'manual' }] })).toBe(true);
    const trusting = ownerView(bench.store, own, { ownersAttest: true });
    const pinned = { ...present, revision: 2, attestation: { ...attestation, pins: ['ab'.repeat(32)] } };
    expect(await trusting.commit({ groups: [pinned] })).toBe(true);
    // An admin may give two owners the same: that is no reason to keep either from the rest of its group.
    const shared = someGroup(32, { owner: { id: other, name: 'other' }, attestation: pinned.attestation });
    await bench.store.groups.put(shared);
    expect(await trusting.commit({ groups: [{ ...pinned, revision: 3, enabled: true }] })).toBe(true);
    const expiredGrace = { ...attestation.x509, expiredGrace: 1 };
    const more = { ...pinned, revision: 4, attestation: { ...pinned.attestation, x509: { ...x509, ...expiredGrace } } };
    await expect(trusting.commit({ groups: [more] })).rejects.toMatchObject({ code: 'operator.conflict' });
  });

  it('lists credentials a bounded piece at a time, and does not tell of others where it stands', async () => {
    const serialOf = (n: number): string => `c0${createHash('sha256').update(`${n}`).digest('hex').slice(0, 38)}`;
    const [mineLast, serials] = ['ffff01', Array.from({ length: 2500 }, (_, n) => serialOf(n))];
    await Promise.all(serials.map((serial) => bench.putCredential(serial, theirs)));
    await bench.putCredential('a1', mine);
    await bench.putCredential(mineLast, mine);
    for (const filter of [{}, { expiringWithin: 1e13 }]) {
      const found: string[] = [];
      let [next, pages]: [string | undefined, number] = [undefined, 0];
      do {
        const page = await listCredentials(view, filter, { now: 0, after: next, limit: 50 });
        found.push(...page.rows.map(({ serial }) => serial));
        next = page.next;
        const told = new Set(serials.map((serial) => serial.slice(0, 5)));
        expect([...told].filter((beginning) => next?.includes(beginning))).toEqual([]);
        pages++;
      } while (next !== undefined);
      expect(found).toEqual(['a1', mineLast]);
      expect(pages).toBeGreaterThan(2);
      expect(pages).toBeLessThan(7);
    }
  });

  it('tells hardly anything of serial numbers of others as where it stands, be they short', async () => {
    const serials = Array.from({ length: 1100 }, (_, n) => (0x1000 + n).toString(16));
    await Promise.all(serials.map((serial) => bench.putCredential(serial, theirs)));
    const { rows, next } = await listCredentials(view, {}, { now: 0, limit: 50 });
    expect([rows, next]).toEqual([[], '1']);
    const behind = await listCredentials(view, {}, { now: 0, after: '13e', limit: 50 });
    expect(behind).toEqual({ rows: [], next: undefined });
  });

  it('finds devices by the beginning of their ids, its own ones', async () => {
    expect((await findDevice(view, someUuid(20).slice(0, 12))).keyId).toBe(mine.keyId);
    await expect(findDevice(view, someUuid(21).slice(0, 12))).rejects.toMatchObject({ code: 'operator.not-found' });
  });

  it('keeps what the pipeline alone does from operators', async () => {
    const refusing = [
      'putDevice',
      'claimDeviceId',
      'addCredential',
      'appendAttempt',
      'keepAnswer',
      'commitDeliveries',
      'copyTo',
      'close',
    ] as const;
    for (const name of refusing) expect(() => (view[name] as () => unknown)(), name).toThrow(TypeError);
    await expect(view.commit({ newCredentials: [credential] })).rejects.toThrow(TypeError);
  });

  it('tells why something was refused without what is of others', async () => {
    const fix = `give the record of ${theirs.keyId} that key`;
    const evidence = { holder: theirs.keyId, nearestGroup: 'gone', claimant: mine.keyId, deviceId: someUuid(22) };
    const refusal = { code: 'bind.device-id-taken', evidence, fix } as const;
    const closed = {
      at: startOfRecords + 1,
      type: 'closed',
      verdict: 'refused',
      refusal,
      bytesIn: 1,
      bytesOut: 1,
    } as const;
    const attempt = [opened(startOfRecords), closed];
    await bench.store.appendAttempt(attemptId(1), attempt, mine.keyId);
    await bench.store.appendAttempt(attemptId(2), attempt, theirs.keyId);
    const told = {
      ...refusal,
      evidence: { ...evidence, holder: 'not told', nearestGroup: 'not told' },
      fix: 'ask who runs the service',
    };
    expect((await view.attempts({ limit: 10 })).map(({ id, refusal }) => [id, refusal])).toEqual([
      [attemptId(1), told],
    ]);
    expect((await view.attempt(attemptId(1)))?.entries.at(-1)).toMatchObject({ refusal: told });
    expect(await view.attempt(attemptId(2))).toBeUndefined();
  });

  it('counts the credentials that it lists, also of a device that came from another owner or went to one', async () => {
    const ends = startOfRecords + days(90);
    const before = await bench.putCredential('a1', mine);
    const theirView = ownerView(bench.store, other);
    const agree = async (part: GuardedStore, serials: readonly string[]): Promise<void> => {
      const { rows } = await listCredentials(part, {}, { now: startOfRecords, limit: 100 });
      expect(rows.map(({ serial }) => serial)).toEqual(serials);
      const alive = rows.filter(({ revoked }) => !revoked).length;
      for (const [revoked, count] of [
        [false, alive],
        [true, serials.length - alive],
      ] as const) {
        const counts = await part.expiryCounts({ since: 0, until: ends + days(1), revoked });
        expect(counts.reduce((sum, one) => sum + one.count, 0)).toBe(count);
      }
    };
    await agree(view, [before.serial]);
    await agree(theirView, [credential.serial]);
    await transferDevice(bench, theirs.keyId, own);
    await agree(view, [before.serial, credential.serial]);
    await agree(theirView, []);
    await bench.putCredential('c3', theirs);
    await transferDevice(bench, mine.keyId, other);
    await agree(view, [credential.serial, 'c3']);
    await agree(theirView, [before.serial]);
  });

  it('fills its pages although most of what is there is of others', async () => {
    for (let seed = 1000; seed < 1700; seed++) {
      await bench.putDevice(seed, {
        ownerId: seed % 100 === 0 ? own : other,
        state: 'active',
        createdAt: startOfRecords + seed,
      });
    }
    expect(await view.devicesBy({ by: 'state', value: 'active', limit: 5 })).toHaveLength(5);
    const created = await view.devicesByTime({ by: 'created', limit: 5 });
    expect(created.map(({ device }) => device.createdAt - startOfRecords)).toEqual([1600, 1500, 1400, 1300, 1200]);
    const rest = await view.devicesByTime({ by: 'created', before: created.at(-1)?.cursor ?? '', limit: 5 });
    expect(rest).toHaveLength(3);
  });
});
