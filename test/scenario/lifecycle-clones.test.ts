import { afterEach, describe, expect, test } from 'vitest';
import { minutes } from '../../src/core/clock.ts';
import { clearAlarms, releaseDevice } from '../../src/operator/devices.ts';
import type { AttemptEntry, EnrollmentGroup } from '../../src/store/model.ts';
import {
  bootDevice,
  isProvisioned,
  manufacturerOf,
  pass,
  type Scheme,
  schemes,
  type Visit,
  visit,
} from '../support/booting.ts';
import { askStep, deviceOf, entriesOf, fates, operatorOf, worldWith } from '../support/lifecycle.ts';
import type { World } from '../support/world.ts';

let world: World;
afterEach(() => world.close());

const create = async (group: Partial<EnrollmentGroup> = {}): Promise<void> => {
  world = await worldWith(group);
};
/** A session with the same manufacturer key from a host of its own. */
const come = (scheme: Scheme): Promise<Visit> => visit({ world, scheme, identity: manufacturerOf(world) });
const alarmEntries = async (): Promise<AttemptEntry[]> =>
  (await entriesOf(world)).filter(({ type }) => type === 'alarm');
const anId = (digit: number): string => `8d3c9b1e-52a6-4f0e-9f4a-0c6c5f1f7a1${digit}`;

describe.each(schemes)('over %s', (scheme) => {
  test('a key that is used at two hosts at a time raises an alarm with both, and both are served on', async () => {
    await create();
    const [here, there] = [await come(scheme), await come(scheme)];
    expect(await askStep(here, 'ownership')).toHaveProperty('devowneruuid');
    expect(await askStep(there, 'ownership')).toHaveProperty('devowneruuid');
    expect((await deviceOf(world)).alarms).toEqual([]);
    for (let k = 0; k < 3; k++) expect(await askStep(here, 'acls')).toHaveProperty('aclist2');
    expect(await askStep(there, 'acls')).toHaveProperty('aclist2');
    here.close();
    there.close();
    await pass(world, minutes(6));
    const { alarms, state } = await deviceOf(world);
    expect(alarms).toMatchObject([
      { kind: 'two-places', evidence: { here: expect.stringMatching(/^10\./), there: expect.stringMatching(/^10\./) } },
    ]);
    expect(alarms[0]?.evidence.here).not.toBe(alarms[0]?.evidence.there);
    expect(await alarmEntries()).toMatchObject([{ kind: 'two-places', evidence: alarms[0]?.evidence }]);
    expect(state).toBe('active');
  });

  test('a device that gets another address and leaves its old session raises none', async () => {
    await create();
    for (let k = 0; k < 4; k++) {
      // The old sessions stay open until the service closes them.
      const session = await come(scheme);
      expect(await askStep(session, 'ownership')).toHaveProperty('devowneruuid');
      expect(await askStep(session, 'acls')).toHaveProperty('aclist2');
    }
    await pass(world, minutes(6));
    expect((await deviceOf(world)).alarms).toEqual([]);
    expect(await alarmEntries()).toEqual([]);
  });

  test('a group that wants it has the device quarantined at once, with its certificates on hold, until it is released', async () => {
    await create({ clones: 'quarantine' });
    const device = await bootDevice({ world, scheme });
    await world.run(() => isProvisioned(device), minutes(5));
    const { keyId } = await deviceOf(world);
    const [here, there] = [await come(scheme), await come(scheme)];
    await askStep(there, 'ownership');
    expect(await askStep(here, 'ownership')).toHaveProperty('devowneruuid');
    expect(await askStep(here, 'ownership')).toMatch(/^403 admit\.quarantined/);
    expect(await askStep(there, 'ownership')).toMatch(/^403 admit\.quarantined/);
    expect(fates(await world.store.credentials(keyId))).toEqual(['1 certificateHold']);
    expect(await world.provisioner.holds(device.state.deviceId)).toBe(false);
    expect(await deviceOf(world)).toMatchObject({ state: 'quarantined', alarms: [{ kind: 'two-places' }] });
    const lines = await world.store.audit({ limit: 100 });
    expect(lines.at(-1)).toMatchObject({ action: 'device.quarantine', detail: { alarm: 'two-places' } });

    await world.killService();
    await world.startService();
    expect(await askStep(await come(scheme), 'ownership')).toMatch(/^403 admit\.quarantined/);
    await releaseDevice(operatorOf(world), keyId, { reason: 'a bench' });
    await clearAlarms(operatorOf(world), keyId);
    expect(fates(await world.store.credentials(keyId))).toEqual(['1 live']);
    expect(await askStep(await come(scheme), 'ownership')).toHaveProperty('devowneruuid');
    expect(await world.provisioner.holds(device.state.deviceId)).toBe(true);
  });

  const turn = async (id: string): Promise<unknown> => {
    const session = await come(scheme);
    const answer = await askStep(session, 'cloud-configuration', { di: id });
    session.close();
    await pass(world, minutes(1));
    return answer;
  };

  test('a key that comes back to a device id that it had left raises an alarm; one that is reset again and again does not', async () => {
    await create();
    for (const id of [anId(0), anId(1), anId(2), anId(2)]) expect(await turn(id)).toHaveProperty('at');
    expect((await deviceOf(world)).alarms).toEqual([]);
    expect(await turn(anId(1))).toHaveProperty('at');
    expect(await deviceOf(world)).toMatchObject({
      generation: 4,
      deviceId: anId(1),
      alarms: [{ kind: 'ids-in-turns', evidence: { deviceId: anId(1), present: anId(2), generation: 3 } }],
    });
    await pass(world, minutes(6));
    expect(await alarmEntries()).toMatchObject([{ kind: 'ids-in-turns' }]);
  });

  test('in a group that wants it the key is quarantined when that happens again: once may be a power cut', async () => {
    await create({ clones: 'quarantine' });
    for (const id of [anId(0), anId(1), anId(0)]) expect(await turn(id)).toHaveProperty('at');
    expect(await deviceOf(world)).toMatchObject({ state: 'active', alarms: [{ evidence: { returns: 1 } }] });
    expect(await turn(anId(1))).toMatch(/^403 admit\.quarantined/);
    expect(await deviceOf(world)).toMatchObject({
      state: 'quarantined',
      deviceId: anId(0),
      generation: 3,
      alarms: [{ evidence: { returns: 1 } }, { evidence: { returns: 2 } }],
    });
  });
});
