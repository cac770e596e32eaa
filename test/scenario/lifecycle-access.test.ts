import { afterEach, beforeEach, expect, test } from 'vitest';
import { toBase64 } from '../../src/core/bytes.ts';
import { systemTimers } from '../../src/core/clock.ts';
import { uuidBytes } from '../../src/core/ids.ts';
import { permissions } from '../../src/core/permissions.ts';
import { systemRandom } from '../../src/core/random.ts';
import { createDeviceClient, type DeviceClient } from '../../src/device/client.ts';
import { type LocalServer, serveDevice } from '../../src/device/local-server.ts';
import { createEndEntity } from '../../src/pki/end-entity.ts';
import { uuidSubject } from '../../src/pki/name.ts';
import { profiles } from '../../src/pki/profile.ts';
import { ownerPskOf } from '../../src/provision/owner-psk.ts';
import type { AceTemplate } from '../../src/store/model.ts';
import { isProvisioned } from '../support/booting.ts';
import { type CleartextClient, dialUdp } from '../support/cleartext.ts';
import { type LocalCredentials, LocalPeer, requestTo } from '../support/local-peer.ts';
import { startTestService, type TestService } from '../support/service.ts';
import { until } from '../support/until.ts';

// A list that is not the standard one: strangers see the lamp, the hub may switch it, the owner may only look.
const lamp = { href: '/light/1' };
const acl: readonly AceTemplate[] = [
  { subject: { type: 'connection', kind: 'anon-clear' }, permission: permissions.retrieve, resources: [lamp] },
  { subject: { type: 'uuid', uuid: `\${hub.id}` }, permission: permissions.update, resources: [lamp] },
  { subject: { type: 'uuid', uuid: `\${owner.id}` }, permission: permissions.retrieve, resources: [{ wildcard: '*' }] },
  {
    subject: { type: 'role', role: 'installer', authority: undefined },
    permission: 31,
    resources: [{ wildcard: '*' }],
  },
];
const master = new Uint8Array(32).fill(9);

let service: TestService;
let device: DeviceClient;
let local: LocalServer;
let clear: CleartextClient;
const peers: LocalPeer[] = [];

beforeEach(async () => {
  service = await startTestService({
    settings: (settings) => ({
      ...settings,
      groups: settings.groups.map((group) => ({ ...group, acl, ownerPsk: toBase64(master) })),
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
  local = await serveDevice(device, { host: '127.0.0.1', timers: systemTimers, random: systemRandom });
  clear = await dialUdp(local.ports.coap);
});

afterEach(async () => {
  for (const peer of peers.splice(0)) peer.close();
  clear.close();
  await local.close();
  await device.shutdown();
  await service.close();
});

test('a list of the operator’s own is what the device enforces: strangers, owner and hub may what it says and no more', async () => {
  device.start();
  await until(() => isProvisioned(device));
  const [group] = service.settings.groups;
  const ownerId = group?.owner.id ?? '';
  const hubId = group?.hubs[0] ?? '';
  expect(device.state.acl?.map(({ subject, permission }) => [subject, permission])).toEqual([
    [{ conntype: 'anon-clear' }, 2],
    [{ uuid: hubId }, 4],
    [{ uuid: ownerId }, 2],
    [{ role: 'installer' }, 31],
  ]);

  const enter = async (credentials: LocalCredentials): Promise<LocalPeer> => {
    const peer = await LocalPeer.open(local.ports.coaps, credentials);
    peers.push(peer);
    return peer;
  };
  const may = async (
    ask: (method: 'GET' | 'POST', uri: string) => Promise<number>,
  ): Promise<Record<string, number>> => ({
    look: await ask('GET', '/light/1'),
    switch: await ask('POST', '/light/1'),
    configure: await ask('GET', '/plgd/dps'),
  });
  const through = (peer: LocalPeer) => async (method: 'GET' | 'POST', uri: string) =>
    (method === 'GET' ? await peer.get(uri) : await peer.post(uri, { power: 3 })).code;

  const stranger = await may(
    async (method, uri) => (await clear.ask(requestTo(method, uri, method === 'POST' ? { power: 3 } : undefined))).code,
  );
  expect(stranger).toEqual({ look: 205, switch: 401, configure: 401 });

  const psk = { identity: uuidBytes(ownerId), key: ownerPskOf(master, device.state.deviceId) };
  const owner = await enter({ psk, ciphers: ['ECDHE-PSK-AES128-CBC-SHA256'] });
  expect(await may(through(owner))).toEqual({ look: 205, switch: 401, configure: 205 });

  const { issuing } = service.pki.authority;
  const asHub = createEndEntity({
    ...{ issuer: issuing, profile: profiles.identity, subject: uuidSubject(hubId), altNames: [] },
    ...{ now: systemTimers.now(), random: systemRandom },
  });
  const hub = await enter({ identity: { ...asHub, chain: [...asHub.chain, issuing.certificate.der] } });
  expect(await may(through(hub))).toEqual({ look: 205, switch: 204, configure: 401 });
});
