import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { build, firstboot, Running } from '../support/command.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

let cwd: string;
let remove: () => Promise<void>;
beforeAll(async () => {
  build();
  ({ path: cwd, remove } = await temporaryFolder());
});
afterAll(() => remove());

const serve = async (data: string): Promise<Running> => {
  const service = new Running(['serve', '--data', data, '--port', '0', '--issuer-port', '0', '--json'], { cwd });
  await service.line({ event: 'listening' });
  return service;
};

test('a service backs itself up while it runs, is restored, and goes on where it was', async () => {
  const service = await serve('data');
  const { api, endpoints } = await service.line({ event: 'listening' });
  const { token } = await service.line({ event: 'admin-token' });
  const env = { FIRSTBOOT_TOKEN: String(token), FIRSTBOOT_SERVER: String(api) };
  const certs = join(cwd, 'data/pki/devices/device-0001');
  const { udp } = endpoints as { udp: string };
  const device = new Running(['device', 'dps', udp, '--certs', certs, '--json'], { cwd });
  await device.line({ event: 'step', step: 'acls', result: 'done' });
  await device.stop();

  const written = await firstboot(['backup', 'monday', '--json'], { cwd, env });
  expect(JSON.parse(written.stdout)).toMatchObject({ event: 'backup', name: 'monday' });
  const locked = await firstboot(['backup', 'offline', '--data', 'data', '--json'], { cwd });
  expect([locked.code, locked.stderr]).toEqual([1, expect.stringContaining('in use')]);
  // What is open gets its time, and nobody is there any more.
  expect(await service.stop()).toMatchObject({ code: 0 });
  expect(service.lines.map(({ event }) => event).slice(-2)).toEqual(['draining', 'stopped']);

  const restored = await firstboot(['restore', 'data/backups/monday', '--data', 'new', '--json'], { cwd });
  expect(JSON.parse(restored.stdout)).toMatchObject({ event: 'restored', data: join(cwd, 'new') });
  expect(await readFile(join(cwd, 'new/token-key.pem'))).toEqual(await readFile(join(cwd, 'data/token-key.pem')));
  const again = await serve('new');
  // The tokens are those of before.
  expect(again.lines.map(({ event }) => event)).not.toContain('admin-token');
  const address = String((await again.line({ event: 'listening' })).api);
  const listed = await firstboot(['device', 'list', '--json'], { cwd, env: { ...env, FIRSTBOOT_SERVER: address } });
  expect(JSON.parse(listed.stdout.split('\n')[0] ?? '')).toMatchObject({ state: 'active', generation: 1 });
  await again.stop();

  const over = await firstboot(['restore', 'data/backups/monday', '--data', 'new'], { cwd });
  expect([over.code, over.stderr]).toEqual([1, expect.stringContaining('nothing is written over what is there')]);
});

test('SIGHUP reads the configuration again, and SIGINT ends at once', async () => {
  const service = await serve('hup');
  service.signal('SIGHUP');
  expect(await service.line({ event: 'reloaded' })).toMatchObject({ effects: [] });
  expect(await service.stop('SIGINT')).toMatchObject({ code: 0 });
  expect(service.lines.map(({ event }) => event)).not.toContain('draining');
});
