import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { encodePem } from '../../../src/codec/pem.ts';
import { days } from '../../../src/core/clock.ts';
import { systemRandom } from '../../../src/core/random.ts';
import { createRoot } from '../../../src/pki/authority.ts';
import { parseCertificate } from '../../../src/pki/certificate.ts';
import { createCrl } from '../../../src/pki/revocation.ts';
import { crlSignedBy, decodeCrls, readCrl } from '../../../src/pki/revocation-list.ts';
import { keyUsage, type Made, makeCertificate, makeCrl, testTime } from '../../support/chains.ts';

let root: Made;
let line: Made;
let crl: Uint8Array;

beforeAll(async () => {
  root = await makeCertificate({ subject: 'O=Acme, CN=Root', ca: true });
  line = await makeCertificate({ subject: 'O=Acme, CN=Line', ca: true, issuer: root });
  crl = await makeCrl(root, [line]);
});

describe('a revocation list of somebody else', () => {
  test('says who issued it, when, and what is revoked', () => {
    const read = readCrl(crl);
    expect(read.issuer.text).toBe('O=Acme, CN=Root');
    expect([read.thisUpdate, read.nextUpdate]).toEqual([testTime - days(1), testTime + days(1)]);
    expect(read.authorityKeyId).toEqual(parseCertificate(root.der).subjectKeyId);
    expect(read.revoked).toEqual([
      { serial: parseCertificate(line.der).serial, revokedAt: testTime - 3_600_000, reason: 'unspecified' },
    ]);
  });

  test('of ours has a number', () => {
    const issuer = createRoot('Root', { now: testTime, random: systemRandom, name: 'Test' });
    const made = createCrl({ issuer, revoked: [], thisUpdate: testTime, nextUpdate: testTime + days(7), number: 300 });
    expect(readCrl(made)).toMatchObject({ number: 300n, revoked: [] });
    expect(crlSignedBy(readCrl(made), issuer.certificate)).toBe(true);
  });

  test('is signed by its issuer, and by no namesake, no other authority, and nobody who may not sign lists', async () => {
    const read = readCrl(crl);
    const twin = await makeCertificate({ subject: 'O=Acme, CN=Root', ca: true });
    const barred = await makeCertificate({ subject: 'O=Acme, CN=Bar', ca: true, keyUsage: keyUsage.keyCertSign });
    expect(crlSignedBy(read, parseCertificate(root.der))).toBe(true);
    expect(crlSignedBy(read, parseCertificate(twin.der))).toBe(false);
    expect(crlSignedBy(read, parseCertificate(line.der))).toBe(false);
    expect(crlSignedBy(readCrl(await makeCrl(barred, [])), parseCertificate(barred.der))).toBe(false);
  });

  test('that was altered is signed by nobody', () => {
    const altered = Uint8Array.from(crl);
    const at = Buffer.from(crl).indexOf(Buffer.from('Acme'));
    altered[at] = (altered[at] ?? 0) ^ 2;
    const root2 = parseCertificate(root.der);
    expect(crlSignedBy({ ...readCrl(altered), issuer: root2.subject }, root2)).toBe(false);
  });

  test('is refused when anything follows it or is missing', () => {
    expect(() => readCrl(Uint8Array.from([...crl, 0]))).toThrow(/too many/);
    expect(() => readCrl(crl.subarray(0, -1))).toThrow(/DER/);
    expect(() => readCrl(root.der)).toThrow(/DER/);
  });

  test('is found in PEM among other blocks', () => {
    const text = encodePem('CERTIFICATE', root.der) + encodePem('X509 CRL', crl);
    expect(decodeCrls(text)).toEqual([crl]);
    expect(decodeCrls('nothing here')).toEqual([]);
  });
});

describe('revocation lists of openssl ca', () => {
  let folder: string;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'firstboot-crl-'));
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  const openssl = (...args: string[]): Buffer => execFileSync('openssl', args, { cwd: folder, stdio: 'pipe' });

  test.each([
    ['RSA with SHA-256', ['-algorithm', 'RSA', '-pkeyopt', 'rsa_keygen_bits:2048'], []],
    ['RSA-PSS', ['-algorithm', 'RSA', '-pkeyopt', 'rsa_keygen_bits:2048'], ['-sigopt', 'rsa_padding_mode:pss']],
    ['P-384', ['-algorithm', 'EC', '-pkeyopt', 'ec_paramgen_curve:P-384'], []],
    ['Ed25519', ['-algorithm', 'ED25519'], []],
  ])('with %s are read and verified, reasons included', (_, key, sign) => {
    writeFileSync(
      join(folder, 'ca.cnf'),
      '[ca]\ndefault_ca=x\n[x]\ndatabase=index.txt\ncrlnumber=number\ndefault_md=default\ndefault_crl_days=7\ncrl_extensions=e\n' +
        '[e]\nauthorityKeyIdentifier=keyid\n[req]\ndistinguished_name=dn\nx509_extensions=v\n[dn]\n' +
        '[v]\nbasicConstraints=critical,CA:TRUE\nkeyUsage=keyCertSign,cRLSign\nsubjectKeyIdentifier=hash\n',
    );
    writeFileSync(
      join(folder, 'index.txt'),
      'R\t301231000000Z\t260101000000Z,keyCompromise\t0A1B\tunknown\t/CN=lost\n',
    );
    writeFileSync(join(folder, 'number'), '1000\n');
    openssl('genpkey', ...key, '-out', 'key.pem');
    openssl(
      'req',
      '-x509',
      '-new',
      '-key',
      'key.pem',
      '-subj',
      '/O=Acme/CN=Root',
      '-config',
      'ca.cnf',
      '-out',
      'ca.pem',
    );
    openssl('ca', '-gencrl', '-config', 'ca.cnf', '-keyfile', 'key.pem', '-cert', 'ca.pem', ...sign, '-out', 'crl.pem');
    const der = new Uint8Array(openssl('crl', '-in', 'crl.pem', '-outform', 'DER'));
    const read = readCrl(der);
    expect(read.number).toBe(0x1000n);
    expect(read.revoked).toEqual([{ serial: '0a1b', revokedAt: Date.UTC(2026, 0, 1), reason: 'keyCompromise' }]);
    const issuer = parseCertificate(new Uint8Array(openssl('x509', '-in', 'ca.pem', '-outform', 'DER')));
    expect(crlSignedBy(read, issuer)).toBe(true);
  });
});
