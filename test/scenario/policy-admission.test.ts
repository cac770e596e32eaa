import { createHash } from 'node:crypto';
import { afterEach, describe, expect, test } from 'vitest';
import { encodePem } from '../../src/codec/pem.ts';
import { minutes, seconds } from '../../src/core/clock.ts';
import { addAccess, removeAccess } from '../../src/operator/access.ts';
import type { OperatorDeps } from '../../src/operator/change.ts';
import {
  approveDevice,
  decommissionDevice,
  disableDevice,
  enableDevice,
  quarantineDevice,
  releaseDevice,
} from '../../src/operator/devices.ts';
import { parseCertificate } from '../../src/pki/certificate.ts';
import { x509Attestation } from '../../src/provision/group.ts';
import type { Attempt, Device, EnrollmentGroup } from '../../src/store/model.ts';
import { attemptsOf, bootDevice, isProvisioned, manufacturerOf, pass, schemes, visit } from '../support/booting.ts';
import { manufacturer } from '../support/enrollment.ts';
import { type IdentityName, makeIdentities } from '../support/identities.ts';
import { World, type WorldOptions, worldStart } from '../support/world.ts';

let world: World;
afterEach(() => world.close());

const create = async (group: Partial<EnrollmentGroup> = {}, options: WorldOptions = {}): Promise<World> => {
  world = await World.create({
    settings: (settings) => ({ ...settings, groups: settings.groups.map((row) => ({ ...row, ...group })) }),
    ...options,
  });
  return world;
};

const operator = (): OperatorDeps => ({
  store: world.store,
  now: () => world.timers.now(),
  actor: { kind: 'operator', name: 'anna', from: 'test' },
  policyChanged: async () => {
    await world.provisioner.policy.refresh();
  },
});

const theGroup = (): EnrollmentGroup => {
  const [group] = world.settings.groups;
  if (!group) throw new Error('no group');
  return group;
};

const theDevice = async (): Promise<Device> => {
  const [device] = await world.store.devices({ limit: 1 });
  if (!device) throw new Error('no device');
  return device;
};

const provisioned = (device: Parameters<typeof isProvisioned>[0]) =>
  world.run(() => isProvisioned(device), minutes(20));

const closings = (attempts: readonly Attempt[]): (string | undefined)[] =>
  attempts.flatMap(({ entries }) =>
    entries.flatMap((entry) => (entry.type === 'closed' ? [entry.refusal?.code ?? entry.verdict] : [])),
  );

const serialOf = (at = 0): string => parseCertificate(manufacturerOf(world, at).chain[0] ?? new Uint8Array()).serial;

describe.each(schemes)('over %s', (scheme) => {
  test('a device that has to be approved gets 5.03, keeps its place, and comes in at the next try after its approval', async () => {
    await create({ admission: 'manual' });
    const device = await bootDevice({ world, scheme });
    await pass(world, minutes(5));
    expect(isProvisioned(device)).toBe(false);
    const waiting = await theDevice();
    expect(waiting).toMatchObject({ state: 'pending', createdAt: expect.any(Number), generation: 0 });
    expect(waiting.lastSeenAt).toBeGreaterThan(waiting.createdAt + minutes(2));
    const tries = await attemptsOf(world);
    expect(tries.length).toBeGreaterThan(2);
    expect(new Set(closings(tries))).toEqual(new Set(['admit.pending']));
    const codes = tries.flatMap(({ entries }) => entries.flatMap((e) => (e.type === 'exchange' ? [e.code] : [])));
    expect(new Set(codes)).toEqual(new Set([503]));

    await approveDevice(operator(), waiting.keyId, { reason: 'ours' });
    expect(await provisioned(device)).toBe(true);
    const active = await theDevice();
    expect(active).toMatchObject({ state: 'active', createdAt: waiting.createdAt });
    expect(active.lineage.map(({ event }) => event)).toEqual(['enrolled', 'state', 'generation']);
  });

  test.each([
    ['quarantined', quarantineDevice, releaseDevice],
    ['disabled', disableDevice, enableDevice],
    ['decommissioned', decommissionDevice, approveDevice],
  ] as const)(
    'a device that is %s in the middle of its session gets nothing more until that is taken back',
    async (state, hold, free) => {
      await create(
        {},
        {
          fault: ({ path }, n) =>
            path.at(-1) === 'credentials' && n === 0 ? { type: 'delay', ms: seconds(5) } : undefined,
        },
      );
      const device = await bootDevice({ world, scheme });
      await world.run(() => (world.requests.get('credentials') ?? 0) > 0);
      const { keyId } = await theDevice();
      await hold(operator(), keyId, { reason: 'looks odd' });
      await pass(world, minutes(2));
      expect(device.state.credentials).toBeUndefined();
      expect(await world.store.credentials(keyId)).toEqual([]);
      expect(await theDevice()).toMatchObject({ state, stateReason: 'looks odd' });
      expect(closings(await attemptsOf(world))).toContain(`admit.${state}`);

      await free(operator(), keyId, { reason: 'is all right' });
      expect(await provisioned(device)).toBe(true);
    },
  );

  test('a pinned key is let in although nobody known has signed its certificate, or long ago', async () => {
    const { named } = makeIdentities(worldStart);
    for (const name of ['selfSigned', 'expired', 'unknownAuthority', 'sha1Signature', 'serverUsageOnly'] as const) {
      await create({ attestation: { x509: undefined, psk: [], pins: [pinOf(named[name].chain[0])] } });
      const device = await bootDevice({ world, scheme, manufacturer: named[name] });
      expect([name, await provisioned(device)]).toEqual([name, true]);
      await world.close();
    }
    await create();
  });
});

test.each(schemes)('pins change nothing for anybody else over %s: same codes, no session', async (scheme) => {
  const { named, anchors, crls } = makeIdentities(worldStart);
  const acme = manufacturer({ anchors, crls });
  await create({ attestation: { psk: [], x509: undefined, ...acme, pins: [pinOf(named.selfSigned.chain[0])] } });
  const outcomes: Record<string, string> = {};
  const expected: Record<string, string> = {};
  for (const name of Object.keys(named) as IdentityName[]) {
    if (name === 'selfSigned') continue;
    const { expected: wanted } = named[name];
    expected[name] = wanted === 'accepted' ? '205' : wanted;
    const session = await visit({ world, scheme, identity: named[name] });
    const answer = await session.ask({ method: 'GET', path: ['x.plgd.dev', 'time'], accept: 10_000 });
    session.close();
    await pass(world, minutes(10));
    if (answer && answer.code < 300) outcomes[name] = String(answer.code);
    else outcomes[name] = closings(await attemptsOf(world)).at(-1) ?? 'nothing';
  }
  expect(outcomes).toEqual(expected);
  const accepted = Object.values(named).filter((identity) => identity.expected === 'accepted');
  expect(await world.store.devices({ limit: 100 })).toHaveLength(accepted.length);
});

describe('who is preauthorized', () => {
  test('comes in at once, and nobody else leaves a record', async () => {
    await create({ admission: 'preauthorized' }, { devices: 2 });
    const device = { by: 'serial', value: serialOf(1) } as const;
    await addAccess(operator(), { group: theGroup().name, list: 'preauthorized', device, note: 'delivery 12' });
    const stranger = await bootDevice({ world });
    const ours = await bootDevice({ world, manufacturer: manufacturerOf(world, 1) });
    expect(await provisioned(ours)).toBe(true);
    await pass(world, minutes(5));
    expect(isProvisioned(stranger)).toBe(false);
    expect(closings(await attemptsOf(world))).toContain('admit.not-preauthorized');
    const devices = await world.store.devices({ limit: 10 });
    expect(devices.map(({ manufacturer: { serial } }) => serial)).toEqual([serialOf(1)]);
    expect(devices[0]?.lineage[0]).toMatchObject({ event: 'enrolled', facts: { by: 'preauthorized' } });

    // It stays in when it is taken off the list: it has been approved.
    await removeAccess(operator(), { group: theGroup().name, list: 'preauthorized', device });
    ours.factoryReset();
    expect(await provisioned(ours)).toBe(true);
  });

  test('comes in without being asked for where others have to wait', async () => {
    await create({ admission: 'manual' });
    const device = { by: 'subject', value: 'O=*' } as const;
    await addAccess(operator(), { group: theGroup().name, list: 'preauthorized', device });
    expect(await provisioned(await bootDevice({ world }))).toBe(true);
  });

  test('later comes in later: a waiting device needs no other approval', async () => {
    await create({ admission: 'manual' });
    const device = await bootDevice({ world });
    await pass(world, minutes(1));
    const { keyId } = await theDevice();
    await addAccess(operator(), { group: theGroup().name, list: 'preauthorized', device: { by: 'key', value: keyId } });
    expect(await provisioned(device)).toBe(true);
  });
});

test('a group that does not ask for approval any more lets those in that wait', async () => {
  await create({ admission: 'manual' }, { devices: 2 });
  const first = await bootDevice({ world });
  await pass(world, minutes(1));
  expect((await theDevice()).state).toBe('pending');
  await world.changePolicy({ groups: [{ ...theGroup(), admission: 'auto' }] });
  const second = await bootDevice({ world, manufacturer: manufacturerOf(world, 1) });
  expect(await provisioned(first)).toBe(true);
  expect(await provisioned(second)).toBe(true);
  const active = (await world.store.devices({ limit: 10 })).map(({ state }) => state);
  expect(active).toEqual(['active', 'active']);
});

describe('lists', () => {
  test.each([
    ['a serial number in the group', () => ({ deny: [{ by: 'serial', value: serialOf() } as const] }), 'admit.denied'],
    ['a subject pattern in the group', () => ({ deny: [{ by: 'subject', value: '*' } as const] }), 'admit.denied'],
    ['not being allowed', () => ({ allow: [{ by: 'subject', value: 'CN=nobody*' } as const] }), 'admit.not-allowed'],
  ])('a device is kept out by %s, and comes in when that is changed', async (_, lists, code) => {
    await create();
    await world.changePolicy({ groups: [{ ...theGroup(), ...lists() }] });
    const device = await bootDevice({ world });
    await pass(world, minutes(3));
    expect(isProvisioned(device)).toBe(false);
    expect(new Set(closings(await attemptsOf(world)))).toEqual(new Set([code]));
    expect(await world.store.devices({ limit: 10 })).toEqual([]);
    await world.changePolicy({ groups: [theGroup()] });
    expect(await provisioned(device)).toBe(true);
  });

  test('who is allowed by a pattern comes in, and the deny list beats that', async () => {
    await create({ allow: [{ by: 'subject', value: '*CN=*' }] });
    const device = await bootDevice({ world });
    expect(await provisioned(device)).toBe(true);
    const { keyId } = await theDevice();
    const selector = { by: 'key', value: keyId } as const;
    await addAccess(operator(), { group: theGroup().name, list: 'deny', device: selector, note: 'recalled' });
    device.factoryReset();
    await pass(world, minutes(3));
    expect(isProvisioned(device)).toBe(false);
    const refusal = (await attemptsOf(world))
      .at(-1)
      ?.entries.flatMap((entry) => (entry.type === 'stage' && entry.refusal ? [entry.refusal] : []))
      .at(-1);
    expect(refusal).toMatchObject({
      code: 'admit.denied',
      evidence: { list: 'deny', writtenIn: 'the list', by: 'key', value: keyId, note: 'recalled' },
      fix: expect.stringContaining(`--list deny --key ${keyId}`),
    });
  });

  test('a device that is denied in the middle of its session gets nothing more', async () => {
    await create(
      {},
      { fault: ({ path }) => (path.at(-1) === 'credentials' ? { type: 'delay', ms: seconds(5) } : undefined) },
    );
    const device = await bootDevice({ world });
    await world.run(() => (world.requests.get('credentials') ?? 0) > 0);
    const { keyId } = await theDevice();
    await addAccess(operator(), { group: theGroup().name, list: 'deny', device: { by: 'key', value: keyId } });
    await pass(world, minutes(1));
    expect(device.state.credentials).toBeUndefined();
    expect(closings(await attemptsOf(world))).toContain('admit.denied');
  });
});

describe('groups that share an anchor', () => {
  const another = (changes: Partial<EnrollmentGroup>): EnrollmentGroup => ({
    ...theGroup(),
    id: '11111111-2222-4333-8444-555555555555',
    name: 'another',
    ...changes,
  });
  const anchored = (anchor: Uint8Array, leads: readonly Uint8Array[] = []) => ({
    psk: [],
    pins: [],
    x509: x509Attestation({
      anchors: [encodePem('CERTIFICATE', anchor)],
      leads: leads.map((der) => encodePem('CERTIFICATE', der)),
    }),
  });
  const groupNow = async (): Promise<string | undefined> =>
    world.provisioner.policy.current.groups.get((await theDevice()).groupId)?.name;

  test('are told apart by their lead certificates', async () => {
    await create();
    const { root, intermediate } = world.pki.manufacturer;
    const leading = another({ attestation: anchored(root.certificate.der, [intermediate.certificate.der]) });
    const other = { ...theGroup(), attestation: anchored(root.certificate.der, [world.pki.serviceCa.certificate.der]) };
    await world.changePolicy({ groups: [leading, other] });
    expect(await provisioned(await bootDevice({ world }))).toBe(true);
    expect(await groupNow()).toBe('another');
  });

  test.each([
    ['keep', 'development devices'],
    ['never', 'development devices'],
    ['migrate', 'another'],
  ] as const)('and a nearer one that comes later: under %s a device goes to %s', async (reprovisioning, expected) => {
    await create({ reprovisioning });
    const device = await bootDevice({ world });
    expect(await provisioned(device)).toBe(true);
    const nearer = another({
      reprovisioning,
      attestation: anchored(world.pki.manufacturer.intermediate.certificate.der),
    });
    await world.changePolicy({ groups: [nearer] });
    const session = await visit({ world, scheme: 'coaps+tcp', identity: manufacturerOf(world) });
    await session.ask({ method: 'GET', path: ['x.plgd.dev', 'time'], accept: 10_000 });
    session.close();
    await pass(world, seconds(5));
    expect(await groupNow()).toBe(expected);
    const moves = (await theDevice()).lineage.filter(({ event }) => event === 'group');
    expect(moves).toHaveLength(expected === 'another' ? 1 : 0);
  });
});

function pinOf(der: Uint8Array | undefined): string {
  const { spki } = parseCertificate(der ?? new Uint8Array());
  return createHash('sha256').update(spki).digest('hex');
}
