import { once } from 'node:events';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { decodeCertificates } from '../../src/codec/pem.ts';
import { minutes, seconds } from '../../src/core/clock.ts';
import { limits } from '../../src/core/limits.ts';
import { randomFraction, seededRandom } from '../../src/core/random.ts';
import { SimulatedDevice } from '../../src/device/simulator.ts';
import { parseCertificate } from '../../src/pki/certificate.ts';
import { openLevelStore } from '../../src/store/level.ts';
import { build, firstboot, freePorts, Running } from '../support/command.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

const deviceCount = 8;
const rounds = 6;

let cwd: string;
let remove: () => Promise<void>;
beforeAll(async () => {
  build();
  ({ path: cwd, remove } = await temporaryFolder());
});
afterAll(() => remove());

test('what devices were given is on record when the service is killed with -9 among them, and all end provisioned', async () => {
  await firstboot(['pki', 'dev', '--out', 'data/pki', '--devices', `${deviceCount}`], { cwd });
  const [port = 0] = await freePorts(1);
  const start = async (): Promise<Running> => {
    const service = new Running(['serve', '--data', 'data', '--port', `${port}`, '--issuer-port', '0', '--json'], {
      cwd,
    });
    await service.line({ event: 'listening' });
    return service;
  };
  const devices = await Promise.all(Array.from({ length: deviceCount }, (_, k) => createDevice(k, port)));
  const received = devices.map(keepCertificates);
  const random = seededRandom(11);

  let service = await start();
  let interrupted = 0;
  for (let round = 0; round < rounds; round++) {
    // Every device is in its first boot, or in one again.
    for (const device of devices) {
      if (round > 0) device.factoryReset();
      device.client.start();
    }
    await sleep(10 + randomFraction(random) * 120);
    service.signal('SIGKILL');
    await once(service.child, 'close');
    interrupted += devices.filter((device) => !isProvisioned(device)).length;
    service = await start();
    await Promise.all(devices.map((device) => device.provision()));
  }
  // Else every kill came too late or too early, and this says nothing.
  expect(interrupted).toBeGreaterThan(0);
  await Promise.all(devices.map((device) => device.close()));
  expect(await service.stop()).toMatchObject({ code: 0 });

  const store = await openLevelStore(join(cwd, 'data/store'));
  const records = await store.devices({ limit: 100 });
  expect(records).toHaveLength(deviceCount);
  for (const [k, device] of devices.entries()) {
    for (const { serial, deviceId } of received[k] ?? []) {
      expect(await store.credential(serial)).toMatchObject({ serial, deviceId });
    }
    // Its present id is the one on record, of one device, in its last generation, and so are the certificates of that.
    const { keyId, generation } = records.find((record) => record.deviceId === device.deviceId) ?? {};
    expect(generation).toBeGreaterThanOrEqual(1);
    expect(await store.ownerOfDeviceId(device.deviceId)).toBe(keyId);
    const live = (await store.credentials(keyId ?? '')).filter((credential) => credential.generation === generation);
    expect(new Set(live.map(({ deviceId }) => deviceId))).toEqual(new Set([device.deviceId]));
    expect(live.map(({ serial }) => serial)).toContain(received[k]?.at(-1)?.serial);
  }
  // No device id is held by two keys, no serial by two certificates.
  expect(new Set(records.map(({ deviceId }) => deviceId)).size).toBe(deviceCount);
  const serials = received.flat().map(({ serial }) => serial);
  expect(new Set(serials).size).toBe(serials.length);
  expect(serials.length).toBeGreaterThanOrEqual(rounds * deviceCount);
  // Whoever follows events has heard of each device, and how each run ended, whichever start told it.
  const told = (await store.events({ limit: limits.store.events })).map(({ type, data }) =>
    type === 'attempt.closed' ? `${data.attempt}` : `${type} ${data.keyId}`,
  );
  const closed = (await store.attempts({ limit: 10_000 })).filter(({ closedAt }) => closedAt !== undefined);
  expect(closed.length).toBeGreaterThanOrEqual(deviceCount);
  expect(closed.map(({ id }) => id).filter((id) => !told.includes(id))).toEqual([]);
  expect(records.filter(({ keyId }) => !told.includes(`device.enrolled ${keyId}`))).toEqual([]);
  await store.close();
});

/** Half of them over UDP; all impatient. */
const createDevice = (k: number, port: number): Promise<SimulatedDevice> =>
  SimulatedDevice.create({
    name: `device ${k + 1}`,
    endpoint: `${k % 2 === 0 ? 'coaps' : 'coaps+tcp'}://127.0.0.1:${port}`,
    identity: join(cwd, `data/pki/devices/device-000${k + 1}`),
    retry: { table: [seconds(1)], variant: 'documented' },
    cloudChecks: 0,
    timeout: minutes(2),
  });

interface Received {
  readonly serial: string;
  readonly deviceId: string;
}

/** Every identity certificate the device accepts from now on. */
function keepCertificates(device: SimulatedDevice): Received[] {
  const received: Received[] = [];
  device.client.onStep(({ step, result }) => {
    if (step !== 'credentials' || result !== 'done') return;
    const [leaf] = decodeCertificates(device.client.state.credentials?.identity ?? '');
    if (leaf) received.push({ serial: parseCertificate(leaf).serial, deviceId: device.deviceId });
  });
  return received;
}

const isProvisioned = (device: SimulatedDevice): boolean => device.client.status.text === 'provisioned';
