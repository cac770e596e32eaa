import fc from 'fast-check';
import { beforeAll, describe, expect, test } from 'vitest';
import { encodePem } from '../../src/codec/pem.ts';
import { groupDocument, policyDocument } from '../../src/config/document.ts';
import { readPolicyFile } from '../../src/config/policy.ts';
import { days, seconds } from '../../src/core/clock.ts';
import { enrollmentGroup, x509Attestation } from '../../src/provision/group.ts';
import { ownerNamed } from '../../src/provision/owner.ts';
import type { DeviceSelector, EnrollmentGroup, Hub, HubAllocation } from '../../src/store/model.ts';
import { makeCertificate, makeCrl } from '../support/chains.ts';

/** What a store may hold of certificates; made once, they are slow to make. */
const material = { root: '', line: '', crl: '' };

beforeAll(async () => {
  const root = await makeCertificate({ subject: 'O=Acme, CN=Acme Root', ca: true });
  const line = await makeCertificate({ subject: 'O=Acme, CN=Line 2', ca: true, issuer: root });
  material.root = encodePem('CERTIFICATE', root.der);
  material.line = encodePem('CERTIFICATE', line.der);
  material.crl = encodePem('X509 CRL', await makeCrl(root, [line]));
});

const word = fc.string({ minLength: 1, maxLength: 20 }).filter((text) => !/\p{Cc}/u.test(text));
const hex = (bytes: number) =>
  fc.uint8Array({ minLength: bytes, maxLength: bytes }).map((b) => Buffer.from(b).toString('hex'));
const secret = fc.uint8Array({ minLength: 16, maxLength: 64 }).map((bytes) => Buffer.from(bytes).toString('base64'));
const uuid = fc.uuid();
const selector: fc.Arbitrary<DeviceSelector> = fc.oneof(
  uuid.map((value) => ({ by: 'key' as const, value })),
  hex(8).map((value) => ({ by: 'serial' as const, value: `7f${value}` })),
  word.map((value) => ({ by: 'subject' as const, value })),
);
const life = fc.integer({ min: 1, max: 10 * days(365) });

const allocationOf = (hubs: readonly string[]): fc.Arbitrary<HubAllocation> => {
  const one = fc.constantFrom(...hubs);
  return fc.oneof(
    fc.constant<HubAllocation>({ type: 'first' }),
    fc.constant<HubAllocation>({ type: 'hashed' }),
    fc
      .record({ hub: one, weight: fc.integer({ min: 1, max: 100 }) })
      .map(({ hub, weight }): HubAllocation => ({ type: 'weighted', weights: { [hub]: weight } })),
    fc
      .array(fc.record({ device: selector, hub: one }), { maxLength: 3 })
      .map((devices): HubAllocation => ({ type: 'static', devices })),
    fc
      .integer({ min: 100, max: seconds(15) })
      .map(
        (timeout): HubAllocation => ({ type: 'webhook', url: 'https://a.example/hub', timeout, secretFile: undefined }),
      ),
  );
};

const entry: fc.Arbitrary<NonNullable<EnrollmentGroup['acl']>[number]> = fc
  .record({
    subject: fc.oneof(
      fc
        .constantFrom('${owner.id}', '${hub.id}', '${device.id}', '${cert.subject.cn}')
        .map((text) => ({ type: 'uuid' as const, uuid: text })),
      uuid.map((text) => ({ type: 'uuid' as const, uuid: text })),
      fc.constantFrom('anon-clear', 'auth-crypt').map((kind) => ({ type: 'connection' as const, kind })),
      fc
        .record({ type: fc.constant('role' as const), role: word, authority: fc.option(word, { nil: undefined }) })
        .filter(({ role, authority }) => !`${role}${authority}`.includes('${')),
    ),
    permission: fc.integer({ min: 1, max: 31 }),
    resources: fc.array(
      fc.oneof(
        word.map((text) => ({ href: `/${text}` })),
        fc.constantFrom('*', '+', '-').map((wildcard) => ({ wildcard })),
      ),
      { minLength: 1, maxLength: 3 },
    ),
  })
  .filter(({ resources }) => !JSON.stringify(resources).includes('${')) as never;

const groups: fc.Arbitrary<EnrollmentGroup> = fc
  .uniqueArray(uuid, { minLength: 1, maxLength: 3 })
  .chain((hubs) =>
    fc.record({
      id: uuid,
      name: word,
      owner: fc.oneof(word, uuid).map(ownerNamed),
      enabled: fc.boolean(),
      hubs: fc.constant(hubs),
      allocation: allocationOf(hubs),
      admission: fc.constantFrom('auto', 'manual', 'preauthorized'),
      allow: fc.array(selector, { maxLength: 3 }),
      deny: fc.array(selector, { maxLength: 3 }),
      certificate: fc.record({
        keys: fc.shuffledSubarray(['P-256', 'P-384', 'Ed25519'], { minLength: 1 }),
        life,
        usages: fc.shuffledSubarray(['clientAuth', 'serverAuth', 'ocfIdentity'], { minLength: 1 }),
      }),
      deviceIds: fc.constantFrom({ type: 'own' }, { type: 'template', template: 'urn:${key.id}: #x' }),
      acl: fc.option(fc.array(entry, { minLength: 1, maxLength: 4 }), { nil: undefined }),
      ownerKey: fc.oneof(
        fc.constant({ ownerPsk: undefined }),
        secret.map((ownerPsk) => ({ ownerPsk })),
        secret.map((ownerPsk) => ({ ownerPsk, ownerPskShared: true })),
      ),
      payload: fc
        .option(
          fc.dictionary(
            word.filter((key) => key !== '__proto__'),
            fc.jsonValue({ maxDepth: 2 }),
            { maxKeys: 3 },
          ),
          { nil: undefined },
        )
        .map((payload) => payload && JSON.parse(JSON.stringify(payload))),
      reprovisioning: fc.constantFrom('migrate', 'keep', 'never'),
      clones: fc.constantFrom('alarm', 'quarantine'),
      trusted: fc.boolean(),
      grace: fc.integer({ min: 0, max: days(4000) }),
      psk: fc.uniqueArray(fc.record({ identity: word, key: secret, derived: fc.boolean() }), {
        maxLength: 2,
        selector: ({ identity }) => identity,
      }),
      pins: fc.array(hex(32), { minLength: 1, maxLength: 2 }),
    }),
  )
  .map(({ trusted, grace, psk, pins, ownerKey, ...rest }) =>
    enrollmentGroup({
      ...rest,
      ...ownerKey,
      attestation: {
        x509: trusted
          ? x509Attestation({
              anchors: [material.root],
              leads: [material.line],
              intermediates: [material.line],
              crls: [material.crl],
              crlUrls: ['http://a.example/x.crl'],
              expiredGrace: grace,
            })
          : undefined,
        psk,
        pins,
      },
    } as never),
  );

describe('a group that is written as YAML', () => {
  test('is the same group when it is read', () => {
    fc.assert(
      fc.property(groups, (group) => {
        const text = groupDocument(group, { secrets: true });
        expect(readPolicyFile(text, 'group.yaml', '.', { hubs: group.hubs }).groups).toEqual([group]);
      }),
      { seed: 1, numRuns: 150 },
    );
  });

  test('without its secrets holds none of them, and is not taken back', () => {
    fc.assert(
      fc.property(groups, (group) => {
        const { psk } = group.attestation;
        fc.pre(psk.length > 0 || group.ownerPsk !== undefined);
        const text = groupDocument(group);
        for (const key of [...psk.map((found) => found.key), group.ownerPsk ?? 'none']) {
          expect(text).not.toContain(Buffer.from(key, 'base64').toString('hex'));
        }
        expect(text).toContain('null # a secret: left out');
        expect(() => readPolicyFile(text, 'group.yaml', '.', { hubs: group.hubs })).toThrow(/key|ownerPsk/);
      }),
      { seed: 1, numRuns: 40 },
    );
  });

  test('with its hubs stands for itself', () => {
    const hub: Hub = {
      id: '11111111-2222-4333-8444-555555555555',
      name: 'production',
      gateways: ['coaps+tcp://hub.example.com:5684'],
      provider: 'plgd',
      authorization: { type: 'built-in' },
      source: 'file',
      ownerId: undefined,
      revision: 0,
    };
    const group = enrollmentGroup({
      id: '11111111-2222-4333-8444-666666666666',
      name: 'washers',
      owner: ownerNamed('acme'),
      hubs: [hub.id],
      attestation: { x509: x509Attestation({ anchors: [material.root] }) },
    });
    const policy = { groups: [group], hubs: [hub] };
    expect(readPolicyFile(policyDocument(policy), 'policy.yaml', '.')).toMatchObject(policy);
  });
});
