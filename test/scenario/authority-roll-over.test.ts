import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { encodePem } from '../../src/codec/pem.ts';
import { days, hours, type Millis, minutes } from '../../src/core/clock.ts';
import { uuidV4 } from '../../src/core/ids.ts';
import { silentLog } from '../../src/core/log.ts';
import { systemRandom } from '../../src/core/random.ts';
import type { DeviceClient } from '../../src/device/client.ts';
import { caStatus } from '../../src/operator/ca.ts';
import { rehearseAnchor } from '../../src/operator/ca-rehearsal.ts';
import { fingerprint } from '../../src/pki/certificate.ts';
import { keyIdOf } from '../../src/pki/roll-over.ts';
import { enrollmentGroup, x509Attestation } from '../../src/provision/group.ts';
import { compilePolicy } from '../../src/provision/policy.ts';
import type { Credential } from '../../src/store/model.ts';
import { bootDevice, manufacturerOf, onlineAt, pass } from '../support/booting.ts';
import { LiveAuthority } from '../support/live-authority.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { World } from '../support/world.ts';

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let world: World;
let live: LiveAuthority;
let devices: DeviceClient[];

beforeEach(async () => {
  folder = await temporaryFolder();
  devices = [];
  world = await World.create({
    devices: 3,
    settings: (settings) => {
      live = new LiveAuthority(settings.authority);
      return { ...settings, authority: live.authority };
    },
  });
});
afterEach(async () => {
  for (const device of devices) device.stop();
  await world.close();
  await folder.remove();
});

const rotate = (options: Parameters<LiveAuthority['rotate']>[2]) => live.rotate(world, folder.path, options);
const online = (): number => onlineAt(world.gateway()).length;

async function boot(at: number, life: Millis): Promise<DeviceClient> {
  const groups = await world.store.groups.list();
  await world.changePolicy({
    groups: groups.map((group) => ({ ...group, certificate: { ...group.certificate, life } })),
  });
  const device = await bootDevice({ world, manufacturer: manufacturerOf(world, at) });
  devices.push(device);
  const before = online();
  expect(await world.run(() => online() > before)).toBe(true);
  return device;
}

/** What a device uses now. */
async function credentialOf(device: DeviceClient): Promise<Credential> {
  const keyId = await world.store.ownerOfDeviceId(device.state.deviceId);
  const all = await world.store.credentials(keyId ?? '');
  const last = all.at(-1);
  if (!last) throw new Error('no credential');
  return last;
}

describe('a roll-over of the issuing authority', () => {
  it('goes unnoticed: old and new devices stay in, and the old list is still signed', async () => {
    const old = live.state.issuing;
    const first = await boot(0, hours(20));
    const outcome = await rotate({ what: 'issuing' });
    expect(outcome.effects.join('\n')).toContain('firstboot Issuing CA G2 signs identity certificates');
    const second = await boot(1, hours(20));
    expect(online()).toBe(2);
    expect([await credentialOf(first), await credentialOf(second)].map(({ issuerKeyId }) => issuerKeyId)).toEqual([
      keyIdOf(old),
      keyIdOf(live.state.issuing),
    ]);
    // The first one renews before its certificate ends, below the new authority.
    await pass(world, hours(22));
    expect((await credentialOf(first)).issuerKeyId).toBe(keyIdOf(live.state.issuing));
    expect(online()).toBe(2);
    const lists = await world.provisioner.revocations.all(world.timers.now());
    expect(lists.map(({ issuerKeyId }) => issuerKeyId)).toEqual([live.state.issuing, old].map(keyIdOf));
    // Nothing of the old one is alive any more: the next change lets it go.
    const next = await rotate({ what: 'issuing' });
    expect(next.effects.join('\n')).toMatch(/O=firstboot, CN=firstboot Issuing CA is removed/);
  });
});

describe('a roll-over of the root', () => {
  it('cuts nobody off: devices get both roots, then certificates below the new one, then the new root alone', async () => {
    const old = live.state.root;
    const [first, second] = [await boot(0, hours(8)), await boot(1, hours(8))];
    const announced = await rotate({ what: 'root' });
    expect(announced.result).toMatchObject({ stage: 'announce', safeFrom: (await credentialOf(second)).notAfter });
    await expect(rotate({ what: 'root' })).rejects.toMatchObject({
      code: 'operator.conflict',
      evidence: { stage: 'switch', devices: 2 },
    });

    await pass(world, hours(10));
    expect(online()).toBe(2);
    const both = [old, live.state.next ?? old].map(({ certificate }) => fingerprint(certificate.der));
    expect((await credentialOf(first)).anchors).toEqual(both);
    expect((await rotate({ what: 'root' })).result).toMatchObject({ stage: 'switch', cutOff: 0 });
    // Gateways may show a certificate below the new root at once: everybody knows it.
    world.gateway().down();
    world.gateway().up();
    expect(await world.run(() => online() === 2, hours(1))).toBe(true);
    await expect(rotate({ what: 'root' })).rejects.toMatchObject({ evidence: { stage: 'retire', devices: 2 } });

    await pass(world, hours(10));
    expect(online()).toBe(2);
    expect((await rotate({ what: 'root' })).result).toMatchObject({ stage: 'retire', cutOff: 0, safeFrom: undefined });
    await pass(world, hours(10));
    expect(online()).toBe(2);
    for (const device of [first, second]) {
      expect((await credentialOf(device)).anchors).toEqual([fingerprint(live.state.root.certificate.der)]);
      expect((await credentialOf(device)).generation).toBe(1);
    }
    expect(
      (await world.store.audit({ limit: 100 }))
        .map(({ action }) => action)
        .filter((action) => action.startsWith('ca.')),
    ).toEqual(['ca.announce', 'ca.switch', 'ca.retire']);
  });

  it('that is tried out first says exactly who is cut off', async () => {
    const root = live.state.root;
    const slow = await boot(0, days(90));
    const quick = await boot(1, hours(4));
    const dry = await rotate({ what: 'root', dryRun: true });
    expect([dry.applied, live.state.next]).toEqual([false, undefined]);
    await rotate({ what: 'root' });
    await pass(world, hours(6));
    await rotate({ what: 'root', force: true });

    const on = world.timers.now() + hours(8);
    const rehearse = (anchor: string, day: Millis) =>
      rehearseAnchor(
        {
          store: world.store,
          authority: live.state,
          policy: world.provisioner.policy.current,
          now: world.timers.now(),
        },
        { anchor, on: day },
      );
    const found = await rehearse(fingerprint(root.certificate.der), on);
    expect(found.anchor).toMatchObject({ kind: 'own', notAfter: root.certificate.notAfter });
    expect(found.cutOff).toEqual([
      expect.objectContaining({
        deviceId: slow.state.deviceId,
        reason: 'signed-under-it',
        subject: expect.stringContaining('device-0001'),
      }),
    ]);
    expect([found.devices, found.renewing]).toEqual([2, 1]);
    // Long enough after, it would have renewed by itself.
    const late = await rehearse(fingerprint(root.certificate.der).slice(0, 12), world.timers.now() + days(91));
    expect([late.cutOff.length, late.renewing]).toEqual([0, 2]);
    // Without the root that signs now, those go that renew until then.
    const all = await rehearse('root', on);
    expect(all.cutOff.map(({ deviceId, reason }) => [deviceId, reason])).toEqual([
      [quick.state.deviceId, 'renewals-under-it'],
    ]);

    await pass(world, hours(8));
    await rotate({ what: 'root', force: true });
    world.gateway().down();
    world.gateway().up();
    await pass(world, minutes(2));
    expect(onlineAt(world.gateway())).toEqual([quick.state.deviceId]);
    const { roots, issuing } = await caStatus(live.state, world.store, world.timers.now());
    expect(roots.map(({ role }) => role)).toEqual(['present']);
    expect(issuing).toMatchObject([{ role: 'present' }, { role: 'retired', live: 1, revoked: 0 }]);
  });
});

describe('an anchor of a manufacturer', () => {
  it('that would go leaves out the devices that nobody else vouches for', async () => {
    const device = await boot(0, days(90));
    await pass(world, minutes(5));
    const { root } = world.pki.manufacturer;
    const rehearse = (on: Millis, policy = world.provisioner.policy.current) =>
      rehearseAnchor(
        { store: world.store, authority: live.state, policy, now: world.timers.now() },
        { anchor: fingerprint(root.certificate.der).slice(0, 16), on },
      );
    const found = await rehearse(world.timers.now() + days(30));
    expect(found).toMatchObject({
      anchor: { kind: 'manufacturer', notAfter: root.certificate.notAfter },
      devices: 1,
      expired: 0,
    });
    expect(found.cutOff).toEqual([
      expect.objectContaining({ deviceId: device.state.deviceId, reason: 'no-other-anchor' }),
    ]);
    // Once its own certificate has ended, the anchor does not matter.
    expect(await rehearse(world.timers.now() + days(365 * 16))).toMatchObject({ cutOff: [], expired: 1 });
    const groups = await world.store.groups.list();
    const pem = (der: Uint8Array): string => encodePem('CERTIFICATE', der);
    const withAnother = (leads: readonly string[]) => {
      const anchors = [pem(world.pki.manufacturer.intermediate.certificate.der)];
      const attestation = { x509: x509Attestation({ anchors, leads }) };
      const owner = { id: uuidV4(systemRandom), name: 'another' };
      const another = enrollmentGroup({ id: owner.id, name: 'another', owner, hubs: [], attestation });
      return compilePolicy([...groups, another], [], silentLog);
    };
    const on = world.timers.now() + days(30);
    expect(await rehearse(on, withAnother([]))).toMatchObject({ cutOff: [] });
    // Its path would hold, but no group would take it.
    const strange = [pem(live.state.root.certificate.der)];
    expect((await rehearse(on, withAnother(strange))).cutOff).toHaveLength(1);
    // It is true: it does not come in without it.
    const other = live.state.root.certificate;
    await world.changePolicy({
      groups: groups.map((group) => ({
        ...group,
        attestation: {
          ...group.attestation,
          x509: group.attestation.x509 && { ...group.attestation.x509, anchors: [encodePem('CERTIFICATE', other.der)] },
        },
      })),
    });
    const before = world.requests.get('time');
    device.factoryReset();
    await pass(world, minutes(2));
    expect(world.requests.get('time')).toBe(before);
    expect(online()).toBe(0);
  });
});
