import { generateKeyPairSync } from 'node:crypto';
import { afterEach, describe, expect, test } from 'vitest';
import { toHex } from '../../src/core/bytes.ts';
import { days, hours } from '../../src/core/clock.ts';
import { type Uuid, uuidV4 } from '../../src/core/ids.ts';
import { seededRandom } from '../../src/core/random.ts';
import { fingerprint, parseCertificate } from '../../src/pki/certificate.ts';
import { createCsr } from '../../src/pki/csr.ts';
import { uuidSubject } from '../../src/pki/name.ts';
import { disabled } from '../../src/provision/lifecycle.ts';
import type { Credential, Device, EnrollmentGroup } from '../../src/store/model.ts';
import type { Store, StoreChanges } from '../../src/store/store.ts';
import { fates } from '../support/lifecycle.ts';
import {
  codeOf,
  deviceEvidence,
  endSession,
  testStart as now,
  openPipeline,
  openSession,
  type Pipeline,
  type PipelineOptions,
  provision,
  testDevice,
  testIds,
} from '../support/provisioning.ts';

let pipeline: Pipeline;
afterEach(() => pipeline.close());

const open = async (options: PipelineOptions = {}): Promise<Pipeline> => {
  pipeline = await openPipeline(options);
  return pipeline;
};

const deviceId: Uuid = uuidV4(seededRandom(5));

async function ask(kind: 'P-256' | 'P-384' | 'Ed25519') {
  const { privateKey } =
    kind === 'Ed25519'
      ? generateKeyPairSync('ed25519')
      : generateKeyPairSync('ec', { namedCurve: kind === 'P-256' ? 'prime256v1' : 'secp384r1' });
  const csr = createCsr({ privateKey, subject: uuidSubject(deviceId) });
  const session = await openSession(pipeline, deviceEvidence(pipeline.pki), now);
  const answer = await session.credentials({ deviceId, csr }, now);
  await endSession(session, now);
  return answer;
}

const stored = async (): Promise<Device> => {
  const [device] = await pipeline.store.devices({ limit: 1 });
  if (!device) throw new Error('no device');
  return device;
};

describe('the certificate policy of a group', () => {
  const policy = (changes: Partial<EnrollmentGroup['certificate']>): PipelineOptions => ({
    group: { certificate: { keys: ['P-256'], life: days(90), usages: ['clientAuth'], ...changes } },
  });

  test('says which keys are taken', async () => {
    await open(policy({ keys: ['Ed25519', 'P-384'] }));
    expect(codeOf(await ask('P-256'))).toBe('csr.key-not-allowed');
    expect(codeOf(await ask('P-384'))).toBe('ok');
    expect(codeOf(await ask('Ed25519'))).toBe('ok');
  });

  test.each([
    [
      ['clientAuth', 'serverAuth', 'ocfIdentity'],
      ['1.3.6.1.5.5.7.3.2', '1.3.6.1.5.5.7.3.1', '1.3.6.1.4.1.44924.1.6'],
    ],
    [
      ['serverAuth', 'clientAuth'],
      ['1.3.6.1.5.5.7.3.2', '1.3.6.1.5.5.7.3.1'],
    ],
    [['ocfIdentity'], ['1.3.6.1.4.1.44924.1.6']],
  ] as const)('says what the certificate is for: %s', async (usages, oids) => {
    await open(policy({ usages, life: hours(30) }));
    const answer = await ask('P-256');
    if (!answer.ok) throw new Error(answer.refusal.code);
    const { extendedKeyUsage, notAfter } = parseCertificate(answer.value.chain[0] ?? new Uint8Array());
    expect(extendedKeyUsage).toEqual(oids);
    expect(notAfter).toBe(now + hours(30));
  });
});

test('a credential remembers its group, who has signed it and which anchors went with it', async () => {
  await open();
  await ask('P-256');
  const [credential] = await pipeline.store.credentials((await stored()).keyId);
  const { issuing, trustAnchors } = pipeline.pki.authority;
  expect(credential).toMatchObject({
    groupId: testIds.group,
    deviceId,
    generation: 1,
    issuerKeyId: toHex(issuing.certificate.subjectKeyId ?? new Uint8Array()),
    anchors: trustAnchors.map(fingerprint),
  });
  expect(credential?.revoked).toBeUndefined();
});

describe('what happens while a certificate is being signed', () => {
  /** Does something right before the first commit of a new certificate. */
  const meanwhile = (happens: (store: Store) => Promise<unknown>): PipelineOptions => {
    let done = false;
    return {
      wrapStore: (store) =>
        new Proxy(store, {
          get(target, name) {
            const value: unknown = Reflect.get(target, name);
            if (typeof value !== 'function') return value;
            return async (...args: unknown[]) => {
              const [changes] = args as [StoreChanges | undefined];
              if (name === 'commit' && changes?.newCredentials && !done) {
                done = true;
                await happens(target);
              }
              return Reflect.apply(value, target, args) as unknown;
            };
          },
        }),
    };
  };
  const only = async (store: Store): Promise<Device> => {
    const [device] = await store.devices({ limit: 1 });
    if (!device) throw new Error('no device');
    return device;
  };

  test('a device that is held gets none: no live certificate is left behind', async () => {
    await open(
      meanwhile(async (store) => {
        const device = await only(store);
        const change = disabled(device, await store.credentials(device.keyId), 'held', now);
        expect(await store.commit({ devices: [change.device], credentials: change.credentials })).toBe(true);
      }),
    );
    expect(codeOf(await ask('P-256'))).toBe('service.busy');
    expect(await pipeline.store.credentials((await stored()).keyId)).toEqual([]);
    expect(codeOf(await ask('P-256'))).toBe('admit.disabled');
  });

  test('a device that has taken another id gets none for the old one', async () => {
    const other = uuidV4(seededRandom(6));
    await open(
      meanwhile(async (store) => {
        const device = await only(store);
        await store.putDevice({ ...device, deviceId: other, generation: device.generation + 1, confirmedAt: now });
      }),
    );
    expect(codeOf(await ask('P-256'))).toBe('service.busy');
    expect(await pipeline.store.credentials((await stored()).keyId)).toEqual([]);
  });

  test('a record that only says something else now is no reason: the certificate comes with it', async () => {
    await open(
      meanwhile(async (store) => {
        const device = await only(store);
        await store.putDevice({ ...device, lastPeer: 'somewhere else' });
      }),
    );
    expect(codeOf(await ask('P-256'))).toBe('ok');
    expect(await stored()).toMatchObject({ lastPeer: 'somewhere else', flags: 3, generation: 1 });
  });
});

describe('a confirmation', () => {
  const provisionTwice = async (): Promise<readonly [Uuid, Uuid]> => {
    const peer = deviceEvidence(pipeline.pki);
    const [first, second] = [testDevice(11), testDevice(12)];
    await provision(pipeline, peer, first, now);
    await provision(pipeline, peer, second, now + 60_000);
    return [first.deviceId, second.deviceId];
  };
  const fatesOf = async (): Promise<string[]> => fates(await pipeline.store.credentials((await stored()).keyId));

  test('of the new generation ends what the earlier ones had, once, with a line in the audit log', async () => {
    await open();
    const [first, second] = await provisionTwice();
    expect(await fatesOf()).toEqual(['1 live', '2 live']);
    expect(codeOf(await pipeline.provisioner.confirm(first, now))).toBe('confirm.unknown-device');
    expect(await fatesOf()).toEqual(['1 live', '2 live']);
    for (let k = 0; k < 2; k++) expect(codeOf(await pipeline.provisioner.confirm(second, now))).toBe('ok');
    expect(await fatesOf()).toEqual(['1 superseded', '2 live']);
    const lines = await pipeline.store.audit({ limit: 10 });
    expect(lines.map(({ action }) => action)).toEqual(['device.confirm']);
    expect(await pipeline.provisioner.holds(first)).toBe(false);
    expect(await pipeline.provisioner.holds(second)).toBe(true);
  });

  test('ends for good what was on hold: a release brings none of it back', async () => {
    await open();
    const [, second] = await provisionTwice();
    const device = await stored();
    const credentials = await pipeline.store.credentials(device.keyId);
    const held = disabled(device, credentials, undefined, now);
    await pipeline.store.commit({ devices: [held.device], credentials: held.credentials });
    expect(codeOf(await pipeline.provisioner.confirm(second, now))).toBe('ok');
    expect(await fatesOf()).toEqual(['1 superseded', '2 certificateHold']);
    expect(await pipeline.provisioner.holds(second)).toBe(false);
  });

  test('sees a certificate of the earlier generation that is written at the same time', async () => {
    let late: Credential | undefined;
    await open({
      wrapStore: (store) =>
        new Proxy(store, {
          get(target, name) {
            const value: unknown = Reflect.get(target, name);
            if (typeof value !== 'function') return value;
            return async (...args: unknown[]) => {
              const found: unknown = await Reflect.apply(value, target, args);
              if (name !== 'credentials' || !late) return found;
              const [device] = await target.devices({ limit: 1 });
              const newCredentials = [late];
              late = undefined;
              if (device) expect(await target.commit({ devices: [device], newCredentials })).toBe(true);
              return found;
            };
          },
        }),
    });
    const [, second] = await provisionTwice();
    const [old] = await pipeline.store.credentials((await stored()).keyId);
    if (old) late = { ...old, serial: 'abc1' };
    expect(codeOf(await pipeline.provisioner.confirm(second, now))).toBe('ok');
    expect((await fatesOf()).toSorted()).toEqual(['1 superseded', '1 superseded', '2 live']);
  });
});
