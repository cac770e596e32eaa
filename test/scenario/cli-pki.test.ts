import { mkdir, readdir, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { build, firstboot } from '../support/command.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

let cwd: string;
let remove: () => Promise<void>;

beforeAll(async () => {
  build();
  ({ path: cwd, remove } = await temporaryFolder());
});
afterAll(() => remove());

test('pki dev writes a PKI whose device folders fit plgd’s C client, and pki inspect reads it', async () => {
  const made = await firstboot(['pki', 'dev', '--out', 'pki', '--devices', '2'], { cwd });
  expect(made).toMatchObject({ code: 0, stderr: '', stdout: expect.stringContaining('development PKI in pki') });
  const device = join(cwd, 'pki/devices/device-0002');
  expect((await readdir(device)).toSorted()).toEqual(['dpsca.pem', 'mfgcrt.pem', 'mfgkey.pem']);
  for (const name of await readdir(device)) expect((await stat(join(device, name))).size).toBeLessThan(4096);
  expect((await stat(join(device, 'mfgkey.pem'))).mode & 0o777).toBe(0o600);

  const chain = await firstboot(['pki', 'inspect', join(device, 'mfgcrt.pem')], { cwd });
  expect(chain).toMatchObject({ code: 0, stderr: '' });
  expect(chain.stdout).toMatch(/subject +CN=device-0002, O=Example Devices|subject +O=Example Devices, CN=device-0002/);
  expect(chain.stdout).toMatch(/extended key usage .*OCF identity/);
  expect(chain.stdout.match(/: certificate\n/g)).toHaveLength(2);

  const gateway = await firstboot(['pki', 'inspect', 'pki/gateway/gateway.pem', '--json'], { cwd });
  const [leaf] = gateway.stdout.split('\n');
  expect(JSON.parse(leaf ?? '')).toMatchObject({
    event: 'inspected',
    kind: 'certificate',
    facts: { subject: 'CN=uuid:6f0c5c0e-7a4b-4d0b-9a57-3f1e0b2c8d11' },
  });
});

test('pki dev says with --json where everything is', async () => {
  const hub = 'd03a1bb4-0a77-428c-b78c-1c46efe6a38e';
  const { code, stdout } = await firstboot(['pki', 'dev', '--out', 'other', '--hub-id', hub, '--json'], { cwd });
  expect(code).toBe(0);
  const expected = { event: 'written', folder: 'other', hub, devices: ['other/devices/device-0001'] };
  expect(JSON.parse(stdout)).toEqual(expected);
});

test('pki dev leaves a folder alone that holds something', async () => {
  await mkdir(join(cwd, 'full'));
  await writeFile(join(cwd, 'full', 'thesis.txt'), 'mine');
  const { code, stderr } = await firstboot(['pki', 'dev', '--out', 'full'], { cwd });
  expect(code).toBe(1);
  expect(stderr).toMatch(/folder full.*not empty/);
  expect(await readdir(join(cwd, 'full'))).toEqual(['thesis.txt']);
});

test('pki inspect names the file it cannot read, shows the others, and fails', async () => {
  await writeFile(join(cwd, 'junk.pem'), 'nothing here');
  await firstboot(['pki', 'dev', '--out', 'third'], { cwd });
  const files = ['absent.pem', 'junk.pem', 'third/service/ca.pem'];
  const { code, stdout, stderr } = await firstboot(['pki', 'inspect', ...files, '--json'], { cwd });
  expect(code).toBe(1);
  const lines = stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as { event: string });
  expect(lines.map(({ event }) => event)).toEqual(['error', 'error', 'inspected']);
  expect(stderr).toMatch(/file absent\.pem, found ENOENT: no such file or directory\)/);
  expect(stderr).toMatch(/file junk\.pem/);
});
