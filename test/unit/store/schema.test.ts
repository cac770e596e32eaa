import { Level } from 'level';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { encodePem } from '../../../src/codec/pem.ts';
import { toHex } from '../../../src/core/bytes.ts';
import { days } from '../../../src/core/clock.ts';
import { limits } from '../../../src/core/limits.ts';
import { parseCertificate } from '../../../src/pki/certificate.ts';
import { openLevelStore } from '../../../src/store/level.ts';
import { makePki } from '../../support/chains.ts';
import {
  attemptId,
  closed,
  opened,
  someCredential,
  someDevice,
  someGroup,
  someHub,
  someUuid,
  startOfRecords,
} from '../../support/store-records.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
beforeEach(async () => {
  folder = await temporaryFolder();
});
afterEach(() => folder.remove());

test('a store of schema 1 is brought to the present one: every record gets what it did not have', async () => {
  await writeFirst(folder.path);
  const store = await openLevelStore(folder.path);
  expect(await store.groups.list()).toEqual([expectedGroup]);
  expect(await store.hubs.list()).toEqual([someHub(4, { revision: 1 })]);
  for (let k = 0; k < deviceCount; k++) expect(await store.device(someUuid(k))).toEqual(expectedDevice(k));
  const credentials = await store.allCredentials({ limit: 9 });
  expect(credentials).toEqual([expectedCredential]);
  expect(await store.credentials(someUuid(1))).toEqual([expectedCredential]);
  await store.close();
  expect(await schemaOf(folder.path)).toBe('4');
});

test('a process killed in the middle of it leaves the rest to the next one, which changes nothing that was through', async () => {
  await writeFirst(folder.path);
  const store = await openLevelStore(folder.path);
  const device = await store.device(someUuid(0));
  if (device) await store.putDevice({ ...device, state: 'disabled', resetAllowed: true });
  await store.close();
  // Half of the records are through, the others are not, and the number of the schema is still the old one.
  await writeFirst(folder.path, (k) => k % 2 === 1);
  const again = await openLevelStore(folder.path);
  expect(await again.device(someUuid(0))).toMatchObject({ state: 'disabled', resetAllowed: true, revision: 2 });
  expect(await again.device(someUuid(1))).toEqual(expectedDevice(1));
  expect(await again.device(someUuid(2))).toEqual(expectedDevice(2));
  expect(await again.groups.list()).toEqual([expectedGroup]);
  await again.close();
});

test('a store of schema 2 is given indexes and counters, right also when what an earlier try left is there', async () => {
  const [group, owner] = [someUuid(90), someUuid(91)];
  const moved = { at: startOfRecords + 5, event: 'group', facts: {} } as const;
  const store = await openLevelStore(folder.path);
  const keyOf = (k: number) => someUuid(k);
  for (let k = 0; k < 5; k++)
    await store.putDevice(someDevice(k, { groupId: group, ownerId: owner, lineage: [moved] }));
  await store.addCredential(someCredential('aa'));
  await store.addCredential(someCredential('bb', { revoked: { at: 1, reason: 'superseded' } }));
  for (let k = 0; k < 10; k++) {
    const times = [opened(startOfRecords + k), closed(startOfRecords + k)];
    await store.appendAttempt(attemptId(k), times, k < 9 ? keyOf(k % 5) : undefined);
  }
  await store.groups.put(someGroup(3));
  await store.close();
  const db = await spoiled(folder.path, group);
  await db.put('meta!schema', '2');
  await db.close();
  const again = await openLevelStore(folder.path);
  expect(await again.groups.list()).toMatchObject([{ revision: 1 }]);
  expect(await again.devicesBy({ by: 'group', value: group, limit: 9 })).toHaveLength(5);
  expect(await again.devicesBy({ by: 'state', value: 'pending', limit: 9 })).toEqual([]);
  expect(await again.devicesByTime({ by: 'created', limit: 9 })).toHaveLength(5);
  expect(await again.devicesByTime({ by: 'created', ownerId: owner, limit: 9 })).toHaveLength(5);
  expect(await again.deviceCounts()).toMatchObject([{ groupId: group, ownerId: owner, count: 5 }]);
  expect(await again.credentialsByEnd({ since: 0, limit: 9 })).toHaveLength(1);
  const { notAfter } = someCredential('aa');
  expect(await again.expiryCounts({ since: 0, until: notAfter + days(1) })).toMatchObject([{ count: 1 }]);
  expect(await again.expiryCounts({ since: 0, until: notAfter + days(1), revoked: true })).toMatchObject([
    { count: 1 },
  ]);
  expect(await again.attemptsBy({ by: 'verdict', value: 'refused', limit: 99 })).toHaveLength(10);
  // Of an attempt before its device came to the group it is not known whose it was; nor is it of a stranger's.
  const found = await again.attemptsBy({ by: 'group', value: group, limit: 99 });
  expect(found.map(({ id }) => id)).toEqual([8, 7, 6, 5].map(attemptId));
  expect(found).toMatchObject(found.map(() => ({ ownerId: owner })));
  await again.close();
  expect(await schemaOf(folder.path)).toBe('4');
});

test('a store of schema 3 keeps what it has counted of stages, under the bounds that it was counted by', async () => {
  const { stageBounds, runBounds } = limits.store;
  const slot = startOfRecords - (startOfRecords % limits.store.statisticsSlot);
  const finest = stageBounds.indexOf(1);
  const counts = Array.from({ length: stageBounds.length + 1 - finest }, (_, k) => k + 1);
  const runs = runBounds.map(() => 1).concat(2);
  const row = { verdicts: { provisioned: 9 }, codes: {}, bytesIn: 1, bytesOut: 2, stages: { issue: counts }, runs };
  await (await openLevelStore(folder.path)).close();
  const db = new Level(folder.path);
  await db.put(`statistics!${String(slot).padStart(16, '0')}!`, JSON.stringify(row));
  await db.put('meta!schema', '3');
  await db.close();
  const wanted = [
    { ...row, slot, ownerId: undefined, stages: { issue: [...stageBounds.slice(0, finest).map(() => 0), ...counts] } },
  ];
  for (const _ of ['renewed', 'and left alone']) {
    const store = await openLevelStore(folder.path);
    expect(await store.statistics({ since: slot })).toEqual(wanted);
    await store.close();
    expect(await schemaOf(folder.path)).toBe('4');
  }
});

test('a store of schema 3, which counted credentials by group only, counts them for whom their devices are', async () => {
  const [group, owner] = [someUuid(90), someUuid(91)];
  const store = await openLevelStore(folder.path);
  const device = await store.putDevice(someDevice(1, { groupId: group }));
  await store.addCredential(someCredential('aa', { groupId: group }));
  await store.addCredential(someCredential('bb', { groupId: group, keyId: someUuid(2) }));
  const assignedOwner = { id: owner, name: 'somebody' };
  expect(device && (await store.putDevice({ ...device, assignedOwner }))).toBeDefined();
  const range = { since: 0, until: someCredential('aa').notAfter + days(1) };
  const wanted = await store.expiryCounts(range);
  expect(wanted.map(({ ownerId, count }) => [ownerId, count])).toEqual([
    [undefined, 1],
    [owner, 1],
  ]);
  await store.close();
  const db = new Level(folder.path);
  for (const key of await db.keys().all()) {
    if (key.startsWith('expiry-count!')) await db.del(key);
    if (key.startsWith('credential-of!')) await db.put(key, '');
  }
  await db.put('expiry-count!0000001774915200000!a!b', '2');
  await db.put('meta!schema', '3');
  await db.close();
  const again = await openLevelStore(folder.path);
  expect(await again.expiryCounts(range)).toEqual(wanted);
  await again.close();
});

/** Indexes and counters as no migration would leave them: some are missing, some are wrong. */
async function spoiled(path: string, group: string): Promise<Level> {
  const db = new Level(path);
  const derived = /^(device-(by|seen|created|seen-of|created-of|count)|attempt-by|expires|(expiry|revoked)-count)!/;
  for (const [k, key] of (await db.keys().all()).entries()) {
    if (!derived.test(key)) continue;
    if (key.includes('-count!')) await db.put(key, '77');
    else if (k % 2 === 0) await db.del(key);
  }
  await db.put(`device-by!state!pending!${someUuid(0)}`, '');
  await db.put(`device-count!${group}!x!active!!`, '4');
  const { id, revision: _, ...row } = JSON.parse((await db.get(`group!${someGroup(3).id}`)) ?? '{}');
  await db.put(`group!${id}`, JSON.stringify({ id, ...row }));
  return db;
}

/** More than are rewritten at a time. */
const deviceCount = 700;
const leaf = (await makePki()).client.der;
const pem = encodePem('CERTIFICATE', leaf);
const { serial, authorityKeyId = new Uint8Array() } = parseCertificate(leaf);

const expectedGroup = someGroup(3, {
  revision: 1,
  attestation: {
    x509: { anchors: ['pem'], leads: [], intermediates: [], crls: [], crlUrls: [], expiredGrace: days(3) },
    psk: [{ identity: 'x', key: 'a2V5', derived: false }],
    pins: [],
  },
  certificate: { ...someGroup(3).certificate, life: days(7) },
});
const expectedDevice = (k: number) =>
  someDevice(k, { revision: 1, manufacturer: { subject: 'CN=x', serial, certificate: pem } });
const expectedCredential = someCredential('aa', {
  certificate: pem,
  groupId: someDevice(1).groupId,
  issuerKeyId: toHex(authorityKeyId),
});

/** As the first version wrote it. */
async function writeFirst(path: string, which: (k: number) => boolean = () => true): Promise<void> {
  const db = new Level(path);
  const put = (key: string, row: unknown) => db.put(key, typeof row === 'string' ? row : JSON.stringify(row));
  await put('meta!schema', '1');
  await put('meta!epoch', '3');
  const { id, name, owner, enabled, hubs } = someGroup(3);
  const x509 = { anchors: ['pem'], intermediates: [], crls: [], expiredGrace: days(3) };
  const attestation = { x509, psk: [{ identity: 'x', key: 'a2V5' }] };
  await put(`group!${id}`, { id, name, owner, enabled, hubs, attestation, identityLife: days(7) });
  const { source: _, ownerId: __, revision: ___, ...hub } = someHub(4);
  await put(`hub!${hub.id}`, hub);
  for (let k = 0; k < deviceCount; k++) {
    if (!which(k)) continue;
    const { keyId, groupId, ownerId, generation, flags, retry, createdAt, updatedAt } = someDevice(k);
    const manufacturer = { subject: 'CN=x', certificate: pem };
    const row = { keyId, groupId, ownerId, generation, flags, retry, manufacturer, createdAt, updatedAt, revision: 1 };
    await put(`device!${keyId}`, row);
  }
  const { keyId, deviceId, generation, notBefore, notAfter, issuedAt } = someCredential('aa');
  await put('credential!aa', {
    serial: 'aa',
    keyId,
    deviceId,
    generation,
    certificate: pem,
    notBefore,
    notAfter,
    issuedAt,
  });
  await put(`credential-of!${keyId}!${String(issuedAt).padStart(16, '0')}!aa`, '');
  await db.close();
}

async function schemaOf(path: string): Promise<string | undefined> {
  const db = new Level(path);
  const schema = await db.get('meta!schema');
  await db.close();
  return schema;
}
