import { type CborMap, decodeCbor, encodeCbor } from '../../src/codec/cbor.ts';
import { fromUtf8, noBytes } from '../../src/core/bytes.ts';
import type { OperatorDeps } from '../../src/operator/change.ts';
import type { AttemptEntry, Credential, Device, EnrollmentGroup } from '../../src/store/model.ts';
import { attemptsOf, type Visit } from './booting.ts';
import { World, type WorldOptions } from './world.ts';

/** A world whose one group is changed. */
export const worldWith = (group: Partial<EnrollmentGroup>, options: WorldOptions = {}): Promise<World> =>
  World.create({
    settings: (settings) => ({ ...settings, groups: settings.groups.map((row) => ({ ...row, ...group })) }),
    ...options,
  });

export const operatorOf = (world: World): OperatorDeps => ({
  store: world.store,
  now: () => world.timers.now(),
  actor: { kind: 'operator', name: 'anna', from: 'test' },
  policyChanged: async () => {
    await world.provisioner.policy.refresh();
  },
});

/** The group as it is now. */
export async function groupOf(world: World): Promise<EnrollmentGroup> {
  const [group] = await world.store.groups.list();
  if (!group) throw new Error('no group');
  return group;
}

/** The device that has written last. */
export async function deviceOf(world: World): Promise<Device> {
  const devices = await world.store.devices({ limit: 100 });
  const [newest] = devices.toSorted((a, b) => b.updatedAt - a.updatedAt);
  if (!newest) throw new Error('no device');
  return newest;
}

/** `generation reason`, oldest first; `live` for one that is not revoked. */
export const fates = (credentials: readonly Credential[]): string[] =>
  credentials.map(({ generation, revoked }) => `${generation} ${revoked?.reason ?? 'live'}`);

/** Everything on record, oldest first. */
export const entriesOf = async (world: World): Promise<AttemptEntry[]> =>
  (await attemptsOf(world)).flatMap(({ entries }) => entries);

/** The codes with which stages have refused, in their order. */
export const refusals = async (world: World): Promise<string[]> =>
  (await entriesOf(world)).flatMap((entry) =>
    entry.type === 'stage' && entry.refusal ? [`${entry.stage} ${entry.refusal.code}`] : [],
  );

/** The answer to a step: the map, or the text of the diagnostic. */
export async function askStep(
  visit: Visit,
  step: 'ownership' | 'cloud-configuration' | 'credentials' | 'acls',
  body?: CborMap,
): Promise<CborMap | string> {
  const path = ['api', 'v1', 'provisioning', step];
  const answer = await visit.ask(
    body === undefined
      ? { method: 'GET', path, accept: 10000 }
      : { method: 'POST', path, accept: 10000, contentFormat: 10000, payload: encodeCbor(body) },
  );
  if (answer === undefined) return 'no answer';
  const { code, payload = noBytes } = answer;
  return code < 300 ? (decodeCbor(payload) as CborMap) : `${code} ${fromUtf8(payload)}`;
}
