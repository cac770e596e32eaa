import { mkdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { encodePem } from '../../../src/codec/pem.ts';
import { days, hours } from '../../../src/core/clock.ts';
import { uuidNamespaces, uuidV5 } from '../../../src/core/ids.ts';
import { systemRandom } from '../../../src/core/random.ts';
import { createRoot, loadAuthority, loadOrCreateAuthority } from '../../../src/pki/authority.ts';
import { fingerprint } from '../../../src/pki/certificate.ts';
import { createCrl } from '../../../src/pki/revocation.ts';
import { keyIdOf } from '../../../src/pki/roll-over.ts';
import { x509Attestation } from '../../../src/provision/group.ts';
import { openLevelStore } from '../../../src/store/level.ts';
import { runInProcess } from '../../support/run-in-process.ts';
import { someCredential, someDevice, someGroup, someUuid } from '../../support/store-records.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';

/** `firstboot ca` over a data folder with an authority, a manufacturer with a stale list, and two devices. */
const now = Date.now();
const manufacturer = createRoot('Acme Root CA', { now: now - days(1), random: systemRandom, name: 'Acme' });
const url = 'http://acme.example/crl';
let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let data: string;
let authority: string;

beforeEach(async () => {
  folder = await temporaryFolder();
  data = join(folder.path, 'data');
  authority = join(data, 'authority');
  await mkdir(data);
  const { issuing, trustAnchors } = await loadOrCreateAuthority(authority, {
    now,
    random: systemRandom,
    name: 'firstboot',
  });
  const store = await openLevelStore(join(data, 'store'));
  const anchors = [encodePem('CERTIFICATE', manufacturer.certificate.der)];
  const old = { issuer: manufacturer, revoked: [{ serial: '0a', revokedAt: now }], number: 1 };
  const pem = encodePem('X509 CRL', createCrl({ ...old, thisUpdate: now - hours(20), nextUpdate: now - hours(1) }));
  await store.groups.put(
    someGroup(1, {
      attestation: { x509: x509Attestation({ anchors, crls: [pem], crlUrls: [url] }), psk: [], pins: [] },
    }),
  );
  const times = { thisUpdate: undefined, nextUpdate: undefined, fetchedAt: undefined, triedAt: now };
  await store.crls.put({
    id: uuidV5(uuidNamespaces.url, url),
    url,
    pem: undefined,
    ...times,
    error: 'the server is down',
  });
  for (const [at, life] of [days(90), days(5)].entries()) {
    const keyId = someUuid(at + 10);
    await store.putDevice(someDevice(at + 10, { keyId, deviceId: someUuid(at + 20) }));
    const issued = {
      keyId,
      deviceId: someUuid(at + 20),
      issuerKeyId: keyIdOf(issuing),
      anchors: trustAnchors.map(fingerprint),
    };
    await store.addCredential(someCredential(`0${at + 1}`, { ...issued, issuedAt: now, notAfter: now + life }));
  }
  const revoked = { at: now, reason: 'superseded' } as const;
  await store.addCredential(
    someCredential('0f', { keyId: someUuid(10), issuerKeyId: keyIdOf(issuing), notAfter: now + days(9), revoked }),
  );
  await store.nextCrlNumber(keyIdOf(issuing));
  await store.close();
});
afterEach(() => folder.remove());

const run = (...args: string[]) => runInProcess(['ca', ...args, '--data', data]);
const line = async (...args: string[]): Promise<Record<string, unknown>> => {
  const { stdout, code } = await run(...args, '--json');
  expect(code).toBeUndefined();
  return JSON.parse(stdout) as Record<string, unknown>;
};

describe('firstboot ca', () => {
  it('status shows our authorities with what they have issued, and manufacturers with the state of their lists', async () => {
    const status = await line('status');
    expect(status.issuing).toEqual([expect.objectContaining({ role: 'present', live: 2, revoked: 1, crlNumber: 1 })]);
    const [group] = status.manufacturers as { lists: unknown[] }[];
    expect(group?.lists).toEqual([
      expect.objectContaining({ issuer: 'O=Acme, CN=Acme Root CA', revoked: 1, stale: true }),
      expect.objectContaining({ url, stale: true, error: 'the server is down' }),
    ]);
    const { stdout } = await run('status');
    expect(stdout).toMatch(/present +O=firstboot, CN=firstboot Root CA/);
    expect(stdout).toMatch(/list in the group: O=Acme, CN=Acme Root CA, 1 revoked, next 1 h ago stale/);
  });

  it('rotate takes one stage after the other, refuses what cuts devices off, and is on the audit log', async () => {
    const before = await readFile(join(authority, 'anchors.pem'), 'utf8');
    expect(await line('rotate', 'root', '--dry-run')).toMatchObject({ applied: false, stage: 'announce' });
    expect(await readFile(join(authority, 'anchors.pem'), 'utf8')).toBe(before);
    expect(await line('rotate', 'root')).toMatchObject({ applied: true, stage: 'announce', safeFrom: now + days(90) });
    const refused = await run('rotate', 'root');
    expect([refused.code, refused.stderr]).toEqual([1, expect.stringContaining('devices 2')]);
    expect((await loadAuthority(authority, now)).root.certificate.subject.commonName).toBe('firstboot Root CA');
    expect(await line('rotate', 'root', '--force')).toMatchObject({ stage: 'switch', cutOff: 2 });
    expect(await line('rotate', 'issuing')).toMatchObject({ stage: 'issuing', applied: true });
    const { issuing, issuers } = await loadAuthority(authority, now);
    expect(issuing.certificate.subject.commonName).toBe('firstboot Issuing CA G3');
    // The one between signed nothing.
    expect(issuers).toHaveLength(2);
    const store = await openLevelStore(join(data, 'store'));
    const audit = await store.audit({ limit: 10 });
    await store.close();
    expect(audit.map(({ action, detail }) => [action, detail.forced])).toEqual([
      ['ca.announce', false],
      ['ca.switch', true],
      ['ca.issuing', false],
    ]);
  });

  it('rotate tells which authority is kept for its list once, when it retires', async () => {
    const kept = /Issuing CA.* is kept for its revocation list/;
    expect((await run('rotate', 'issuing')).stdout).toMatch(kept);
    expect((await run('rotate', 'issuing')).stdout).not.toMatch(kept);
    expect((await run('rotate', 'root')).stdout).not.toMatch(kept);
    expect((await loadAuthority(authority, now)).issuers).toHaveLength(2);
  });

  it('rehearse takes today, which is not over', async () => {
    const { code, stdout } = await run('rehearse', 'root', '--on', new Date().toISOString().slice(0, 10));
    expect([code, stdout]).toEqual([undefined, expect.stringContaining('2 devices')]);
  });

  it('rehearse lists who is cut off on a day, by which reason', async () => {
    const at = new Date(now + days(10)).toISOString().slice(0, 10);
    const found = await line('rehearse', 'root', '--on', at);
    expect((found.cutOff as { reason: string }[]).map(({ reason }) => reason).toSorted()).toEqual([
      'renewals-under-it',
      'signed-under-it',
    ]);
    const { stdout } = await run('rehearse', 'root', '--on', at);
    expect(stdout).toContain('2 of 2 devices are cut off');
    expect(stdout).toContain('its certificate was issued below it');
  });

  it.each([
    [['rehearse', 'ab', '--on', '2027-01-01'], 1, 'fingerprint or key id'],
    [['rehearse', 'abababab', '--on', '2027-01-01'], 1, 'there is no such thing'],
    [['rehearse', 'root', '--on', '2020-01-01'], 2, 'that day is over'],
    [['rehearse', 'root', '--on', 'soon'], 2, 'expected a date'],
    [['rotate', 'everything'], 2, 'issuing, root'],
    [['rotate', 'root', '--stage', 'retire'], 1, 'announce its successor first'],
  ])('%j is refused in words', async (args, code, text) => {
    const done = await run(...args);
    expect([done.code, done.stderr]).toEqual([code, expect.stringContaining(text)]);
  });

  it('says where it looked for an authority that is not there', async () => {
    await rm(authority, { recursive: true });
    expect((await run('status')).stderr).toContain('--authority');
  });
});
