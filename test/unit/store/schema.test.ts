import { Level } from 'level';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { encodePem } from '../../../src/codec/pem.ts';
import { toHex } from '../../../src/core/bytes.ts';
import { days } from '../../../src/core/clock.ts';
import { parseCertificate } from '../../../src/pki/certificate.ts';
import { openLevelStore } from '../../../src/store/level.ts';
import { makePki } from '../../support/chains.ts';
import { someCredential, someDevice, someGroup, someHub, someUuid } from '../../support/store-records.ts';
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
  expect(await store.hubs.list()).toEqual([someHub(4)]);
  for (let k = 0; k < deviceCount; k++) expect(await store.device(someUuid(k))).toEqual(expectedDevice(k));
  const credentials = await store.allCredentials({ limit: 9 });
  expect(credentials).toEqual([expectedCredential]);
  expect(await store.credentials(someUuid(1))).toEqual([expectedCredential]);
  await store.close();
  expect(await schemaOf(folder.path)).toBe('2');
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

/** More than are rewritten at a time. */
const deviceCount = 700;
const leaf = (await makePki()).client.der;
const pem = encodePem('CERTIFICATE', leaf);
const { serial, authorityKeyId = new Uint8Array() } = parseCertificate(leaf);

const expectedGroup = someGroup(3, {
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
  const { source: _, ...hub } = someHub(4);
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
