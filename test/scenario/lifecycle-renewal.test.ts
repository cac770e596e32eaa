import { afterEach, describe, expect, test } from 'vitest';
import { days, hours, type Millis, minutes, seconds } from '../../src/core/clock.ts';
import type { DeviceClient } from '../../src/device/client.ts';
import { memoryStorage } from '../../src/device/storage.ts';
import { approveDevice } from '../../src/operator/devices.ts';
import { parseCertificate } from '../../src/pki/certificate.ts';
import { createEndEntity } from '../../src/pki/end-entity.ts';
import { profiles } from '../../src/pki/profile.ts';
import type { Identity } from '../../src/secure/association.ts';
import type { Credential } from '../../src/store/model.ts';
import { attemptsOf, bootDevice, calls, pass, schemes } from '../support/booting.ts';
import { deviceOf, entriesOf, fates, groupOf, operatorOf, refusals, worldWith } from '../support/lifecycle.ts';
import type { World } from '../support/world.ts';

let world: World;
afterEach(() => world.close());

const online = (device: DeviceClient, within: Millis = minutes(20)): Promise<boolean> =>
  world.run(() => device.online, within);

const credentials = async (): Promise<readonly Credential[]> => world.store.credentials((await deviceOf(world)).keyId);

/** An identity of the world's manufacturer that is good from `begins` ms from now on, for `life` ms. */
function manufactured({ begins = 0, life }: { readonly begins?: Millis; readonly life: Millis }): Identity {
  const { intermediate } = world.pki.manufacturer;
  const leaf = createEndEntity({
    issuer: intermediate,
    profile: { ...profiles.manufacturerDevice, lifetime: life },
    subject: { commonName: 'short-lived' },
    altNames: [],
    now: world.timers.now() + begins,
    random: world.random,
  });
  return { chain: [...leaf.chain, intermediate.certificate.der], privateKey: leaf.privateKey };
}

/** How long a group takes devices whose manufacturer certificate has expired. */
async function setGrace(expiredGrace: Millis): Promise<void> {
  const group = await groupOf(world);
  const { attestation } = group;
  const x509 = attestation.x509 && { ...attestation.x509, expiredGrace };
  await world.changePolicy({ groups: [{ ...group, attestation: { ...attestation, x509 } }] });
}

describe.each(schemes)('over %s', (scheme) => {
  test('a device renews its certificate before it ends; the older one stays good, and the generation is the same', async () => {
    world = await worldWith({}, { identityLife: hours(2) });
    const storage = memoryStorage();
    const device = await bootDevice({ world, scheme, storage, expiring: minutes(30) });
    expect(await online(device)).toBe(true);
    const before = device.state;
    const { confirmedAt } = await deviceOf(world);
    await world.run(() => device.state.credentials?.identity !== before.credentials?.identity, hours(2));
    // Credentials alone, and no session but that.
    expect(calls(world)).toBe('1/1/1/2/1');
    const [first, second] = await credentials();
    expect(second?.issuedAt).toBeLessThan(first?.notAfter ?? 0);
    expect(fates(await credentials())).toEqual(['1 live', '1 live']);
    expect(await deviceOf(world)).toMatchObject({ generation: 1, confirmedAt });
    expect(device.online).toBe(true);

    // As if the power had gone before the new one was stored.
    device.powerOff();
    const restored = await bootDevice({ world, scheme, storage: memoryStorage(before), expiring: minutes(5) });
    expect(await online(restored, minutes(1))).toBe(true);
    expect(restored.state.credentials?.identity).toBe(before.credentials?.identity);
    expect(calls(world)).toBe('1/1/1/2/1');

    // And on and on.
    await pass(world, hours(12));
    const all = await credentials();
    expect(all.length).toBeGreaterThan(6);
    expect(new Set(fates(all))).toEqual(new Set(['1 live']));
    expect(all.every(({ issuedAt }, at) => at === 0 || issuedAt < (all[at - 1]?.notAfter ?? 0))).toBe(true);
    expect(await online(restored, minutes(1))).toBe(true);
    expect((await attemptsOf(world)).at(-1)?.entries.at(-1)).toMatchObject({ type: 'closed', verdict: 'renewed' });
    restored.stop();
  });

  test('a manufacturer certificate that has expired is good for the days of grace that its group gives, and no longer', async () => {
    world = await worldWith({});
    const manufacturer = manufactured({ life: days(10) });
    await setGrace(days(3));
    await pass(world, days(12));
    const device = await bootDevice({ world, scheme, manufacturer });
    expect(await online(device)).toBe(true);
    device.stop();

    await pass(world, days(1.5));
    device.forceReprovision();
    await pass(world, minutes(5));
    expect(new Set(await refusals(world))).toEqual(new Set(['match attest.expired']));
    expect(calls(world)).toMatch(/^\d+\/1\/1\/1\/1$/);

    await setGrace(days(30));
    expect(await online(device)).toBe(true);
    expect(fates(await credentials())).toEqual(['1 live', '1 live']);
    device.stop();
  });

  test('one that is not valid yet is refused whatever the grace, until its time has come', async () => {
    world = await worldWith({});
    const manufacturer = manufactured({ begins: days(2), life: days(365) });
    await setGrace(days(4000));
    const device = await bootDevice({ world, scheme, manufacturer });
    await pass(world, minutes(10));
    expect(new Set(await refusals(world))).toEqual(new Set(['attest attest.not-yet-valid']));
    device.stop();
    const { notBefore } = parseCertificate(manufacturer.chain[0] ?? new Uint8Array());
    await pass(world, notBefore + seconds(1) - world.timers.now());
    device.start();
    expect(await online(device)).toBe(true);
    device.stop();
  });

  test('a device that lay in store until its identity had long expired comes back by its manufacturer certificate', async () => {
    world = await worldWith({});
    const storage = memoryStorage();
    // Its tokens have ended, too: a cloud that does not take them is reason for a full run.
    const device = await bootDevice({ world, scheme, storage, cloudChecks: 30 });
    expect(await online(device)).toBe(true);
    const { deviceId, credentials: held } = device.state;
    device.powerOff();
    await pass(world, days(500));
    expect(held?.validTo).toBeLessThan(world.timers.now() - days(300));
    const again = await bootDevice({ world, scheme, storage, cloudChecks: 30 });
    expect(await online(again)).toBe(true);
    expect(again.state).toMatchObject({ deviceId });
    expect(again.state.credentials?.validTo).toBeGreaterThan(world.timers.now());
    expect(await deviceOf(world)).toMatchObject({ deviceId, generation: 1, state: 'active' });
    again.stop();
  });

  test('a device that waits is told 5.03, asks again by its retry table, and has its place when it is approved days later', async () => {
    world = await worldWith({ admission: 'manual' });
    const storage = memoryStorage();
    const device = await bootDevice({ world, scheme, storage });
    await pass(world, minutes(10));
    const answers = (await entriesOf(world)).flatMap((entry) => (entry.type === 'exchange' ? [entry] : []));
    expect(new Set(answers.map(({ code }) => code))).toEqual(new Set([503]));
    const gaps = answers.slice(1).map(({ at }, index) => Math.round((at - (answers[index]?.at ?? 0)) / seconds(1)));
    expect(gaps.slice(0, 7)).toEqual([10, 20, 40, 80, 120, 10, 20]);
    const waiting = await deviceOf(world);
    device.powerOff();

    await pass(world, days(4));
    await approveDevice(operatorOf(world), waiting.keyId, { reason: 'delivered' });
    await pass(world, days(1));
    expect(new Set(await refusals(world))).toEqual(new Set(['admit admit.pending']));
    const tries = (await attemptsOf(world)).length;
    const again = await bootDevice({ world, scheme, storage });
    expect(await online(again)).toBe(true);
    expect(await attemptsOf(world)).toHaveLength(tries + 1);
    expect(await deviceOf(world)).toMatchObject({ state: 'active', createdAt: waiting.createdAt, generation: 1 });
    again.stop();
  });
});
