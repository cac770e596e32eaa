import { chmod, cp, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { endpointsOf } from '../support/cloud-of-processes.ts';
import { build, firstboot, type Line, Running } from '../support/command.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

let cwd: string;
let remove: () => Promise<void>;
/** A service that runs all the time, with its development PKI in `firstboot-data`. */
let service: Running;
let listening: Line;

const anyPorts = ['--port', '0', '--issuer-port', '0'];
const serve = (...args: string[]) => firstboot(['serve', ...args, '--json'], { cwd });

beforeAll(async () => {
  build();
  ({ path: cwd, remove } = await temporaryFolder());
  service = new Running(['serve', ...anyPorts, '--json'], { cwd });
  listening = await service.line({ event: 'listening' });
});

afterAll(async () => {
  await service.stop();
  await remove();
});

const portIn = (uri: unknown): string => /:(\d+)$/.exec(String(uri))?.[1] ?? '';

describe('a service that cannot start says what is in the way, where, and what to do', () => {
  /** @param words what the reason must say; on standard output it is an object, on standard error a sentence */
  const fails = async (args: string[], words: RegExp): Promise<void> => {
    const { code, stdout, stderr } = await serve(...args);
    expect(stderr).toMatch(words);
    expect(stderr).not.toMatch(/unexpected error|\n +at /);
    const [line, ...more] = stdout.trim().split('\n');
    expect(more).toEqual([]);
    expect(JSON.parse(line ?? '')).toMatchObject({ event: 'error', fix: expect.stringMatching(/\w+/) });
    expect(code).toBe(1);
  };

  test('the data folder is in use', () =>
    fails(anyPorts, /the store is not available \(folder .*firstboot-data.*another firstboot is using this folder/));

  test('the UDP port, the TCP port, the port of the token issuer is in use', async () => {
    const { udp, tcp } = endpointsOf(listening);
    const elsewhere = ['--data', 'elsewhere', '--issuer-port', '0', '--port'];
    await fails([...elsewhere, portIn(udp)], /address is in use \(protocol udp, .*--port/);
    await fails([...elsewhere, portIn(tcp), '--transports', 'tcp'], /address is in use \(protocol tcp, .*--port/);
    const issuer = ['--data', 'elsewhere', '--port', '0', '--issuer-port', portIn(listening.issuer)];
    await fails(issuer, /address is in use .*--issuer-port/);
  });

  test('the address is not of this machine', () =>
    fails(['--data', 'elsewhere', ...anyPorts, '--host', '192.0.2.1'], /host 192\.0\.2\.1.*address of this machine/));

  test.each([
    [
      'a certificate that is none',
      async (pki: string) => writeFile(join(pki, 'service/service.pem'), 'x'),
      /service\.pem/,
    ],
    [
      'a key that others can read',
      async (pki: string) => chmod(join(pki, 'gateway/gateway-key.pem'), 0o644),
      /chmod 600/,
    ],
    [
      'an authority without its key',
      async (pki: string) => rm(join(pki, 'authority/issuing-key.pem')),
      /issuing-key\.pem/,
    ],
    ['no devices', async (pki: string) => rm(join(pki, 'devices'), { recursive: true }), /pki\/devices/],
  ])('the data folder holds %s', async (_, damage, words) => {
    await cp(join(cwd, 'firstboot-data/pki'), join(cwd, 'damaged/pki'), { recursive: true });
    await damage(join(cwd, 'damaged/pki'));
    await fails(['--data', 'damaged', ...anyPorts], words);
    await rm(join(cwd, 'damaged'), { recursive: true });
  });

  test('the data folder is a file', async () => {
    await writeFile(join(cwd, 'plain'), '');
    await fails(['--data', 'plain', ...anyPorts], /plain, found EEXIST/);
  });

  test('the configuration is wrong', async () => {
    await writeFile(join(cwd, 'wrong.yaml'), 'host: 127.0.0.1\nport: high\n');
    await fails(['-c', 'wrong.yaml'], /file wrong\.yaml, line 2, key port\).*integer/);
    await fails(['-c', 'absent.yaml'], /file absent\.yaml\).*cannot be read/);
    await fails(['--mtu', '1'], /setting --mtu, value 1\).*300 to 65507/);
  });
});

describe('a gateway or a device that cannot start does the same', () => {
  test.each([
    [['gateway', '--data', 'nowhere'], /folder nowhere\/pki, .*start firstboot serve first/, 1],
    [['gateway', '--issuer', 'http://127.0.0.1:1'], /authority http:\/\/127\.0\.0\.1:1, .*start the service/, 1],
    // What the command line names cannot be used.
    [['device'], /file pki_certs\/mfgcrt\.pem, found no such file\).*--certs/, 2],
    [['device', 'dps', 'http://127.0.0.1'], /uri http:\/\/127\.0\.0\.1\): write coaps:\/\/host:port/, 2],
    [
      ['device', '--certs', 'firstboot-data/pki/devices/device-0001', '--state', 'bad'],
      /bad\/device\.json, found it is not/,
      1,
    ],
  ] as const)('firstboot %j', async (args, words, expected) => {
    await cp(join(cwd, 'firstboot-data/pki/service/ca.pem'), join(cwd, 'bad/device.json'));
    const { code, stderr } = await firstboot(args, { cwd });
    expect(stderr).toMatch(words);
    expect(stderr).not.toMatch(/unexpected error/);
    expect(code).toBe(expected);
  });
});

describe('a device that is refused', () => {
  test('says so itself, and the service says why', async () => {
    await firstboot(['pki', 'dev', '--out', 'strangers'], { cwd });
    const { udp } = endpointsOf(listening);
    const args = ['device', 'stranger', udp, '--no-verify-ca', '--certs', 'strangers/devices/device-0001', '--json'];
    const device = new Running(args, { cwd });
    const { refusal } = await device.line({ event: 'step', step: 'time', result: 'failure' });
    expect(refusal).toMatchObject({ code: 'device.handshake', fix: expect.stringContaining('record of the attempt') });
    await device.stop();
    const attempt = await service.line({ event: 'attempt', verdict: 'refused' });
    expect(attempt).toMatchObject({ transport: 'coaps', refusal: { code: 'attest.issuer-key' } });
  });

  test('refuses a service that its dpsca.pem does not vouch for, unless told not to', async () => {
    const { tcp } = endpointsOf(listening);
    const certs = join(cwd, 'firstboot-data/pki/devices/device-0001');
    await cp(certs, join(cwd, 'doubter'), { recursive: true });
    await cp(join(cwd, 'strangers/service/ca.pem'), join(cwd, 'doubter/dpsca.pem'));
    const boot = (...args: string[]) => new Running(['device', 'dps', tcp, '--certs', 'doubter', ...args], { cwd });
    const doubter = boot('--json');
    const { refusal } = await doubter.line({ event: 'step', step: 'time', result: 'failure' });
    expect(refusal).toMatchObject({ fix: expect.stringContaining('dpsca.pem') });
    await doubter.stop();
    const believer = boot('--no-verify-ca', '--json');
    await believer.line({ event: 'step', step: 'acls', result: 'done' });
    await believer.stop();
  });

  test('tries again as often as --retry says', async () => {
    const args = ['device', 'dps', 'coaps+tcp://127.0.0.1:1', '-r', '1', '--json'];
    const device = new Running([...args, '--certs', 'firstboot-data/pki/devices/device-0001'], { cwd });
    await device.line({ event: 'step', result: 'failure' });
    const tried = device.lines.length;
    const { refusal } = await device.line({ event: 'step', result: 'failure' }, tried);
    expect(refusal).toMatchObject({ code: 'device.unreachable' });
    await device.stop();
  });
});

test('with a manufacturer of one’s own and no service certificate, the service makes one and says where its CA is', async () => {
  const hub = 'd03a1bb4-0a77-428c-b78c-1c46efe6a38e';
  await firstboot(['pki', 'dev', '--out', 'factory'], { cwd });
  await writeFile(
    join(cwd, 'firstboot.yaml'),
    `data: own
port: 0
mtu: 512
issuer: { port: 0 }
groups:
  - name: washing machines
    owner: acme
    anchors: [factory/manufacturer/root.pem]
    intermediates: [factory/manufacturer/intermediate.pem]
    hubs: [${hub}]
hubs:
  - id: ${hub}
    gateways: ['coaps+tcp://127.0.0.1:1']
`,
  );
  for (const start of ['first', 'second']) {
    const own = new Running(['serve', '-c', 'firstboot.yaml', '--json'], { cwd });
    const line = await own.line({ event: 'listening' });
    expect(line.serviceCa).toBe(join(cwd, 'own/service/ca.pem'));
    expect(await readFile(String(line.identityCa), 'utf8')).toMatch(/BEGIN CERTIFICATE/);
    // What the README tells the user to do; the second start must not need it again.
    if (start === 'first') await cp(String(line.serviceCa), join(cwd, 'factory/devices/device-0001/dpsca.pem'));
    const args = ['device', 'dps', endpointsOf(line).udp, '--certs', 'factory/devices/device-0001', '--json'];
    const device = new Running(args, { cwd });
    await device.line({ event: 'step', step: 'acls', result: 'done' });
    await device.stop();
    await own.stop();
  }
});

test('groups of an earlier start are gone when the configuration no longer names them', async () => {
  // The data folder of a development service: the keys of its manufacturer are on disk for anybody to use.
  await cp(join(cwd, 'firstboot-data/pki'), join(cwd, 'later/pki'), { recursive: true });
  const development = new Running(['serve', '--data', 'later', ...anyPorts, '--json'], { cwd });
  await development.line({ event: 'listening' });
  await development.stop();
  const own = new Running(['serve', '-c', 'firstboot.yaml', '--data', 'later', '--json'], { cwd });
  const line = await own.line({ event: 'listening' });
  const certs = ['--certs', 'firstboot-data/pki/devices/device-0001', '--no-verify-ca'];
  const device = new Running(['device', 'dps', endpointsOf(line).tcp, ...certs, '--json'], { cwd });
  await own.line({ event: 'attempt', verdict: 'refused' });
  await device.stop();
  await own.stop();
});

test('a development service does not take the place of a configured one in its data folder', async () => {
  const refused = new Running(['serve', '--data', 'own', ...anyPorts, '--json'], { cwd });
  await refused.line({ event: 'error', error: 'service.config' });
  expect((await refused.finished()).code).toBe(1);
});
