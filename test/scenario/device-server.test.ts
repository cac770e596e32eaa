import { createHash } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { findOption, optionNumber, uintOption } from '../../src/coap/options.ts';
import { sortOptions } from '../../src/coap/wire.ts';
import { type CborMap, type CborValue, decodeCbor } from '../../src/codec/cbor.ts';
import { toBase64 } from '../../src/core/bytes.ts';
import { seconds, systemTimers } from '../../src/core/clock.ts';
import { uuidBytes } from '../../src/core/ids.ts';
import { limits } from '../../src/core/limits.ts';
import { systemRandom } from '../../src/core/random.ts';
import { createDeviceClient, type DeviceClient } from '../../src/device/client.ts';
import { type LocalServer, serveDevice } from '../../src/device/local-server.ts';
import { memoryStorage } from '../../src/device/storage.ts';
import { createAuthority } from '../../src/pki/authority.ts';
import { createEndEntity } from '../../src/pki/end-entity.ts';
import type { Authority } from '../../src/pki/issuer.ts';
import { type Subject, uuidSubject } from '../../src/pki/name.ts';
import { profiles } from '../../src/pki/profile.ts';
import { ownerPskOf } from '../../src/provision/owner-psk.ts';
import type { Identity } from '../../src/secure/association.ts';
import { type CleartextClient, dialUdp } from '../support/cleartext.ts';
import { contentOf, type LocalCredentials, LocalPeer, requestTo } from '../support/local-peer.ts';
import { deviceRequest } from '../support/raw-coap.ts';
import { RawHub } from '../support/raw-hub.ts';
import { startTestService, type TestService } from '../support/service.ts';
import { until } from '../support/until.ts';

/** A master of 32 bytes for the keys of a group's owner. */
const masterOf = (text: string): Uint8Array => new Uint8Array(createHash('sha256').update(text).digest());

/** The key that goes with it to the device as it is called now. */
const pskOf = (text: string): Uint8Array => ownerPskOf(masterOf(text), device.state.deviceId);

let test: TestService;
let hub: RawHub;
let device: DeviceClient;
let local: LocalServer;
let owner: string;
let clear: CleartextClient;
const peers: LocalPeer[] = [];

beforeEach(async () => {
  test = await startTestService({
    settings: (settings) => ({
      ...settings,
      groups: settings.groups.map((group) => ({ ...group, ownerPsk: toBase64(masterOf('first')) })),
    }),
  });
  hub = await RawHub.start(test.pki, test.service.issuerUrl);
  await useHub(hub.uri);
  const [group] = test.settings.groups;
  owner = group?.owner.id ?? '';
  device = createDeviceClient({
    endpoints: [test.service.endpoint],
    manufacturer: test.device(),
    serviceCa: [test.pki.serviceCa.certificate.der],
    name: 'kitchen light',
  });
  await device.init();
  local = await serveDevice(device, { host: '127.0.0.1', timers: systemTimers, random: systemRandom });
  clear = await dialUdp(local.ports.coap);
});

/** Where the service sends its devices. */
async function useHub(uri: string): Promise<void> {
  const [row] = await test.service.store.hubs.list();
  if (!row) throw new Error('the service has no hub');
  await test.service.store.hubs.put({ ...row, gateways: [uri] });
  await test.service.provisioner.policy.refresh();
}

afterEach(async () => {
  for (const peer of peers.splice(0)) peer.close();
  clear.close();
  await local.close();
  await device.shutdown();
  await hub.close();
  await test.close();
});

const provisioned = () => until(() => device.status.text === 'provisioned');

async function enter(credentials: LocalCredentials): Promise<LocalPeer> {
  const peer = await LocalPeer.open(local.ports.coaps, credentials);
  peers.push(peer);
  return peer;
}

/** The owner, by the key of its group; the one cipher suite that plgd's clients use (plgd-service 2.6). */
const asOwner = (key = pskOf('first'), how: Pick<LocalCredentials, 'handshakeTimeout'> = {}) =>
  enter({ psk: { identity: uuidBytes(owner), key }, ciphers: ['ECDHE-PSK-AES128-CBC-SHA256'], ...how });

const identityOf = (uuid: string, authority: Pick<Authority, 'issuing'>): Identity =>
  certified(uuidSubject(uuid), authority);

function certified(subject: Subject, { issuing }: Pick<Authority, 'issuing'>): Identity {
  const { chain, privateKey } = createEndEntity({
    issuer: issuing,
    profile: profiles.identity,
    subject,
    altNames: [],
    now: systemTimers.now(),
    random: systemRandom,
  });
  return { chain: [...chain, issuing.certificate.der], privateKey };
}

const strangersUuid = '11111111-2222-4333-8444-555555555555';
const map = (value: CborValue): CborMap => value as CborMap;

describe('the owner, over DTLS with the pre-shared key of its group (behaviour 15)', () => {
  it('reads the credentials and the provisioning, and switches the light', async () => {
    device.start();
    await provisioned();
    const peer = await asOwner();
    const cred = await peer.get('/oic/sec/cred');
    expect(cred.code).toBe(205);
    expect(map(contentOf(cred))).toMatchObject({
      rowneruuid: owner,
      creds: [
        { credtype: 1, subjectuuid: owner },
        { credusage: 'oic.sec.cred.cert' },
        { credusage: 'oic.sec.cred.trustca' },
      ],
    });
    expect(Buffer.from(cred.payload).includes(Buffer.from(pskOf('first')))).toBe(false);
    expect(contentOf(await peer.get('/plgd/dps?if=oic.if.r'))).toMatchObject({
      lastErrorCode: 0,
      provisionStatus: 'provisioned',
      endpoint: test.service.endpoint,
    });
    expect((await peer.post('/light/1', { state: true, power: 42 })).code).toBe(204);
    expect(contentOf(await peer.get('/light/1'))).toEqual({ state: true, power: 42 });
    expect((await peer.get('/nothing')).code).toBe(404);
  });

  it('gets in with that very key where all devices of the group have it (behaviour 15)', async () => {
    const [group] = test.settings.groups;
    if (!group) throw new Error('no group');
    const key = new TextEncoder().encode('0123456789abcdef');
    await test.service.store.groups.put({ ...group, ownerPsk: toBase64(key), ownerPskShared: true });
    await test.service.provisioner.policy.refresh();
    device.start();
    await provisioned();
    const peer = await asOwner(key);
    expect((await peer.get('/oic/sec/cred')).code).toBe(205);
    expect((await peer.post('/light/1', { state: true })).code).toBe(204);
  });

  it('asks for a full run through /plgd/dps and stays: its key is given anew (behaviour 23)', async () => {
    device.start();
    await provisioned();
    const peer = await asOwner();
    const seen: string[] = [];
    device.onStatus(({ text }) => seen.push(text));
    expect((await peer.post('/plgd/dps', { forceReprovision: true })).code).toBe(204);
    await until(() => seen.at(-1) === 'provisioned');
    expect(seen).toContain('provisioning time');
    expect((await peer.get('/plgd/dps')).code).toBe(205);
  });

  it('sends the device to another service, which it asks for everything (behaviour 18)', async () => {
    device.start();
    await provisioned();
    const steps: string[] = [];
    device.onStep(({ step, result }) => steps.push(`${step} ${result}`));
    const peer = await asOwner();
    const endpoint = test.service.endpoints.tcp ?? '';
    expect((await peer.post('/plgd/dps', { endpoint, endpointName: 'the other' })).code).toBe(204);
    await until(() => device.status.text === 'provisioned' && steps.length >= 5);
    expect(steps.filter((step) => !step.startsWith('sign'))).toEqual(
      ['time', 'ownership', 'cloud', 'credentials', 'acls'].map((step) => `${step} done`),
    );
    const dps = await (await asOwner()).get('/plgd/dps?if=oic.if.rw');
    expect(contentOf(dps)).toEqual({ endpoint, endpointName: 'the other', forceReprovision: false });
  });

  it('has its session closed once its key is replaced by a later provisioning (behaviour 35)', async () => {
    device.start();
    await provisioned();
    const peer = await asOwner();
    const [group] = test.settings.groups;
    if (!group) throw new Error('no group');
    await test.service.store.groups.put({ ...group, ownerPsk: toBase64(masterOf('second')) });
    await test.service.provisioner.policy.refresh();
    device.forceReprovision();
    await until(() => peer.end !== undefined);
    expect(peer.end).toEqual({ reason: 'close-notify' });
    await provisioned();
    await expect(asOwner(pskOf('first'), { handshakeTimeout: seconds(2) })).rejects.toThrow('refused');
    expect((await (await asOwner(pskOf('second'))).get('/plgd/dps')).code).toBe(205);
  });

  it('resets the device by an empty endpoint: no owner, no key, uninitialized, and it can be owned again (behaviour 16)', async () => {
    device.start();
    await provisioned();
    const before = device.state.deviceId;
    const peer = await asOwner();
    expect((await peer.post('/plgd/dps', { endpoint: '' })).code).toBe(204);
    await until(() => device.state.deviceId !== before);
    await until(() => peer.end !== undefined);
    await until(() => device.status.text === 'uninitialized');
    await expect(asOwner()).rejects.toThrow('refused');
    const dps = await clear.ask(requestTo('GET', '/plgd/dps?if=oic.if.r'));
    expect(contentOf(dps)).toMatchObject({ provisionStatus: 'uninitialized', endpoint: '' });
    device.setEndpoints([{ uri: test.service.endpoint }]);
    await provisioned();
    expect((await (await asOwner()).get('/oic/sec/cred')).code).toBe(205);
  });

  it.each([
    ['another identity', uuidBytes(strangersUuid), 'first'],
    ['a text for an identity', new TextEncoder().encode('owner'), 'first'],
    ['another key', undefined, 'wrong'],
  ])('does not get in with %s', async (_, identity, text) => {
    device.start();
    await provisioned();
    const psk = { identity: identity ?? uuidBytes(owner), key: pskOf(text) };
    await expect(enter({ psk, handshakeTimeout: seconds(2) })).rejects.toThrow('refused');
  });
});

describe('a peer with a certificate', () => {
  it('of the provisioned authority is who its certificate says: as the owner it may all', async () => {
    device.start();
    await provisioned();
    const peer = await enter({ identity: identityOf(owner, test.pki.authority) });
    expect((await peer.get('/oic/sec/cred')).code).toBe(205);
    expect((await peer.post('/light/1', { power: 3 })).code).toBe(204);
  });

  it('of another owner reads /oic/d, /oic/p and /oic/res only (behaviour 36)', async () => {
    device.start();
    await provisioned();
    const peer = await enter({ identity: identityOf(strangersUuid, test.pki.authority) });
    for (const uri of ['/oic/d', '/oic/p', '/oic/res'])
      expect({ uri, code: (await peer.get(uri)).code }).toEqual({ uri, code: 205 });
    for (const uri of ['/oic/sec/cred', '/oic/sec/acl2', '/oc/con', '/plgd/dps', '/light/1']) {
      expect({ uri, code: (await peer.get(uri)).code }).toEqual({ uri, code: 401 });
      expect({ uri, code: (await peer.post(uri, { n: 'mine' })).code }).toEqual({ uri, code: 401 });
    }
  });

  it('with the owner id from another authority does not get in (behaviour 34)', async () => {
    device.start();
    await provisioned();
    const impostor = createAuthority({ now: systemTimers.now(), random: systemRandom, name: 'Impostor' });
    await expect(enter({ identity: identityOf(owner, impostor) })).rejects.toThrow('refused');
  });

  it('does not get in before the device has been given anybody to trust', async () => {
    await expect(enter({ identity: identityOf(owner, test.pki.authority) })).rejects.toThrow('refused');
    await expect(asOwner()).rejects.toThrow('refused');
  });
});

describe('a stranger in the clear', () => {
  const codes = async (method: 'GET' | 'POST', uris: readonly string[]) =>
    Promise.all(
      uris.map(async (uri) => (await clear.ask(requestTo(method, uri, method === 'POST' ? {} : undefined))).code),
    );
  const open = ['/oic/res', '/oic/d', '/oic/p', '/oic/sec/doxm'];
  const secret = ['/oic/sec/cred', '/oic/sec/acl2', '/light/1', '/x.plgd.dev/time'];

  it('finds an unowned device, and how far its provisioning is', async () => {
    expect(await codes('GET', [...open, '/plgd/dps'])).toEqual([205, 205, 205, 205, 205]);
    expect(await codes('GET', secret)).toEqual([401, 401, 401, 401]);
    expect(await codes('POST', ['/plgd/dps'])).toEqual([401]);
    const doxm = contentOf(await clear.ask(requestTo('GET', '/oic/sec/doxm')));
    expect(doxm).toMatchObject({ owned: false, deviceuuid: device.state.deviceId });
  });

  it('sees what the delivered list says once the device is provisioned, and where it listens', async () => {
    device.start();
    await provisioned();
    expect(await codes('GET', open)).toEqual([205, 205, 205, 205]);
    expect(await codes('GET', [...secret, '/plgd/dps', '/nothing'])).toEqual([401, 401, 401, 401, 401, 401]);
    expect(await codes('POST', [...open, '/plgd/dps'])).toEqual([401, 401, 401, 401, 401]);
    const links = contentOf(await clear.ask(requestTo('GET', '/oic/res?rt=oic.wk.d'))) as readonly CborMap[];
    expect(links).toMatchObject([
      {
        href: '/oic/d',
        eps: [{ ep: `coap://127.0.0.1:${local.ports.coap}` }, { ep: `coaps://127.0.0.1:${local.ports.coaps}` }],
      },
    ]);
    expect(contentOf(await clear.ask(requestTo('GET', '/oic/d')))).toMatchObject({ n: 'kitchen light' });
  });
});

describe('the hub, over the session that the device opened', () => {
  const online = async () => {
    device.start();
    await until(() => device.online && hub.gateway.devices().some((each) => each.links.length > 0));
  };

  it('finds the published resources, reads and writes with its entry, and does not see the security resources', async () => {
    await online();
    const links = hub.gateway.devices()[0]?.links.map(({ href }) => href);
    expect(links).toEqual(['/oic/d', '/oic/p', '/plgd/dps', '/light/1']);
    expect(await hub.ask(deviceRequest('/light/1', { state: true }))).toMatchObject({ code: 204 });
    const light = await hub.ask(deviceRequest('/light/1'));
    expect(decodeCbor(light.payload)).toEqual({ state: true, power: 0 });
    expect(await hub.ask(deviceRequest('/plgd/dps'))).toMatchObject({ code: 205 });
    for (const path of ['/oic/sec/cred', '/oic/sec/acl2']) {
      expect(await hub.ask(deviceRequest(path))).toMatchObject({ code: 401 });
    }
  });

  it('observes: it hears of every change until it cancels', async () => {
    await online();
    const request = deviceRequest('/light/1');
    const withObserve = (value: number) => ({
      ...request,
      options: sortOptions([...request.options, uintOption(optionNumber.observe, value)]),
    });
    const first = await hub.ask(withObserve(0));
    expect(findOption(first.options, optionNumber.observe)).toBeDefined();
    for (const power of [1, 2]) {
      const coming = hub.next(request.token);
      await hub.ask(deviceRequest('/light/1', { power }));
      expect(decodeCbor((await coming).payload)).toEqual({ state: false, power });
    }
    const last = await hub.ask(withObserve(1));
    expect(findOption(last.options, optionNumber.observe)).toBeUndefined();
    const before = hub.received.length;
    await hub.ask(deviceRequest('/light/1', { power: 3 }));
    expect(hub.received).toHaveLength(before + 1);
  });

  it('gets 4.01 when its certificate does not say who it is, and reads what everybody may', async () => {
    const nameless = await RawHub.start(
      test.pki,
      test.service.issuerUrl,
      certified({ commonName: 'gateway.example' }, test.pki.authority),
    );
    try {
      await useHub(nameless.uri);
      device.start();
      await until(() => device.online);
      expect(await nameless.ask(deviceRequest('/light/1'))).toMatchObject({ code: 401 });
      expect(await nameless.ask(deviceRequest('/plgd/dps', { forceReprovision: true }))).toMatchObject({ code: 401 });
      expect(await nameless.ask(deviceRequest('/oic/d'))).toMatchObject({ code: 205 });
    } finally {
      await nameless.close();
    }
  });
});

describe('somebody who holds a credential', () => {
  it('has eight sessions at most: the oldest ends, and others are not put out', async () => {
    device.start();
    await provisioned();
    const other = await enter({ identity: identityOf(strangersUuid, test.pki.authority) });
    const greedy = await Promise.all(Array.from({ length: limits.device.sessionsOfSubject }, () => asOwner()));
    expect(greedy.filter(({ end }) => end)).toEqual([]);
    const newest = await asOwner();
    await until(() => greedy.some(({ end }) => end));
    expect(greedy.filter(({ end }) => end)).toHaveLength(1);
    expect((await newest.get('/light/1')).code).toBe(205);
    expect((await other.get('/oic/d')).code).toBe(205);
  });

  it('is asked for it at each request: after a reset of a device that was not switched on, nothing is answered', async () => {
    device.start();
    await provisioned();
    const idle = createDeviceClient({
      endpoints: [],
      manufacturer: test.device(),
      storage: memoryStorage(device.state),
    });
    await idle.init();
    const server = await serveDevice(idle, { host: '127.0.0.1', timers: systemTimers, random: systemRandom });
    try {
      const credentials = { psk: { identity: uuidBytes(owner), key: pskOf('first') } };
      const peer = await LocalPeer.open(server.ports.coaps, credentials);
      peers.push(peer);
      expect((await peer.get('/light/1')).code).toBe(205);
      idle.factoryReset();
      await expect(peer.get('/oic/d')).rejects.toThrow();
      expect(peer.end).toEqual({ reason: 'close-notify' });
    } finally {
      await server.close();
      await idle.shutdown();
    }
  });
});
