import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { randomFraction, seededRandom } from '../../src/core/random.ts';
import { auditFault, auditStart } from '../../src/store/audit.ts';
import { openLevelStore } from '../../src/store/level.ts';
import type { AuditEntry } from '../../src/store/model.ts';
import type { Store } from '../../src/store/store.ts';
import { runUntilKilled } from '../support/killed-worker.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

const rounds = 5;
const writer = fileURLToPath(new URL('../support/store-writer.ts', import.meta.url));

it('everything a store acknowledged is there, and whole, after kill -9 at any moment', async () => {
  const folder = await temporaryFolder();
  const random = seededRandom(7);
  const acknowledged: string[] = [];
  for (let round = 0; round < rounds; round++) {
    const until = { ms: randomFraction(random) * 300, least: 33 };
    acknowledged.push(...(await runUntilKilled(writer, [folder.path, `${round}`], until)));
    const store = await openLevelStore(folder.path);
    const whole = await changesOnRecord(store);
    for (const line of acknowledged) {
      const [serial = '', deviceId = '', keyId = ''] = line.split(' ');
      expect(await store.ownerOfDeviceId(deviceId)).toBe(keyId);
      expect(whole.get(keyId)).toBe(serial);
    }
    await store.close();
  }
  // What does not fit stays so: once is enough for all rounds.
  const store = await openLevelStore(folder.path);
  await indexesOnRecord(store);
  await store.close();
  expect(acknowledged.length).toBeGreaterThan(rounds * 32);
  await folder.remove();
});

/**
 * Checks that the audit log has no gap and that each of its lines stands for a change that is there in all its parts, that no
 * part is there without its line, and that records and indexes agree. @returns serial by key id
 */
async function changesOnRecord(store: Store): Promise<ReadonlyMap<string, string>> {
  const found = new Map<string, string>();
  let before: Pick<AuditEntry, 'seq' | 'hash'> = auditStart;
  const lines = await store.audit({ limit: 1_000_000 });
  const revoked = new Set((await store.revoked('a1b2', 0)).map(({ serial }) => serial));
  for (const line of lines) {
    expect(auditFault(before, line)).toBeUndefined();
    before = line;
    const [keyId, serial] = [line.target, String(line.detail.serial)];
    found.set(keyId, serial);
    expect(await store.device(keyId)).toMatchObject({ keyId, revision: 1 });
    const credentials = await store.credentials(keyId);
    expect(credentials.map((one) => [one.serial, one.revoked?.reason])).toEqual([
      [serial, 'superseded'],
      [`${serial}0`, undefined],
    ]);
    expect(revoked.has(serial)).toBe(true);
    expect(await store.groups.get(keyId)).toBeDefined();
    const subject = { keyId: '', serial: undefined, subject: `${serial} and more` };
    expect(await store.findAccess(keyId, 'allow', subject)).toBeDefined();
  }
  expect((await store.auditHead())?.seq ?? 0).toBe(lines.length);
  expect(revoked.size).toBe(lines.length);
  expect(await store.groups.list()).toHaveLength(lines.length);
  expect(await store.devices({ limit: 1_000_000 })).toHaveLength(lines.length);
  const credentials = await store.allCredentials({ limit: 1_000_000 });
  for (const credential of credentials) expect(await store.credentials(credential.keyId)).toContainEqual(credential);
  return found;
}

/** Indexes and counters say what the records do. */
async function indexesOnRecord(store: Store): Promise<void> {
  const limit = 1_000_000;
  const devices = (await store.devices({ limit })).length;
  expect(await store.devicesBy({ by: 'state', value: 'active', limit })).toHaveLength(devices);
  expect(await store.devicesByTime({ by: 'created', limit })).toHaveLength(devices);
  expect(sum(await store.deviceCounts())).toBe(devices);
  const alive = (await store.allCredentials({ limit })).filter(({ revoked }) => revoked === undefined).length;
  expect(await store.credentialsByEnd({ since: 0, limit })).toHaveLength(alive);
  expect(sum(await store.expiryCounts({ since: 0, until: Number.MAX_SAFE_INTEGER }))).toBe(alive);
}

const sum = (counts: readonly { readonly count: number }[]): number =>
  counts.reduce((total, { count }) => total + count, 0);
