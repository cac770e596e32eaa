import { cp, readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { toHex } from '../../src/core/bytes.ts';
import { systemTimers } from '../../src/core/clock.ts';
import { systemRandom } from '../../src/core/random.ts';
import { createDevelopmentPki } from '../../src/development.ts';
import { rotateAuthority } from '../../src/operator/ca-rotation.ts';
import { writeDevelopmentPki } from '../../src/pki/development.ts';
import { type ConfiguredService, startConfiguredService } from '../support/configured-service.ts';
import { askDatagram, deviceRequest, paths, RawStream } from '../support/raw-coap.ts';
import { RawSession } from '../support/raw-session.ts';

let running: ConfiguredService;
beforeEach(async () => {
  running = await startConfiguredService();
});
afterEach(() => running.close());

const portOf = (endpoint: string | undefined): number => Number(/:(\d+)$/.exec(endpoint ?? '')?.[1]);

/** A session over each transport, that has been served already. */
async function openSessions() {
  const { pki, service } = running;
  const [first, second] = pki.devices;
  if (!first || !second) throw new Error('two devices are needed');
  const [udp, tcp] = await Promise.all(
    [
      { transport: 'udp', port: portOf(service.endpoints.udp), identity: first } as const,
      { transport: 'tcp', port: portOf(service.endpoints.tcp), identity: second } as const,
    ].map(async (options) => (await RawSession.open(options)).established()),
  );
  if (!udp || !tcp) throw new Error('two sessions are needed');
  const stream = new RawStream(tcp);
  const ask = async (): Promise<readonly number[]> => {
    const answers = [await askDatagram(udp, deviceRequest(paths.time)), await stream.ask(deviceRequest(paths.time))];
    return answers.map(({ code }) => code);
  };
  return {
    ask,
    close: () => {
      udp.close();
      tcp.close();
    },
  };
}

/** The leaf that a new session is shown, hex. */
async function shownLeaf(): Promise<string> {
  const [identity] = running.pki.devices;
  const port = portOf(running.service.endpoints.tcp);
  if (!identity) throw new Error('a device is needed');
  const session = await (await RawSession.open({ transport: 'tcp', port, identity })).established();
  const established = session.events.find((event) => event.type === 'established');
  session.close();
  return toHex(established?.session.peer?.presented[0] ?? new Uint8Array());
}

const readiness = async (): Promise<unknown> => (await running.get('/health/ready')).json();

describe('a reload', () => {
  it('puts certificate, policy and authority in force together, and sessions of before still answer', async () => {
    const { folder, service, pki } = running;
    const sessions = await openSessions();
    expect(await sessions.ask()).toEqual([205, 205]);
    const shown = await shownLeaf();

    const other = createDevelopmentPki({ devices: 1, hubId: pki.hubId });
    await writeDevelopmentPki(other, join(folder, 'other'));
    for (const name of ['service.pem', 'service-key.pem']) {
      await cp(join(folder, 'other/service', name), join(folder, 'pki/service', name));
    }
    const actor = { kind: 'operator', name: 'tester', from: 'here' } as const;
    const authority = { folder: join(folder, 'data/authority'), store: service.store, now: () => systemTimers.now() };
    await rotateAuthority({ ...authority, random: systemRandom, actor }, { what: 'issuing' });
    await running.configure({ days: 30 });

    const { effects } = await service.reload();
    expect(effects).toEqual([
      'group the devices changes: certificate',
      'the service shows another certificate',
      expect.stringMatching(/signs identity certificates from now on$/),
    ]);
    expect(await shownLeaf()).not.toBe(shown);
    expect(await sessions.ask()).toEqual([205, 205]);
    sessions.close();
  });

  it('lets a device that comes again have a certificate of the new authority, and keeps the list of the old one', async () => {
    const { folder, service } = running;
    const device = await running.device(2);
    await device.provision();
    const [before] = await service.store.allCredentials({ limit: 10 });
    const actor = { kind: 'operator', name: 'tester', from: 'here' } as const;
    const authority = { folder: join(folder, 'data/authority'), store: service.store, now: () => systemTimers.now() };
    await rotateAuthority({ ...authority, random: systemRandom, actor }, { what: 'issuing' });
    await service.reload();
    device.factoryReset();
    await device.provision();
    const issuers = new Set((await service.store.allCredentials({ limit: 10 })).map(({ issuerKeyId }) => issuerKeyId));
    expect(issuers.size).toBe(2);
    expect(issuers).toContain(before?.issuerKeyId);
    // Both have their revocation list.
    expect(await service.provisioner.revocations.all(systemTimers.now())).toHaveLength(2);
    await device.close();
  });

  it.each([
    ['a service certificate that is none', 'pki/service/service.pem', 'no certificate'],
    ['a key that belongs to another certificate', 'pki/service/service-key.pem', undefined],
    ['a configuration with an unknown key', 'firstboot.yaml', 'bogus: 1\n'],
    ['an anchor that cannot be read', 'pki/manufacturer/root.pem', 'nothing'],
  ])('that finds %s changes nothing, and says so in the readiness and in an event', async (_, file, text) => {
    const { folder, service } = running;
    const shown = await shownLeaf();
    const path = join(folder, file);
    const good = await readFile(path);
    const other = await readFile(join(folder, 'pki/devices/device-0001/mfgkey.pem'));
    await writeFile(path, text ?? other, { mode: 0o600 });
    await expect(service.reload()).rejects.toMatchObject({ code: 'service.config' });
    expect(await readiness()).toMatchObject({ reasons: [expect.stringContaining('the last reload was refused')] });
    expect(await shownLeaf()).toBe(shown);
    expect((await service.store.groups.list()).map(({ name }) => name)).toEqual(['the devices']);
    const history = await (await running.get('/api/v1/events/history?types=service')).json();
    expect(history).toMatchObject({ items: [{ type: 'service.reload-failed' }] });

    await writeFile(path, good);
    await service.reload();
    expect(await readiness()).toEqual({ status: 'ok', reasons: [] });
  });

  it('by the API is told to the admin who asked for it', async () => {
    const { service } = running;
    await running.configure({ group: 'machines' });
    const answer = await fetch(`${service.apiUrl}/api/v1/reload`, {
      method: 'POST',
      headers: { authorization: `Bearer ${service.adminToken}` },
    });
    expect([answer.status, await answer.json()]).toMatchObject([
      200,
      { effects: [expect.stringContaining('machines'), expect.anything()] },
    ]);
  });
});

it('watched files are taken up once they are quiet, also when they are renamed into place', async () => {
  await running.close();
  // The clock of the watch is ours; everything else goes by the real one.
  const looks: (() => void)[] = [];
  const timers = {
    now: () => systemTimers.now(),
    schedule: (at: number, wake: () => void) => {
      const away = at - systemTimers.now();
      if (away < 4_500 || away > 5_500) return systemTimers.schedule(at, wake);
      looks.push(wake);
      return () => undefined;
    },
  };
  running = await startConfiguredService({ timers, service: { watch: true } });
  const { folder, service } = running;
  const look = async (): Promise<void> => {
    await expect.poll(() => looks.length).toBeGreaterThan(0);
    for (const wake of looks.splice(0)) wake();
    await expect.poll(() => looks.length).toBeGreaterThan(0);
  };
  const groups = async () => (await service.store.groups.list()).map(({ name }) => name);
  await running.configure({ group: 'half written' });
  await look();
  await running.configure({ group: 'machines' });
  await look();
  expect(await groups()).toEqual(['the devices']);
  await look();
  await expect.poll(groups).toEqual(['machines']);

  const text = (await readFile(join(folder, 'firstboot.yaml'), 'utf8')).replace('machines', 'renamed');
  await writeFile(join(folder, 'next.yaml'), text);
  await rename(join(folder, 'next.yaml'), join(folder, 'firstboot.yaml'));
  await look();
  await look();
  await expect.poll(groups).toEqual(['renamed']);
});
