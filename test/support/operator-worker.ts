import { uuidV4 } from '../../src/core/ids.ts';
import { systemRandom } from '../../src/core/random.ts';
import { addAccess, removeAccess } from '../../src/operator/access.ts';
import { applyPolicy } from '../../src/operator/apply-policy.ts';
import { carryOut, type OperatorDeps, type Outcome } from '../../src/operator/change.ts';
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
import { deleteGroup, putGroup, setGroupEnabled } from '../../src/operator/groups.ts';
import { deleteHub, putHub } from '../../src/operator/hubs.ts';
import { importAccess } from '../../src/operator/imports.ts';
import { openLevelStore } from '../../src/store/level.ts';
import { someCredential, someDevice, someGroup, someHub, startOfRecords } from './store-records.ts';

/**
 * A process to be killed: everything that an operator does, over and over, to devices and groups that it makes for it, as fast
 * as it can, some of it side by side. Prints `action target` for each operation when it is done.
 * Usage: node test/support/operator-worker.ts FOLDER ROUND
 */
const [folder = '', round = ''] = process.argv.slice(2);
const store = await openLevelStore(folder);
let clock = startOfRecords;
const operator: OperatorDeps = {
  store,
  now: () => ++clock,
  actor: { kind: 'operator', name: 'kim', from: 'host' },
};

const lanes = 6;
await Promise.all([
  policyFromFiles(),
  ...Array.from({ length: lanes }, async (_, lane) => {
    for (let n = 0; ; n++) {
      const name = `${round}${lane.toString(16)}${n.toString(16).padStart(6, '0')}`;
      await (lane % 2 === 0 ? lifeOfDevice(name) : lifeOfGroup(name));
    }
  }),
]);

/** What the service does with its policy files when it starts, here one version of them after the other. */
async function policyFromFiles(): Promise<void> {
  for (;;) {
    const id = uuidV4(systemRandom);
    const hub = someHub(0, { id, name: id });
    const group = someGroup(0, { id, name: id, hubs: [id], source: 'file' });
    await done('policy.load', `policy ${operator.actor.name}`, applyPolicy(operator, { groups: [group], hubs: [hub] }));
  }
}

async function lifeOfDevice(name: string): Promise<void> {
  const keyId = await enroll(`${name}a`);
  const device = `device ${keyId}`;
  await done('device.approve', device, approveDevice(operator, keyId, { reason: 'ours' }));
  await done('device.clear-alarms', device, clearAlarms(operator, keyId));
  await done('device.allow-reset', device, allowReset(operator, keyId));
  await done('device.quarantine', device, quarantineDevice(operator, keyId));
  await done('device.release', device, releaseDevice(operator, keyId));
  await done('device.disable', device, disableDevice(operator, keyId));
  await done('device.enable', device, enableDevice(operator, keyId));
  await done('device.transfer', device, transferDevice(operator, keyId, 'bob'));
  const first = { device: keyId, generation: 1 };
  await done('credential.revoke', device, revokeCredentials(operator, first, { reason: 'keyCompromise' }));
  const second = { device: keyId, generation: 2 };
  await done('credential.revoke', device, revokeCredentials(operator, second, { reason: 'certificateHold' }));
  await done('credential.release', device, releaseCredentials(operator, second));
  const successor = uuidV4(systemRandom);
  await done('device.rekey', device, rekeyDevice(operator, keyId, successor));
  await done('device.decommission', `device ${successor}`, decommissionDevice(operator, successor));
  const stranger = await enroll(`${name}b`);
  await done('device.reject', `device ${stranger}`, rejectDevice(operator, stranger));
}

async function lifeOfGroup(name: string): Promise<void> {
  const hub = someHub(0, { id: uuidV4(systemRandom), name: `hub ${name}`, source: 'operator' });
  await done('hub.create', `hub ${hub.id}`, putHub(operator, hub, { create: true }));
  const moved = { ...hub, gateways: ['coaps://elsewhere.example:5684'] };
  await done('hub.update', `hub ${hub.id}`, putHub(operator, moved, { create: false }));
  const group = someGroup(0, { id: uuidV4(systemRandom), name, hubs: [hub.id] });
  const target = `group ${group.id}`;
  await done('group.create', target, putGroup(operator, group, { create: true }));
  const lines = Array.from({ length: 25 }, (_, line) => `${name}${line.toString(16)}\n`);
  const from = { group: group.id, list: 'allow', format: 'csv', file: 'devices.csv' } as const;
  await done('access.import', target, importAccess(operator, csv(['serial\n', ...lines]), from));
  const entry = { group: group.id, list: 'deny', device: { by: 'subject', value: `CN=${name}*` } } as const;
  await done('access.add', target, addAccess(operator, entry));
  await done('access.remove', target, removeAccess(operator, entry));
  await done('group.update', target, putGroup(operator, { ...group, admission: 'manual' }, { create: false }));
  await done('group.disable', target, setGroupEnabled(operator, group.id, { enabled: false }));
  await done('group.enable', target, setGroupEnabled(operator, group.id, { enabled: true }));
  await done('group.delete', target, deleteGroup(operator, group.id, { force: true }));
  await done('hub.delete', `hub ${hub.id}`, deleteHub(operator, hub.id));
}

/** A device that waits, with an alarm, and with a credential of each of two generations. */
async function enroll(name: string): Promise<string> {
  const [keyId, deviceId, groupId] = [uuidV4(systemRandom), uuidV4(systemRandom), uuidV4(systemRandom)];
  await store.claimDeviceId(deviceId, keyId);
  const alarms = [{ at: clock, kind: 'two-places', evidence: { here: 'a', there: 'b' } }] as const;
  const device = someDevice(0, { keyId, groupId, deviceId, generation: 2, state: 'pending', alarms });
  const credentials = [1, 2].map((generation) =>
    someCredential(`${name}${generation}`, { keyId, groupId, deviceId, generation }),
  );
  const outcome = await carryOut(operator, async () => ({
    action: 'test.enroll',
    target: `device ${keyId}`,
    detail: { serials: credentials.map(({ serial }) => serial), deviceId },
    changes: { devices: [device], newCredentials: credentials },
    effects: ['a device comes'],
    result: keyId,
  }));
  return outcome.result;
}

async function* csv(pieces: readonly string[]): AsyncGenerator<string> {
  yield* pieces;
}

async function done(action: string, target: string, doing: Promise<Pick<Outcome<unknown>, 'applied'>>): Promise<void> {
  const { applied } = await doing;
  if (!applied) throw new Error(`${action} of ${target} came to nothing`);
  process.stdout.write(`${action} ${target}\n`);
}
