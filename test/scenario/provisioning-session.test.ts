import { afterEach, describe, expect, test } from 'vitest';
import { minutes, seconds } from '../../src/core/clock.ts';
import { failure } from '../../src/core/errors.ts';
import { limits } from '../../src/core/limits.ts';
import { statusFlags } from '../../src/core/status.ts';
import { parseCertificate } from '../../src/pki/certificate.ts';
import { provisionedFlags } from '../../src/provision/status.ts';
import type { Device } from '../../src/store/model.ts';
import type { Store } from '../../src/store/store.ts';
import {
  codeOf,
  deviceEvidence,
  endSession,
  inShort,
  openPipeline,
  openSession,
  type Pipeline,
  type PipelineOptions,
  provision,
  pskEvidence,
  testDevice,
  testGroup,
  testIds,
  testStart,
} from '../support/provisioning.ts';

const now = testStart;
const open: Pipeline[] = [];

async function pipelineFor(options: PipelineOptions = {}): Promise<Pipeline> {
  const pipeline = await openPipeline(options);
  open.push(pipeline);
  return pipeline;
}

afterEach(async () => {
  for (const pipeline of open.splice(0)) await pipeline.close();
});

async function onlyDevice({ store }: Pipeline): Promise<Device> {
  const [device, ...others] = await store.devices({ limit: 10 });
  if (!device || others.length > 0) throw new Error(`${others.length + (device ? 1 : 0)} devices`);
  return device;
}

/** Verdicts, newest first; 'open' where there is none. */
async function verdicts({ store }: Pipeline): Promise<readonly string[]> {
  return (await store.attempts({ limit: 50 })).map(({ verdict }) => verdict ?? 'open');
}

async function latestEntries({ store }: Pipeline, index = 0): Promise<readonly string[]> {
  const summary = (await store.attempts({ limit: 50 }))[index];
  const attempt = summary && (await store.attempt(summary.id));
  return inShort(attempt?.entries ?? []);
}

describe('a whole run', () => {
  test('gives the device everything, in one attempt over its two sessions', async () => {
    const pipeline = await pipelineFor();
    const device = testDevice(1);
    const [time, ownership, cloud, credentials, acls] = await provision(
      pipeline,
      deviceEvidence(pipeline.pki),
      device,
      now,
    );

    expect(time).toEqual({ ok: true, value: now + 10 });
    expect(ownership).toEqual({ ok: true, value: { ownerId: testIds.owner } });
    expect(cloud).toMatchObject({
      value: {
        provider: 'plgd.dps',
        gateway: { uri: 'coaps+tcp://hub.example.com:5684', hubId: testIds.hub },
        gateways: [{ uri: 'coaps+tcp://hub.example.com:5684' }, { uri: 'coaps+tcp://hub2.example.com:5684' }],
      },
    });
    expect(credentials).toMatchObject({ ok: true, value: { deviceId: device.deviceId, ownerId: testIds.owner } });
    expect(acls).toMatchObject({ ok: true, value: { entries: { length: 3 } } });
    expect(await latestEntries(pipeline)).toEqual([
      ...['opened', 'client-hello', 'handshake', 'chain', 'attest ok', 'match ok', 'admit ok'],
      ...['status 1', 'configure time'],
      ...['session', 'client-hello', 'handshake', 'chain', 'attest ok', 'match ok', 'admit ok'],
      ...['authorize ownership', 'bind ok', 'status 9', 'configure cloud'],
      ...['status 11', 'issue credentials', 'status 15', 'authorize acls', 'closed provisioned'],
    ]);
    const [summary] = await pipeline.store.attempts({ limit: 1 });
    const attempt = summary && (await pipeline.store.attempt(summary.id));
    expect(attempt?.entries.at(-1)).toMatchObject({ bytesIn: 2000, bytesOut: 4000 });
  });

  test('leaves a record of the device with all flags, and of its certificate', async () => {
    const pipeline = await pipelineFor();
    const device = testDevice(1);
    const answers = await provision(pipeline, deviceEvidence(pipeline.pki), device, now);
    expect(await onlyDevice(pipeline)).toMatchObject({
      deviceId: device.deviceId,
      generation: 1,
      flags: provisionedFlags,
      retry: { failures: 0 },
      ownerId: testIds.owner,
      hubId: testIds.hub,
      manufacturer: { subject: expect.stringContaining('CN=device-0001') },
    });
    const { keyId } = await onlyDevice(pipeline);
    const [credential, ...others] = await pipeline.store.credentials(keyId);
    expect(others).toEqual([]);
    expect(credential).toMatchObject({ deviceId: device.deviceId, generation: 1, issuedAt: now + 60 });
    const issued = answers[3] as { readonly value: { readonly chain: readonly Uint8Array[] } };
    const leaf = parseCertificate(issued.value.chain[0] ?? new Uint8Array());
    expect(leaf).toMatchObject({ serial: credential?.serial, subject: { text: `CN=uuid:${device.deviceId}` } });
  });

  test('works over one session, and in the order owner, credentials, acls, cloud', async () => {
    const pipeline = await pipelineFor();
    const { deviceId, csr } = testDevice(2);
    const session = await openSession(pipeline, deviceEvidence(pipeline.pki), now);
    const answers = [
      await session.time(now),
      await session.ownership(now),
      await session.credentials({ deviceId, csr }, now),
      await session.acls(now),
      await session.cloud({ deviceId }, now),
    ];
    expect(answers.map(codeOf)).toEqual(['ok', 'ok', 'ok', 'ok', 'ok']);
    await endSession(session, now);
    expect(await verdicts(pipeline)).toEqual(['provisioned']);
  });

  test('ends abandoned when the device goes away in the middle, and its record shows the failure', async () => {
    const pipeline = await pipelineFor();
    const first = await openSession(pipeline, deviceEvidence(pipeline.pki), now);
    await first.time(now);
    await first.ownership(now);
    await endSession(first, now);
    expect(pipeline.provisioner.nextTimeout()).toBe(now + limits.provision.run);
    await pipeline.provisioner.sweep(now + limits.provision.run);
    expect((await latestEntries(pipeline)).at(-1)).toBe('closed abandoned session.abandoned');
    expect(pipeline.provisioner.nextTimeout()).toBeUndefined();
    expect(await onlyDevice(pipeline)).toMatchObject({
      flags: statusFlags.initialized | statusFlags.failure,
      retry: { failures: 1, slot: seconds(10) },
    });
  });

  test('that the device begins anew is another attempt, and the old one is closed', async () => {
    const pipeline = await pipelineFor();
    const peer = deviceEvidence(pipeline.pki);
    const device = testDevice(3);
    const session = await openSession(pipeline, peer, now);
    await session.time(now);
    await session.cloud({ deviceId: device.deviceId }, now);
    await session.closed({ reason: 'broken', text: 'reset by peer', bytesIn: 1, bytesOut: 1 }, now);
    expect(await onlyDevice(pipeline)).toMatchObject({ retry: { failures: 1 } });
    await provision(pipeline, peer, device, now + seconds(5));
    expect(await verdicts(pipeline)).toEqual(['provisioned', 'failed']);
    expect((await latestEntries(pipeline, 1)).at(-1)).toBe('closed failed session.broken');
  });

  test('that runs again in the middle of one session is another attempt too', async () => {
    const pipeline = await pipelineFor();
    const { deviceId, csr } = testDevice(4);
    const session = await openSession(pipeline, deviceEvidence(pipeline.pki), now);
    for (const at of [now, now + 1000]) {
      await session.time(at);
      await session.ownership(at);
      await session.cloud({ deviceId }, at);
      await session.credentials({ deviceId, csr }, at);
      await session.acls(at);
    }
    await endSession(session, now + 2000);
    expect(await verdicts(pipeline)).toEqual(['provisioned', 'provisioned']);
  });
});

describe('later single calls', () => {
  test('credentials alone on a fresh session are a renewal', async () => {
    const pipeline = await pipelineFor();
    const peer = deviceEvidence(pipeline.pki);
    const device = testDevice(5);
    await provision(pipeline, peer, device, now);
    const session = await openSession(pipeline, peer, now + minutes(60));
    expect(codeOf(await session.credentials({ deviceId: device.deviceId, csr: device.csr }, now + minutes(60)))).toBe(
      'ok',
    );
    await endSession(session, now + minutes(60));
    expect(await verdicts(pipeline)).toEqual(['renewed', 'provisioned']);
    expect(await onlyDevice(pipeline)).toMatchObject({ generation: 1, flags: provisionedFlags });
    expect(await pipeline.store.credentials((await onlyDevice(pipeline)).keyId)).toHaveLength(2);
  });

  test('credentials and acls for another hub are a renewal too', async () => {
    const pipeline = await pipelineFor();
    const peer = deviceEvidence(pipeline.pki);
    const { deviceId, csr } = testDevice(6);
    await provision(pipeline, peer, { ...testDevice(6), deviceId, csr }, now);
    const session = await openSession(pipeline, peer, now + minutes(1));
    expect(codeOf(await session.credentials({ deviceId, csr }, now + minutes(1)))).toBe('ok');
    expect(codeOf(await session.acls(now + minutes(1)))).toBe('ok');
    await endSession(session, now + minutes(1));
    expect(await verdicts(pipeline)).toEqual(['renewed', 'provisioned']);
  });

  test('the acls alone can be asked for by a device that nobody knows yet', async () => {
    const pipeline = await pipelineFor();
    const session = await openSession(pipeline, deviceEvidence(pipeline.pki), now);
    expect(codeOf(await session.acls(now))).toBe('ok');
  });
});

describe('which device it is', () => {
  test('the same key with a new device id after a factory reset is generation 2 of the same device', async () => {
    const pipeline = await pipelineFor();
    const peer = deviceEvidence(pipeline.pki);
    await provision(pipeline, peer, testDevice(7), now);
    await pipeline.provisioner.confirm(testDevice(7).deviceId, now);
    const before = await onlyDevice(pipeline);
    const reset = testDevice(8);
    const session = await openSession(pipeline, peer, now + 1000);
    await session.time(now + 1000);
    await session.ownership(now + 1000);
    await session.cloud({ deviceId: reset.deviceId }, now + 1000);
    const middle = await onlyDevice(pipeline);
    expect(middle).toMatchObject({ keyId: before.keyId, generation: 2, deviceId: reset.deviceId });
    expect(middle.flags).toBe(statusFlags.initialized | statusFlags.hasCloud);
    expect(middle.confirmedAt).toBeUndefined();
    await session.credentials({ deviceId: reset.deviceId, csr: reset.csr }, now + 1000);
    await session.acls(now + 1000);
    await endSession(session, now + 1000);
    expect(await verdicts(pipeline)).toEqual(['provisioned', 'provisioned']);
    const credentials = await pipeline.store.credentials(before.keyId);
    expect(credentials.map(({ generation }) => generation)).toEqual([1, 2]);
  });

  test('a device id that belongs to another key is refused, in the cloud step and in the credentials', async () => {
    const pipeline = await pipelineFor();
    const victim = testDevice(9);
    await provision(pipeline, deviceEvidence(pipeline.pki, 0), victim, now);
    const thief = await openSession(pipeline, deviceEvidence(pipeline.pki, 1), now + 1000);
    await thief.time(now);
    await thief.ownership(now);
    expect(codeOf(await thief.cloud({ deviceId: victim.deviceId }, now))).toBe('bind.device-id-taken');
    const upper = { deviceId: victim.deviceId.toUpperCase(), csr: victim.csr };
    expect(codeOf(await thief.credentials(upper, now))).toBe('bind.device-id-taken');
    await endSession(thief, now);
    expect(await verdicts(pipeline)).toEqual(['refused', 'provisioned']);
    const devices = await pipeline.store.devices({ limit: 10 });
    expect(devices.filter(({ deviceId }) => deviceId === victim.deviceId)).toHaveLength(1);
    const [first, second] = await Promise.all(devices.map(({ keyId }) => pipeline.store.credentials(keyId)));
    expect((first?.length ?? 0) + (second?.length ?? 0)).toBe(1);
  });

  test.each([
    ['the owner', testIds.owner, 'bind.device-id-reserved'],
    ['a hub', testIds.hub, 'bind.device-id-reserved'],
    ['nobody', '00000000-0000-0000-0000-000000000000', 'bind.device-id-missing'],
    ['no UUID', 'device-1', 'bind.device-id-missing'],
  ])('a device that calls itself by the id of %s is refused', async (_, deviceId, code) => {
    const pipeline = await pipelineFor();
    const session = await openSession(pipeline, deviceEvidence(pipeline.pki), now);
    expect(codeOf(await session.cloud({ deviceId }, now))).toBe(code);
    expect(await onlyDevice(pipeline)).toMatchObject({ generation: 0, retry: { failures: 1 } });
  });

  test('credentials for another device id than the cloud step are refused', async () => {
    const pipeline = await pipelineFor();
    const other = testDevice(11);
    const session = await openSession(pipeline, deviceEvidence(pipeline.pki), now);
    await session.cloud({ deviceId: testDevice(10).deviceId }, now);
    expect(codeOf(await session.credentials({ deviceId: other.deviceId, csr: other.csr }, now))).toBe(
      'request.out-of-order',
    );
    expect(await onlyDevice(pipeline)).toMatchObject({ generation: 1 });
  });

  test('a request for a certificate in the name of another device is refused', async () => {
    const pipeline = await pipelineFor();
    const session = await openSession(pipeline, deviceEvidence(pipeline.pki), now);
    const { deviceId } = testDevice(12);
    expect(codeOf(await session.credentials({ deviceId, csr: testDevice(13).csr }, now))).toBe('csr.subject');
    expect(codeOf(await session.credentials({ deviceId, csr: new Uint8Array([0x30, 0]) }, now))).toBe('csr.malformed');
    expect(await pipeline.store.credentials((await onlyDevice(pipeline)).keyId)).toEqual([]);
    await endSession(session, now);
    expect(await latestEntries(pipeline)).toContain('issue csr.subject');
  });
});

describe('refusals', () => {
  test('before the handshake is through nothing is answered', async () => {
    const { provisioner } = await pipelineFor();
    const session = provisioner.open({ transport: 'coaps', peer: 'x' }, now);
    expect(codeOf(await session.time(now))).toBe('request.out-of-order');
  });

  test('a disabled group refuses every question with the same refusal', async () => {
    const pipeline = await pipelineFor({ group: { enabled: false } });
    const session = await openSession(pipeline, deviceEvidence(pipeline.pki), now);
    const { deviceId, csr } = testDevice(14);
    const answers = [
      await session.time(now),
      await session.ownership(now),
      await session.cloud({ deviceId }, now),
      await session.credentials({ deviceId, csr }, now),
      await session.acls(now),
    ];
    expect(new Set(answers.map(codeOf))).toEqual(new Set(['admit.group-disabled']));
    await endSession(session, now);
    expect((await latestEntries(pipeline)).slice(-2)).toEqual([
      'admit admit.group-disabled',
      'closed refused admit.group-disabled',
    ]);
    expect(await pipeline.store.devices({ limit: 1 })).toEqual([]);
  });

  test('a group that is disabled or deleted in the middle of a session stops the session', async () => {
    const pipeline = await pipelineFor();
    const session = await openSession(pipeline, deviceEvidence(pipeline.pki), now);
    expect(codeOf(await session.time(now))).toBe('ok');
    await pipeline.configure({ groups: [testGroup(pipeline.pki, { enabled: false })] });
    expect(codeOf(await session.ownership(now))).toBe('admit.group-disabled');
    await pipeline.store.groups.delete(testIds.group);
    await pipeline.provisioner.policy.refresh();
    expect(codeOf(await session.ownership(now))).toBe('match.no-group');
    await pipeline.configure({ groups: [pipeline.group] });
    expect(codeOf(await session.ownership(now))).toBe('ok');
  });

  test('a refused handshake leaves a closed attempt with the chain and the reason', async () => {
    const pipeline = await pipelineFor();
    const { chain } = deviceEvidence(pipeline.pki);
    const certificate = chain?.presented[0] ?? new Uint8Array();
    const session = pipeline.provisioner.open({ transport: 'coaps', peer: '192.0.2.9:1' }, now);
    session.alert('sent', 'certificate_expired', now);
    const errors = [{ depth: 0, code: 'CERT_HAS_EXPIRED', text: 'certificate has expired', certificate }];
    session.handshakeRefused('certificate verify failed', chain && { ...chain, errors }, now);
    expect(codeOf(await session.time(now))).toBe('attest.expired');
    await session.closed({ reason: 'broken', text: 'certificate verify failed', bytesIn: 900, bytesOut: 7 }, now);
    expect(await latestEntries(pipeline)).toEqual([
      ...['opened', 'alert', 'chain', 'attest attest.expired', 'closed refused attest.expired'],
    ]);
    const [summary] = await pipeline.store.attempts({ limit: 1 });
    expect(summary?.keyId).toBeUndefined();
    expect(pipeline.provisioner.openAttempts).toBe(0);
  });

  test('a peer that speaks no suite of ours is told apart by its offer', async () => {
    const pipeline = await pipelineFor();
    const session = pipeline.provisioner.open({ transport: 'coaps+tcp', peer: '192.0.2.9:1' }, now);
    session.offered(
      {
        version: 'TLSv1.2',
        cipherSuites: ['TLS_RSA_WITH_RC4_128_MD5'],
        groups: [],
        signatureAlgorithms: [],
        serverName: undefined,
      },
      now,
    );
    session.handshakeRefused('no shared cipher', undefined, now);
    await session.closed({ reason: 'broken', bytesIn: 100, bytesOut: 7 }, now);
    const [summary] = await pipeline.store.attempts({ limit: 1 });
    expect(summary).toMatchObject({
      verdict: 'refused',
      refusal: { code: 'attest.no-common-suite', evidence: { offered: 'TLS_RSA_WITH_RC4_128_MD5' } },
    });
  });
});

describe('pre-shared keys', () => {
  const key = Buffer.from('0123456789abcdef').toString('base64');
  const group = { attestation: { x509: undefined, psk: [{ identity: 'lamp-7', key, derived: false }], pins: [] } };

  test('a device with a pre-shared key of a group is provisioned under its own key id', async () => {
    const pipeline = await pipelineFor({ group });
    expect(pipeline.provisioner.preSharedKey(new Uint8Array(Buffer.from('lamp-7')))).toEqual(
      new Uint8Array(Buffer.from('0123456789abcdef')),
    );
    expect(pipeline.provisioner.preSharedKey(new Uint8Array(Buffer.from('lamp-8')))).toBeUndefined();
    const answers = await provision(pipeline, pskEvidence('lamp-7'), testDevice(15), now);
    expect(answers.map(codeOf)).toEqual(['ok', 'ok', 'ok', 'ok', 'ok']);
    const device = await onlyDevice(pipeline);
    expect(device.manufacturer).toEqual({ subject: 'lamp-7' });
  });

  test('an identity that has left its group is refused', async () => {
    const pipeline = await pipelineFor({ group });
    const session = await openSession(pipeline, pskEvidence('lamp-8'), now);
    expect(codeOf(await session.time(now))).toBe('attest.unknown-psk');
  });
});

describe('confirmation', () => {
  test('of the present device id is kept, once', async () => {
    const pipeline = await pipelineFor();
    const { deviceId, csr, key } = testDevice(16);
    await provision(pipeline, deviceEvidence(pipeline.pki), { deviceId, csr, key }, now);
    expect(codeOf(await pipeline.provisioner.confirm(deviceId, now + 5000))).toBe('ok');
    await pipeline.provisioner.confirm(deviceId, now + 9000);
    expect(await onlyDevice(pipeline)).toMatchObject({ confirmedAt: now + 5000 });
  });

  test('of an unknown or former device id is refused', async () => {
    const pipeline = await pipelineFor();
    const peer = deviceEvidence(pipeline.pki);
    await provision(pipeline, peer, testDevice(17), now);
    await provision(pipeline, peer, testDevice(18), now);
    expect(codeOf(await pipeline.provisioner.confirm(testDevice(17).deviceId, now))).toBe('confirm.unknown-device');
    expect(codeOf(await pipeline.provisioner.confirm(testDevice(19).deviceId, now))).toBe('confirm.unknown-device');
    expect(codeOf(await pipeline.provisioner.confirm('nonsense', now))).toBe('bind.device-id-missing');
  });
});

describe('a new process over the same store', () => {
  test('knows devices, claims and credentials', async () => {
    const pipeline = await pipelineFor();
    const device = testDevice(20);
    await provision(pipeline, deviceEvidence(pipeline.pki, 0), device, now);
    const before = await onlyDevice(pipeline);
    await pipeline.restart();
    expect(await onlyDevice(pipeline)).toEqual(before);
    const thief = await openSession(pipeline, deviceEvidence(pipeline.pki, 1), now + 1000);
    expect(codeOf(await thief.cloud({ deviceId: device.deviceId }, now + 1000))).toBe('bind.device-id-taken');
    const renewal = await openSession(pipeline, deviceEvidence(pipeline.pki, 0), now + 1000);
    await renewal.credentials({ deviceId: device.deviceId, csr: device.csr }, now + 1000);
    await endSession(renewal, now + 1000);
    expect(await pipeline.store.credentials(before.keyId)).toHaveLength(2);
  });

  test('knows every step that was answered, also when the session had no end', async () => {
    const pipeline = await pipelineFor();
    const { deviceId, csr } = testDevice(29);
    const session = await openSession(pipeline, deviceEvidence(pipeline.pki), now);
    await session.time(now);
    await session.ownership(now);
    const seen: number[] = [];
    const look = async () => seen.push((await onlyDevice(pipeline)).flags);
    await session.cloud({ deviceId }, now);
    await look();
    await session.credentials({ deviceId, csr }, now);
    await look();
    await session.acls(now);
    await look();
    expect(seen).toEqual([9, 11, 15]);
    await pipeline.restart();
    expect(await onlyDevice(pipeline)).toMatchObject({ deviceId, generation: 1, flags: provisionedFlags });
  });

  test('goes on with the run that was open, and gives up the one that did not come back', async () => {
    const pipeline = await pipelineFor();
    const device = testDevice(21);
    const lost = await openSession(pipeline, deviceEvidence(pipeline.pki, 1), now);
    await lost.time(now);
    await endSession(lost, now);
    const session = await openSession(pipeline, deviceEvidence(pipeline.pki, 0), now + minutes(4));
    await session.time(now + minutes(4));
    await session.ownership(now + minutes(4));
    await session.cloud({ deviceId: device.deviceId }, now + minutes(4));
    await endSession(session, now + minutes(4));
    await pipeline.restart();
    await pipeline.provisioner.restore(now + minutes(6));
    expect(await verdicts(pipeline)).toEqual(['open', 'abandoned']);
    const next = await openSession(pipeline, deviceEvidence(pipeline.pki, 0), now + minutes(6));
    await next.credentials({ deviceId: device.deviceId, csr: device.csr }, now + minutes(6));
    await next.acls(now + minutes(6));
    await endSession(next, now + minutes(6));
    expect(await verdicts(pipeline)).toEqual(['provisioned', 'abandoned']);
  });
});

describe('faults of our own', () => {
  /** A store whose named methods fail while `down` says so. */
  const faulty = (down: () => readonly string[]) => (store: Store) =>
    new Proxy(store, {
      get(target, name, receiver) {
        const value: unknown = Reflect.get(target, name, receiver);
        if (typeof value !== 'function') return value;
        return (...args: unknown[]) => {
          if (down().includes(String(name))) return Promise.reject(failure('service.store', {}, 'look at the disk'));
          return Reflect.apply(value, target, args) as unknown;
        };
      },
    });

  test.each(['device', 'putDevice', 'claimDeviceId', 'commit'])(
    'a store whose %s fails makes the device repeat the step, and all is well afterwards',
    async (method) => {
      let down: readonly string[] = [];
      const pipeline = await pipelineFor({ wrapStore: faulty(() => down) });
      const peer = deviceEvidence(pipeline.pki);
      const device = testDevice(22);
      down = [method];
      const answers = await provision(pipeline, peer, device, now);
      const codes = answers.map(codeOf);
      expect(codes).toContain('service.store');
      expect(new Set(codes.filter((code) => code !== 'ok'))).toEqual(new Set(['service.store']));
      down = [];
      expect((await provision(pipeline, peer, device, now + 1000)).map(codeOf)).toEqual(['ok', 'ok', 'ok', 'ok', 'ok']);
      expect((await verdicts(pipeline))[0]).toBe('provisioned');
      expect(await onlyDevice(pipeline)).toMatchObject({ generation: 1, flags: provisionedFlags });
    },
  );

  test('a certificate that could not be recorded leaves no flag behind, and a renewal that failed takes none away', async () => {
    let down: readonly string[] = ['commit'];
    const pipeline = await pipelineFor({ wrapStore: faulty(() => down) });
    const peer = deviceEvidence(pipeline.pki);
    const { deviceId, csr, key } = testDevice(28);
    const first = await openSession(pipeline, peer, now);
    expect(codeOf(await first.credentials({ deviceId, csr }, now))).toBe('service.store');
    await endSession(first, now);
    expect((await onlyDevice(pipeline)).flags & statusFlags.hasCredentials).toBe(0);
    down = [];
    await provision(pipeline, peer, { deviceId, csr, key }, now + 1000);
    down = ['commit'];
    const renewal = await openSession(pipeline, peer, now + 5000);
    expect(codeOf(await renewal.credentials({ deviceId, csr }, now + 5000))).toBe('service.store');
    await endSession(renewal, now + 5000);
    expect((await onlyDevice(pipeline)).flags).toBe(provisionedFlags | statusFlags.failure);
  });

  test('attempts that could not be written are written later', async () => {
    let down: readonly string[] = ['appendAttempt'];
    const pipeline = await pipelineFor({ wrapStore: faulty(() => down) });
    const answers = await provision(pipeline, deviceEvidence(pipeline.pki), testDevice(23), now);
    expect(answers.map(codeOf)).toEqual(['ok', 'ok', 'ok', 'ok', 'ok']);
    expect(await verdicts(pipeline)).toEqual([]);
    down = [];
    const due = pipeline.provisioner.nextTimeout();
    expect(due).toBeDefined();
    await pipeline.provisioner.sweep(due ?? 0);
    expect(await verdicts(pipeline)).toEqual(['provisioned']);
    expect(await latestEntries(pipeline)).toHaveLength(25);
  });

  test('a token server that is away makes the device repeat the step in the same attempt', async () => {
    let away = true;
    const pipeline = await pipelineFor({
      tokens: {
        accessToken: async ({ deviceId }) => {
          if (away) throw failure('configure.token', { deviceId }, 'start the authorization server');
          const { Secret } = await import('../../src/core/secret.ts');
          return new Secret('token');
        },
      },
    });
    const peer = deviceEvidence(pipeline.pki);
    const { deviceId, csr } = testDevice(24);
    const first = await openSession(pipeline, peer, now);
    await first.time(now);
    await first.ownership(now);
    expect(codeOf(await first.cloud({ deviceId }, now))).toBe('configure.token');
    await endSession(first, now);
    expect(await onlyDevice(pipeline)).toMatchObject({
      flags: statusFlags.initialized | statusFlags.failure,
      retry: { failures: 1, slot: seconds(10), expectedAt: now + seconds(10) },
    });
    away = false;
    const second = await openSession(pipeline, peer, now + seconds(8));
    expect(codeOf(await second.cloud({ deviceId }, now + seconds(8)))).toBe('ok');
    await second.credentials({ deviceId, csr }, now + seconds(8));
    await second.acls(now + seconds(8));
    await endSession(second, now + seconds(8));
    expect(await verdicts(pipeline)).toEqual(['provisioned']);
    expect(await onlyDevice(pipeline)).toMatchObject({ flags: provisionedFlags, retry: { failures: 0 } });
  });

  test('an unexpected error is an internal error, whose text stays here', async () => {
    const pipeline = await pipelineFor({
      tokens: { accessToken: () => Promise.reject(new TypeError('the secret recipe')) },
    });
    const session = await openSession(pipeline, deviceEvidence(pipeline.pki), now);
    const answer = await session.cloud({ deviceId: testDevice(25).deviceId }, now);
    expect(codeOf(answer)).toBe('service.internal');
    expect(JSON.stringify(answer)).not.toContain('recipe');
    await endSession(session, now);
    expect((await latestEntries(pipeline)).at(-1)).toBe('closed failed service.internal');
  });

  test('two sessions of one device that write at the same time both come through', async () => {
    const pipeline = await pipelineFor();
    const peer = deviceEvidence(pipeline.pki);
    const { deviceId, csr } = testDevice(26);
    const [a, b] = await Promise.all([openSession(pipeline, peer, now), openSession(pipeline, peer, now)]);
    const answers = await Promise.all([
      a?.cloud({ deviceId }, now),
      b?.cloud({ deviceId }, now),
      a?.credentials({ deviceId, csr }, now),
      b?.credentials({ deviceId, csr }, now),
      a?.acls(now),
      b?.acls(now),
    ]);
    expect(answers.map((answer) => (answer ? codeOf(answer) : 'none'))).toEqual(Array(6).fill('ok'));
    expect(await onlyDevice(pipeline)).toMatchObject({ generation: 1, flags: provisionedFlags });
  });
});

test('listeners hear of every entry once, in order, with the device as it is then', async () => {
  const heard: string[] = [];
  const flags: number[] = [];
  const pipeline = await pipelineFor({
    onEntry: (attemptId, entry, device) => {
      heard.push(...inShort([entry]).map((text) => `${attemptId.slice(0, 0)}${text}`));
      if (entry.type === 'status') flags.push(device?.flags ?? -1);
    },
  });
  const device = testDevice(27);
  await provision(pipeline, deviceEvidence(pipeline.pki), device, now);
  expect(heard).toEqual(await latestEntries(pipeline));
  expect(flags).toEqual([1, 9, 11, 15]);
  await pipeline.provisioner.confirm(device.deviceId, now);
  expect(heard.at(-1)).toBe('confirm ok');
});
