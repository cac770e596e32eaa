import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { minutes } from '../../src/core/clock.ts';
import { developmentHub, developmentSettings } from '../../src/development.ts';
import type { FactoryIdentity } from '../../src/device/identity.ts';
import { SimulatedDevice } from '../../src/device/simulator.ts';
import { cloudFlags } from '../../src/device/status.ts';
import { memoryStorage } from '../../src/device/storage.ts';
import { type RunningGateway, startGateway } from '../../src/gateway.ts';
import { type Service, startService } from '../../src/main.ts';
import { createDevelopmentPki, type DevelopmentPki, writeDevelopmentPki } from '../../src/pki/development.ts';
import { freePort } from '../../src/transport/free-port.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { World } from '../support/world.ts';

const undo: (() => Promise<unknown> | unknown)[] = [];
afterEach(async () => {
  for (const step of undo.splice(0).reverse()) await step();
});

const factoryOf = (pki: DevelopmentPki): FactoryIdentity => {
  const [device] = pki.devices;
  if (!device) throw new Error('the PKI has no device');
  return { chain: device.chain, privateKey: device.privateKey, serviceCa: [pki.serviceCa.certificate.der] };
};

interface Cloudy {
  readonly service: Service;
  readonly gateway: RunningGateway;
  readonly pki: DevelopmentPki;
  readonly folder: string;
}

/** The service and a cloud on loopback. */
async function startAll(): Promise<Cloudy> {
  const folder = await temporaryFolder();
  undo.push(folder.remove);
  const pki = createDevelopmentPki({ devices: 1, hubId: developmentHub.id, now: Date.now() });
  const gatewayPort = await freePort();
  const settings = developmentSettings(pki, { gateway: `coaps+tcp://127.0.0.1:${gatewayPort}` });
  const service = await startService({
    ...settings,
    data: join(folder.path, 'data'),
  });
  undo.push(() => service.close());
  const gateway = await startGateway({
    host: '127.0.0.1',
    port: gatewayPort,
    hubId: pki.hubId,
    identity: pki.gateway,
    trustAnchors: pki.authority.trustAnchors,
    issuer: service.issuerUrl,
  });
  undo.push(() => gateway.close());
  return { service, gateway, pki, folder: folder.path };
}

describe('a simulated device over real sockets', () => {
  // Opening: DTLS 1.2 with its cookie, or TCP and TLS 1.3, and one more for the request. Blocks: of the credentials.
  it.each([
    ['udp', 4, 3],
    ['tcp', 3, 1],
  ] as const)('over %s: create, online, and it is at its cloud', async (transport, opening, blocks) => {
    const { service, gateway, pki } = await startAll();
    const endpoint = service.endpoints[transport] ?? '';
    const device = await SimulatedDevice.create({ endpoint, identity: factoryOf(pki), timeout: 100_000 });
    undo.push(() => device.close());
    const report = await device.online();
    expect(report.steps.map(({ step, result }) => `${step} ${result}`)).toEqual([
      'time done',
      'ownership done',
      'cloud done',
      'credentials done',
      'acls done',
      'sign-up done',
      'sign-in done',
    ]);
    expect(report.steps.map(({ progress }) => progress).slice(0, 5)).toEqual([8193, 10241, 10369, 10373, 10389]);
    expect(report.steps.map(({ roundTrips }) => roundTrips)).toEqual([opening, opening, 1, blocks, 1, 3, 1]);
    expect(report.bytesOut).toBeGreaterThan(3000);
    expect(report.bytesIn).toBeGreaterThan(3000);
    expect(gateway.devices().map(({ deviceId }) => deviceId)).toEqual([device.deviceId]);
  });

  it('signs off at its cloud when its endpoint is taken away, and waits', async () => {
    const { service, gateway, pki } = await startAll();
    const endpoint = service.endpoints.tcp ?? '';
    const device = await SimulatedDevice.create({ endpoint, identity: factoryOf(pki), timeout: 100_000 });
    undo.push(() => device.close());
    await device.online();
    const { deviceId } = device;
    expect(gateway.devices().map((known) => known.deviceId)).toEqual([deviceId]);
    const steps: string[] = [];
    const gone = new Promise<void>((resolve) => {
      device.client.onStep(({ step, result }) => steps.push(`${step} ${result}`));
      device.client.onStatus(({ text }) => {
        if (text === 'uninitialized') resolve();
      });
    });
    device.client.setEndpoints([{ uri: '' }]);
    await gone;
    expect(steps).toEqual(['sign-off done']);
    expect(gateway.devices()).toEqual([]);
    expect(device.deviceId).not.toBe(deviceId);
    expect(device.client.cloudFlags).toBe(cloudFlags.deregistered);

    device.client.setEndpoints([{ uri: endpoint }]);
    await device.online();
    expect(gateway.devices().map((known) => known.deviceId)).toEqual([device.deviceId]);
  });

  it('boots from a factory folder, keeps its state in another one, and goes straight to its cloud after a restart', async () => {
    const { service, pki, folder } = await startAll();
    await writeDevelopmentPki(pki, join(folder, 'pki'));
    const [name] = pki.devices.map((device) => device.name);
    const options = {
      endpoint: service.endpoints.udp ?? '',
      identity: join(folder, 'pki', 'devices', name ?? ''),
      state: join(folder, 'state'),
      timeout: 100_000,
    };
    const first = await SimulatedDevice.create(options);
    undo.push(() => first.close());
    await first.online();
    await first.close();

    const second = await SimulatedDevice.create(options);
    undo.push(() => second.close());
    expect(second.deviceId).toBe(first.deviceId);
    const report = await second.online();
    expect(report.steps.map(({ step }) => step)).toEqual(['sign-in']);
  });
});

describe('a simulated device in a simulated network', () => {
  it('reports a provisioning, and another one after a factory reset', async () => {
    const world = await World.create();
    undo.push(() => world.close());
    const device = await SimulatedDevice.create({
      endpoint: 'coaps://service',
      identity: factoryOf(world.pki),
      network: world.network(),
      timers: world.timers,
      random: world.random,
      cloudChecks: 0,
    });
    undo.push(() => device.close());
    const [report] = await Promise.all([device.provision(), world.run(() => device.client.status.progress === 10645)]);
    expect(report.steps).toHaveLength(5);
    expect(report.deviceId).toBe(device.deviceId);

    device.factoryReset();
    const [again] = await Promise.all([device.provision(), world.run(() => device.client.status.progress === 10645)]);
    expect(again.deviceId).not.toBe(report.deviceId);
    expect(again.steps).toHaveLength(5);
  });

  it('that does not get there in time says what went wrong last', async () => {
    const world = await World.create({
      fault: ({ path }) => (path.at(-1) === 'acls' ? { type: 'answer', code: 403 } : undefined),
    });
    undo.push(() => world.close());
    const device = await SimulatedDevice.create({
      endpoint: 'coaps+tcp://service',
      identity: factoryOf(world.pki),
      network: world.network(),
      timers: world.timers,
      timeout: minutes(1),
    });
    undo.push(() => device.close());
    const provisioned = expect(device.provision()).rejects.toMatchObject({
      code: 'device.timeout',
      message: expect.stringMatching(/acls: .*4\.03 Forbidden/),
    });
    await world.run(() => false, minutes(2));
    await provisioned;
    expect(device.report.steps.filter(({ result }) => result === 'failure').length).toBeGreaterThan(1);
  });

  it.each(['coaps', 'coaps+tcp'] as const)(
    'over %s goes on after a power cut in any step, from what it had stored',
    async (scheme) => {
      const world = await World.create();
      undo.push(() => world.close());
      for (const cut of ['time', 'ownership', 'cloud', 'credentials', 'acls']) {
        const state = memoryStorage();
        const boot = (): Promise<SimulatedDevice> =>
          SimulatedDevice.create({
            endpoint: `${scheme}://service`,
            identity: factoryOf(world.pki),
            state,
            network: world.network(),
            timers: world.timers,
            random: world.random,
            connect: false,
          });
        const first = await boot();
        first.client.onStep(({ step }) => {
          if (step === cut) first.powerOff();
        });
        first.client.start();
        await world.run(() => first.report.steps.some(({ step }) => step === cut));
        await first.close();
        const second = await boot();
        undo.push(() => second.close());
        expect(second.deviceId).toBe(first.deviceId);
        const [report] = await Promise.all([
          second.provision(),
          world.run(() => second.client.status.progress === 10645),
        ]);
        const left = 4 - ['time', 'ownership', 'cloud', 'credentials', 'acls'].indexOf(cut);
        expect(report.steps).toHaveLength(left);
      }
    },
  );

  it('refuses a service it does not know, unless checks are skipped', async () => {
    const world = await World.create();
    undo.push(() => world.close());
    const { chain, privateKey } = factoryOf(world.pki);
    const common = { endpoint: 'coaps://service', network: world.network(), timers: world.timers, cloudChecks: 0 };
    const identity = { chain, privateKey, serviceCa: [world.pki.manufacturer.root.certificate.der] };
    const careful = await SimulatedDevice.create({ ...common, identity });
    undo.push(() => careful.close());
    careful.client.start();
    await world.run(() => careful.report.steps.length > 0);
    expect(careful.report.steps[0]).toMatchObject({ step: 'time', result: 'failure', roundTrips: 0 });
    expect(careful.report.steps[0]?.bytesIn).toBeGreaterThan(0);
    careful.client.skipVerification(true);
    expect(await world.run(() => careful.client.status.progress === 10645)).toBe(true);
  });
});
