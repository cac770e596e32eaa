import { afterEach, describe, expect, test } from 'vitest';
import { toBase64 } from '../../src/core/bytes.ts';
import { hours, minutes } from '../../src/core/clock.ts';
import { approveDevice, decommissionDevice, rekeyDevice, transferDevice } from '../../src/operator/devices.ts';
import { ownerNamed } from '../../src/provision/owner.ts';
import { bootDevice, isProvisioned, manufacturerOf, pass, schemes, visit } from '../support/booting.ts';
import { askStep, deviceOf, fates, groupOf, operatorOf, worldWith } from '../support/lifecycle.ts';
import type { World } from '../support/world.ts';

let world: World;
afterEach(() => world.close());

describe.each(schemes)('over %s', (scheme) => {
  test('a device that is given to another owner is that owner’s, when it has been provisioned again', async () => {
    world = await worldWith({ ownerPsk: toBase64(new Uint8Array(32).fill(7)) });
    const seller = (await groupOf(world)).owner;
    const buyer = ownerNamed('buyer');
    const device = await bootDevice({ world, scheme });
    await world.run(() => device.online, minutes(5));
    const { keyId } = await deviceOf(world);
    const { deviceId } = device.state;
    expect(await world.provisioner.holds(deviceId)).toBe(true);

    await transferDevice(operatorOf(world), keyId, 'buyer', { reason: 'sold' });
    expect(await world.provisioner.holds(deviceId)).toBe(false);
    expect(await deviceOf(world)).toMatchObject({ ownerId: seller.id, assignedOwner: buyer });

    device.forceReprovision();
    await world.run(() => !device.online, minutes(1));
    await world.run(() => device.online, minutes(20));
    expect(device.state.owner).toBe(buyer.id);
    expect(device.state.credentials?.psks.map(({ subject }) => subject)).toEqual([buyer.id]);
    const subjects = (device.state.acl ?? []).flatMap(({ subject }) => ('uuid' in subject ? [subject.uuid] : []));
    expect(subjects).toContain(buyer.id);
    expect(subjects).not.toContain(seller.id);
    // The token that it signed up with.
    const claims = JSON.parse(Buffer.from(device.state.cloud?.accessToken.split('.')[1] ?? '', 'base64url').toString());
    expect(claims).toMatchObject({ sub: buyer.id });
    expect(await deviceOf(world)).toMatchObject({ ownerId: buyer.id, assignedOwner: buyer, resetAllowed: false });
    expect(await world.provisioner.holds(deviceId)).toBe(true);
    expect(await world.provisioner.holds(deviceId, buyer.id)).toBe(true);
    expect(await world.provisioner.holds(deviceId, seller.id)).toBe(false);
    expect((await world.store.audit({ limit: 100 })).at(-1)).toMatchObject({ action: 'device.transfer' });

    // A reset is the new owner's to do, and the group's own owner does not come back with it.
    device.factoryReset();
    await world.run(() => !device.running, minutes(1));
    device.start();
    await world.run(() => device.online, minutes(20));
    expect(device.state.owner).toBe(buyer.id);
    const { lineage } = await deviceOf(world);
    expect(lineage.map(({ event }) => event)).toEqual(['enrolled', 'generation', 'owner', 'generation']);
  });

  test('a kill of the service in the middle loses nothing of it', async () => {
    world = await worldWith({});
    const device = await bootDevice({ world, scheme });
    await world.run(() => device.online, minutes(5));
    const { keyId } = await deviceOf(world);
    await transferDevice(operatorOf(world), keyId, 'buyer');
    await world.killService();
    await world.startService();
    expect(await world.provisioner.holds(device.state.deviceId)).toBe(false);
    device.forceReprovision();
    await world.run(() => device.state.owner === ownerNamed('buyer').id, minutes(5));
    await world.killService();
    await world.startService();
    await world.run(() => isProvisioned(device) && device.online, hours(1));
    expect(device.state.owner).toBe(ownerNamed('buyer').id);
    expect(await world.provisioner.holds(device.state.deviceId)).toBe(true);
  });

  test('a device with a new board goes on under its new key: same device id, same generation, and the old key is out', async () => {
    world = await worldWith({ reprovisioning: 'never' }, { devices: 2 });
    const device = await bootDevice({ world, scheme });
    await world.run(() => device.online, minutes(5));
    const { keyId } = await deviceOf(world);
    const { deviceId } = device.state;
    const [old, fresh] = [manufacturerOf(world), manufacturerOf(world, 1)];
    const come = async (identity: typeof old): Promise<unknown> => {
      const session = await visit({ world, scheme, identity });
      const answer = await askStep(session, 'cloud-configuration', { di: deviceId });
      session.close();
      return answer;
    };
    expect(await come(fresh)).toMatch(/^403 bind\.device-id-taken/);
    const to = (await deviceOf(world)).keyId;
    expect(to).not.toBe(keyId);
    await rekeyDevice(operatorOf(world), keyId, to, { reason: 'new board' });
    expect(fates(await world.store.credentials(keyId))).toEqual(['1 superseded']);
    expect(await come(old)).toMatch(/^403 admit\.decommissioned/);
    expect(await world.provisioner.holds(deviceId)).toBe(false);
    expect(await come(fresh)).toMatchObject({ sid: world.pki.hubId });
    expect(await world.store.device(to)).toMatchObject({ deviceId, generation: 1, state: 'active' });
  });

  test('a decommissioned device that is approved again begins anew: its old credentials stay revoked, its tokens end', async () => {
    world = await worldWith({ reprovisioning: 'never' });
    const device = await bootDevice({ world, scheme });
    await world.run(() => device.online, minutes(5));
    const { keyId } = await deviceOf(world);
    const { deviceId } = device.state;
    await decommissionDevice(operatorOf(world), keyId, { reason: 'scrapped' });
    expect(fates(await world.store.credentials(keyId))).toEqual(['1 cessationOfOperation']);
    await approveDevice(operatorOf(world), keyId, { reason: 'repaired' });
    expect(await world.provisioner.holds(deviceId)).toBe(false);
    device.factoryReset();
    await world.run(() => !device.running, minutes(1));
    device.start();
    await world.run(() => device.online, minutes(30));
    await pass(world, minutes(1));
    expect(fates(await world.store.credentials(keyId))).toEqual(['1 cessationOfOperation', '2 live']);
    expect(await world.provisioner.holds(device.state.deviceId)).toBe(true);
    expect(await world.provisioner.holds(deviceId)).toBe(false);
  });
});
