import { createPrivateKey } from 'node:crypto';
import { afterEach, describe, expect, test } from 'vitest';
import { type CborMap, decodeCbor, encodeCbor } from '../../../src/codec/cbor.ts';
import { toBase64 } from '../../../src/core/bytes.ts';
import { minutes, seconds } from '../../../src/core/clock.ts';
import { limits } from '../../../src/core/limits.ts';
import { deviceIdentity } from '../../../src/device/credentials.ts';
import type { DeviceState } from '../../../src/device/state.ts';
import { readOwnerPsk } from '../../../src/operator/owner-psk.ts';
import { ownerNamed } from '../../../src/provision/owner.ts';
import { ownerPskOf } from '../../../src/provision/owner-psk.ts';
import type { Identity } from '../../../src/secure/association.ts';
import {
  attemptsOf,
  bootDevice,
  calls,
  isProvisioned,
  manufacturerOf,
  pass,
  schemes,
  type Visit,
  visit,
} from '../../support/booting.ts';
import { World, type WorldOptions, worldStart } from '../../support/world.ts';

// The service alone: behaviours 1 to 13 of docs/behaviours.md, as far as no unit test has them.

let world: World;
afterEach(() => world.close());

const create = async (options: WorldOptions = {}): Promise<World> => {
  world = await World.create(options);
  return world;
};

const ownerMaster = new Uint8Array(Buffer.from('0123456789abcdef'));
const ownerPsk = toBase64(ownerMaster);

const get = (...path: string[]) => ({ method: 'GET', path, accept: 10000 }) as const;

const post = (step: string, body: CborMap) =>
  ({
    method: 'POST',
    path: ['api', 'v1', 'provisioning', step],
    accept: 10000,
    contentFormat: 10000,
    payload: encodeCbor(body),
  }) as const;

const subjectsOf = ({ acl = [] }: DeviceState): string[] =>
  acl.map(({ subject }) => ('uuid' in subject ? subject.uuid : 'conntype' in subject ? subject.conntype : 'role'));

/** What the device presents to its cloud. */
function identityOf(state: DeviceState): Identity {
  if (!state.credentials) throw new Error('the device has no credentials');
  return deviceIdentity(state.credentials, createPrivateKey(state.key));
}

describe.each(schemes)('over %s', (scheme) => {
  test('3, 4 the access control list has three entries: owner, anybody, hub', async () => {
    // Over DTLS it takes several blocks: the service sends no datagram longer than this.
    await create({ link: { mtu: 512 } });
    const device = await bootDevice({ world, scheme });
    expect(await world.run(() => isProvisioned(device))).toBe(true);
    expect(subjectsOf(device.state)).toEqual([device.state.owner, 'anon-clear', world.pki.hubId]);
    expect(calls(world)).toBe('1/1/1/1/1');
  });

  test('5 two credentials come; the identity is good for the cloud and refused by the service itself', async () => {
    await create();
    const device = await bootDevice({ world, scheme });
    await world.run(() => isProvisioned(device));
    const { credentials } = device.state;
    expect(credentials?.trustAnchors).toHaveLength(1);
    expect(credentials?.psks).toEqual([]);

    const again = await visit({ world, scheme, identity: identityOf(device.state) });
    // A TLS 1.3 client is through with its handshake before the service has judged it.
    await world.run(() => again.ended !== undefined, minutes(1));
    expect(again.ended).toBe('refused');
    const refusals = (await attemptsOf(world)).flatMap(({ entries }) =>
      entries.flatMap((entry) => (entry.type === 'closed' && entry.refusal ? [entry.refusal.code] : [])),
    );
    expect(refusals).toEqual(['attest.unknown-issuer']);
  });

  test('6 a group with a key for its owner gives a third credential', async () => {
    await create({
      settings: (settings) => ({ ...settings, groups: settings.groups.map((group) => ({ ...group, ownerPsk })) }),
    });
    const device = await bootDevice({ world, scheme });
    await world.run(() => isProvisioned(device));
    const key = toBase64(ownerPskOf(ownerMaster, device.state.deviceId));
    expect(device.state.credentials?.psks).toEqual([{ subject: device.state.owner, key }]);
  });

  test('6 a group whose key is shared gives its devices the first 16 bytes of it', async () => {
    const long = toBase64(new Uint8Array(Buffer.from('0123456789abcdef and more')));
    const shared = { ownerPsk: long, ownerPskShared: true };
    await create({
      settings: (settings) => ({ ...settings, groups: settings.groups.map((group) => ({ ...group, ...shared })) }),
    });
    const device = await bootDevice({ world, scheme });
    await world.run(() => isProvisioned(device));
    expect(device.state.credentials?.psks).toEqual([{ subject: device.state.owner, key: ownerPsk }]);

    // That key opens all devices of the group's owner: somebody else's is not given it.
    const [record] = await world.store.devices({ limit: 2 });
    if (!record) throw new Error('the device is not on record');
    await world.store.putDevice({ ...record, assignedOwner: ownerNamed('buyer') });
    device.forceReprovision();
    await world.run(() => device.state.owner === ownerNamed('buyer').id && isProvisioned(device));
    expect(device.state.credentials?.psks).toEqual([]);
    const deps = {
      store: world.store,
      now: () => world.timers.now(),
      actor: { kind: 'operator', name: 'kim', from: 'here' },
    } as const;
    await expect(readOwnerPsk(deps, record.keyId)).rejects.toMatchObject({
      code: 'operator.not-found',
      fix: expect.stringContaining('devices of its owner'),
    });
  });

  test('7 the cloud configuration is complete for a device that says no more than its id', async () => {
    await create();
    const session = await visit({ world, scheme, identity: manufacturerOf(world) });
    const di = '8d3c9b1e-52a6-4f0e-9f4a-0c6c5f1f7a10';
    const answer = await session.ask(post('cloud-configuration', { di }));
    expect(answer?.code).toBe(204);
    const map = decodeCbor(answer?.payload ?? new Uint8Array()) as CborMap;
    expect(map).toMatchObject({ apn: 'firstboot', sid: world.pki.hubId, cis: world.gateway().uris.tcp });
    expect(map.at).toMatch(/^eyJ/);
  });

  test('8 a new gateway is seen on the same session, another hub of the group on the next', async () => {
    await create();
    const [hub] = world.settings.hubs;
    if (!hub) throw new Error('the world has no hub');
    const cloudOf = async (session: Visit): Promise<CborMap> => {
      const answer = await session.ask(post('cloud-configuration', { di: '8d3c9b1e-52a6-4f0e-9f4a-0c6c5f1f7a10' }));
      return decodeCbor(answer?.payload ?? new Uint8Array()) as CborMap;
    };
    const first = await visit({ world, scheme, identity: manufacturerOf(world) });
    expect((await cloudOf(first)).cis).toBe(hub.gateways[0]);
    await world.changePolicy({ hubs: [{ ...hub, gateways: ['coaps+tcp://moved.example:5684'] }] });
    const at = world.timers.now();
    expect(await cloudOf(first)).toMatchObject({ cis: 'coaps+tcp://moved.example:5684', sid: hub.id });
    expect(world.timers.now() - at).toBeLessThanOrEqual(500);

    const other = { ...hub, id: '5f5f5f5f-0000-4000-8000-000000000002', gateways: ['coaps+tcp://other.example:5684'] };
    const groups = world.settings.groups.map((group) => ({ ...group, hubs: [other.id] }));
    await world.changePolicy({ groups, hubs: [other] });
    const second = await visit({ world, scheme, identity: manufacturerOf(world) });
    expect(await cloudOf(second)).toMatchObject({ cis: 'coaps+tcp://other.example:5684', sid: other.id });
  });

  test('10 an idle session is still answered within its grace, and closed by the service after it', async () => {
    await create();
    const session = await visit({ world, scheme, identity: manufacturerOf(world) });
    await pass(world, limits.session.idle - seconds(10));
    expect((await session.ask(get('x.plgd.dev', 'time')))?.code).toBe(205);
    await pass(world, limits.session.idle - seconds(10));
    expect(session.ended).toBeUndefined();
    await pass(world, seconds(20));
    expect(session.ended).toBe('close-notify');
  });

  test('12 ten devices, one after another, leave nothing behind in the service', async () => {
    await create({
      devices: 10,
      settings: (settings) => ({ ...settings, groups: settings.groups.map((group) => ({ ...group, ownerPsk })) }),
    });
    for (let k = 0; k < 10; k++) {
      const device = await bootDevice({ world, scheme, manufacturer: manufacturerOf(world, k) });
      expect(await world.run(() => isProvisioned(device), minutes(5))).toBe(true);
      await device.shutdown();
    }
    await world.run(() => false, minutes(10));
    // What is left is the hourly clean-up of the store.
    expect(world.timers.next()).toBe(worldStart + limits.store.pruneInterval);
    expect(calls(world)).toBe('10/10/10/10/10');
    const ends = (await attemptsOf(world)).map(({ entries }) => entries.at(-1));
    expect(ends).toHaveLength(10);
    for (const end of ends) expect(end).toMatchObject({ type: 'closed', verdict: 'provisioned' });
  });
});
