import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { days, hours, type Millis, minutes, seconds } from '../../../src/core/clock.ts';
import { systemRandom } from '../../../src/core/random.ts';
import { createAuthority } from '../../../src/pki/authority.ts';
import type { Authority } from '../../../src/pki/issuer.ts';
import { readCrl } from '../../../src/pki/revocation-list.ts';
import { keyIdOf } from '../../../src/pki/roll-over.ts';
import { createRevocations, type Revocations } from '../../../src/provision/revocations.ts';
import { openLevelStore } from '../../../src/store/level.ts';
import type { RevocationReason } from '../../../src/store/model.ts';
import type { Store } from '../../../src/store/store.ts';
import { someCredential, startOfRecords } from '../../support/store-records.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';

const start = startOfRecords + days(1);
const [authority, former] = ['Test', 'Former'].map((name) =>
  createAuthority({ now: startOfRecords, random: systemRandom, name }),
) as [Authority, Authority];
const issuerKeyId = keyIdOf(authority.issuing);
let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let store: Store;
let revocations: Revocations;

beforeEach(async () => {
  folder = await temporaryFolder();
  store = await openLevelStore(folder.path);
  revocations = createRevocations({ store, authority: { current: authority } });
});
afterEach(async () => {
  await store.close();
  await folder.remove();
});

async function revoke(serial: string, reason: RevocationReason, notAfter = start + days(80), issuer = issuerKeyId) {
  const credential = someCredential(serial, { notAfter, issuerKeyId: issuer });
  await store.addCredential(credential);
  await store.commit({ credentials: [{ ...credential, revoked: { at: start - hours(1), reason } }] });
}

async function listed(now: Millis, keyId?: string) {
  const list = await revocations.current(now, keyId);
  if (!list) throw new Error('no list');
  const { revoked, nextUpdate, number } = readCrl(list.der);
  expect([Number(number), nextUpdate]).toEqual([list.number, list.nextUpdate]);
  return { number: list.number, revoked: revoked.map(({ serial, reason }) => `${serial} ${reason}`), list };
}

describe('our revocation lists', () => {
  it('say which certificates were revoked, when and why', async () => {
    await revoke('0a', 'certificateHold');
    await revoke('0b', 'superseded');
    await revoke('0c', 'unspecified');
    const { revoked, list } = await listed(start);
    expect(revoked).toEqual(['0a certificateHold', '0b superseded', '0c unspecified']);
    expect(list).toMatchObject({ number: 1, thisUpdate: start, nextUpdate: start + hours(24), issuerKeyId });
  });

  it('are the same bytes until something is revoked or the list is an hour old', async () => {
    const first = await listed(start);
    expect((await listed(start + minutes(59))).list.der).toBe(first.list.der);
    await revoke('0a', 'keyCompromise');
    expect((await listed(start + minutes(59) + 500)).number).toBe(1);
    expect(await listed(start + minutes(59) + seconds(2))).toMatchObject({ number: 2, revoked: ['0a keyCompromise'] });
    expect((await listed(start + minutes(119) + seconds(1))).number).toBe(2);
    expect((await listed(start + minutes(119) + seconds(2))).number).toBe(3);
  });

  it('lose a certificate when a hold is taken back, and when it has expired', async () => {
    await revoke('0a', 'certificateHold');
    await revoke('0b', 'superseded', start + hours(2));
    expect((await listed(start)).revoked).toHaveLength(2);
    await store.commit({ credentials: [someCredential('0a', { notAfter: start + days(80), issuerKeyId })] });
    expect((await listed(start + minutes(1))).revoked).toEqual(['0b superseded']);
    expect(await listed(start + hours(3))).toMatchObject({ revoked: [], number: 3 });
  });

  it('are signed once for all who ask at the same time', async () => {
    const lists = await Promise.all(Array.from({ length: 20 }, () => revocations.current(start)));
    expect(new Set(lists.map((list) => list?.number))).toEqual(new Set([1]));
    expect(await store.lastCrlNumber(issuerKeyId)).toBe(1);
  });

  it('go on counting after a restart', async () => {
    expect((await listed(start)).number).toBe(1);
    revocations = createRevocations({ store, authority: { current: authority } });
    expect((await listed(start + seconds(5))).number).toBe(2);
  });

  it('are kept for each issuing authority whose certificates may be alive', async () => {
    revocations = createRevocations({
      store,
      authority: { current: { ...authority, issuers: [authority.issuing, former.issuing] } },
    });
    await revoke('0a', 'superseded');
    await revoke('0b', 'keyCompromise', start + days(80), keyIdOf(former.issuing));
    expect((await listed(start)).revoked).toEqual(['0a superseded']);
    expect((await listed(start, keyIdOf(former.issuing))).revoked).toEqual(['0b keyCompromise']);
    expect(await revocations.current(start, 'ffff')).toBeUndefined();
    expect((await revocations.all(start)).map((list) => list.issuerKeyId)).toEqual(
      [authority, former].map(({ issuing }) => keyIdOf(issuing)),
    );
  });
});
