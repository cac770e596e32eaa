import { afterEach, describe, expect, test } from 'vitest';
import { minutes, seconds } from '../../../src/core/clock.ts';
import { memoryStorage } from '../../../src/device/storage.ts';
import type { SimulatedGateway } from '../../../src/simulation/cloud.ts';
import {
  attemptsOf,
  type BootOptions,
  bootDevice,
  calls,
  lab,
  onlineAt,
  pass,
  type Scheme,
  schemes,
} from '../../support/booting.ts';
import { World, type WorldOptions, worldStart } from '../../support/world.ts';

// A device, the service and the gateways of its hubs: behaviours 14, 17 to 24 and 33 of docs/behaviours.md.

let world: World;
afterEach(() => world.close());

/** A world whose hubs have so many gateways, all of them up. */
async function create(gateways: readonly number[], options: WorldOptions = {}): Promise<readonly SimulatedGateway[]> {
  world = await World.create({ ...options, gateways });
  return world.gateways.flat();
}

/** The observer is off: the retry table of the cloud client alone leads from one gateway to the next. */
const byRetry = { cloudChecks: 0, cloudRetry: [seconds(5)] };

const boot = (scheme: Scheme, options: Partial<BootOptions> = {}) => bootDevice({ world, scheme, ...lab, ...options });

describe.each(schemes)('over %s', (scheme) => {
  test('14 a device provisions itself and is online with its resources; one record tells all of it', async () => {
    const [gateway] = await create([1]);
    const device = await boot(scheme);
    expect(await world.run(() => device.online, minutes(1))).toBe(true);
    await pass(world, seconds(10));
    const { deviceId } = device.state;
    expect(calls(world)).toBe('1/1/1/1/1');
    expect(gateway?.devices).toMatchObject([{ deviceId, online: true, owner: 'development' }]);
    expect(gateway?.devices[0]?.links.map(({ href }) => href)).toEqual(expect.arrayContaining(['/oic/d', '/oic/p']));

    const [record, ...others] = await world.store.devices({ limit: 10 });
    expect(others).toEqual([]);
    expect(record).toMatchObject({
      deviceId,
      groupId: world.settings.groups[0]?.id,
      hubId: world.pki.hubId,
      ownerId: device.state.owner,
      generation: 1,
      createdAt: expect.closeTo(worldStart, -4),
      confirmedAt: expect.any(Number),
      manufacturer: { subject: 'O=Example Devices, CN=device-0001', certificate: expect.stringMatching(/^-----BEGIN/) },
    });
    const [credential] = await world.store.credentials(record?.keyId ?? '');
    expect(device.state.credentials?.identity.startsWith(credential?.certificate ?? '-')).toBe(true);
    expect(device.state.cloud).toMatchObject({
      provider: 'firstboot',
      selected: 0,
      gateways: [{ uri: gateway?.uris.tcp, id: world.pki.hubId }],
    });

    const [attempt, ...rest] = await attemptsOf(world);
    expect(rest).toEqual([]);
    const entries = attempt?.entries ?? [];
    expect(entries[0]).toMatchObject({ type: 'opened', transport: scheme });
    const codes = entries.flatMap((entry) => (entry.type === 'exchange' ? [entry.code] : []));
    expect(codes).toEqual([205, 205, 204, 204, 205]);
    expect(entries.filter(({ type }) => type === 'chain')).not.toEqual([]);
    expect(entries.flatMap((entry) => ('refusal' in entry && entry.refusal ? [entry.refusal] : []))).toEqual([]);
    expect(entries.at(-1)).toMatchObject({ type: 'closed', verdict: 'provisioned' });
    for (const { at } of entries) expect(at).toBeGreaterThan(0);
  });

  test('17 the gateway of the hub moves and the old one goes: offline, provisioned again, online at the new one', async () => {
    const [first, second] = await create([2], {
      settings: (settings) => ({
        ...settings,
        hubs: settings.hubs.map((hub) => ({ ...hub, gateways: hub.gateways.slice(0, 1) })),
      }),
    });
    const device = await boot(scheme);
    await world.run(() => device.online, minutes(1));
    expect(onlineAt(first)).toEqual([device.state.deviceId]);
    await world.changePolicy({
      hubs: world.settings.hubs.map((hub) => ({ ...hub, gateways: [second?.uris.tcp ?? ''] })),
    });
    first?.down();
    // Nobody tells it: it misses the answers to its pings.
    expect(await world.run(() => !device.online, minutes(5))).toBe(true);
    expect(await world.run(() => device.online, minutes(2))).toBe(true);
    expect(onlineAt(second)).toEqual([device.state.deviceId]);
    expect(calls(world)).toBe('2/2/2/2/2');
  });

  test('18 an endpoint that is set to another service makes a full run there: 1/1/1/1/1', async () => {
    const [gateway] = await create([1]);
    const asked: string[] = [];
    const network = world.network();
    const device = await boot(scheme, {
      network: {
        open: (request) => {
          asked.push(request.uri.host);
          const host = request.uri.host === 'another' ? 'service' : request.uri.host;
          return network.open({ ...request, uri: { ...request.uri, host } });
        },
      },
    });
    await world.run(() => device.online, minutes(1));
    expect(asked).toEqual(['service', 'service', gateway?.host]);
    world.requests.clear();
    asked.length = 0;
    // It is the same service under a second name, counted apart.
    device.setEndpoints([{ uri: `${scheme}://another`, name: 'the other one' }]);
    expect(device.online).toBe(false);
    expect(await world.run(() => device.online, minutes(1))).toBe(true);
    expect(calls(world)).toBe('1/1/1/1/1');
    expect(asked).toEqual(['another', 'another', gateway?.host]);
    expect(onlineAt(gateway)).toEqual([device.state.deviceId]);
  });

  test('19 of two gateways of one hub the first is dead: the observer takes the second, 1/1/1/1/1', async () => {
    const [first, second] = await create([2]);
    first?.down();
    const device = await boot(scheme);
    expect(await world.run(() => device.online, minutes(1))).toBe(true);
    await pass(world, minutes(1));
    expect(calls(world)).toBe('1/1/1/1/1');
    expect(onlineAt(second)).toEqual([device.state.deviceId]);
  });

  test('20 of two gateways of one hub the first is dead: the retry table takes the second, 1/1/1/1/1', async () => {
    const [first, second] = await create([2]);
    first?.down();
    const device = await boot(scheme, byRetry);
    expect(await world.run(() => device.online, minutes(1))).toBe(true);
    await pass(world, minutes(1));
    expect(calls(world)).toBe('1/1/1/1/1');
    expect(onlineAt(second)).toEqual([device.state.deviceId]);
    // Time, provisioning, twice the first gateway, the second.
    expect(world.opened).toBe(5);
  });

  test('21 of two hubs the first is dead: credentials and acls are fetched again for the second, 1/1/1/2/2', async () => {
    const [first, second] = await create([1, 1]);
    first?.down();
    const device = await boot(scheme);
    expect(await world.run(() => device.online, minutes(1))).toBe(true);
    await pass(world, minutes(1));
    expect(calls(world)).toBe('1/1/1/2/2');
    expect(onlineAt(second)).toEqual([device.state.deviceId]);
  });

  test('22 of two hubs the first is dead: the retry table takes the second with credentials and acls of its own, 1/1/1/2/2', async () => {
    const [first, second] = await create([1, 1]);
    first?.down();
    const device = await boot(scheme, byRetry);
    expect(await world.run(() => device.online, minutes(1))).toBe(true);
    await pass(world, minutes(1));
    expect(calls(world)).toBe('1/1/1/2/2');
    expect(onlineAt(second)).toEqual([device.state.deviceId]);
    expect(device.state.cloud?.gateways[device.state.cloud.selected]?.id).toBe(second?.hubId);
    // As before, and provisioning once more.
    expect(world.opened).toBe(6);
  });

  test('23 forced: exactly one full run, offline and online again', async () => {
    const [gateway] = await create([1]);
    const device = await boot(scheme);
    await world.run(() => device.online, minutes(1));
    const { deviceId } = device.state;
    device.forceReprovision();
    expect(device.online).toBe(false);
    expect(await world.run(() => onlineAt(gateway).length === 0, seconds(5))).toBe(true);
    expect(await world.run(() => device.online, minutes(1))).toBe(true);
    await pass(world, minutes(1));
    expect(calls(world)).toBe('2/2/2/2/2');
    expect(onlineAt(gateway)).toEqual([deviceId]);
  });

  test('24 a restart asks the service for nothing: only the session with the gateway is made anew', async () => {
    const [gateway] = await create([1]);
    const storage = memoryStorage();
    const device = await boot(scheme, { storage });
    await world.run(() => device.online, minutes(1));
    await device.shutdown();
    expect(await world.run(() => onlineAt(gateway).length === 0, minutes(1))).toBe(true);
    const opened = world.opened;
    const signedUpAt = gateway?.devices[0]?.signedUpAt;
    const again = await boot(scheme, { storage });
    expect(await world.run(() => again.online, minutes(1))).toBe(true);
    await pass(world, minutes(1));
    expect(calls(world)).toBe('1/1/1/1/1');
    expect(world.opened).toBe(opened + 1);
    expect(gateway?.devices).toMatchObject([{ deviceId: device.state.deviceId, online: true, signedUpAt }]);
  });
});
