import { createSocket, type RemoteInfo } from 'node:dgram';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, test } from 'vitest';
import { RevocationGuard, revocationsOverHttp } from '../../src/cloud/gateway-revocations.ts';
import { createRevocationLists } from '../../src/cloud/revocation-lists.ts';
import { encodePem } from '../../src/codec/pem.ts';
import { days, minutes, systemTimers } from '../../src/core/clock.ts';
import { limits } from '../../src/core/limits.ts';
import { silentLog } from '../../src/core/log.ts';
import { systemRandom } from '../../src/core/random.ts';
import { transferDevice } from '../../src/operator/devices.ts';
import { createRoot } from '../../src/pki/authority.ts';
import { parseCertificate } from '../../src/pki/certificate.ts';
import type { Issuer } from '../../src/pki/issuer.ts';
import { createCrl } from '../../src/pki/revocation.ts';
import { decodeCrls, readCrl } from '../../src/pki/revocation-list.ts';
import { x509Attestation } from '../../src/provision/group.ts';
import { pinOf } from '../../src/provision/pins.ts';
import { openLevelStore } from '../../src/store/level.ts';
import type { Device } from '../../src/store/model.ts';
import { endEntity, newKey, selfSigned } from '../support/forge.ts';
import {
  chainEvidence,
  codeOf,
  deviceEvidence,
  endSession,
  openPipeline,
  openSession,
  type Pipeline,
  provision,
  pskEvidence,
  testDevice,
  testIds,
  testStart,
} from '../support/provisioning.ts';
import { askDatagram, deviceRequest, paths } from '../support/raw-coap.ts';
import { RawSession } from '../support/raw-session.ts';
import { startTestService } from '../support/service.ts';
import { someGroup } from '../support/store-records.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

const now = testStart;
const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const clean of cleanups.splice(0).reverse()) await clean();
});

async function opened(...options: Parameters<typeof openPipeline>): Promise<Pipeline> {
  const pipeline = await openPipeline(...options);
  cleanups.push(() => pipeline.close());
  return pipeline;
}

async function onlyDevice({ store }: Pick<Pipeline, 'store'>): Promise<Device> {
  const [device] = await store.devices({ limit: 1 });
  if (!device) throw new Error('no device');
  return device;
}

describe('admission', () => {
  test('a device on the deny list does not live on in its tokens', async () => {
    const pipeline = await opened();
    const device = testDevice(1);
    await provision(pipeline, deviceEvidence(pipeline.pki), device, now);
    expect(await pipeline.provisioner.holds(device.deviceId)).toBe(true);
    const { keyId } = await onlyDevice(pipeline);
    await pipeline.configure({ groups: [{ ...pipeline.group, deny: [{ by: 'key', value: keyId }] }] });
    expect(await pipeline.provisioner.holds(device.deviceId)).toBe(false);
  });

  test('being let in by one group is no leave to enter another one that asks for preauthorization', async () => {
    const pki = { now: now - days(20), random: systemRandom, name: 'x' };
    const [lab, production] = [createRoot('Lab Root', pki), createRoot('Production Root', pki)];
    const trusting = ({ certificate }: Issuer) => ({
      x509: x509Attestation({ anchors: [encodePem('CERTIFICATE', certificate.der)] }),
      psk: [],
      pins: [],
    });
    const pipeline = await opened({ group: { name: 'lab', attestation: trusting(lab) } });
    const strict = { id: testIds.owner, name: 'production', admission: 'preauthorized' } as const;
    await pipeline.configure({ groups: [{ ...pipeline.group, ...strict, attestation: trusting(production) }] });
    const key = newKey();
    const come = async (root: Issuer): Promise<string> => {
      const leaf = endEntity(root, 'Acme', now, { key });
      const session = await openSession(pipeline, chainEvidence([leaf.der, root.certificate.der]), now);
      const code = codeOf(await session.ownership(now));
      await endSession(session, now);
      return code;
    };
    expect(await come(production)).toBe('admit.not-preauthorized');
    expect(await come(lab)).toBe('ok');
    expect(await come(production)).toBe('admit.not-preauthorized');
  });

  test('a pinned key does not get by what a certificate that it has signed itself says', async () => {
    const key = newKey();
    const { der } = selfSigned(key, now, { subject: { organization: 'Acme', commonName: 'somebody-else' } });
    const pins = [pinOf(parseCertificate(der).spki)];
    const pipeline = await opened({
      group: {
        attestation: { x509: undefined, psk: [], pins },
        allow: [{ by: 'subject', value: '*somebody-else' }],
      },
    });
    const session = await openSession(pipeline, chainEvidence([der], 'DEPTH_ZERO_SELF_SIGNED_CERT'), now);
    expect(codeOf(await session.ownership(now))).toBe('admit.not-allowed');
    await endSession(session, now);
  });
});

test('who names endless identities with a stolen shared key is counted, not written down each time', async () => {
  const key = Buffer.alloc(16, 7).toString('base64');
  const psk = [{ identity: 'x*', key, derived: false }];
  const pipeline = await opened({ group: { attestation: { x509: undefined, psk, pins: [] }, enabled: false } });
  for (let at = 0; at < 200; at++) {
    const session = await openSession(pipeline, pskEvidence(`x${at}`), now + at);
    await endSession(session, now + at);
  }
  await pipeline.provisioner.sweep(now + minutes(10));
  const attempts = await pipeline.store.attempts({ limit: 1000 });
  expect(attempts.length).toBeLessThanOrEqual(limits.provision.strangersRecorded);
});

test('a transfer in the middle of a run counts only when the device has heard of its new owner', async () => {
  const pipeline = await opened();
  const device = testDevice(1);
  const session = await openSession(pipeline, deviceEvidence(pipeline.pki), now);
  await session.time(now + 1);
  const before = await session.ownership(now + 2);
  const { keyId } = await onlyDevice(pipeline);
  const actor = { kind: 'operator', name: 'anna', from: 'test' } as const;
  await transferDevice({ store: pipeline.store, now: () => now + 3, actor }, keyId, 'second hand', {});
  await session.cloud({ deviceId: device.deviceId }, now + 4);
  await session.credentials({ deviceId: device.deviceId, csr: device.csr }, now + 5);
  await session.acls(now + 6);
  await endSession(session, now + 7);
  const { ownerId } = await onlyDevice(pipeline);
  expect(before).toEqual({ ok: true, value: { ownerId } });
});

test('who holds back a datagram of an honest device cannot have it quarantined', async () => {
  const service = await startTestService({
    settings: (rows) => ({ ...rows, groups: rows.groups.map((group) => ({ ...group, clones: 'quarantine' })) }),
  });
  cleanups.push(() => service.close());
  const [near, far] = [createSocket('udp4'), createSocket('udp4')];
  cleanups.push(
    () => near.close(),
    () => far.close(),
  );
  await new Promise<void>((bound) => near.bind(0, '127.0.0.1', bound));
  await new Promise<void>((bound) => far.bind(0, '127.0.0.2', bound));
  let device: RemoteInfo | undefined;
  near.on('message', (datagram, from) => {
    device = from;
    far.send(datagram, service.port.udp, '127.0.0.1');
  });
  far.on('message', (datagram) => device && near.send(datagram, device.port, device.address));

  const held: Uint8Array[] = [];
  let holding = false;
  const tamper = (bytes: Uint8Array) => {
    if (!holding) return [bytes];
    held.push(bytes);
    return [];
  };
  const identity = service.device();
  const first = await (
    await RawSession.open({ transport: 'udp', port: service.port.udp, identity, tamper })
  ).established();
  await askDatagram(first, deviceRequest(paths.time));
  holding = true;
  void askDatagram(first, deviceRequest(paths.ownership)).catch(() => undefined);
  expect(held).toHaveLength(1);
  // Nobody answers, so it begins anew; this time its datagrams are carried through another address.
  const second = await (await RawSession.open({ transport: 'udp', port: near.address().port, identity })).established();
  await askDatagram(second, deviceRequest(paths.time));
  first.sendRaw(held[0] ?? new Uint8Array());
  // It has been read and judged when others that came later have been answered.
  for (let turn = 0; turn < 3; turn++) await askDatagram(second, deviceRequest(paths.time));
  first.cut();
  second.cut();
  expect((await onlyDevice(service.service)).state).toBe('active');
});

/** A web server whose answer the test changes. */
async function webServer(answer: () => { readonly status: number; readonly etag: string; readonly body: Buffer }) {
  const server = createServer((request, response) => {
    const { status, etag, body } = answer();
    if (request.headers['if-none-match'] === etag) return response.writeHead(304).end();
    return response.writeHead(status, { etag }).end(status === 200 ? body : undefined);
  });
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
  cleanups.push(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

describe('revocation lists', () => {
  const made = Math.floor(Date.now() / 1000) * 1000 - 5000;
  const pki = { now: made - days(2), random: systemRandom, name: 'x' };
  const [acme, other] = [createRoot('Acme Root', pki), createRoot('Other Root', pki)];
  const list = (issuer: Issuer, number: number, revoked: readonly string[]): Buffer => {
    const entries = revoked.map((serial) => ({ serial, revokedAt: made }));
    return Buffer.from(createCrl({ issuer, revoked: entries, thisUpdate: made, nextUpdate: made + days(7), number }));
  };

  test.each([
    ['of another authority of the group', () => list(other, 10, [])],
    ['of the same second and a lower number', () => list(acme, 8, [])],
  ])('a list %s does not take the place of the one that a URL gave', async (_, replacement) => {
    let body = list(acme, 9, ['0a']);
    const url = await webServer(() => ({ status: 200, etag: `"${body.length}-${body.at(-1)}"`, body }));
    const folder = await temporaryFolder();
    const store = await openLevelStore(folder.path);
    cleanups.push(
      () => folder.remove(),
      () => store.close(),
    );
    const anchors = [acme, other].map(({ certificate }) => encodePem('CERTIFICATE', certificate.der));
    const group = someGroup(1, {
      attestation: { x509: x509Attestation({ anchors, crlUrls: [url] }), psk: [], pins: [] },
    });
    const fetchNow = async (): Promise<string[]> => {
      const changed = () => Promise.resolve();
      const lists = createRevocationLists({
        store,
        groups: () => [group],
        changed,
        timers: systemTimers,
        log: silentLog,
      });
      await lists.refresh();
      await lists.stop();
      const [row] = await store.crls.list();
      return decodeCrls(row?.pem ?? '').flatMap((der) => readCrl(der).revoked.map(({ serial }) => serial));
    };
    expect(await fetchNow()).toHaveLength(1);
    body = replacement();
    expect(await fetchNow()).toHaveLength(1);
  });

  test.each(['what it cannot read', 'a 404'])('a gateway that gets %s keeps its lists and asks again', async (what) => {
    let answer = { status: 200, etag: '"1"', body: Buffer.from(encodePem('X509 CRL', list(acme, 1, ['0a']))) };
    const warnings: string[] = [];
    const fetch = revocationsOverHttp(await webServer(() => answer), systemTimers);
    const log = { ...silentLog, warn: (_: unknown, text: string) => void warnings.push(text) };
    const trustAnchors = () => [acme.certificate.der];
    const guard = new RevocationGuard({ fetch, trustAnchors, timers: systemTimers, log });
    cleanups.push(() => guard.stop());
    const at = Date.now();
    await guard.fresh(at);
    expect(guard.crls()).toHaveLength(1);
    const unreadable = Buffer.from(encodePem('X509 CRL', new Uint8Array([0x30, 0x00])));
    answer = what === 'a 404' ? { ...answer, status: 404, etag: '"2"' } : { ...answer, etag: '"2"', body: unreadable };
    await guard.fresh(at + minutes(10));
    await guard.fresh(at + minutes(20));
    expect(guard.crls()).toHaveLength(1);
    expect(warnings).toHaveLength(2);
  });
});
