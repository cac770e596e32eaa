import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { toBase64, utf8 } from '../../src/core/bytes.ts';
import { systemTimers } from '../../src/core/clock.ts';
import { uuidBytes } from '../../src/core/ids.ts';
import { systemRandom } from '../../src/core/random.ts';
import { createDeviceClient, type DeviceClient } from '../../src/device/client.ts';
import { type LocalServer, serveDevice } from '../../src/device/local-server.ts';
import { ownerPskOf } from '../../src/provision/owner-psk.ts';
import { findPeer } from '../support/peers.ts';
import { startTestService, type TestService } from '../support/service.ts';
import { until } from '../support/until.ts';

/** libcoap's clients against the server of a device that the real service provisions. */

const run = promisify(execFile);

/** Without a zero byte: libcoap's -u is a C string. The others are as they are, text or not. */
const ownerId = '5c4b3a29-1837-4f6e-8d5c-4b3af9a80741';
/** The owner's key to this device, for `-k`: an argument of a program holds no zero byte, so that not every master will do. */
let ownerKey: Uint8Array;

let service: TestService;
let device: DeviceClient;
let local: LocalServer;

beforeAll(async () => {
  service = await startTestService({
    settings: (settings) => ({
      ...settings,
      groups: settings.groups.map((group) => ({
        ...group,
        owner: { id: ownerId, name: 'an owner' },
      })),
    }),
  });
  device = createDeviceClient({
    endpoints: [service.service.endpoint],
    manufacturer: service.device(),
    serviceCa: [service.pki.serviceCa.certificate.der],
    cloudChecks: 0,
    connect: false,
  });
  await device.init();
  await giveOwnerKey();
  local = await serveDevice(device, { host: '127.0.0.1', timers: systemTimers, random: systemRandom });
});

afterAll(async () => {
  await local.close();
  await device.shutdown();
  await service.close();
});

const cleartext = findPeer('coap-client-notls');

describe.skipIf(cleartext.missing)(`${cleartext.title} in the clear`, () => {
  const uri = (path: string) => `coap://127.0.0.1:${local.ports.coap}${path}`;

  it('observes the provisioning of a new device, up to the moment when the list it is given keeps strangers out', async () => {
    const client = spawn(cleartext.program, ['-s', '100', '-B', '110', '-A', '50', '-w', uri('/plgd/dps?if=oic.if.r')]);
    let said = '';
    for (const stream of [client.stdout, client.stderr]) {
      stream.on('data', (bytes: Buffer) => {
        said += bytes.toString();
      });
    }
    const exit = once(client, 'exit');
    try {
      await until(() => said.includes('uninitialized'));
      device.start();
      await until(() => said.includes('4.01'));
    } finally {
      client.kill();
      await exit;
    }
    const words = [...said.matchAll(/"provisionStatus":"([^"]+)"/g)].map(([, word]) => word);
    // What changes in one go is told once, as what it has become.
    expect(words).toEqual([
      'uninitialized',
      'provisioning time',
      'provisioning owner',
      'provisioning cloud',
      'provisioning credentials',
      'provisioning acls',
    ]);
  });

  it('discovers the resources of the provisioned device', async () => {
    await until(() => device.status.text === 'provisioned');
    const { stdout } = await run(cleartext.program, ['-B', '60', '-A', '50', uri('/oic/res?rt=core.light')]);
    expect(JSON.parse(stdout)).toMatchObject([
      { href: '/light/1', rt: ['core.light'], eps: [{ ep: `coaps://127.0.0.1:${local.ports.coaps}` }] },
    ]);
    const refused = await run(cleartext.program, ['-B', '60', '-A', '50', uri('/light/1')]);
    expect(refused.stdout + refused.stderr).toContain('4.01');
  });
});

describe.each(['coap-client-openssl', 'coap-client-gnutls'] as const)('%s', (name) => {
  const peer = findPeer(name);

  it.skipIf(peer.missing)(
    'as the owner, by the pre-shared key whose identity is 16 raw bytes, reads and writes',
    async () => {
      if (!device.running) device.start();
      await until(() => device.status.text === 'provisioned');
      // Arguments that are no text go through the shell only.
      const ask = async (...args: readonly string[]): Promise<string> => {
        const path = args.at(-1) ?? '';
        const uri = `coaps://127.0.0.1:${local.ports.coaps}${path}`;
        const script = `exec "$0" -u "$(printf '${octal(uuidBytes(ownerId))}')" -k "$(printf '${octal(ownerKey)}')" "$@"`;
        const { stdout, stderr } = await run('sh', ['-c', script, name, '-B', '60', ...args.slice(0, -1), uri]);
        return stdout + stderr;
      };
      expect(JSON.parse(await ask('-A', '50', '/oic/sec/cred'))).toMatchObject({ rowneruuid: ownerId });
      const power = name.length;
      // {"power": <one byte>} in CBOR, percent-encoded.
      const body = `%a1%65power%18%${power.toString(16).padStart(2, '0')}`;
      expect(await ask('-m', 'post', '-t', '60', '-e', body, '/light/1')).not.toContain('4.');
      expect(JSON.parse(await ask('-A', '50', '/light/1'))).toEqual({ state: false, power });
    },
  );
});

/** For printf. */
const octal = (bytes: Uint8Array): string =>
  [...bytes].map((byte) => `\\${byte.toString(8).padStart(3, '0')}`).join('');

async function giveOwnerKey(): Promise<void> {
  for (let k = 0; ; k++) {
    const master = utf8(`a master of the owner's keys, ${k}`);
    ownerKey = ownerPskOf(master, device.state.deviceId);
    // Nor does a shell keep a line feed at the end; and to libcoap `0x` in front means hexadecimal.
    if (ownerKey.includes(0) || ownerKey.at(-1) === 0x0a || ownerKey[0] === 0x30) continue;
    const { store, provisioner } = service.service;
    for (const group of await store.groups.list()) await store.groups.put({ ...group, ownerPsk: toBase64(master) });
    await provisioner.policy.refresh();
    return;
  }
}
