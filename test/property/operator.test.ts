import fc from 'fast-check';
import { expect, it } from 'vitest';
import { FirstbootError } from '../../src/core/errors.ts';
import { verifyAudit } from '../../src/operator/audit.ts';
import { releaseCredentials, revokeCredentials } from '../../src/operator/credentials.ts';
import {
  allowReset,
  approveDevice,
  clearAlarms,
  decommissionDevice,
  disableDevice,
  enableDevice,
  quarantineDevice,
  rejectDevice,
  rekeyDevice,
  releaseDevice,
  transferDevice,
} from '../../src/operator/devices.ts';
import { superseded } from '../../src/provision/confirm.ts';
import type { Credential, Device, RevocationReason } from '../../src/store/model.ts';
import { type OperatorBench, openOperatorBench } from '../support/operator-bench.ts';
import { someCredential, someGroup, someUuid } from '../support/store-records.ts';

/** One thing that happens to a small fleet: an operator's call, a device that comes, the cloud that confirms. */
interface Step {
  /** What a counterexample shows. */
  readonly says: string;
  readonly run: (bench: OperatorBench, dryRun: boolean) => Promise<unknown>;
}

const group = someGroup(500);
const keysOfFleet = [1, 2, 3].map(someUuid);
const key = fc.constantFrom(...keysOfFleet);
const reason = fc.constantFrom<RevocationReason>('certificateHold', 'superseded', 'keyCompromise');
let serials = 0;

/** What the pipeline does when a device is provisioned under `deviceId`. */
const comes = async ({ store, now }: OperatorBench, keyId: string, deviceId: string): Promise<void> => {
  const device = await store.device(keyId);
  if (device?.state !== 'active' || (await store.claimDeviceId(deviceId, keyId)) !== keyId) return;
  const anew =
    device.deviceId === deviceId ? {} : { deviceId, generation: device.generation + 1, confirmedAt: undefined };
  const next: Device = { ...device, ...anew };
  const credential = someCredential((++serials).toString(16).padStart(8, '0'), {
    keyId,
    groupId: next.groupId,
    deviceId,
    generation: next.generation,
    issuedAt: now(),
  });
  expect(await store.commit({ devices: [next], newCredentials: [credential] })).toBe(true);
};

const confirmed = async ({ store, now, actor }: OperatorBench, keyId: string): Promise<void> => {
  const device = await store.device(keyId);
  if (device?.deviceId === undefined || device.confirmedAt !== undefined || device.state === 'decommissioned') return;
  const credentials = superseded(device, await store.credentials(keyId), now());
  const audit = { at: now(), actor, action: 'device.confirm', target: `device ${keyId}`, detail: {} };
  await store.commit({ devices: [{ ...device, confirmedAt: now() }], credentials, audit });
};

const operations = {
  approveDevice,
  rejectDevice,
  quarantineDevice,
  releaseDevice,
  disableDevice,
  enableDevice,
  decommissionDevice,
  allowReset,
  clearAlarms,
};

const coming = fc.tuple(key, fc.integer({ min: 100, max: 104 })).map(
  ([keyId, id]): Step => ({
    says: `${keyId} comes as ${someUuid(id)}`,
    run: (bench) => comes(bench, keyId, someUuid(id)),
  }),
);

const confirming = key.map(
  (keyId): Step => ({ says: `${keyId} is confirmed`, run: (bench) => confirmed(bench, keyId) }),
);

const operating = fc.tuple(fc.constantFrom(...Object.entries(operations)), key).map(
  ([[name, operation], keyId]): Step => ({
    says: `${name} ${keyId}`,
    run: (bench, dryRun) => operation(bench, keyId, { dryRun }),
  }),
);

const transferring = fc.tuple(key, fc.constantFrom('alice', 'bob')).map(
  ([keyId, owner]): Step => ({
    says: `transfer ${keyId} to ${owner}`,
    run: (bench, dryRun) => transferDevice(bench, keyId, owner, { dryRun }),
  }),
);

const rekeying = fc.tuple(key, fc.constantFrom(...keysOfFleet, someUuid(4))).map(
  ([from, to]): Step => ({
    says: `rekey ${from} to ${to}`,
    run: (bench, dryRun) => rekeyDevice(bench, from, to, { dryRun }),
  }),
);

const selection = fc.oneof(
  key.map((device) => ({ device })),
  fc.record({ device: key, generation: fc.integer({ min: 1, max: 3 }) }),
  fc.constant({ group: group.id }),
);

const revoking = fc.tuple(selection, reason).map(
  ([wanted, why]): Step => ({
    says: `revoke ${JSON.stringify(wanted)} as ${why}`,
    run: (bench, dryRun) => revokeCredentials(bench, wanted, { reason: why, dryRun }),
  }),
);

const unholding = selection.map(
  (wanted): Step => ({
    says: `take ${JSON.stringify(wanted)} off hold`,
    run: (bench, dryRun) => releaseCredentials(bench, wanted, { dryRun }),
  }),
);

const step = fc.oneof(
  { weight: 4, arbitrary: coming },
  { weight: 2, arbitrary: confirming },
  { weight: 6, arbitrary: operating },
  { weight: 1, arbitrary: transferring },
  { weight: 1, arbitrary: rekeying },
  { weight: 2, arbitrary: revoking },
  { weight: 1, arbitrary: unholding },
);

interface Snapshot {
  readonly devices: readonly Device[];
  readonly credentials: readonly Credential[];
  readonly head: string;
}

const snapshot = async ({ store }: OperatorBench): Promise<Snapshot> => ({
  devices: await store.devices({ limit: 100 }),
  credentials: await store.allCredentials({ limit: 1000 }),
  head: (await store.auditHead())?.hash ?? '0'.repeat(64),
});

const isFinal = ({ revoked }: Credential): boolean => revoked !== undefined && revoked.reason !== 'certificateHold';

async function holdsTogether(bench: OperatorBench, before: Snapshot): Promise<Snapshot> {
  const after = await snapshot(bench);
  expect(await verifyAudit(bench.store, { head: before.head })).toMatchObject({ ok: true, head: after.head });
  for (const credential of before.credentials.filter(isFinal)) {
    expect(await bench.store.credential(credential.serial)).toEqual(credential);
  }
  const live = after.credentials.filter(({ revoked, notAfter }) => revoked === undefined && notAfter > bench.now());
  for (const device of after.devices) {
    const own = live.filter(({ keyId }) => keyId === device.keyId);
    if (['quarantined', 'disabled', 'decommissioned'].includes(device.state)) expect(own).toEqual([]);
    if (device.confirmedAt !== undefined)
      expect(new Set(own.map((credential) => credential.generation)).size).toBeLessThan(2);
    if (device.successor !== undefined) expect(device.state).toBe('decommissioned');
    if (device.state === 'decommissioned' || device.deviceId === undefined) continue;
    expect(await bench.store.ownerOfDeviceId(device.deviceId)).toBe(device.keyId);
  }
  return after;
}

it('operations in any order keep the log whole, revocations final, and no life in what has ended', async () => {
  const sequence = fc.array(fc.tuple(step, fc.boolean(), fc.nat(100_000)), { minLength: 5, maxLength: 30 });
  await fc.assert(
    fc.asyncProperty(sequence, async (steps) => {
      const bench = await openOperatorBench();
      try {
        await bench.store.groups.put(group);
        for (const [at] of keysOfFleet.entries()) {
          await bench.putDevice(at + 1, { groupId: group.id, state: at === 0 ? 'pending' : 'active' });
        }
        let present = await snapshot(bench);
        for (const [doing, dryRun, pause] of steps) {
          bench.setTime(bench.now() + pause);
          const before = present;
          const refused = await doing.run(bench, dryRun).then(
            (outcome) => dryRun && outcome !== undefined,
            (error: unknown) => {
              if (!(error instanceof FirstbootError)) throw error;
              expect(['operator.conflict', 'operator.not-found', 'operator.input']).toContain(error.code);
              return true;
            },
          );
          present = await holdsTogether(bench, before);
          if (refused) expect(present).toEqual(before);
        }
      } finally {
        await bench.close();
      }
    }),
    { seed: 1, numRuns: 30 },
  );
});
