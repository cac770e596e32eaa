import { afterEach, describe, expect, test } from 'vitest';
import { encodePem } from '../../src/codec/pem.ts';
import { days } from '../../src/core/clock.ts';
import { type Uuid, uuidNamespaces, uuidV5 } from '../../src/core/ids.ts';
import { systemRandom } from '../../src/core/random.ts';
import { approveDevice } from '../../src/operator/devices.ts';
import { createRoot } from '../../src/pki/authority.ts';
import { parseCertificate } from '../../src/pki/certificate.ts';
import type { Issuer } from '../../src/pki/issuer.ts';
import { manufacturerKeyId } from '../../src/pki/public-key.ts';
import { x509Attestation } from '../../src/provision/group.ts';
import { pinOf } from '../../src/provision/pins.ts';
import type { AceTemplate, Device, EnrollmentGroup } from '../../src/store/model.ts';
import { endEntity, newKey, selfSigned } from '../support/forge.ts';
import {
  chainEvidence,
  codeOf,
  endSession,
  openPipeline,
  openSession,
  type Pipeline,
  provision,
  testDevice,
  testHub,
  testIds,
  testStart,
} from '../support/provisioning.ts';

const now = testStart;
let pipeline: Pipeline;
afterEach(() => pipeline.close());

async function onlyDevice(): Promise<Device> {
  const [device] = await pipeline.store.devices({ limit: 1 });
  if (!device) throw new Error('no device');
  return device;
}

describe('a key that only a pin vouches for', () => {
  const key = newKey();
  const { der } = selfSigned(key, now, { subject: { organization: 'Acme', commonName: 'lamp-7' } });
  const { spki, serial } = parseCertificate(der);
  const keyId = manufacturerKeyId(spki);
  const pinned = chainEvidence([der], 'DEPTH_ZERO_SELF_SIGNED_CERT');
  const create = async (group: Partial<EnrollmentGroup>): Promise<void> => {
    pipeline = await openPipeline({
      group: { attestation: { x509: undefined, psk: [], pins: [pinOf(spki)] }, ...group },
    });
  };
  const come = async (): Promise<string> => {
    const session = await openSession(pipeline, pinned, now);
    const code = codeOf(await session.ownership(now));
    await endSession(session, now);
    return code;
  };
  const add = (list: 'allow' | 'preauthorized' | 'deny', device: EnrollmentGroup['allow'][number]): Promise<boolean> =>
    pipeline.store.commit({
      access: [{ groupId: pipeline.group.id, list, device, note: undefined, addedAt: now }],
    });

  test('is kept out by what it says, and let in by its key alone', async () => {
    await create({ admission: 'preauthorized' });
    await add('preauthorized', { by: 'serial', value: serial });
    await add('preauthorized', { by: 'subject', value: '*lamp-7' });
    expect(await come()).toBe('admit.not-preauthorized');
    await add('preauthorized', { by: 'key', value: keyId });
    expect(await come()).toBe('ok');
    expect((await onlyDevice()).manufacturer).toMatchObject({ subject: 'O=Acme, CN=lamp-7', unverified: true });
    await add('deny', { by: 'subject', value: '*lamp-7' });
    expect(await come()).toBe('admit.denied');
  });

  test('stays in, and lives on in its tokens, only by its key where there is an allow list', async () => {
    await create({ allow: [{ by: 'key', value: keyId }] });
    const device = testDevice(1);
    expect((await provision(pipeline, pinned, device, now)).map(codeOf)).toEqual(Array(5).fill('ok'));
    expect(await pipeline.provisioner.holds(device.deviceId)).toBe(true);
    await pipeline.configure({ groups: [{ ...pipeline.group, allow: [{ by: 'serial', value: serial }] }] });
    expect(await pipeline.provisioner.holds(device.deviceId)).toBe(false);
  });

  test('gets no hub by its serial, no device id and no access by its subject', async () => {
    const second: Uuid = '0b8a5d39-3c39-4a3b-9b0f-1f6a3c2d4e5f';
    const devices = [{ device: { by: 'serial', value: serial }, hub: second }] as const;
    const role = (text: string): AceTemplate => ({
      subject: { type: 'role', role: text, authority: undefined },
      permission: 2,
      resources: [{ wildcard: '*' }],
    });
    const changes: Partial<EnrollmentGroup> = {
      hubs: [testIds.hub, second],
      allocation: { type: 'static', devices },
      acl: [role(`\${cert.subject.cn}`)],
    };
    await create(changes);
    const group = { ...pipeline.group, ...changes };
    await pipeline.configure({ hubs: [testHub({ id: second, name: 'second' })] });
    const session = await openSession(pipeline, pinned, now);
    const { deviceId } = testDevice(1);
    expect(await session.cloud({ deviceId }, now)).toMatchObject({ value: { gateway: { hubId: testIds.hub } } });
    expect(codeOf(await session.acls(now))).toBe('service.config');

    const template = (text: string) => ({ ...group, deviceIds: { type: 'template', template: text } as const });
    await pipeline.configure({ groups: [template(`urn:acme:\${cert.subject.cn}`)] });
    const other = await openSession(pipeline, pinned, now);
    expect(await other.cloud({ deviceId: testDevice(2).deviceId }, now)).toMatchObject({
      refusal: {
        code: 'bind.device-id-policy',
        evidence: { missing: 'cert.subject.cn', because: expect.stringContaining('only a pin vouches') },
      },
    });
    await pipeline.configure({ groups: [template(`urn:acme:\${key.id}`)] });
    const demanded = uuidV5(uuidNamespaces.url, `urn:acme:${keyId}`);
    expect(codeOf(await other.cloud({ deviceId: demanded }, now))).toBe('ok');
    await endSession(session, now);
    await endSession(other, now);
  });
});

test('a device that another group has let in waits for approval in a manual one, and keeps what it was given until then', async () => {
  const pki = { now: now - days(20), random: systemRandom, name: 'x' };
  const [lab, field] = [createRoot('Lab Root', pki), createRoot('Field Root', pki)];
  const trusting = ({ certificate }: Issuer) => ({
    x509: x509Attestation({ anchors: [encodePem('CERTIFICATE', certificate.der)] }),
    psk: [],
    pins: [],
  });
  pipeline = await openPipeline({ group: { name: 'lab', attestation: trusting(lab) } });
  const manual = { id: testIds.owner, name: 'field', admission: 'manual' } as const;
  await pipeline.configure({ groups: [{ ...pipeline.group, ...manual, attestation: trusting(field) }] });
  const key = newKey();
  const by = (root: Issuer) => chainEvidence([endEntity(root, 'Acme', now, { key }).der, root.certificate.der]);
  const device = testDevice(1);
  const run = async (root: Issuer): Promise<string> =>
    codeOf((await provision(pipeline, by(root), device, now))[3] ?? { ok: true, value: undefined });

  expect(await run(lab)).toBe('ok');
  expect(await run(field)).toBe('admit.pending');
  const waits = await onlyDevice();
  expect(waits).toMatchObject({ state: 'pending', groupId: manual.id });
  expect(waits.lineage.slice(-2)).toMatchObject([
    { event: 'group', facts: { group: 'field' } },
    { event: 'state', facts: { from: 'active', state: 'pending' } },
  ]);
  expect((await pipeline.store.credentials(waits.keyId)).map(({ revoked }) => revoked)).toEqual([undefined]);
  expect(await pipeline.provisioner.holds(device.deviceId)).toBe(false);

  const actor = { kind: 'operator', name: 'anna', from: 'test' } as const;
  await approveDevice({ store: pipeline.store, now: () => now, actor }, waits.keyId, {});
  expect(await run(field)).toBe('ok');
  expect(await pipeline.provisioner.holds(device.deviceId)).toBe(true);
});
