import { describe, expect, it } from 'vitest';
import { days } from '../../../src/core/clock.ts';
import type { Refusal } from '../../../src/core/errors.ts';
import { explainPath } from '../../../src/pki/explain-path.ts';
import type { PathError, PeerChain } from '../../../src/pki/path.ts';
import { type Made, makeCertificate } from '../../support/chains.ts';
import { type IdentityName, makeIdentities } from '../../support/identities.ts';

const now = Date.parse('2026-11-21T12:00:00Z');
const { named, anchors, intermediates } = makeIdentities(now);

describe('explainPath', () => {
  it('gives the parsed leaf and path of a chain that holds', () => {
    const { chain } = named.good;
    const verdict = explainPath({ presented: chain, path: [...chain, ...anchors], errors: [] }, now);
    expect(verdict).toMatchObject({ ok: true });
    expect(verdict.ok && verdict.value.leaf.subject.text).toBe('O=Acme, CN=device-0001');
    expect(verdict.ok && verdict.value.path.map(({ subject }) => subject.commonName)).toEqual([
      'device-0001',
      'Acme Intermediate CA',
      'Acme Root CA',
    ]);
  });

  it('says when a certificate expired, which, and by what clock', () => {
    expect(refusal('expired', [[0, 'CERT_HAS_EXPIRED']])).toMatchObject({
      code: 'attest.expired',
      evidence: {
        depth: 0,
        subject: 'O=Acme, CN=device-0001',
        notAfter: new Date(now - days(1)).toISOString(),
        now: new Date(now).toISOString(),
        since: 'expired 1 day ago',
      },
      fix: 'renew the device certificate, or give an enrollment group a longer grace for expired ones',
    });
    expect(refusal('expiredIntermediate', [[1, 'CERT_HAS_EXPIRED']])).toMatchObject({
      code: 'attest.authority-expired',
      evidence: { depth: 1, subject: 'O=Acme, CN=Acme Expired Intermediate CA' },
      fix: expect.stringContaining('renewed certificate of O=Acme, CN=Acme Expired Intermediate CA'),
    });
  });

  it('puts what voids the other findings first', () => {
    const unknownAndExpired = [
      [0, 'CERT_HAS_EXPIRED'],
      [0, 'INVALID_PURPOSE'],
      [1, 'UNABLE_TO_GET_ISSUER_CERT_LOCALLY'],
    ] as const;
    expect(refusal('unknownAuthority', unknownAndExpired).code).toBe('attest.unknown-issuer');
    expect(
      refusal('revoked', [
        [0, 'CERT_HAS_EXPIRED'],
        [0, 'CERT_REVOKED'],
      ]).code,
    ).toBe('attest.revoked');
    expect(
      refusal('alteredSignature', [
        [0, 'CERT_SIGNATURE_FAILURE'],
        [0, 'CERT_HAS_EXPIRED'],
      ]).code,
    ).toBe('attest.bad-signature');
  });

  it('blames the authority nearest to the anchor among equals', () => {
    const both = [
      [0, 'CERT_HAS_EXPIRED'],
      [1, 'CERT_HAS_EXPIRED'],
    ] as const;
    expect(refusal('expiredIntermediate', both).evidence.depth).toBe(1);
  });

  const missing = [
    [0, 'UNABLE_TO_GET_ISSUER_CERT_LOCALLY'],
    [0, 'UNABLE_TO_VERIFY_LEAF_SIGNATURE'],
  ] as const;

  it('tells a missing intermediate from an unknown manufacturer by the names of known authorities', () => {
    expect(refusal('incomplete', missing)).toMatchObject({
      code: 'attest.incomplete-chain',
      evidence: { issuer: 'O=Acme, CN=Acme Intermediate CA', presented: 1 },
      fix: expect.stringContaining('send the certificate of O=Acme, CN=Acme Intermediate CA'),
    });
    const alone = { ...named.unknownAuthority, chain: named.unknownAuthority.chain.slice(0, 1) };
    expect(refusalOf(alone.chain, missing, anchors).code).toBe('attest.unknown-issuer');
  });

  it('takes a leaf that came alone for incomplete when it knows no authorities', () => {
    expect(refusalOf(named.incomplete.chain, missing, []).code).toBe('attest.incomplete-chain');
    expect(refusalOf(named.unknownAuthority.chain, [[1, 'UNABLE_TO_GET_ISSUER_CERT']], []).code).toBe(
      'attest.unknown-issuer',
    );
  });

  it('tells an authority that has the name but not the key of a registered one', () => {
    const { code, evidence, fix } = refusal('lookAlikeAuthority', [[1, 'UNABLE_TO_GET_ISSUER_CERT_LOCALLY']]);
    expect(code).toBe('attest.issuer-key');
    expect(evidence.registeredKeyId).toMatch(/^[0-9a-f]{40}$/);
    expect(evidence.authorityKeyId).not.toBe(evidence.registeredKeyId);
    expect(fix).toContain('has probably renewed it');
    const leafOnly = named.lookAlikeAuthority.chain.slice(0, 1);
    const known = [...anchors, ...intermediates];
    expect(refusalOf(leafOnly, missing, known).evidence.registeredKeyId).toMatch(/^[0-9a-f]{40}$/);
  });

  it('tells a device that acts as an authority, though OpenSSL only misses an issuer', () => {
    expect(refusal('endEntityAsAuthority', missing)).toMatchObject({
      code: 'attest.not-an-authority',
      fix: 'O=Acme, CN=device acting as CA has signed but is no authority: it needs CA:TRUE and the key usage keyCertSign',
    });
  });

  it('blames the clock only when nothing of the chain is valid yet, the leaf included, and names the time', async () => {
    const dated = async (subject: string, notBefore: number, issuer?: Made): Promise<Made> =>
      makeCertificate({
        subject,
        notBefore: new Date(notBefore),
        ca: subject !== 'CN=leaf',
        ...(issuer && { issuer }),
      });
    const fixAt = async (leafFrom: number): Promise<string> => {
      const upper = await dated('CN=upper', now + days(3));
      const lower = await dated('CN=lower', now + days(3), upper);
      const leaf = await dated('CN=leaf', leafFrom, lower);
      const late: Findings = [
        [1, 'CERT_NOT_YET_VALID'],
        [2, 'CERT_NOT_YET_VALID'],
      ];
      const presented = [leaf, lower, upper].map(({ der }) => der);
      return refusalOf(presented, leafFrom > now ? [[0, 'CERT_NOT_YET_VALID'], ...late] : late, anchors).fix;
    };
    expect(await fixAt(now + days(3))).toContain(
      `no certificate of the chain is valid yet at ${new Date(now).toISOString()}`,
    );
    expect(await fixAt(now - days(1))).toMatch(
      /^compare the clock .*; the authority CN=upper may have been issued for later/,
    );
  });

  it.each<[IdentityName, string, string, string]>([
    ['selfSigned', 'DEPTH_ZERO_SELF_SIGNED_CERT', 'attest.self-signed', 'registered manufacturer authority'],
    [
      'notYetValid',
      'CERT_NOT_YET_VALID',
      'attest.not-yet-valid',
      'the clocks of this machine and of the factory differ',
    ],
    ['serverUsageOnly', 'INVALID_PURPOSE', 'attest.wrong-usage', 'clientAuth'],
    ['weakKey', 'EE_KEY_TOO_SMALL', 'attest.weak-key', 'P-256'],
    ['sha1Signature', 'CA_MD_TOO_WEAK', 'attest.weak-key', 'SHA-256'],
    ['revoked', 'CERT_REVOKED', 'attest.revoked', 'has revoked'],
    ['unknownCriticalExtension', 'UNHANDLED_CRITICAL_EXTENSION', 'attest.critical-extension', 'not critical'],
    ['good', 'UNABLE_TO_GET_CRL', 'attest.revocation-list', 'revocation list'],
    ['good', 'SOMETHING_NEW', 'attest.invalid-chain', 'RFC 5280'],
  ])('maps %s with %s to %s', (name, finding, code, fix) => {
    const found = refusal(name, [[0, finding]]);
    expect(found.code).toBe(code);
    expect(found.evidence.finding).toBe(finding);
    expect(found.fix).toContain(fix);
  });

  it('shows the facts of a weak key, a wrong usage and a revoked certificate', () => {
    expect(refusal('weakKey', [[0, 'EE_KEY_TOO_SMALL']]).evidence.key).toBe('RSA 1024');
    expect(refusal('serverUsageOnly', [[0, 'INVALID_PURPOSE']]).evidence.extendedKeyUsage).toBe('1.3.6.1.5.5.7.3.1');
    expect(refusal('revoked', [[0, 'CERT_REVOKED']]).evidence.serial).toMatch(/^[0-9a-f]{32}$/);
  });

  it('refuses a leaf that is not strict DER, even when OpenSSL let it pass', () => {
    const chain: PeerChain = { presented: [Uint8Array.of(0x30, 0x80)], path: [], errors: [] };
    expect(explainPath(chain, now)).toMatchObject({ ok: false, refusal: { code: 'attest.unreadable' } });
  });
});

type Findings = readonly (readonly [depth: number, code: string])[];

const refusal = (name: IdentityName, findings: Findings): Refusal => refusalOf(named[name].chain, findings, anchors);

function refusalOf(presented: readonly Uint8Array[], findings: Findings, known: readonly Uint8Array[]): Refusal {
  const errors = findings.map(([depth, code]): PathError => {
    return { depth, code, text: code.toLowerCase(), certificate: presented[depth] ?? new Uint8Array() };
  });
  const verdict = explainPath({ presented, path: [], errors }, now, known);
  if (verdict.ok) throw new Error('accepted');
  return verdict.refusal;
}
