import { join } from 'node:path';
import { openLevelStore } from '../../src/store/level.ts';
import { type Finished, firstboot } from './command.ts';
import { someCredential, someDevice, someGroup, someHub, someUuid } from './store-records.ts';
import { temporaryFolder } from './temporary-folder.ts';

/** A data folder with a group, a hub and a few devices in it, closed, for commands to work on. */
export interface OperatorFolder {
  readonly cwd: string;
  /** Runs the command there. */
  run(...args: readonly string[]): Promise<Finished>;
  remove(): Promise<void>;
}

export const machines = someUuid(500);

/** A device in each state, by name. */
export const devicesInStates = {
  active: someUuid(1),
  pending: someUuid(2),
  quarantined: someUuid(3),
  disabled: someUuid(4),
  decommissioned: someUuid(5),
} as const;

export async function operatorFolder(): Promise<OperatorFolder> {
  const { path: cwd, remove } = await temporaryFolder();
  const store = await openLevelStore(join(cwd, 'firstboot-data', 'store'));
  await store.commit({
    groups: [someGroup(1, { id: machines, name: 'washing machines', source: 'operator', hubs: [someUuid(600)] })],
    hubs: [someHub(600, { name: 'production' }), someHub(602, { name: 'unused', source: 'operator' })],
  });
  for (const [at, state] of (['active', 'pending', 'quarantined', 'disabled', 'decommissioned'] as const).entries()) {
    const keyId = devicesInStates[state];
    const deviceId = state === 'pending' ? undefined : someUuid(50 + at);
    await store.putDevice(
      someDevice(at + 1, { keyId, groupId: machines, state, deviceId, generation: deviceId ? 1 : 0 }),
    );
  }
  await store.addCredential(
    someCredential('a1b2c3', { keyId: devicesInStates.active, groupId: machines, notAfter: farAway }),
  );
  await store.addCredential(
    someCredential('d4e5f6', {
      keyId: devicesInStates.active,
      groupId: machines,
      notAfter: farAway,
      revoked: { at: 0, reason: 'certificateHold' },
    }),
  );
  await store.close();
  return { cwd, run: (...args) => firstboot(args, { cwd }), remove };
}

const farAway = Date.UTC(2100, 0, 1);
