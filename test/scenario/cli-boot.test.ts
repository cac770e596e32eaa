import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { certificates, useProcesses } from '../support/cloud-of-processes.ts';
import type { Running } from '../support/command.ts';

const place = useProcesses();

const stepsOf = (device: Running): unknown[] =>
  device.lines.filter(({ event, result }) => event === 'step' && result === 'done').map(({ step }) => step);

const firstBoot = ['time', 'ownership', 'cloud', 'credentials', 'acls', 'sign-up', 'sign-in', 'publish'];

describe('serve, gateway and device, each a process of its own', () => {
  test.each([
    ['coaps', 'udp', 1],
    ['coaps+tcp', 'tcp', 2],
  ] as const)('over %s a device gets from first boot to online', async (transport, endpoint, n) => {
    const device = place.processes.device(['dps', place.processes.endpoints[endpoint], ...certificates(n)]);
    const { id } = await device.line({ event: 'online' });
    await device.line({ event: 'step', step: 'publish' });
    expect(stepsOf(device)).toEqual(firstBoot);
    expect(device.lines.find(({ step }) => step === 'acls')).toMatchObject({
      device: 'dps',
      flagNames: ['initialized', 'hasCredentials', 'hasAcls', 'hasCloud'],
      bytesIn: expect.any(Number),
      bytesOut: expect.any(Number),
      roundTrips: 1,
      ms: expect.any(Number),
    });
    await place.processes.service.line({
      event: 'attempt',
      verdict: 'provisioned',
      device: id,
      transport,
      generation: 1,
    });
    await place.processes.gateway.line({ event: 'confirmed', deviceId: id });
    expect(await device.stop('SIGTERM')).toMatchObject({ code: 0, stderr: '' });
    await place.processes.gateway.line({ event: 'offline', deviceId: id });
  });

  test('SIGHUP is a factory reset: the device comes back under a new id, as generation 2', async () => {
    const device = place.processes.device(['dps', place.processes.endpoints.udp, ...certificates(3)]);
    const { id } = await device.line({ event: 'online' });
    const before = device.lines.length;
    device.signal('SIGHUP');
    expect(await device.line({ event: 'factory-reset' }, before)).toMatchObject({ was: id });
    const { id: next } = await device.line({ event: 'online' }, before);
    expect(next).not.toBe(id);
    await place.processes.service.line({ event: 'attempt', verdict: 'provisioned', device: next, generation: 2 });
    expect(await device.stop('SIGINT')).toMatchObject({ code: 0 });
  });

  test('a device with a good state goes straight to its cloud when it starts again', async () => {
    const args = ['dps', place.processes.endpoints.tcp, ...certificates(1), '--state', 'state'];
    const first = place.processes.device(args);
    const { id } = await first.line({ event: 'online' });
    await first.line({ event: 'step', step: 'publish' });
    await first.stop();
    expect((await stat(join(place.cwd, 'state/device.json'))).mode & 0o777).toBe(0o600);

    const again = place.processes.device(args);
    expect(await again.line({ event: 'online' })).toMatchObject({ id });
    await again.line({ event: 'step', step: 'publish' });
    expect(stepsOf(again)).toEqual(['sign-in', 'publish']);
    await again.stop();
  });

  test('nothing that anybody prints is a token or a key', () => {
    const printed = [place.processes.service, place.processes.gateway].map(({ stdout }) => stdout).join('');
    // A JWT, a PEM key, or the words under which they travel.
    expect(printed).not.toMatch(/eyJ[\w-]{10,}\.|PRIVATE KEY|accessToken|privateKey|"psk/i);
  });
});

test('SIGTERM ends the service and the gateway with 0, and the same data folder serves again', async () => {
  const { gateway, service } = place.processes;
  for (const running of [gateway, service]) {
    const { code, stdout } = await running.stop();
    expect(code).toBe(0);
    expect(stdout.trimEnd().split('\n').at(-1)).toBe('{"event":"stopped"}');
  }
  await place.restart();
  const device = place.processes.device(['dps', place.processes.endpoints.udp, ...certificates(1)]);
  await device.line({ event: 'online' });
  // It has been here before (over both transports); in memory it was born again.
  const { id } = await device.line({ event: 'boot' });
  expect(Number((await place.processes.service.line({ event: 'attempt', device: id })).generation)).toBeGreaterThan(1);
});
