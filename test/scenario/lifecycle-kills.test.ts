import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { randomFraction, seededRandom } from '../../src/core/random.ts';
import { verifyAudit } from '../../src/operator/audit.ts';
import { openLevelStore } from '../../src/store/level.ts';
import type { AuditEntry } from '../../src/store/model.ts';
import type { Store } from '../../src/store/store.ts';
import { type Folded, foldAudit } from '../support/folded-audit.ts';
import { runUntilKilled } from '../support/killed-worker.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

const rounds = 8;
const worker = fileURLToPath(new URL('../support/operator-worker.ts', import.meta.url));

/** Everything that the worker does. */
const operations = [
  ...['approve', 'clear-alarms', 'allow-reset', 'quarantine', 'release', 'disable', 'enable', 'transfer', 'rekey'],
  ...['decommission', 'reject'],
].map((name) => `device.${name}`);
operations.push('credential.revoke', 'credential.release', 'policy.load');
operations.push('group.create', 'group.update', 'group.disable', 'group.enable', 'group.delete');
operations.push('access.import', 'access.add', 'access.remove', 'hub.create', 'hub.update', 'hub.delete');

it('of each thing that an operator does, all of it or nothing is there after kill -9 at any moment', async () => {
  const folder = await temporaryFolder();
  const random = seededRandom(11);
  const acknowledged: string[] = [];
  let unheard = 0;
  for (let round = 0; round < rounds; round++) {
    const until = { ms: randomFraction(random) * 250, least: 130 };
    acknowledged.push(...(await runUntilKilled(worker, [folder.path, `${round}`], until)));
    const store = await openLevelStore(folder.path);
    const log = await wholeLog(store);
    const folded = foldAudit(log);
    expect(await verifyAudit(store)).toMatchObject({ ok: true, lines: log.length });
    await agree(store, folded);
    const done = new Set(folded.lines);
    expect(acknowledged.filter((line) => !done.has(line))).toEqual([]);
    unheard = folded.lines.filter((line) => !line.startsWith('test.')).length - acknowledged.length;
    await store.close();
  }
  expect(operations.filter((name) => !acknowledged.some((line) => line.startsWith(`${name} `)))).toEqual([]);
  // The kills were in the middle of something: there are things of which nobody has heard that they were done.
  expect(unheard).toBeGreaterThan(0);
  await folder.remove();
});

/** Records, revocations, claims, groups and lists are what the lines of the log make of them: no part without the others. */
async function agree(store: Store, { devices, credentials, claims, groups, hubs }: Folded): Promise<void> {
  const everything = { limit: 1_000_000 };
  const found = (await store.devices(everything)).map(
    ({ keyId, state, alarms, resetAllowed, assignedOwner, successor }) =>
      [keyId, { state, alarms: alarms.length, resetAllowed, owner: assignedOwner?.name, successor }] as const,
  );
  expect(new Map(found)).toEqual(devices);
  const issued = await store.allCredentials(everything);
  expect(new Map(issued.map(({ serial, keyId, revoked }) => [serial, { keyId, revoked: revoked?.reason }]))).toEqual(
    credentials,
  );
  const listed = (await store.revoked('a1b2', 0)).map(({ serial }) => serial);
  expect(listed).toEqual(issued.filter(({ revoked }) => revoked).map(({ serial }) => serial));
  for (const [deviceId, keyId] of claims) expect(await store.ownerOfDeviceId(deviceId)).toBe(keyId);
  const rows: [string, { admission: string; enabled: boolean; listed: number }][] = [];
  for (const { id, admission, enabled } of await store.groups.list()) {
    const entries = await store.access({ groupId: id, ...everything });
    rows.push([id, { admission, enabled, listed: entries.length }]);
  }
  expect(new Map(rows)).toEqual(groups);
  const places = (await store.hubs.list()).map(
    ({ id, gateways }) => [id, gateways[0]?.includes('elsewhere') ? 'elsewhere' : 'first place'] as const,
  );
  expect(new Map(places)).toEqual(hubs);
}

async function wholeLog(store: Store): Promise<readonly AuditEntry[]> {
  const log: AuditEntry[] = [];
  for (;;) {
    const lines = await store.audit({ after: log.at(-1)?.seq ?? 0, limit: 1000 });
    if (lines.length === 0) return log;
    log.push(...lines);
  }
}
