import { afterEach, describe, expect, test } from 'vitest';
import { minutes, seconds } from '../../src/core/clock.ts';
import { statusFlags } from '../../src/core/status.ts';
import { memoryStorage } from '../../src/device/storage.ts';
import { attemptsOf, bootDevice, isProvisioned, manufacturerOf, schemes } from '../support/booting.ts';
import { World, type WorldOptions, worldStart } from '../support/world.ts';

let world: World;
afterEach(() => world.close());

const create = async (options: WorldOptions = {}): Promise<World> => {
  world = await World.create(options);
  return world;
};

describe.each(schemes)('over %s', (scheme) => {
  test('a device that holds only its manufacturer certificate leaves with everything', async () => {
    await create();
    const device = await bootDevice({ world, scheme });
    expect(await world.run(() => isProvisioned(device))).toBe(true);
    await world.run(() => false, minutes(1));

    const { state } = device;
    const [record] = await world.store.devices({ limit: 10 });
    expect(record).toMatchObject({
      deviceId: state.deviceId,
      generation: 1,
      flags: statusFlags.initialized | statusFlags.hasCloud | statusFlags.hasCredentials | statusFlags.hasAcls,
      retry: { failures: 0 },
      hubId: world.pki.hubId,
    });
    expect(state.owner).toBe(record?.ownerId);
    expect(await world.store.credentials(record?.keyId ?? '')).toHaveLength(1);
    expect(world.opened).toBeGreaterThanOrEqual(2);
  });

  test('both sessions of a run are one attempt, with every exchange in it', async () => {
    await create();
    const device = await bootDevice({ world, scheme });
    await world.run(() => isProvisioned(device));
    await world.run(() => false, minutes(1));
    const [attempt, ...others] = await attemptsOf(world);
    expect(others).toEqual([]);
    const exchanges = attempt?.entries.flatMap((entry) =>
      entry.type === 'exchange' ? [`${entry.method} ${entry.path} ${entry.code}`] : [],
    );
    expect(exchanges).toEqual([
      'GET /x.plgd.dev/time 205',
      'GET /api/v1/provisioning/ownership 205',
      'POST /api/v1/provisioning/cloud-configuration 204',
      'POST /api/v1/provisioning/credentials 204',
      'GET /api/v1/provisioning/acls 205',
    ]);
    const trips = attempt?.entries.flatMap((entry) => (entry.type === 'exchange' ? [entry.roundTrips] : []));
    // Over UDP the answer with the credentials is too large for one datagram, and the device fetches the other blocks.
    expect(trips).toEqual(scheme === 'coaps' ? [1, 1, 1, 3, 1] : [1, 1, 1, 1, 1]);
    const flights = attempt?.entries.flatMap((entry) => (entry.type === 'handshake' ? [entry.roundTrips] : []));
    expect(flights).toEqual([2, 2]);
    expect(attempt?.entries[0]).toMatchObject({ type: 'opened', transport: scheme });
    expect(attempt?.entries.at(-1)).toMatchObject({ type: 'closed', verdict: 'provisioned' });
  });

  test('a device whose clock says 1970 is told the time before its dates are judged', async () => {
    await create();
    const device = await bootDevice({
      world,
      scheme,
      timers: {
        now: () => world.timers.now() - worldStart,
        schedule: (at, wake) => world.timers.schedule(at + worldStart, wake),
      },
    });
    expect(await world.run(() => isProvisioned(device))).toBe(true);
    expect(device.state.clockOffset).toBeGreaterThan(worldStart - seconds(10));
  });

  test('after a factory reset it is the same device in its second generation, under a new id', async () => {
    await create();
    const device = await bootDevice({ world, scheme });
    await world.run(() => isProvisioned(device));
    const first = device.state.deviceId;
    device.factoryReset();
    expect(device.state.deviceId).not.toBe(first);
    expect(await world.run(() => isProvisioned(device))).toBe(true);
    const records = await world.store.devices({ limit: 10 });
    expect(records).toMatchObject([{ deviceId: device.state.deviceId, generation: 2 }]);
    const credentials = await world.store.credentials(records[0]?.keyId ?? '');
    expect(credentials.map(({ deviceId, generation }) => [deviceId, generation])).toEqual([
      [first, 1],
      [device.state.deviceId, 2],
    ]);
  });
});

describe('a bad network', () => {
  test.each([512, 1400])('coaps at MTU %i with a fifth of all datagrams lost ends provisioned', async (mtu) => {
    await create({ seed: mtu, link: { loss: 0.2, delay: 30, jitter: 20, mtu } });
    const device = await bootDevice({ world });
    expect(await world.run(() => isProvisioned(device))).toBe(true);
  });

  test('every datagram arrives twice, and every step is served once', async () => {
    await create({ link: { duplicate: 1 } });
    const device = await bootDevice({ world });
    expect(await world.run(() => isProvisioned(device))).toBe(true);
    expect(Object.fromEntries(world.requests)).toEqual({
      time: 1,
      ownership: 1,
      'cloud-configuration': 1,
      credentials: 1,
      acls: 1,
    });
  });

  test('datagrams that are doubled and overtake each other run no step twice', async () => {
    await create({ seed: 5, link: { duplicate: 0.5, reorder: 0.3, delay: 20, jitter: 20, mtu: 1400 } });
    const device = await bootDevice({ world });
    expect(await world.run(() => isProvisioned(device))).toBe(true);
    const [record] = await world.store.devices({ limit: 1 });
    expect(await world.store.credentials(record?.keyId ?? '')).toHaveLength(world.requests.get('credentials') ?? 0);
  });

  test('coaps+tcp in pieces of a few bytes ends provisioned', async () => {
    await create({ seed: 6, link: { delay: 3, jitter: 5, mtu: 7 } });
    const device = await bootDevice({ world, scheme: 'coaps+tcp' });
    expect(await world.run(() => isProvisioned(device))).toBe(true);
  });
});

const steps = ['time', 'ownership', 'cloud-configuration', 'credentials', 'acls'] as const;

describe.each(schemes)('over %s, when something goes wrong once in a step, the device ends provisioned', (scheme) => {
  describe.each(steps)('%s', (step) => {
    test.each([
      ['its answer is lost', { type: 'lost' }],
      ['it is answered after nine seconds', { type: 'delay', ms: seconds(9) }],
      ['it is answered after the device has given up', { type: 'delay', ms: seconds(15) }],
      ['the session is cut inside of it', { type: 'cut' }],
      ['it is answered with 5.00', { type: 'answer', code: 500 }],
      ['it is answered with 5.03', { type: 'answer', code: 503 }],
    ] as const)('%s', async (_, fault) => {
      await create({ fault: ({ path }, earlier) => (path.at(-1) === step && earlier === 0 ? fault : undefined) });
      const device = await bootDevice({ world, scheme });
      expect(await world.run(() => isProvisioned(device))).toBe(true);
      const records = await world.store.devices({ limit: 10 });
      expect(records).toMatchObject([{ generation: 1, deviceId: device.state.deviceId, retry: { failures: 0 } }]);
    });
  });
});

describe('restarts', () => {
  test.each(steps)(
    'the service is restarted when %s has been answered, and the device ends provisioned',
    async (step) => {
      await create();
      const device = await bootDevice({ world });
      await world.run(() => (world.requests.get(step) ?? 0) > 0);
      await world.stopService();
      await world.startService();
      expect(await world.run(() => isProvisioned(device))).toBe(true);
      expect(await world.store.devices({ limit: 10 })).toMatchObject([{ generation: 1 }]);
    },
  );

  test('the service is away for an hour and the device finds it again', async () => {
    await create();
    await world.stopService();
    const device = await bootDevice({ world });
    for (const end = world.timers.now() + minutes(60); world.timers.now() < end; ) {
      world.timers.advanceTo(Math.min(end, world.timers.next() ?? end));
    }
    await world.startService();
    expect(await world.run(() => isProvisioned(device), minutes(10))).toBe(true);
  });

  test.each(steps)('the device loses power when %s has been asked for, and goes on from what it has', async (step) => {
    await create();
    const storage = memoryStorage();
    const first = await bootDevice({ world, storage });
    await world.run(() => (world.requests.get(step) ?? 0) > 0);
    await first.shutdown();
    const again = await bootDevice({ world, storage });
    expect(again.state.deviceId).toBe(first.state.deviceId);
    expect(await world.run(() => isProvisioned(again))).toBe(true);
    expect(await world.store.devices({ limit: 10 })).toMatchObject([{ generation: 1, deviceId: first.state.deviceId }]);
  });

  test('a device with good state asks the service for nothing after a restart', async () => {
    await create();
    const storage = memoryStorage();
    const first = await bootDevice({ world, storage });
    await world.run(() => isProvisioned(first));
    await world.run(() => false, seconds(1));
    await first.shutdown();
    const before = [...world.requests.values()].reduce((sum, n) => sum + n, 0);
    const again = await bootDevice({ world, storage });
    await world.run(() => false, minutes(1));
    expect(isProvisioned(again)).toBe(true);
    expect([...world.requests.values()].reduce((sum, n) => sum + n, 0)).toBe(before);
  });
});

test('a device that asks for the uuid of another one is refused, and the other one keeps it', async () => {
  await create({ devices: 2 });
  const honest = await bootDevice({ world });
  await world.run(() => isProvisioned(honest));
  const { deviceId, key, endpoints, selected } = honest.state;
  const storage = memoryStorage({ deviceId, key, endpoints, selected });
  const thief = await bootDevice({ world, manufacturer: manufacturerOf(world, 1), storage });
  await world.run(() => (world.requests.get('cloud-configuration') ?? 0) >= 3, minutes(10));

  expect(isProvisioned(thief)).toBe(false);
  const attempts = await attemptsOf(world);
  const reasons = attempts.flatMap(({ entries }) =>
    entries.flatMap((entry) => (entry.type === 'closed' && entry.refusal ? [entry.refusal.code] : [])),
  );
  expect(reasons).toContain('bind.device-id-taken');
  const records = await world.store.devices({ limit: 10 });
  expect(records.filter(({ deviceId }) => deviceId === honest.state.deviceId)).toHaveLength(1);
});

test('a device whose manufacturer is struck off in mid-session gets nothing more', async () => {
  const strikeOff = async (): Promise<void> => {
    for (const group of await world.store.groups.list()) {
      const x509 = { anchors: [], intermediates: [], leads: [], crls: [], crlUrls: [], expiredGrace: 0 };
      await world.store.groups.put({ ...group, attestation: { ...group.attestation, x509 } });
    }
    await world.provisioner.policy.refresh();
  };
  await create({
    fault: ({ path }) => (path.at(-1) === 'cloud-configuration' ? { type: 'delay', ms: seconds(5) } : undefined),
  });
  const device = await bootDevice({ world });
  await world.run(() => (world.requests.get('cloud-configuration') ?? 0) > 0);
  await strikeOff();
  await world.run(() => false, seconds(8));
  expect(device.state.cloud).toBeUndefined();
  const [attempt] = await attemptsOf(world);
  const refusals = attempt?.entries.flatMap((entry) =>
    entry.type === 'stage' && entry.refusal ? [entry.refusal.code] : [],
  );
  expect(refusals).toContain('match.no-group');
});
