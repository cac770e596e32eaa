import { afterEach, describe, expect, test } from 'vitest';
import { minutes } from '../../src/core/clock.ts';
import { uuidNamespaces, uuidV5 } from '../../src/core/ids.ts';
import type { DeviceClient } from '../../src/device/client.ts';
import { allowReset } from '../../src/operator/devices.ts';
import { parseCertificate } from '../../src/pki/certificate.ts';
import { ownerNamed } from '../../src/provision/owner.ts';
import type { EnrollmentGroup } from '../../src/store/model.ts';
import { bootDevice, isProvisioned, manufacturerOf, onlineAt, pass, schemes, visit } from '../support/booting.ts';
import { askStep, deviceOf, fates, groupOf, operatorOf, refusals, worldWith } from '../support/lifecycle.ts';
import type { World, WorldOptions } from '../support/world.ts';

let world: World;
afterEach(() => world.close());

const create = async (group: Partial<EnrollmentGroup>, options?: WorldOptions): Promise<void> => {
  world = await worldWith(group, options);
};
const change = async (changes: Partial<EnrollmentGroup>): Promise<void> =>
  world.changePolicy({ groups: [{ ...(await groupOf(world)), ...changes }] });
const provisioned = (device: DeviceClient): Promise<boolean> => world.run(() => isProvisioned(device), minutes(20));
const hubOf = ({ state }: DeviceClient): string | undefined => state.cloud?.gateways[state.cloud.selected]?.id;

/** Again, from the time on; `reset`: under a new device id. */
async function again(device: DeviceClient, how: 'reprovision' | 'reset'): Promise<boolean> {
  if (how === 'reprovision') device.forceReprovision();
  else device.factoryReset();
  await world.run(() => !isProvisioned(device), minutes(1));
  if (how === 'reset') {
    await world.run(() => !device.running, minutes(1));
    device.start();
  }
  return provisioned(device);
}

const buyer = ownerNamed('another owner');

describe.each(schemes)('over %s', (scheme) => {
  test.each(['reprovision', 'reset'] as const)(
    'migrate: a device that comes again (%s) gets what the policy says now',
    async (how) => {
      await create({}, { gateways: [1, 1] });
      const [one, two] = (await groupOf(world)).hubs;
      const device = await bootDevice({ world, scheme });
      await provisioned(device);
      expect(hubOf(device)).toBe(one);
      await change({ owner: buyer, hubs: [two ?? ''] });
      expect(await again(device, how)).toBe(true);
      expect(device.state.owner).toBe(buyer.id);
      expect(hubOf(device)).toBe(two);
      expect(await deviceOf(world)).toMatchObject({ ownerId: buyer.id, hubId: two });
    },
  );

  test.each(['reprovision', 'reset'] as const)(
    'keep: a device that comes again (%s) keeps owner and hub',
    async (how) => {
      await create({ reprovisioning: 'keep' }, { gateways: [1, 1] });
      const { owner, hubs } = await groupOf(world);
      const device = await bootDevice({ world, scheme });
      await provisioned(device);
      await change({ owner: buyer, hubs: hubs.toReversed() });
      expect(await again(device, how)).toBe(true);
      expect(device.state.owner).toBe(owner.id);
      expect(hubOf(device)).toBe(hubs[0]);
      expect(await deviceOf(world)).toMatchObject({ ownerId: owner.id, hubId: hubs[0] });
    },
  );

  test('never: it comes again under its id, but after a reset only when that was allowed, once', async () => {
    await create({ reprovisioning: 'never' });
    const device = await bootDevice({ world, scheme });
    await provisioned(device);
    expect(await again(device, 'reprovision')).toBe(true);
    expect(await again(device, 'reset')).toBe(false);
    expect(new Set(await refusals(world))).toEqual(new Set(['bind bind.reprovisioning']));
    const { keyId, generation } = await deviceOf(world);
    expect(generation).toBe(1);

    await allowReset(operatorOf(world), keyId, { reason: 'sold' });
    expect(await provisioned(device)).toBe(true);
    expect(await deviceOf(world)).toMatchObject({ generation: 2, resetAllowed: false });
    expect(await again(device, 'reset')).toBe(false);
    expect(await deviceOf(world)).toMatchObject({
      generation: 2,
      deviceId: expect.not.stringMatching(device.state.deviceId),
    });
  });

  test.each([
    ['credentials', 2],
    ['acls', 1],
  ] as const)('never: a device that never got its %s has after a reset the generation %i', async (step, generation) => {
    await create(
      { reprovisioning: 'never' },
      { fault: ({ path }) => (path.at(-1) === step ? { type: 'cut' } : undefined) },
    );
    const device = await bootDevice({ world, scheme });
    await pass(world, minutes(1));
    const before = await deviceOf(world);
    expect(before).toMatchObject({ generation: 1 });
    device.factoryReset();
    await world.run(() => !device.running, minutes(1));
    device.start();
    await pass(world, minutes(1));
    expect(await deviceOf(world)).toMatchObject({ generation });
    if (generation === 1) expect(await refusals(world)).toContain('bind bind.reprovisioning');
  });

  test('a template says which device id a device has to have: a UUIDv5 of what it renders to', async () => {
    await create({ deviceIds: { type: 'template', template: `urn:acme:\${cert.serial}` } });
    const { serial } = parseCertificate(manufacturerOf(world).chain[0] ?? new Uint8Array());
    const expected = uuidV5(uuidNamespaces.url, `urn:acme:${serial}`);
    const session = await visit({ world, scheme, identity: manufacturerOf(world) });
    const other = '8d3c9b1e-52a6-4f0e-9f4a-0c6c5f1f7a10';
    expect(await askStep(session, 'cloud-configuration', { di: other })).toMatch(/^403 bind\.device-id-policy/);
    expect(await askStep(session, 'cloud-configuration', { di: expected })).toMatchObject({ sid: world.pki.hubId });
    session.close();
    await pass(world, minutes(6));
    const refused = (await world.store.attempts({ limit: 1 }))[0];
    const [stage] = ((await world.store.attempt(refused?.id ?? ''))?.entries ?? []).filter(
      (entry) => entry.type === 'stage' && entry.result === 'refused',
    );
    expect(stage).toMatchObject({ stage: 'bind', refusal: { evidence: { deviceId: other, expected } } });
    expect((await deviceOf(world)).deviceId).toBe(expected);
  });

  test('the earlier generation is revoked when the new one is confirmed, not before, kills or not', async () => {
    await create({});
    const gateway = world.gateway();
    const device = await bootDevice({ world, scheme });
    await world.run(() => device.online, minutes(5));
    const { keyId, confirmedAt } = await deviceOf(world);
    expect(confirmedAt).toBeDefined();
    gateway.down();
    expect(await again(device, 'reset')).toBe(true);
    expect(fates(await world.store.credentials(keyId))).toEqual(['1 live', '2 live']);
    expect((await deviceOf(world)).confirmedAt).toBeUndefined();
    const count = (await world.store.audit({ limit: 100 })).length;

    await world.killService();
    await world.startService();
    expect(fates(await world.store.credentials(keyId))).toEqual(['1 live', '2 live']);
    gateway.up();
    await world.run(() => device.online, minutes(30));
    expect(onlineAt(gateway)).toEqual([device.state.deviceId]);
    const confirmed = await deviceOf(world);
    expect(confirmed).toMatchObject({ generation: 2, confirmedAt: expect.any(Number) });
    const after = fates(await world.store.credentials(keyId));
    expect(after.filter((fate) => fate.startsWith('1'))).toEqual(['1 superseded']);
    expect(new Set(after.filter((fate) => fate.startsWith('2')))).toEqual(new Set(['2 live']));

    await world.killService();
    await world.startService();
    expect(fates(await world.store.credentials(keyId))).toEqual(after);
    expect(await deviceOf(world)).toEqual(confirmed);
    const lines = (await world.store.audit({ limit: 100 })).slice(count);
    const [line] = lines.filter(({ action }) => action === 'device.confirm');
    expect(line).toMatchObject({
      actor: { kind: 'service', name: 'firstboot', from: 'confirm' },
      target: `device ${keyId}`,
      detail: { deviceId: device.state.deviceId, generation: 2 },
    });
  });

  test('the payload of its group arrives at the device, and goes with the configuration', async () => {
    const payload = { site: 'north', lamps: [1, 2.5, null], nested: { on: true } };
    await create({ payload });
    const device = await bootDevice({ world, scheme });
    await provisioned(device);
    expect(device.state.cloud?.payload).toEqual(payload);
    await change({ payload: undefined });
    expect(await again(device, 'reprovision')).toBe(true);
    expect(device.state.cloud).not.toHaveProperty('payload');
  });
});
