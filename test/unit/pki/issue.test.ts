import { createPublicKey, generateKeyPairSync, X509Certificate } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { days, hours, minutes } from '../../../src/core/clock.ts';
import { seededRandom, systemRandom } from '../../../src/core/random.ts';
import { createAuthority, createRoot } from '../../../src/pki/authority.ts';
import { parseCertificate } from '../../../src/pki/certificate.ts';
import { type CheckedCsr, checkCsr, createCsr, readCsr } from '../../../src/pki/csr.ts';
import {
  type IdentityRequest,
  type IssuedCertificate,
  issueCertificate,
  issueIdentity,
  issueRoot,
  randomSerial,
} from '../../../src/pki/issue.ts';
import { uuidSubject } from '../../../src/pki/name.ts';
import { profiles } from '../../../src/pki/profile.ts';
import { parsePublicKey, spkiOf } from '../../../src/pki/public-key.ts';

const now = Date.parse('2026-11-21T12:00:00.700Z');
const deviceId = '21565d33-acc1-44ce-5dd0-25c86cbd0bce';
const authority = createAuthority({ now: now - days(1), random: systemRandom, name: 'Test' });
const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
const csr = checked(deviceId);
const nothing = async (): Promise<void> => undefined;
const request = (change: Partial<IdentityRequest> = {}): IdentityRequest => ({
  authority,
  csr,
  deviceId,
  now,
  serial: randomSerial(systemRandom),
  ...change,
});

describe('an identity certificate', () => {
  it('is what the reference device and its hub expect', async () => {
    const serial = randomSerial(seededRandom(7));
    const { certificate, chain, trustAnchors } = await issued(request({ serial }));
    expect(certificate).toMatchObject({
      serial: Buffer.from(serial).toString('hex'),
      version: 3,
      notBefore: Date.parse('2026-11-21T11:00:00Z'),
      notAfter: Date.parse('2027-02-19T12:00:00Z'),
      signatureAlgorithm: 'ecdsa-with-SHA256',
      basicConstraints: { authority: false, pathLength: undefined },
      keyUsage: ['digitalSignature', 'keyAgreement'],
      extendedKeyUsage: ['1.3.6.1.5.5.7.3.2', '1.3.6.1.5.5.7.3.1', '1.3.6.1.4.1.44924.1.6'],
      subjectAltNames: [{ type: 'uri', value: `urn:uuid:${deviceId}` }],
    });
    expect(certificate.subject.text).toBe(`CN=uuid:${deviceId}`);
    expect(certificate.authorityKeyId).toEqual(authority.issuing.certificate.subjectKeyId);
    expect(certificate.spki).toEqual(csr.publicKey.spki);
    expect(chain).toEqual([certificate.der, authority.issuing.certificate.der]);
    expect(trustAnchors).toEqual([authority.root.certificate.der]);
  });

  it('is signed by the issuing authority, and what is reported of it is what is in it', async () => {
    const { certificate } = await issued(request());
    const issuer = new X509Certificate(authority.issuing.certificate.der);
    const node = new X509Certificate(certificate.der);
    expect(node.checkIssued(issuer) && node.verify(issuer.publicKey)).toBe(true);
    expect({ ...parseCertificate(certificate.der) }).toEqual({ ...certificate });
  });

  it('never lives beyond its issuer, nor begins before it', async () => {
    const young = createAuthority({ now: now + minutes(50), random: systemRandom, name: 'Young' });
    const { notBefore, notAfter } = young.issuing.certificate;
    const late = await issued(request({ authority: young, now: notAfter - days(10) }));
    expect(late.certificate.notAfter).toBe(notAfter);
    const early = await issued(request({ authority: young }));
    expect(early.certificate.notBefore).toBe(notBefore);
  });

  it('lives as long as the group says', async () => {
    const { certificate } = await issued(request({ lifetime: hours(5) }));
    expect(certificate.notAfter).toBe(Date.parse('2026-11-21T17:00:00Z'));
  });

  it('is refused for another device id than the one in the request', async () => {
    const other = 'd03a1bb4-0a77-428c-b78c-1c46efe6a38e';
    const decision = await issueIdentity(request({ deviceId: other }), nothing);
    expect(decision).toMatchObject({
      ok: false,
      refusal: { code: 'csr.subject', evidence: { subject: `CN=uuid:${deviceId}`, expected: `CN=uuid:${other}` } },
    });
  });

  it('is refused when the issuer is about to expire, before its devices would refuse it', async () => {
    const { notAfter } = authority.issuing.certificate;
    const decision = await issueIdentity(request({ now: notAfter - hours(2) + 1 }), nothing);
    expect(decision).toMatchObject({ ok: false, refusal: { code: 'issue.issuer-expiring' } });
    expect((await issueIdentity(request({ now: notAfter - hours(2) }), nothing)).ok).toBe(true);
  });
});

describe('recording', () => {
  it('is over before the certificate is given out', async () => {
    const order: string[] = [];
    let release = (): void => undefined;
    const synced = new Promise<void>((resolve) => {
      release = resolve;
    });
    const pending = issueIdentity(request(), async ({ certificate, chain }) => {
      order.push(`record ${certificate.der === chain[0]}`);
      await synced;
      order.push('synced');
    }).then(() => order.push('issued'));
    await new Promise((resolve) => setImmediate(resolve));
    expect(order).toEqual(['record true']);
    release();
    await pending;
    expect(order).toEqual(['record true', 'synced', 'issued']);
  });

  it('that fails gives nothing out', async () => {
    const failed = issueIdentity(request(), async () => {
      throw new Error('disk full');
    });
    await expect(failed).rejects.toThrow('disk full');
  });

  it('does not happen for what is refused', async () => {
    let recorded = 0;
    await issueIdentity(request({ deviceId: 'd03a1bb4-0a77-428c-b78c-1c46efe6a38e' }), async () => {
      recorded++;
    });
    expect(recorded).toBe(0);
  });
});

describe('the lint', () => {
  const publicKey = parsePublicKey(spkiOf(privateKey));
  const serial = randomSerial(systemRandom);
  const base = {
    profile: profiles.identity,
    subject: uuidSubject(deviceId),
    publicKey,
    issuer: authority.issuing,
    now,
    serial,
  };

  it.each([
    ['a serial number of zero', { serial: new Uint8Array(16) }, 'has a positive serial number'],
    ['a serial number of 21 octets', { serial: new Uint8Array(21).fill(1) }, 'has a positive serial number'],
    ['an empty subject', { subject: {} }, 'has the subject that was decided on'],
    ['a clock before the issuer', { now: now - days(3) }, 'is valid now'],
    ['a lifetime that is over', { lifetime: -1 }, 'is valid now'],
    ['an authority below path length 0', { profile: profiles.issuingCa }, 'fits into the path length of its issuer'],
    [
      'a profile whose encoding says something else',
      { profile: { ...profiles.identity, fixed: profiles.issuingCa.fixed } },
      'has the basic constraints of its profile',
    ],
  ])('stops %s before the key signs', (_, change, rule) => {
    const decision = issueCertificate({ ...base, ...change });
    expect(decision).toMatchObject({ ok: false, refusal: { code: 'issue.lint' } });
    expect(decision.ok || decision.refusal.evidence.findings).toContain(rule);
  });

  it('stops an intermediate whose name is as long as its issuer name: the reference device refuses the chain', () => {
    const root = createRoot('Test Root CA 1', { now, random: systemRandom, name: 'Test' });
    const intermediate = { ...base, profile: profiles.issuingCa, issuer: root };
    const decision = issueCertificate({
      ...intermediate,
      subject: { organization: 'Test', commonName: 'Test Inter CA1' },
    });
    expect(decision).toMatchObject({ ok: false, refusal: { code: 'issue.lint' } });
    const longer = { organization: 'Test', commonName: 'Test Intermediate CA' };
    expect(issueCertificate({ ...intermediate, subject: longer }).ok).toBe(true);
  });

  it('passes every profile of ours', () => {
    const root = { profile: profiles.rootCa, subject: { commonName: 'R' }, privateKey, now, serial };
    expect(issueRoot(root).ok).toBe(true);
    for (const profile of [profiles.identity, profiles.manufacturerDevice, profiles.service, profiles.gateway]) {
      expect(issueCertificate({ ...base, profile }).ok).toBe(true);
    }
  });

  it('knows P-384 authorities, which sign with SHA-384', () => {
    const key = generateKeyPairSync('ec', { namedCurve: 'secp384r1' }).privateKey;
    const root = issueRoot({ profile: profiles.rootCa, subject: { commonName: 'R' }, privateKey: key, now, serial });
    if (!root.ok) throw new Error(root.refusal.code);
    const leaf = issueCertificate({ ...base, issuer: { certificate: root.value, privateKey: key } });
    expect(leaf).toMatchObject({ ok: true, value: { signatureAlgorithm: 'ecdsa-with-SHA384' } });
    const der = leaf.ok ? leaf.value.der : new Uint8Array();
    expect(new X509Certificate(der).verify(createPublicKey(key))).toBe(true);
  });
});

describe('serial numbers', () => {
  it('are 16 octets, positive, and differ', () => {
    const seen = new Set<string>();
    for (let k = 0; k < 2000; k++) {
      const serial = randomSerial(systemRandom);
      expect(serial).toHaveLength(16);
      expect(serial[0]).not.toBe(0);
      seen.add(Buffer.from(serial).toString('hex'));
    }
    expect(seen.size).toBe(2000);
    expect(randomSerial({ bytes: (count) => new Uint8Array(count) })[0]).toBe(1);
  });
});

async function issued(wanted: IdentityRequest): Promise<IssuedCertificate> {
  const decision = await issueIdentity(wanted, nothing);
  if (!decision.ok) throw new Error(JSON.stringify(decision.refusal));
  return decision.value;
}

function checked(id: string): CheckedCsr {
  const verdict = checkCsr(readCsr(createCsr({ privateKey, subject: uuidSubject(id) })));
  if (!verdict.ok) throw new Error(verdict.refusal.code);
  return verdict.value;
}
