import { createHash, generateKeyPairSync } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { encodePem } from '../../../src/codec/pem.ts';
import { toHex, utf8 } from '../../../src/core/bytes.ts';
import { days, type Millis } from '../../../src/core/clock.ts';
import { uuidNamespaces, uuidV5 } from '../../../src/core/ids.ts';
import { silentLog } from '../../../src/core/log.ts';
import { systemRandom } from '../../../src/core/random.ts';
import { createIssuing, createRoot, expectIssued } from '../../../src/pki/authority.ts';
import { type Certificate, parseCertificate } from '../../../src/pki/certificate.ts';
import { issueCertificate, issueRoot, randomSerial } from '../../../src/pki/issue.ts';
import type { Issuer } from '../../../src/pki/issuer.ts';
import { profiles } from '../../../src/pki/profile.ts';
import { manufacturerKeyId, parsePublicKey, spkiOf } from '../../../src/pki/public-key.ts';
import { createCrl } from '../../../src/pki/revocation.ts';
import { attest, pskKeyId } from '../../../src/provision/attest.ts';
import { x509Attestation } from '../../../src/provision/group.ts';
import { explainHandshake } from '../../../src/provision/handshake.ts';
import { match } from '../../../src/provision/match.ts';
import { compilePolicy, type Policy } from '../../../src/provision/policy.ts';
import { keyOfPsk } from '../../../src/provision/psk.ts';
import type { EnrollmentGroup, FetchedCrl, GroupAttestation } from '../../../src/store/model.ts';
import { codeOf, pskEvidence, testStart } from '../../support/provisioning.ts';
import { someDevice, someGroup, someHub } from '../../support/store-records.ts';

const now = testStart;
const deps = (name: string) => ({ now, random: systemRandom, name });

const root = createRoot('Acme Root', deps('Acme'));
const intermediate = createIssuing('Acme Lamps', root, deps('Acme'));
const stranger = createRoot('Stranger Root', deps('Stranger'));
/** The same name as Acme's root, another key. */
const lookAlike = createRoot('Acme Root', deps('Acme'));
const device = leafUnder(intermediate, now);

function leafUnder(issuer: Issuer, issuedAt: Millis): Certificate {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
  return expectIssued(
    issueCertificate({
      profile: profiles.manufacturerDevice,
      subject: { organization: 'Acme', commonName: 'lamp-1' },
      publicKey: parsePublicKey(spkiOf(privateKey)),
      issuer,
      now: issuedAt,
      serial: randomSerial(systemRandom),
    }),
  );
}

/** Acme's root, renewed: same name and key, another certificate. */
const renewedRoot = expectIssued(
  issueRoot({
    profile: profiles.rootCa,
    subject: { organization: 'Acme', commonName: 'Acme Root' },
    privateKey: root.privateKey,
    now: now + days(1),
    serial: randomSerial(systemRandom),
  }),
);

const group = (id: number, anchors: readonly Certificate[], changes: Partial<EnrollmentGroup> = {}, expiredGrace = 0) =>
  someGroup(id, {
    attestation: attestationOf({ anchors: pems(anchors), expiredGrace }),
    ...changes,
  });

const pems = (certificates: readonly Certificate[]): string[] =>
  certificates.map(({ der }) => encodePem('CERTIFICATE', der));

const attestationOf = (
  x509: Parameters<typeof x509Attestation>[0] | undefined,
  more: Partial<GroupAttestation> = {},
): GroupAttestation => ({ x509: x509 && x509Attestation(x509), psk: [], pins: [], ...more });

const policyOf = (...groups: readonly EnrollmentGroup[]): Policy => compilePolicy(groups, [someHub(9)], silentLog);

const path = [device, intermediate.certificate, root.certificate].map(({ der }) => der);

const peer = (
  errors: readonly { readonly depth: number; readonly code: string; readonly certificate: Uint8Array }[] = [],
) => ({
  version: 'TLSv1.2',
  cipherSuite: 'x',
  chain: { presented: path.slice(0, 2), path, errors: errors.map((error) => ({ ...error, text: 'found' })) },
  pskIdentity: undefined,
  handshakeTime: 1,
});

describe('attest', () => {
  const policy = policyOf(group(1, [root.certificate]));

  test('a valid chain is named by its key', () => {
    expect(attest(peer(), policy, now)).toMatchObject({
      ok: true,
      value: {
        mechanism: 'x509',
        keyId: manufacturerKeyId(device.spki),
        subject: 'O=Acme, CN=lamp-1',
        expiredSince: undefined,
      },
    });
  });

  test('an expired leaf passes here with its date: the group decides', () => {
    const expired = attest(peer([{ depth: 0, code: 'CERT_HAS_EXPIRED', certificate: device.der }]), policy, now);
    expect(expired).toMatchObject({ ok: true, value: { expiredSince: device.notAfter } });
  });

  test.each([
    ['an expired intermediate', 1, 'CERT_HAS_EXPIRED', 'attest.authority-expired'],
    ['a leaf that is not valid yet', 0, 'CERT_NOT_YET_VALID', 'attest.not-yet-valid'],
    ['a revoked leaf', 0, 'CERT_REVOKED', 'attest.revoked'],
    ['a bad signature', 0, 'CERT_SIGNATURE_FAILURE', 'attest.bad-signature'],
  ])('%s is refused', (_, depth, code, expected) => {
    const certificate = path[depth] ?? device.der;
    expect(codeOf(attest(peer([{ depth, code, certificate }]), policy, now))).toBe(expected);
  });

  test('an expired leaf that is revoked as well is refused', () => {
    const errors = ['CERT_HAS_EXPIRED', 'CERT_REVOKED'].map((code) => ({ depth: 0, code, certificate: device.der }));
    expect(codeOf(attest(peer(errors), policy, now))).toBe('attest.revoked');
  });

  test('a peer without certificate and key is refused', () => {
    expect(codeOf(attest({ ...peer(), chain: undefined }, policy, now))).toBe('attest.no-certificate');
  });

  test('a pre-shared key counts within its group', () => {
    const psk = [{ identity: 'lamp', key: 'MDEyMzQ1Njc4OWFiY2RlZg==', derived: false }];
    const one = someGroup(1, { attestation: attestationOf(undefined, { psk }) });
    const two = someGroup(2, { attestation: attestationOf(undefined, { psk }), enabled: false });
    expect(attest(pskEvidence('lamp'), policyOf(one, two), now)).toMatchObject({
      value: { mechanism: 'psk', keyId: pskKeyId(one.id, 'lamp'), groupId: one.id },
    });
    expect(pskKeyId(one.id, 'lamp')).not.toBe(pskKeyId(two.id, 'lamp'));
    expect(attest(pskEvidence('l\u0007mp'), policyOf(one), now)).toMatchObject({
      refusal: { code: 'attest.unknown-psk', evidence: { identity: '0x6c076d70' } },
    });
  });
});

describe('match', () => {
  const matched = (policy: Policy, at = now, expired = false) => {
    const errors = expired ? [{ depth: 0, code: 'CERT_HAS_EXPIRED', certificate: device.der }] : [];
    const attestation = attest(peer(errors), policy, at);
    if (!attestation.ok) throw new Error(attestation.refusal.code);
    return match(attestation.value, policy, at);
  };
  const nameOf = (policy: Policy, at = now, expired = false) => {
    const decision = matched(policy, at, expired);
    return decision.ok ? decision.value.group.name : decision.refusal.code;
  };

  const whole = group(1, [root.certificate], { name: 'all of Acme' });
  const lamps = group(2, [intermediate.certificate], { name: 'lamps' });
  const others = group(3, [stranger.certificate], { name: 'strangers' });

  test.each([
    ['its root', [others, whole], 'all of Acme'],
    ['its intermediate', [others, lamps], 'lamps'],
    ['both: the one nearer to the leaf wins', [whole, lamps], 'lamps'],
    ['the nearer one even when it is disabled: admit says so', [whole, { ...lamps, enabled: false }], 'lamps'],
    ['a renewed certificate of its root', [group(4, [renewedRoot], { name: 'renewed' })], 'renewed'],
    ['an authority that only bears the name', [group(5, [lookAlike.certificate])], 'match.no-group'],
    ['nothing', [], 'match.no-group'],
  ])('groups that have %s', (_, groups, expected) => {
    expect(nameOf(policyOf(...groups))).toBe(expected);
  });

  test('between groups with the same anchor enabled ones come first, then the lower id; the record says that there were more', () => {
    const twins = [1, 2, 3].map((k) =>
      group(k, [root.certificate], { name: `twin ${k}`, id: `0000000${k}-0000-4000-8000-000000000000` }),
    );
    const [first, second, third] = twins.map((twin, k) => ({ ...twin, enabled: k > 0 }));
    if (!first || !second || !third) throw new Error('three');
    expect(matched(policyOf(third, first, second))).toMatchObject({
      value: { group: { name: 'twin 2' }, by: { alsoMatched: 2, depth: 2, anchor: 'O=Acme, CN=Acme Root' } },
    });
  });

  test('a refusal names the group that comes nearest, by key id before name', () => {
    const byName = group(5, [lookAlike.certificate], { name: 'name only' });
    expect(matched(policyOf(byName))).toMatchObject({
      refusal: { evidence: { nearestGroup: 'name only', because: 'it has the name of the issuer' } },
    });
    expect(matched(policyOf(others))).not.toMatchObject({ refusal: { evidence: { nearestGroup: expect.anything() } } });
  });

  test('an expired leaf is taken within the grace of its group, to the millisecond', () => {
    const lenient = policyOf(group(6, [root.certificate], { name: 'lenient' }, days(30)));
    const end = device.notAfter;
    expect(nameOf(lenient, end + days(30), true)).toBe('lenient');
    expect(nameOf(lenient, end + days(30) + 1, true)).toBe('attest.expired');
    expect(nameOf(policyOf(whole), end + 1, true)).toBe('attest.expired');
  });
});

describe('lead certificates', () => {
  const nameOf = (policy: Policy, chain = peer()) => {
    const attestation = attest(chain, policy, now);
    if (!attestation.ok) throw new Error(attestation.refusal.code);
    const decision = match(attestation.value, policy, now);
    return decision.ok ? decision.value.group.name : decision.refusal.code;
  };
  const led = (id: number, name: string, leads: readonly Certificate[], changes: Partial<EnrollmentGroup> = {}) =>
    someGroup(id, {
      name,
      attestation: attestationOf({ anchors: pems([root.certificate]), leads: pems(leads) }),
      ...changes,
    });
  const lamps = led(1, 'lamps', [intermediate.certificate]);
  const pumps = led(2, 'pumps', [createIssuing('Acme Pumps', root, deps('Acme')).certificate]);
  const all = group(3, [root.certificate], { name: 'all of Acme' });

  test('one of them has to be in the path, an anchor is not enough', () => {
    expect(nameOf(policyOf(pumps, lamps))).toBe('lamps');
    expect(nameOf(policyOf(pumps))).toBe('match.no-group');
    expect(nameOf(policyOf(pumps, all))).toBe('all of Acme');
  });

  test('a group with a lead is nearer than one with the anchor alone', () => {
    expect(nameOf(policyOf(all, lamps))).toBe('lamps');
  });

  test('a lead without an anchor above it takes nobody', () => {
    const attestation = attestationOf({
      anchors: pems([stranger.certificate]),
      leads: pems([intermediate.certificate]),
    });
    expect(nameOf(policyOf(led(4, 'odd', [], { attestation })))).toBe('match.no-group');
  });

  test('the refusal names the group whose anchor is in the path', () => {
    const attestation = attest(peer(), policyOf(pumps), now);
    expect(attestation.ok && match(attestation.value, policyOf(pumps), now)).toMatchObject({
      refusal: { evidence: { nearestGroup: 'pumps', because: expect.stringContaining('lead') } },
    });
  });

  test('a path that ends at a nearer anchor of another group still leads to those above it', () => {
    const near = group(5, [intermediate.certificate], { name: 'near', enabled: false });
    const short = { ...peer(), chain: { presented: path.slice(0, 1), path: path.slice(0, 2), errors: [] } };
    expect(nameOf(policyOf(lamps, near), short)).toBe('lamps');
    const faked = group(6, [lookAlike.certificate], { name: 'only the name' });
    const kept = someDevice(1, { groupId: faked.id });
    const keeping = policyOf({ ...faked, reprovisioning: 'keep' }, near);
    const attestation = attest(short, keeping, now);
    expect(attestation.ok && match(attestation.value, keeping, now, kept)).toMatchObject({
      value: { group: { name: 'near' } },
    });
  });

  test('leads help to build a path, but are no anchors', () => {
    const { trust } = policyOf(lamps);
    expect(trust.intermediates).toEqual([intermediate.certificate.der]);
    expect(trust.anchors).toEqual([root.certificate.der]);
  });
});

describe('pinned keys', () => {
  const pin = createHash('sha256').update(device.spki).digest('hex');
  const pinning = (id: number, name: string, changes: Partial<EnrollmentGroup> = {}) =>
    someGroup(id, { name, attestation: attestationOf(undefined, { pins: [pin] }), ...changes });
  const finding = (code: string, depth = 0) => ({ depth, code, certificate: device.der });
  const decide = (policy: Policy, errors: readonly ReturnType<typeof finding>[] = []) => {
    const attestation = attest(peer(errors), policy, now);
    if (!attestation.ok) return attestation.refusal.code;
    const matched = match(attestation.value, policy, now);
    return matched.ok ? matched.value.group.name : matched.refusal.code;
  };

  test.each([
    'DEPTH_ZERO_SELF_SIGNED_CERT',
    'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
    'CA_MD_TOO_WEAK',
    'CERT_HAS_EXPIRED',
    'CERT_NOT_YET_VALID',
    'INVALID_PURPOSE',
  ])('are let in in spite of %s', (code) => {
    expect(decide(policyOf(pinning(1, 'pins')), [finding(code)])).toBe('pins');
  });

  test.each([
    ['EE_KEY_TOO_SMALL', 'attest.weak-key'],
    ['CERT_REVOKED', 'attest.revoked'],
    ['CERT_SIGNATURE_FAILURE', 'attest.bad-signature'],
  ])('are refused for %s all the same', (code, expected) => {
    expect(decide(policyOf(pinning(1, 'pins')), [finding(code)])).toBe(expected);
  });

  test('win over anchors, in enabled groups first', () => {
    const anchored = group(1, [device], { name: 'anchors' });
    expect(decide(policyOf(anchored, pinning(2, 'pins')))).toBe('pins');
    expect(decide(policyOf(pinning(2, 'off', { enabled: false }), pinning(3, 'on')))).toBe('on');
  });

  test('make a handshake pass what a stage then judges for that key, and change nothing for anybody else', () => {
    const policy = policyOf(pinning(1, 'pins'), group(2, [root.certificate]));
    const { tolerate, pinned } = policy.trust;
    expect(tolerate).toEqual([]);
    expect(pinned.keys.map((key) => toHex(key))).toEqual([...policy.pins.keys()]);
    expect(pinned.tolerate).toEqual(expect.arrayContaining(['DEPTH_ZERO_SELF_SIGNED_CERT', 'CERT_HAS_EXPIRED']));
    expect(pinned.tolerate).not.toContain('CERT_REVOKED');
    const other = leafUnder(stranger, now).der;
    for (const code of pinned.tolerate.filter((name) => name !== 'CERT_HAS_EXPIRED')) {
      const errors = [{ depth: 0, code, text: 'found', certificate: other }];
      expect(attest({ ...peer(), chain: { presented: [other], path: [other], errors } }, policy, now).ok).toBe(false);
    }
  });

  test('who is refused besides is refused for the same cause as in a handshake', () => {
    const policy = policyOf(pinning(1, 'pins'), group(2, [root.certificate]));
    const other = leafUnder(intermediate, now).der;
    const errors = ['CERT_HAS_EXPIRED', 'INVALID_PURPOSE'].map((code) => ({
      depth: 0,
      code,
      text: 'found',
      certificate: other,
    }));
    const chain = { presented: [other], path: [other], errors };
    const seen = { error: 'verify failed', chain, offer: undefined, alertReceived: undefined };
    expect(codeOf(attest({ ...peer(), chain }, policy, now))).toBe(explainHandshake(seen, policy, now).code);
  });

  test('a session that came by a pin ends with it: its path was never checked', () => {
    const before = policyOf(pinning(1, 'pins'));
    const attestation = attest(peer([finding('UNABLE_TO_GET_ISSUER_CERT_LOCALLY')]), before, now);
    if (!attestation.ok) throw new Error('refused');
    expect(codeOf(match(attestation.value, policyOf(group(1, [root.certificate])), now))).toBe('match.no-group');
  });
});

describe('a device that comes again', () => {
  const first = group(1, [root.certificate], { name: 'first', reprovisioning: 'keep' });
  const nearer = group(2, [intermediate.certificate], { name: 'nearer' });
  const known = someDevice(1, { groupId: first.id });
  const nameOf = (policy: Policy, record = known) => {
    const attestation = attest(peer(), policy, now);
    if (!attestation.ok) throw new Error(attestation.refusal.code);
    const decision = match(attestation.value, policy, now, record);
    return decision.ok ? decision.value.group.name : decision.refusal.code;
  };

  test.each([
    ['keep', 'first'],
    ['never', 'first'],
    ['migrate', 'nearer'],
  ] as const)('to a group that says %s goes to: %s', (reprovisioning, expected) => {
    expect(nameOf(policyOf({ ...first, reprovisioning }, nearer))).toBe(expected);
  });

  test('does not stay where the group is gone, disabled or takes it no more', () => {
    expect(nameOf(policyOf(nearer))).toBe('nearer');
    expect(nameOf(policyOf({ ...first, enabled: false }, nearer))).toBe('nearer');
    const { attestation } = group(1, [stranger.certificate]);
    expect(nameOf(policyOf({ ...first, attestation }, nearer))).toBe('nearer');
  });

  test('has nothing to stay for while it waits for approval', () => {
    expect(nameOf(policyOf(first, nearer), { ...known, state: 'pending' })).toBe('nearer');
  });
});

describe('a refused handshake', () => {
  const policy = policyOf(group(1, [root.certificate], { name: 'Acme devices' }));
  const offer = { version: 'TLSv1.2', groups: [], signatureAlgorithms: [], serverName: undefined };
  const seen = { chain: undefined, offer: undefined, alertReceived: undefined };
  const psk = { ...offer, cipherSuites: ['TLS_PSK_WITH_AES_128_CCM_8', 'TLS_EMPTY_RENEGOTIATION_INFO_SCSV'] };
  const ecdsa = { ...offer, cipherSuites: ['TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256'] };

  test.each([
    ['peer did not return a certificate', undefined, 'attest.no-certificate'],
    ['no shared cipher', ecdsa, 'attest.no-common-suite'],
    ['unsupported protocol', ecdsa, 'attest.no-common-suite'],
    ['psk identity not found', psk, 'attest.unknown-psk'],
    ['decryption failed or bad record mac', psk, 'attest.wrong-psk'],
    ['decryption failed or bad record mac', ecdsa, 'attest.handshake'],
    ['wrong version number', undefined, 'attest.not-tls'],
    ['bad signature', ecdsa, 'attest.wrong-key'],
    ['ASN1 lib', ecdsa, 'attest.unreadable'],
    ['something new', ecdsa, 'attest.handshake'],
  ])('"%s" is explained', (error, offered, expected) => {
    expect(explainHandshake({ ...seen, error, offer: offered }, policy, now).code).toBe(expected);
  });

  test('a handshake that ends in silence is one of a wrong key when a known key was named, and is told by its identity', () => {
    const identity = Buffer.from('lamp-1');
    const named = { ...seen, error: 'handshake timeout', offer: psk, psk: { identity, known: true } };
    expect(explainHandshake(named, policy, now)).toMatchObject({
      code: 'attest.wrong-psk',
      evidence: { identity: 'lamp-1' },
    });
    const unknown = { ...named, error: 'psk identity not found', psk: { identity: Buffer.of(0, 255), known: false } };
    expect(explainHandshake(unknown, policy, now)).toMatchObject({
      code: 'attest.unknown-psk',
      evidence: { identity: '0x00ff' },
    });
  });

  test('a wrong key is told with the group of the identity', () => {
    const attestation = { psk: [{ identity: 'lamp-*', key: 'AAAAAAAAAAAAAAAAAAAAAA==', derived: true }], pins: [] };
    const lit = policyOf(group(1, [], { name: 'lamps', attestation: { x509: undefined, ...attestation } }));
    const named = { identity: Buffer.from('lamp-1'), known: true };
    expect(explainHandshake({ ...seen, error: 'bad record mac', psk: named }, lit, now)).toMatchObject({
      code: 'attest.wrong-psk',
      evidence: { identity: 'lamp-1', group: 'lamps', by: 'lamp-*' },
      fix: 'compare the key of the identity in the device and in the enrollment group "lamps"',
    });
  });

  test('the device that does not trust us is told from the device that we do not trust', () => {
    const refusal = explainHandshake(
      { ...seen, error: 'tlsv1 alert unknown ca', alertReceived: 'unknown_ca' },
      policy,
      now,
    );
    expect(refusal).toMatchObject({ code: 'attest.service-distrusted', fix: expect.stringContaining('dpsca.pem') });
  });

  test('a chain of a look-alike authority names the group it resembles', () => {
    const fake = leafUnder(lookAlike, now);
    const chain = {
      presented: [fake.der],
      path: [fake.der],
      errors: [{ depth: 0, code: 'UNABLE_TO_GET_ISSUER_CERT_LOCALLY', text: 'x', certificate: fake.der }],
    };
    expect(explainHandshake({ ...seen, error: 'certificate verify failed', chain }, policy, now)).toMatchObject({
      code: 'attest.issuer-key',
      evidence: { nearestGroup: 'Acme devices' },
    });
  });
});

describe('policy', () => {
  test('describes what a handshake has to accept: every group, each certificate once', () => {
    const policy = policyOf(
      group(1, [root.certificate]),
      group(2, [root.certificate, stranger.certificate], {}, days(1)),
    );
    expect(policy.trust.anchors.map((der) => parseCertificate(der).subject.commonName).toSorted()).toEqual([
      'Acme Root',
      'Stranger Root',
    ]);
    expect(policy.trust.tolerate).toEqual(['CERT_HAS_EXPIRED']);
    expect(policyOf(group(1, [root.certificate])).trust.tolerate).toEqual([]);
  });

  test('has the revocation lists that could be fetched, and only those that a group names', () => {
    const crl = createCrl({ issuer: root, revoked: [], thisUpdate: now, nextUpdate: now + days(1), number: 1 });
    const url = 'http://acme.example/root.crl';
    const fetched = (url: string, der: Uint8Array | undefined): FetchedCrl => ({
      id: uuidV5(uuidNamespaces.url, url),
      url,
      pem: der && encodePem('X509 CRL', der),
      thisUpdate: now,
      nextUpdate: now + days(1),
      fetchedAt: now,
      triedAt: now,
      error: undefined,
    });
    const attestation = attestationOf({ anchors: pems([root.certificate]), crlUrls: [url, 'http://acme.example/2'] });
    const rows = [fetched(url, crl), fetched('http://acme.example/2', undefined), fetched('http://else.example', crl)];
    const crlsWith = (list: readonly FetchedCrl[]) =>
      compilePolicy([someGroup(1, { attestation })], [], silentLog, list).trust.crls;
    expect(crlsWith(rows)).toEqual([crl]);
    expect(crlsWith(rows.slice(1))).toEqual([]);
  });

  test('a group with damaged material loses that material only, with a line in the log', () => {
    const told: string[] = [];
    const log = { ...silentLog, error: (_: unknown, text: string) => void told.push(text) };
    const damaged = someGroup(1, {
      attestation: attestationOf(
        { anchors: ['-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n'] },
        { psk: [{ identity: 'a', key: 'MDEyMzQ1Njc4OWFiY2RlZg==', derived: false }] },
      ),
    });
    const policy = compilePolicy([damaged, group(2, [root.certificate])], [], log);
    expect(policy.trust.anchors).toHaveLength(1);
    expect(policy.psk.byName.size).toBe(1);
    expect(told).toHaveLength(1);
  });

  test('owners and hubs are reserved ids, and keys do not show themselves', () => {
    const owned = group(1, [root.certificate]);
    const policy = compilePolicy(
      [{ ...owned, attestation: { ...owned.attestation, psk: [{ identity: 'a', key: 'aGlkZGVu', derived: false }] } }],
      [someHub(9)],
      silentLog,
    );
    expect([...policy.reserved]).toEqual(expect.arrayContaining([owned.owner.id, ...owned.hubs, someHub(9).id]));
    expect(JSON.stringify([...policy.psk.byName])).not.toContain('hidden');
    expect(keyOfPsk(policy.psk, utf8('a'))?.reveal()).toEqual(utf8('hidden'));
  });
});
