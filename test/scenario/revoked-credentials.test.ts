import { afterEach, describe, expect, it } from 'vitest';
import { encodePem } from '../../src/codec/pem.ts';
import { hours, type Millis, minutes, seconds } from '../../src/core/clock.ts';
import { limits } from '../../src/core/limits.ts';
import type { DeviceClient } from '../../src/device/client.ts';
import { readCrl } from '../../src/pki/revocation-list.ts';
import { keyIdOf } from '../../src/pki/roll-over.ts';
import type { RevocationReason } from '../../src/store/model.ts';
import type { Store } from '../../src/store/store.ts';
import { attemptsOf, bootDevice, manufacturerOf, onlineAt, pass, schemes, visit } from '../support/booting.ts';
import { World } from '../support/world.ts';

let world: World;
afterEach(async () => {
  await world.close();
});

async function online(world: World, at = 0): Promise<DeviceClient> {
  const device = await bootDevice({ world, manufacturer: manufacturerOf(world, at) });
  expect(await world.run(() => onlineAt(world.gateway()).includes(device.state.deviceId))).toBe(true);
  return device;
}

/** What an operator's revocation comes to in the store. */
async function revoke(store: Store, deviceId: string, reason: RevocationReason, now: Millis): Promise<void> {
  const keyId = (await store.ownerOfDeviceId(deviceId)) ?? '';
  const credentials = (await store.credentials(keyId)).map((each) => ({ ...each, revoked: { at: now, reason } }));
  await store.commit({ credentials });
}

describe('a revoked identity certificate', () => {
  it('ends the session at the gateway, and no new one begins with it; others stay', async () => {
    world = await World.create({ devices: 2 });
    const [first, second] = [await online(world, 0), await online(world, 1)];
    const { deviceId } = first.state;
    await revoke(world.store, deviceId, 'keyCompromise', world.timers.now());
    expect(onlineAt(world.gateway())).toHaveLength(2);
    const began = world.timers.now();
    expect(await world.run(() => !onlineAt(world.gateway()).includes(deviceId), minutes(10))).toBe(true);
    expect(world.timers.now() - began).toBeLessThanOrEqual(limits.cloud.crlRefresh + seconds(5));
    // It tries again and again, with the same certificate.
    const signIns = world.gatewayRequests.get('/oic/sec/session');
    await pass(world, minutes(3));
    expect(onlineAt(world.gateway())).toEqual([second.state.deviceId]);
    expect(world.gatewayRequests.get('/oic/sec/session')).toBe(signIns);
    first.stop();
    second.stop();
  });

  it('that was only held comes in again when the hold is taken back', async () => {
    world = await World.create();
    const device = await online(world);
    const keyId = (await world.store.ownerOfDeviceId(device.state.deviceId)) ?? '';
    await revoke(world.store, device.state.deviceId, 'certificateHold', world.timers.now());
    expect(await world.run(() => onlineAt(world.gateway()).length === 0, minutes(10))).toBe(true);
    const held = await world.store.credentials(keyId);
    await world.store.commit({ credentials: held.map((each) => ({ ...each, revoked: undefined })) });
    expect(await world.run(() => onlineAt(world.gateway()).length === 1, hours(2))).toBe(true);
    device.stop();
  });

  it('stays out while the service is away and its list has run out', async () => {
    world = await World.create();
    const device = await online(world);
    await revoke(world.store, device.state.deviceId, 'superseded', world.timers.now());
    expect(await world.run(() => onlineAt(world.gateway()).length === 0, minutes(10))).toBe(true);
    await world.stopService();
    await pass(world, limits.pki.crlLife + hours(1));
    expect(onlineAt(world.gateway())).toEqual([]);
    device.stop();
  });
});

describe('the revocation list over CoAP', () => {
  it.each(schemes)('is given to admitted devices over %s, and is no step of provisioning', async (scheme) => {
    world = await World.create({ devices: 2 });
    const device = await online(world);
    const { deviceId } = device.state;
    device.stop();
    await revoke(world.store, deviceId, 'superseded', world.timers.now());
    await pass(world, minutes(1));
    const keyId = (await world.store.ownerOfDeviceId(deviceId)) ?? '';
    const before = await world.store.device(keyId);
    const session = await visit({ world, scheme, identity: manufacturerOf(world) });
    const answer = await session.ask({ method: 'GET', path: ['x.firstboot', 'crl'] });
    expect([answer?.code, answer?.contentFormat]).toEqual([205, 42]);
    const list = readCrl(answer?.payload ?? new Uint8Array());
    expect(list.revoked.map(({ reason }) => reason)).toEqual(['superseded']);
    const published = await world.provisioner.revocations.current(world.timers.now());
    expect(encodePem('X509 CRL', answer?.payload ?? new Uint8Array())).toBe(
      encodePem('X509 CRL', published?.der ?? new Uint8Array()),
    );
    expect(published?.issuerKeyId).toBe(keyIdOf(world.pki.authority.issuing));
    const refused = await session.ask({ method: 'GET', path: ['x.firstboot', 'crl'], accept: 60 });
    expect(refused?.code).toBe(406);
    session.close();
    await pass(world, minutes(1));
    const after = await world.store.device(keyId);
    expect([after?.flags, after?.generation]).toEqual([before?.flags, before?.generation]);
    expect((await attemptsOf(world)).at(-1)?.entries.map(({ type }) => type)).not.toContain('status');
  });

  it('comes in blocks when it is long', async () => {
    world = await World.create();
    const device = await online(world);
    device.stop();
    const keyId = (await world.store.ownerOfDeviceId(device.state.deviceId)) ?? '';
    const [credential] = await world.store.credentials(keyId);
    if (!credential) throw new Error('no credential');
    const many = Array.from({ length: 300 }, (_, at) => ({
      ...credential,
      serial: `70${at.toString(16).padStart(30, '0')}`,
      revoked: { at: world.timers.now(), reason: 'superseded' as const },
    }));
    await world.store.commit({ newCredentials: many });
    await pass(world, minutes(1));
    const session = await visit({ world, scheme: 'coaps', identity: manufacturerOf(world) });
    const answer = await session.ask({ method: 'GET', path: ['x.firstboot', 'crl'] });
    expect(readCrl(answer?.payload ?? new Uint8Array()).revoked).toHaveLength(300);
    // Too long for one CoAP body, it is refused, and HTTP has it.
    const more = Array.from({ length: 2000 }, (_, at) => ({
      ...credential,
      serial: `71${at.toString(16).padStart(30, '0')}`,
      revoked: { at: world.timers.now(), reason: 'superseded' as const },
    }));
    await world.store.commit({ newCredentials: more });
    await pass(world, seconds(2));
    const tooLarge = await session.ask({ method: 'GET', path: ['x.firstboot', 'crl'] });
    expect(tooLarge?.code).toBe(500);
    expect(Buffer.from(tooLarge?.payload ?? []).toString()).toMatch(/^service\.answer-too-large: .*HTTP/);
    expect((await world.provisioner.revocations.latest(world.timers.now())).length).toBeGreaterThan(
      limits.coap.bodyBytes,
    );
    session.close();
  });
});
