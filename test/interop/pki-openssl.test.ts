import { execFile, execFileSync } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { encodeCertificates, encodePem } from '../../src/codec/pem.ts';
import { systemRandom } from '../../src/core/random.ts';
import { createAuthority } from '../../src/pki/authority.ts';
import { checkCsr, createCsr, readCsr } from '../../src/pki/csr.ts';
import { createDevelopmentPki } from '../../src/pki/development.ts';
import { explainPath } from '../../src/pki/explain-path.ts';
import { privateKeyFile } from '../../src/pki/files.ts';
import { issueIdentity, randomSerial } from '../../src/pki/issue.ts';
import { uuidSubject } from '../../src/pki/name.ts';
import type { PathError } from '../../src/pki/path.ts';
import { type IdentityName, makeIdentities } from '../support/identities.ts';
import { findPeer } from '../support/peers.ts';

/** What the openssl program thinks of what we sign, and of the named identities. */
const openssl = findPeer('openssl');
const now = Math.floor(Date.now() / 1000) * 1000;
const deviceId = '21565d33-acc1-44ce-5dd0-25c86cbd0bce';
const hubId = 'd03a1bb4-0a77-428c-b78c-1c46efe6a38e';

describe.skipIf(openssl.missing)(`certificates before verify of ${openssl.title}`, () => {
  let folder: string;
  const identities = makeIdentities(now);

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'firstboot-pki-'));
  });
  afterAll(async () => {
    await rm(folder, { recursive: true, force: true });
  });

  it('accepts the development manufacturer, service and gateway chains under -x509_strict', async () => {
    const pki = createDevelopmentPki({ devices: 1, hubId, now });
    const [device] = pki.devices;
    const root = pki.manufacturer.root.certificate.der;
    expect(await verify({ chain: device?.chain ?? [], anchors: [root], purpose: 'sslclient' })).toEqual([]);
    const serviceCa = pki.serviceCa.certificate.der;
    expect(await verify({ chain: pki.service.chain, anchors: [serviceCa], purpose: 'sslserver' })).toEqual([]);
    const anchors = pki.authority.trustAnchors;
    expect(await verify({ chain: pki.gateway.chain, anchors, purpose: 'sslserver' })).toEqual([]);
    expect(await verify({ chain: pki.gateway.chain, anchors, purpose: 'sslclient' })).toEqual([]);
  });

  it('accepts an identity certificate for a request that openssl made', async () => {
    const key = createDevelopmentPki({ devices: 1, hubId, now }).service.privateKey;
    await writeFile(join(folder, 'key.pem'), privateKeyFile(key).text);
    const request = [
      'req',
      '-new',
      '-key',
      join(folder, 'key.pem'),
      '-subj',
      `/CN=uuid:${deviceId}`,
      '-outform',
      'DER',
    ];
    const csr = checkCsr(readCsr(execFileSync('openssl', request)));
    if (!csr.ok) throw new Error(JSON.stringify(csr));
    const authority = createAuthority({ now, random: systemRandom, name: 'Test' });
    const serial = randomSerial(systemRandom);
    const issued = await issueIdentity({ authority, csr: csr.value, deviceId, now, serial }, async () => undefined);
    if (!issued.ok) throw new Error(JSON.stringify(issued));
    const { chain, trustAnchors } = issued.value;
    for (const purpose of ['sslclient', 'sslserver']) {
      expect(await verify({ chain, anchors: trustAnchors, purpose })).toEqual([]);
    }
  });

  it('verifies the signature of our own certificate request', async () => {
    const { privateKey } = createDevelopmentPki({ devices: 1, hubId, now }).service;
    const file = join(folder, 'csr.pem');
    await writeFile(file, encodePem('CERTIFICATE REQUEST', createCsr({ privateKey, subject: uuidSubject(deviceId) })));
    const text = execFileSync('openssl', ['req', '-in', file, '-verify', '-noout', '-subject'], { stdio: 'pipe' });
    expect(text.toString()).toContain(`uuid:${deviceId}`);
  });

  it.each(Object.keys(identities.named) as IdentityName[])('explains the identity %s', async (name) => {
    const { chain, expected } = identities.named[name];
    const crls = name === 'revoked' ? identities.crls : [];
    // The program has no purpose that an OCF-only usage fits; the engine's is checked where the engine is.
    const purpose = name === 'goodOcfUsageOnly' ? 'any' : 'sslclient';
    const errors = await verify({ chain, anchors: identities.anchors, purpose, crls });
    const path = errors.length > 0 ? [] : [...chain, ...identities.anchors];
    const verdict = explainPath({ presented: chain, path, errors }, now, identities.anchors);
    expect(verdict.ok ? 'accepted' : verdict.refusal.code, JSON.stringify(errors.map(({ code }) => code))).toBe(
      expected,
    );
  });

  interface Verification {
    readonly chain: readonly Uint8Array[];
    readonly anchors: readonly Uint8Array[];
    readonly purpose: string;
    readonly crls?: readonly Uint8Array[];
  }

  async function verify({ chain, anchors, purpose, crls = [] }: Verification): Promise<PathError[]> {
    const [leaf = new Uint8Array(), ...others] = chain;
    await writeFile(join(folder, 'leaf.pem'), encodeCertificates([leaf]));
    await writeFile(join(folder, 'others.pem'), encodeCertificates(others.length > 0 ? others : anchors));
    await writeFile(join(folder, 'anchors.pem'), encodeCertificates(anchors));
    await writeFile(join(folder, 'crls.pem'), crls.map((crl) => encodePem('X509 CRL', crl)).join(''));
    const options = ['verify', '-x509_strict', '-auth_level', '2', '-purpose', purpose, '-show_chain'];
    const files = ['-CAfile', join(folder, 'anchors.pem'), '-untrusted', join(folder, 'others.pem')];
    const revocation = crls.length > 0 ? ['-crl_check', '-CRLfile', join(folder, 'crls.pem')] : [];
    const output = await run([...options, ...files, ...revocation, join(folder, 'leaf.pem')]);
    const lines = [...output.matchAll(/^error (\d+) at (\d+) depth lookup: (.*)$/gm)];
    if (lines.length === 0 && !output.includes('leaf.pem: OK')) throw new Error(output);
    return lines.map(([, code = '', depth = '', text = '']) => ({
      depth: Number(depth),
      code: names.get(code) ?? code,
      text,
      certificate: chain[Number(depth)] ?? leaf,
    }));
  }
});

/** X509_V_ERR_* of OpenSSL 3, as far as the identities provoke them. */
const names = new Map<string, string>([
  ['7', 'CERT_SIGNATURE_FAILURE'],
  ['9', 'CERT_NOT_YET_VALID'],
  ['10', 'CERT_HAS_EXPIRED'],
  ['18', 'DEPTH_ZERO_SELF_SIGNED_CERT'],
  ['19', 'SELF_SIGNED_CERT_IN_CHAIN'],
  ['20', 'UNABLE_TO_GET_ISSUER_CERT_LOCALLY'],
  ['21', 'UNABLE_TO_VERIFY_LEAF_SIGNATURE'],
  ['23', 'CERT_REVOKED'],
  ['25', 'PATH_LENGTH_EXCEEDED'],
  ['26', 'INVALID_PURPOSE'],
  ['34', 'UNHANDLED_CRITICAL_EXTENSION'],
  ['66', 'EE_KEY_TOO_SMALL'],
  ['67', 'CA_KEY_TOO_SMALL'],
  ['68', 'CA_MD_TOO_WEAK'],
  ['79', 'INVALID_CA'],
]);

function run(args: readonly string[]): Promise<string> {
  return new Promise((resolve) => {
    execFile('openssl', args, (_, stdout, stderr) => resolve(`${stdout}\n${stderr}`));
  });
}
