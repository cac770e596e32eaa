import 'reflect-metadata';
import { generateKeyPairSync, X509Certificate as NodeCertificate, webcrypto } from 'node:crypto';
import {
  AuthorityKeyIdentifierExtension,
  cryptoProvider,
  ExtendedKeyUsageExtension,
  KeyUsageFlags,
  KeyUsagesExtension,
  Pkcs10CertificateRequest,
  Pkcs10CertificateRequestGenerator,
  SubjectKeyIdentifierExtension,
  X509Certificate,
} from '@peculiar/x509';
import fc from 'fast-check';
import { CertificationRequest, Certificate as PkijsCertificate } from 'pkijs';
import { describe, expect, it } from 'vitest';
import { share, toHex } from '../../src/core/bytes.ts';
import { days } from '../../src/core/clock.ts';
import { FirstbootError } from '../../src/core/errors.ts';
import { seededRandom, systemRandom } from '../../src/core/random.ts';
import { createAuthority } from '../../src/pki/authority.ts';
import { parseCertificate } from '../../src/pki/certificate.ts';
import { checkCsr, createCsr, readCsr } from '../../src/pki/csr.ts';
import { issueCertificate, issueIdentity, randomSerial } from '../../src/pki/issue.ts';
import { uuidOf, uuidSubject } from '../../src/pki/name.ts';
import { profiles } from '../../src/pki/profile.ts';
import { parsePublicKey, spkiOf } from '../../src/pki/public-key.ts';
import { makeIdentities } from '../support/identities.ts';

/** Oracles: @peculiar/x509, pkijs and Node's own X509Certificate read what we write, and write what we read. */
cryptoProvider.set(webcrypto);

const now = Date.parse('2026-11-21T12:00:00Z');
const authority = createAuthority({ now: now - days(100), random: systemRandom, name: 'Oracle' });
const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
const publicKey = parsePublicKey(spkiOf(privateKey));
const runs = { seed: 5280, numRuns: 40 };

const text = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 40 });

describe('certificates that we issue', () => {
  it('are read by @peculiar/x509, pkijs and Node as we meant them', () => {
    const request = fc.record({
      seed: fc.nat(),
      lifetime: fc.integer({ min: 60, max: 86_400 * 365 * 14 }).map((count) => count * 1000),
      subject: fc.record({ organization: text, commonName: text }),
      profile: fc.constantFrom(profiles.identity, profiles.service),
    });
    fc.assert(
      fc.property(request, ({ seed, lifetime, subject, profile }) => {
        const serial = randomSerial(seededRandom(seed));
        const decision = issueCertificate({
          profile,
          subject,
          publicKey,
          issuer: authority.issuing,
          now,
          serial,
          lifetime,
        });
        if (!decision.ok) throw new Error(JSON.stringify(decision.refusal));
        const { der, notAfter, notBefore, subjectKeyId, authorityKeyId, extendedKeyUsage } = decision.value;

        const peculiar = new X509Certificate(share(der));
        expect(peculiar.serialNumber.replace(/^00/, '')).toBe(toHex(serial));
        expect(peculiar.notBefore.getTime()).toBe(notBefore);
        expect(peculiar.notAfter.getTime()).toBe(notAfter);
        expect(peculiar.subjectName.getField('CN')).toEqual([subject.commonName]);
        expect(peculiar.subjectName.getField('O')).toEqual([subject.organization]);
        expect(peculiar.getExtension(ExtendedKeyUsageExtension)?.usages).toEqual(extendedKeyUsage);
        const usages = peculiar.getExtension(KeyUsagesExtension)?.usages;
        expect(usages).toBe(KeyUsageFlags.digitalSignature | KeyUsageFlags.keyAgreement);
        expect(peculiar.getExtension(SubjectKeyIdentifierExtension)?.keyId).toBe(
          toHex(subjectKeyId ?? new Uint8Array()),
        );
        expect(peculiar.getExtension(AuthorityKeyIdentifierExtension)?.keyId).toBe(
          toHex(authorityKeyId ?? new Uint8Array()),
        );
        // A re-encoding by somebody else's DER writer is the same, octet by octet.
        expect(toHex(new Uint8Array(PkijsCertificate.fromBER(der).toSchema(true).toBER(false)))).toBe(toHex(der));
        const issuer = new NodeCertificate(authority.issuing.certificate.der);
        expect(new NodeCertificate(der).verify(issuer.publicKey)).toBe(true);
      }),
      runs,
    );
  });

  it('for any request of @peculiar/x509 hold the key and id that were asked for, and none of the extensions', async () => {
    const algorithm = fc.constantFrom(
      { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' },
      { name: 'ECDSA', namedCurve: 'P-384', hash: 'SHA-384' },
    );
    await fc.assert(
      fc.asyncProperty(fc.uuid(), algorithm, async (deviceId, signingAlgorithm) => {
        const keys = await webcrypto.subtle.generateKey(signingAlgorithm, true, ['sign', 'verify']);
        const theirs = await Pkcs10CertificateRequestGenerator.create({
          name: `CN=uuid:${deviceId}`,
          keys,
          signingAlgorithm,
          extensions: [new KeyUsagesExtension(KeyUsageFlags.keyCertSign, true)],
        });
        const csr = checkCsr(readCsr(new Uint8Array(theirs.rawData)));
        if (!csr.ok) throw new Error(JSON.stringify(csr.refusal));
        const serial = randomSerial(systemRandom);
        const issued = await issueIdentity({ authority, csr: csr.value, deviceId, now, serial }, async () => undefined);
        if (!issued.ok) throw new Error(JSON.stringify(issued.refusal));
        const { spki, subject, keyUsage } = issued.value.certificate;
        const wanted = await webcrypto.subtle.exportKey('spki', keys.publicKey);
        expect([toHex(spki), uuidOf(subject)]).toEqual([toHex(new Uint8Array(wanted)), deviceId]);
        expect(keyUsage).toEqual(['digitalSignature', 'keyAgreement']);
      }),
      { ...runs, numRuns: 20 },
    );
  });

  it('come from requests of ours that @peculiar/x509 and pkijs verify', async () => {
    const csr = createCsr({ privateKey, subject: uuidSubject('21565d33-acc1-44ce-5dd0-25c86cbd0bce') });
    const theirs = new Pkcs10CertificateRequest(share(csr));
    expect(await theirs.verify()).toBe(true);
    expect(theirs.subject).toBe('CN=uuid:21565d33-acc1-44ce-5dd0-25c86cbd0bce');
    expect(CertificationRequest.fromBER(csr).attributes ?? []).toEqual([]);
  });
});

describe('damaged documents', () => {
  const damage = fc.array(fc.record({ where: fc.noBias(fc.nat(9999)), byte: fc.nat(255) }), {
    minLength: 1,
    maxLength: 3,
  });
  const damaged = (
    document: Uint8Array,
    changes: readonly { readonly where: number; readonly byte: number }[],
  ): Uint8Array => {
    const copy = new Uint8Array(document);
    for (const { where, byte } of changes) copy[Math.floor((where / 10_000) * copy.length)] = byte;
    return copy;
  };

  it('never make the certificate parser throw anything but its own error, or accept what Node cannot read', () => {
    const certificates = Object.values(makeIdentities(now).named).flatMap(({ chain }) => chain);
    let read = 0;
    fc.assert(
      fc.property(fc.constantFrom(...certificates), damage, (certificate, changes) => {
        const der = damaged(certificate, changes);
        const ours = attempt(() => parseCertificate(der));
        if (!ours) return;
        read++;
        expect(new NodeCertificate(der).serialNumber.toLowerCase()).toBe(ours.serial);
      }),
      { seed: 5280, numRuns: 4000 },
    );
    expect(read).toBeGreaterThan(400);
  });

  it('never get a request past its signature', () => {
    const csr = createCsr({ privateKey, subject: uuidSubject('21565d33-acc1-44ce-5dd0-25c86cbd0bce') });
    fc.assert(
      fc.property(damage, (changes) => {
        const der = damaged(csr, changes);
        if (toHex(der) === toHex(csr)) return;
        const ours = attempt(() => readCsr(der));
        expect(ours ? checkCsr(ours).ok : false).toBe(false);
      }),
      { seed: 2986, numRuns: 4000 },
    );
  });

  it('of random bytes are refused as such', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => {
        expect(attempt(() => readCsr(bytes)) ?? attempt(() => parseCertificate(bytes))).toBeUndefined();
      }),
      { seed: 690, numRuns: 5000 },
    );
  });
});

function attempt<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    if (error instanceof FirstbootError) return undefined;
    throw error;
  }
}
