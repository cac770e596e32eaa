import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { encodeCertificates, encodePem } from '../../src/codec/pem.ts';
import { days, hours } from '../../src/core/clock.ts';
import { systemRandom } from '../../src/core/random.ts';
import { createAuthority } from '../../src/pki/authority.ts';
import type { Certificate } from '../../src/pki/certificate.ts';
import { parseCertificate } from '../../src/pki/certificate.ts';
import type { CrlReason } from '../../src/pki/crl-reason.ts';
import { createEndEntity } from '../../src/pki/end-entity.ts';
import { uuidSubject } from '../../src/pki/name.ts';
import { profiles } from '../../src/pki/profile.ts';
import { createCrl } from '../../src/pki/revocation.ts';
import { findPeer } from '../support/peers.ts';

/** What the openssl program reads in our revocation lists, and what it does with them. */
const openssl = findPeer('openssl');
const run = promisify(execFile);

describe.skipIf(openssl.missing)(`our revocation lists before ${openssl.title}`, () => {
  const now = Math.floor(Date.now() / 1000) * 1000;
  const authority = createAuthority({ now: now - days(2), random: systemRandom, name: 'Test' });
  const reasons: readonly (readonly [CrlReason, string | undefined])[] = [
    ['unspecified', undefined],
    ['keyCompromise', 'Key Compromise'],
    ['affiliationChanged', 'Affiliation Changed'],
    ['superseded', 'Superseded'],
    ['cessationOfOperation', 'Cessation Of Operation'],
    ['certificateHold', 'Certificate Hold'],
    ['privilegeWithdrawn', 'Privilege Withdrawn'],
  ];
  const leaves = [...reasons, undefined].map(() => identity());
  let folder: string;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'firstboot-crl-'));
    const revoked = reasons.map(([reason], at) => ({
      serial: leaves[at]?.serial ?? '',
      revokedAt: now - hours(1),
      reason,
    }));
    const list = { issuer: authority.issuing, revoked, thisUpdate: now, nextUpdate: now + hours(24), number: 4711 };
    await writeFile(join(folder, 'ca.crl'), createCrl(list));
    await writeFile(join(folder, 'ca.pem'), encodePem('X509 CRL', createCrl(list)));
    await writeFile(join(folder, 'issuing.pem'), encodeCertificates(authority.chain));
    await writeFile(join(folder, 'root.pem'), encodeCertificates(authority.trustAnchors));
  });
  afterAll(async () => {
    await rm(folder, { recursive: true, force: true });
  });

  function identity(): Certificate {
    const subject = uuidSubject('21565d33-acc1-44ce-5dd0-25c86cbd0bce');
    const issuer = authority.issuing;
    const made = createEndEntity({
      issuer,
      profile: profiles.identity,
      subject,
      altNames: [],
      now,
      random: systemRandom,
    });
    return parseCertificate(made.chain[0] ?? new Uint8Array());
  }

  it('have its number, its dates and a reason where there is one, and verify', async () => {
    const options = ['crl', '-inform', 'DER', '-in', join(folder, 'ca.crl'), '-CAfile', join(folder, 'issuing.pem')];
    const { stdout, stderr } = await run('openssl', [...options, '-noout', '-text']);
    expect(stderr).toContain('verify OK');
    expect(stdout).toContain('X509v3 CRL Number: \n                4711');
    const entries = stdout.split('Serial Number: ').slice(1);
    expect(entries).toHaveLength(reasons.length);
    for (const [at, [, text]] of reasons.entries()) {
      expect(entries[at]?.toLowerCase()).toMatch(new RegExp(`^${leaves[at]?.serial}`));
      if (text === undefined) expect(entries[at]).not.toContain('Reason');
      else expect(entries[at]).toContain(`X509v3 CRL Reason Code: \n                ${text}`);
    }
  });

  it('refuse exactly the certificates that are on them', async () => {
    const verdicts: string[] = [];
    for (const [at, leaf] of leaves.entries()) {
      const file = join(folder, `leaf-${at}.pem`);
      await writeFile(file, encodeCertificates([leaf.der]));
      const trust = ['-CAfile', join(folder, 'root.pem'), '-untrusted', join(folder, 'issuing.pem')];
      const checks = ['-x509_strict', '-crl_check', '-CRLfile', join(folder, 'ca.pem')];
      const failed = await run('openssl', ['verify', ...checks, ...trust, file]).then(
        () => 'OK',
        (error: { stderr: string }) => /lookup: (.*)/.exec(error.stderr)?.[1] ?? error.stderr,
      );
      verdicts.push(failed);
    }
    expect(verdicts).toEqual([...reasons.map(() => 'certificate revoked'), 'OK']);
  });
});
