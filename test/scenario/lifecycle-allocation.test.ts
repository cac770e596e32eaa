import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, test } from 'vitest';
import { minutes } from '../../src/core/clock.ts';
import { createDeviceClient, type DeviceClient } from '../../src/device/client.ts';
import { parseCertificate } from '../../src/pki/certificate.ts';
import { manufacturerKeyId } from '../../src/pki/public-key.ts';
import { orderHubs } from '../../src/provision/allocation.ts';
import type { EnrollmentGroup, Hub, HubAllocation } from '../../src/store/model.ts';
import { bootDevice, isProvisioned, manufacturerOf } from '../support/booting.ts';
import { groupOf, worldWith } from '../support/lifecycle.ts';
import { startTestService } from '../support/service.ts';
import { until } from '../support/until.ts';
import type { World } from '../support/world.ts';

let world: World | undefined;
afterEach(async () => {
  await world?.close();
  world = undefined;
});

const hubOf = ({ state }: DeviceClient): string | undefined => state.cloud?.gateways[state.cloud.selected]?.id;
const fleet = 6;

/** A world with three hubs and the devices that have booted in it. */
async function booted(allocation: (hubs: readonly string[]) => HubAllocation) {
  const made = await worldWith({}, { gateways: [1, 1, 1], devices: fleet });
  world = made;
  const group: EnrollmentGroup = await groupOf(made);
  await made.changePolicy({ groups: [{ ...group, allocation: allocation(group.hubs) }] });
  const devices: DeviceClient[] = [];
  for (let at = 0; at < fleet; at++) {
    const device = await bootDevice({ world: made, manufacturer: manufacturerOf(made, at) });
    await made.run(() => isProvisioned(device), minutes(5));
    devices.push(device);
  }
  return { made, group, hubs: await made.store.hubs.list(), devices };
}

const keyOf = (from: World, at: number): string =>
  manufacturerKeyId(parseCertificate(manufacturerOf(from, at).chain[0] ?? new Uint8Array()).spki);

describe('the hubs of a group', () => {
  test.each(['hashed', 'weighted'] as const)(
    '%s: each device goes where its key says, again after a reset, with the others behind it',
    async (type) => {
      const allocation = (ids: readonly string[]): HubAllocation =>
        type === 'hashed' ? { type } : { type, weights: Object.fromEntries(ids.map((id, at) => [id, at])) };
      const { made, group, hubs, devices } = await booted(allocation);
      const listed = group.hubs.flatMap((id): Hub[] => hubs.filter((hub) => hub.id === id));
      for (const [at, device] of devices.entries()) {
        const subject = { keyId: keyOf(made, at), serial: undefined, subject: '' };
        const order = orderHubs(allocation(group.hubs), listed, subject, undefined).hubs.map(({ id }) => id);
        expect(device.state.cloud?.gateways.map(({ id }) => id)).toEqual(order);
      }
      if (type === 'weighted') expect(devices.map(hubOf)).not.toContain(group.hubs[0]);
      const [first] = devices;
      const before = first && hubOf(first);
      first?.factoryReset();
      await made.run(() => first?.running === false, minutes(1));
      first?.start();
      await made.run(() => first !== undefined && isProvisioned(first), minutes(10));
      expect(first && hubOf(first)).toBe(before);
    },
  );

  test('static: a device that is written down goes there, also when it was elsewhere before', async () => {
    const { made, group, devices } = await booted(() => ({ type: 'first' }));
    const [device] = devices;
    const to = group.hubs[2] ?? '';
    expect(device && hubOf(device)).toBe(group.hubs[0]);
    const written = { device: { by: 'key', value: keyOf(made, 0) }, hub: to } as const;
    await made.changePolicy({ groups: [{ ...group, allocation: { type: 'static', devices: [written] } }] });
    for (const each of devices.slice(0, 2)) {
      each.forceReprovision();
      await made.run(() => !isProvisioned(each), minutes(1));
      await made.run(() => isProvisioned(each), minutes(10));
    }
    expect(devices.slice(0, 2).map(hubOf)).toEqual([to, group.hubs[0]]);
  });
});

describe('a webhook, over real sockets', () => {
  test('says where a device goes; while it is down, the device gets 5.03 and comes again', async () => {
    let hub = '5f5f5f5f-0000-4000-8000-000000000002';
    let up = false;
    let calls = 0;
    const server = createServer((_, response) => {
      calls++;
      response.writeHead(up ? 200 : 500).end(JSON.stringify({ hub }));
    });
    await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const service = await startTestService({
      settings: (settings) => ({
        ...settings,
        hubs: [...settings.hubs, ...settings.hubs.map((row) => ({ ...row, id: hub, name: 'second' }))],
        groups: settings.groups.map((group) => ({
          ...group,
          hubs: [...group.hubs, hub],
          allocation: { type: 'webhook', url, timeout: 2000, secretFile: undefined },
        })),
      }),
    });
    const device = createDeviceClient({
      endpoints: [service.service.endpoint],
      manufacturer: service.device(),
      serviceCa: [service.pki.serviceCa.certificate.der],
      cloudChecks: 0,
      connect: false,
      retry: { table: [100], variant: '2025' },
    });
    try {
      await device.init();
      device.start();
      await until(() => calls > 1);
      up = true;
      await until(() => isProvisioned(device));
      expect(hubOf(device)).toBe(hub);
      const [attempt] = await service.attempts();
      const codes = attempt?.entries.flatMap((entry) =>
        entry.type === 'stage' && entry.refusal ? [entry.refusal.code] : [],
      );
      expect(new Set(codes)).toEqual(new Set(['configure.allocation']));
      const exchanges = attempt?.entries.flatMap((entry) => (entry.type === 'exchange' ? [entry.code] : []));
      expect(exchanges).toContain(503);

      // A hub that the group does not have is no answer either; one that the device has already is not asked for.
      hub = 'ffffffff-0000-4000-8000-000000000009';
      const before = calls;
      device.forceReprovision();
      await until(() => !isProvisioned(device));
      await until(() => isProvisioned(device));
      expect(calls).toBe(before);
    } finally {
      await device.shutdown();
      await service.close();
      await new Promise((closed) => server.close(closed));
    }
  });
});
