import { days } from '../../src/core/clock.ts';
import type { OperatorDeps } from '../../src/operator/change.ts';
import { openLevelStore } from '../../src/store/level.ts';
import type { Actor, AuditEntry, Credential, Device } from '../../src/store/model.ts';
import type { Store } from '../../src/store/store.ts';
import { someCredential, someDevice, startOfRecords } from './store-records.ts';
import { temporaryFolder } from './temporary-folder.ts';

/** An operator at an embedded store in a folder of its own, with a clock that tests set. */
export interface OperatorBench extends OperatorDeps {
  /** What was told to go by changed groups and hubs. */
  readonly policyChanges: () => number;
  readonly setTime: (at: number) => void;
  readonly auditLines: () => Promise<readonly AuditEntry[]>;
  /** Puts a device that has no credentials yet. */
  readonly putDevice: (seed: number, changes?: Partial<Device>) => Promise<Device>;
  readonly putCredential: (serial: string, device: Device, changes?: Partial<Credential>) => Promise<Credential>;
  readonly close: () => Promise<void>;
}

export const someActor: Actor = { kind: 'operator', name: 'alice', from: 'test' };

export async function openOperatorBench(): Promise<OperatorBench> {
  const folder = await temporaryFolder();
  const store = await openLevelStore(folder.path, { synced: false });
  let [time, told] = [startOfRecords + days(1), 0];
  return {
    store,
    now: () => time,
    actor: someActor,
    policyChanged: async () => {
      told++;
    },
    policyChanges: () => told,
    setTime: (at) => {
      time = at;
    },
    auditLines: () => store.audit({ limit: 1000 }),
    async putDevice(seed, changes) {
      const device = await store.putDevice(someDevice(seed, changes));
      if (!device) throw new Error(`there is a device ${seed}`);
      if (device.deviceId !== undefined) await store.claimDeviceId(device.deviceId, device.keyId);
      return device;
    },
    async putCredential(serial, { keyId, groupId, deviceId, generation }, changes) {
      const credential = someCredential(serial, {
        keyId,
        groupId,
        deviceId: deviceId ?? keyId,
        generation,
        ...changes,
      });
      if (!(await store.addCredential(credential))) throw new Error(`there is a credential ${serial}`);
      return credential;
    },
    async close() {
      await store.close();
      await folder.remove();
    },
  };
}

/** A store whose first `times` commits are refused after somebody else has done `meanwhile`. */
export function contested(store: Store, times: number, meanwhile: () => Promise<unknown>): Store {
  let left = times;
  return new Proxy(store, {
    get(target, name) {
      const member: unknown = Reflect.get(target, name, target);
      if (typeof member !== 'function') return member;
      if (name !== 'commit') return member.bind(target);
      return async (changes: Parameters<Store['commit']>[0]) => {
        if (left-- > 0) await meanwhile();
        return target.commit(changes);
      };
    },
  });
}
