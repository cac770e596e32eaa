import { createHash } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { request } from 'coap';
import { describe, expect, test } from 'vitest';
import { decodePem } from '../../src/codec/pem.ts';
import { certificates, useProcesses } from '../support/cloud-of-processes.ts';
import { firstboot, freePorts } from '../support/command.ts';

const place = useProcesses();

/** A line of dhclient's leases file with option 43. */
function leases(endpoint: string, fingerprint: Uint8Array): string {
  const part = (code: number, bytes: Uint8Array): number[] => [code, bytes.length, ...bytes];
  const option = [...part(200, Buffer.from(endpoint)), ...part(201, fingerprint), ...part(202, Buffer.from('SHA256'))];
  const text = option.map((byte) => byte.toString(16).padStart(2, '0')).join(':');
  return `lease {\n  interface "eth0";\n  option vendor-encapsulated-options ${text};\n}\n`;
}

describe('firstboot device, with the options of dps_cloud_server', () => {
  test('-t: another service is asked when the first does not answer', async () => {
    const [closed = 0] = await freePorts(1);
    const first = `coaps+tcp://127.0.0.1:${closed}`;
    const device = place.processes.device([
      'dps',
      first,
      '-t',
      place.processes.endpoints.udp,
      '-r',
      '1',
      ...certificates(1),
    ]);
    expect(await device.line({ event: 'boot' })).toMatchObject({ endpoint: first });
    await device.line({ event: 'online' });
    expect(device.lines.find(({ event }) => event === 'step')).not.toMatchObject({ result: 'done' });
    await device.stop();
  });

  test('-w: it does nothing until SIGHUP', async () => {
    const device = place.processes.device(['dps', place.processes.endpoints.udp, '-w', ...certificates(1)]);
    await device.line({ event: 'waiting' });
    await new Promise((resolve) => setTimeout(resolve, 500));
    expect(device.lines.some(({ event }) => event === 'step' || event === 'boot')).toBe(false);
    device.signal('SIGHUP');
    await device.line({ event: 'online' });
    await device.stop();
  });

  test('"" -x -f: endpoint and fingerprint come by DHCP, without dpsca.pem', async () => {
    const pem = await readFile(join(place.cwd, 'firstboot-data/pki/service/service.pem'), 'utf8');
    const [leaf] = decodePem(pem);
    const fingerprint = createHash('sha256')
      .update(leaf?.der ?? '')
      .digest();
    const file = join(place.cwd, 'dhclient.leases');
    await writeFile(file, leases(place.processes.endpoints.tcp, fingerprint));
    const device = place.processes.device(['dps', '', '-x', '-f', file, ...certificates(2)]);
    expect(await device.line({ event: 'boot' })).toMatchObject({ endpoint: '' });
    await device.line({ event: 'online' });
    await device.stop();
  });

  test('"" alone: it waits to be told a service', async () => {
    const device = place.processes.device(['dps', '', ...certificates(2)]);
    expect(await device.line({ event: 'boot' })).toMatchObject({ endpoint: '' });
    await new Promise((resolve) => setTimeout(resolve, 500));
    expect(device.lines.some(({ event }) => event === 'step')).toBe(false);
    expect(await device.stop()).toMatchObject({ code: 0 });
  });

  test('-s and -c are taken, and the clock of the system is left alone', async () => {
    const device = place.processes.device(['dps', '', '-s', '-c', '-e', '600', '-o', '0', ...certificates(2)]);
    expect(await device.line({ event: 'note' })).toMatchObject({ text: expect.stringContaining('untouched') });
    await device.stop();
  });

  test('it answers on loopback, or where --listen says, or not at all', async () => {
    const device = place.processes.device(['dps', '', ...certificates(3)]);
    const { coap: port } = await device.line({ event: 'listening' });
    const code = await new Promise<string>((resolve, reject) => {
      const asked = request({ hostname: '127.0.0.1', port: Number(port), pathname: '/oic/res' });
      asked.on('response', (response) => resolve(response.code));
      asked.on('error', reject);
      asked.end();
    });
    expect(code).toBe('2.05');
    await device.stop();

    const silent = place.processes.device(['dps', '', '--listen', 'off', ...certificates(3)]);
    await silent.line({ event: 'boot' });
    await silent.stop();
    expect(silent.lines.some(({ event }) => event === 'listening')).toBe(false);
  });

  // The whole table, in one process: test/unit/cli/usage.test.ts.
  test.each([
    [['-l', 'loud'], /'-l, --log-level <level>'.*notice/],
    [['dps', 'coap://127.0.0.1'], /uri coap:\/\/127\.0\.0\.1/],
  ] as const)('%j is refused', async (args, reason) => {
    const { code, stderr } = await firstboot(['device', ...args]);
    expect(stderr).toMatch(reason);
    expect(code).toBe(2);
  });
});
