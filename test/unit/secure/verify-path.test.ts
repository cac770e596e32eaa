import { beforeAll, describe, expect, it } from 'vitest';
import type { Trust } from '../../../src/secure/association.ts';
import { verifyPath } from '../../../src/secure/engine.ts';
import { type Made, makeCertificate, makeCrl, makePki, type TestPki, testTime, usage } from '../../support/chains.ts';

let pki: TestPki;

beforeAll(async () => {
  pki = await makePki();
});

const codes = (leaf: Made, untrusted: readonly Made[], trust: Partial<Trust> = {}, at = testTime): string[] =>
  verifyPath({
    leaf: leaf.der,
    untrusted: untrusted.map(({ der }) => der),
    trust: { anchors: [pki.root.der], purpose: 'any', ...trust },
    at,
  }).errors.map(({ depth, code }) => `${depth}:${code}`);

describe('verifyPath', () => {
  it('builds the path to the anchor and finds nothing on a good chain', () => {
    const chain = verifyPath({
      leaf: pki.client.der,
      untrusted: [pki.intermediate.der],
      trust: { anchors: [pki.root.der], purpose: 'client' },
      at: testTime,
    });
    expect(chain).toEqual({
      presented: [pki.client.der, pki.intermediate.der],
      path: [pki.client.der, pki.intermediate.der, pki.root.der],
      errors: [],
    });
  });

  it('judges dates at the given time, not at the machine’s', () => {
    expect(codes(pki.client, [pki.intermediate], {}, testTime + 60 * 86_400_000)).toEqual([
      '2:CERT_HAS_EXPIRED',
      '1:CERT_HAS_EXPIRED',
      '0:CERT_HAS_EXPIRED',
    ]);
    expect(codes(pki.client, [pki.intermediate], {}, 0)).toContain('0:CERT_NOT_YET_VALID');
    expect(codes(pki.client, [pki.intermediate], { dates: 'ignore' }, 0)).toEqual([]);
  });

  it('never uses the system’s anchors', () => {
    expect(codes(pki.client, [pki.intermediate, pki.root], { anchors: [] })).toEqual(['2:SELF_SIGNED_CERT_IN_CHAIN']);
  });

  it('takes an intermediate as anchor when it is configured as one', () => {
    expect(codes(pki.client, [], { anchors: [pki.intermediate.der] })).toEqual([]);
  });

  it('reports a broken signature', async () => {
    const der = new Uint8Array(pki.client.der);
    der[der.length - 5] = (der[der.length - 5] ?? 0) ^ 1;
    const chain = verifyPath({
      leaf: der,
      untrusted: [pki.intermediate.der],
      trust: { anchors: [pki.root.der], purpose: 'any' },
      at: testTime,
    });
    expect(chain.errors).toMatchObject([{ depth: 0, code: 'CERT_SIGNATURE_FAILURE', certificate: der }]);
    expect(chain.errors[0]?.text).toBe('certificate signature failure');
  });

  it('holds to a revocation list only certificates of its issuer', async () => {
    const other = await makePki();
    const trust = { anchors: [pki.root.der, other.root.der], crls: [await makeCrl(pki.intermediate, [pki.client])] };
    expect(codes(pki.client, [pki.intermediate], trust)).toEqual(['0:CERT_REVOKED']);
    expect(codes(pki.server, [pki.intermediate], trust)).toEqual([]);
    expect(codes(other.client, [other.intermediate], trust)).toEqual([]);
  });

  it('reports a revocation list that is out of date, but not where dates are ignored', async () => {
    const crls = [await makeCrl(pki.intermediate, [], new Date(testTime - 1000))];
    expect(codes(pki.client, [pki.intermediate], { crls })).toEqual(['0:CRL_HAS_EXPIRED']);
    expect(codes(pki.client, [pki.intermediate], { crls, dates: 'ignore' })).toEqual([]);
  });

  it('a revoked intermediate ends every path through it', async () => {
    const crls = [await makeCrl(pki.root, [pki.intermediate])];
    expect(codes(pki.client, [pki.intermediate], { crls })).toEqual(['1:CERT_REVOKED']);
  });

  it.each([
    ['client', [usage.clientAuth], []],
    ['client', [usage.serverAuth], ['0:INVALID_PURPOSE']],
    ['server', [usage.clientAuth], ['0:INVALID_PURPOSE']],
    ['server', [usage.serverAuth], []],
    ['client', [usage.ocf], []],
    ['server', [usage.ocf], []],
    ['server', [usage.ocf, usage.clientAuth], ['0:INVALID_PURPOSE']],
    ['client', [usage.codeSigning], ['0:INVALID_PURPOSE']],
    ['any', [usage.codeSigning], []],
    ['client', undefined, []],
  ] as const)('for a %s with extended key usage %s finds %s', async (purpose, usages, findings) => {
    const leaf = await makeCertificate({ subject: 'CN=leaf', issuer: pki.intermediate, ...(usages && { usages }) });
    expect(codes(leaf, [pki.intermediate], { purpose })).toEqual(findings);
  });

  it('reports a small key and a weak digest of an authority', async () => {
    const small = await makeCertificate({ subject: 'CN=Small', ca: true, issuer: pki.root, key: 'RSA-1024' });
    const leaf = await makeCertificate({ subject: 'CN=leaf', issuer: small });
    expect(codes(leaf, [small])).toEqual(['1:CA_KEY_TOO_SMALL']);
    const weak = await makeCertificate({ subject: 'CN=Weak', ca: true, issuer: pki.root, hash: 'SHA-1' });
    const below = await makeCertificate({ subject: 'CN=leaf', issuer: weak });
    expect(codes(below, [weak])).toEqual(['1:CA_MD_TOO_WEAK']);
  });

  it('takes P-384, P-521 and RSA of 2048 bits', async () => {
    for (const key of ['P-384', 'P-521', 'RSA-2048'] as const)
      expect(
        codes(await makeCertificate({ subject: 'CN=leaf', issuer: pki.intermediate, key }), [pki.intermediate]),
      ).toEqual([]);
  });

  it('reports a curve outside of the NIST ones as a key too small', () => {
    // openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:secp256k1, self-signed, end entity, 2026 to 2126.
    const der = Buffer.from(
      'MIIBdzCCARygAwIBAgIBBzAKBggqhkjOPQQDAjAUMRIwEAYDVQQDDAlzZWNwMjU2azEwIBcNMjYxMTIxMTM1MTA1WhgPMjEyNjEwMjgxMzUxMDVaMBQxEjAQBgNVBAMMCXNlY3AyNTZrMTBWMBAGByqGSM49AgEGBSuBBAAKA0IABJro7V2E7nOCgD0WPIIzYVjAyEE133tSB6b0+vx3d9zMnKk9L0dc+WxowYCzYjs01GwB2FqBwrreUV5AsREy7DSjYDBeMB0GA1UdDgQWBBSNE+d+LpFPoaP9wfv7V9XAuTunZTAfBgNVHSMEGDAWgBSNE+d+LpFPoaP9wfv7V9XAuTunZTAOBgNVHQ8BAf8EBAMCB4AwDAYDVR0TAQH/BAIwADAKBggqhkjOPQQDAgNJADBGAiEAxWt6wByHZXyzbP2+QQqe0QnXjt4jIrKzFKeI0PKQk38CIQDfHjVM8Aau9pzpeAk8aWFaX14uLpAy69bojiXtqQiAaw==',
      'base64',
    );
    const chain = verifyPath({
      leaf: der,
      untrusted: [],
      trust: { anchors: [der], purpose: 'any' },
      at: Date.UTC(2030, 0, 1),
    });
    expect(chain.errors.map(({ depth, code }) => `${depth}:${code}`)).toEqual(['0:EE_KEY_TOO_SMALL']);
  });

  it('stops at a path of more than ten authorities', async () => {
    let issuer = pki.root;
    const untrusted: Made[] = [];
    for (let i = 0; i < 13; i++) {
      issuer = await makeCertificate({ subject: `CN=Level ${i}`, ca: true, issuer });
      untrusted.unshift(issuer);
    }
    const leaf = await makeCertificate({ subject: 'CN=deep', issuer });
    expect(codes(leaf, untrusted)).toContain('11:CERT_CHAIN_TOO_LONG');
  });

  it('ignores what is not a certificate among the untrusted, and refuses a leaf that is none', () => {
    const garbage = Buffer.from('3003020101', 'hex');
    const trust: Trust = { anchors: [pki.root.der], purpose: 'any' };
    expect(
      verifyPath({ leaf: pki.client.der, untrusted: [garbage, pki.intermediate.der], trust, at: testTime }).errors,
    ).toEqual([]);
    expect(() => verifyPath({ leaf: garbage, untrusted: [], trust, at: testTime })).toThrow(
      expect.objectContaining({ code: 'der.malformed' }),
    );
    const trailing = Buffer.concat([pki.client.der, Buffer.of(0)]);
    expect(() => verifyPath({ leaf: trailing, untrusted: [], trust, at: testTime })).toThrow(
      expect.objectContaining({ code: 'der.malformed' }),
    );
  });
});
