import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { encodePem } from '../../src/codec/pem.ts';
import { systemRandom } from '../../src/core/random.ts';
import { Secret } from '../../src/core/secret.ts';
import { openPkcs11Key } from '../../src/device/pkcs11.ts';
import { createCsr, readCsr } from '../../src/pki/csr.ts';
import { type DevelopmentPki, loadDevelopmentPki } from '../../src/pki/development.ts';
import { issueCertificate, randomSerial } from '../../src/pki/issue.ts';
import { profiles } from '../../src/pki/profile.ts';
import { type Processes, startProcesses } from '../support/cloud-of-processes.ts';
import { build } from '../support/command.ts';
import { findPeer } from '../support/peers.ts';
import { SoftHsm } from '../support/softhsm.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

const softhsm = findPeer('softhsm2-util');

describe.skipIf(softhsm.missing)(`firstboot device with its key in ${softhsm.title}`, () => {
  let hsm: SoftHsm;
  let processes: Processes;
  let folder: Awaited<ReturnType<typeof temporaryFolder>>;

  beforeAll(async () => {
    build();
    hsm = await SoftHsm.create();
    folder = await temporaryFolder();
    processes = await startProcesses(folder.path);
    const pki = await loadDevelopmentPki(join(folder.path, 'firstboot-data/pki'), Date.now());
    hsm.addToken('factory');
    manufacture(hsm, pki);
    // No certificate and no key: those are in the token.
    await mkdir(join(folder.path, 'certs'));
    await writeFile(join(folder.path, 'certs/dpsca.pem'), encodePem('CERTIFICATE', pki.serviceCa.certificate.der));
    await writeFile(join(folder.path, 'pin'), `${hsm.pin}\n`);
  });
  afterAll(async () => {
    await processes?.close();
    await hsm?.close();
    await folder?.remove();
  });

  const token = (): string[] => ['--certs', 'certs', '--pkcs11', hsm.module, '--token', 'factory', '--key', 'mfg'];

  it('goes from first boot to online', async () => {
    const device = processes.device(['dps', processes.endpoints.udp, ...token(), '--pin-file', 'pin']);
    await device.line({ event: 'online' });
    expect(await device.stop()).toMatchObject({ code: 0, stderr: '' });
  });

  it('says what is wrong with the PIN, and does not print it', async () => {
    await writeFile(join(folder.path, 'wrong-pin'), '99999999');
    const device = processes.device(['dps', processes.endpoints.udp, ...token(), '--pin-file', 'wrong-pin']);
    const { code, stderr } = await device.finished();
    expect(code).toBe(2);
    expect(stderr).toMatch(/factory/);
    expect(stderr).not.toContain('99999999');
  });
});

/** What a factory does: key in the token, request signed there, certificates written beside it. */
function manufacture(hsm: SoftHsm, { manufacturer }: DevelopmentPki): void {
  hsm.generateKey('factory', 'mfg', 'a1');
  const place = { module: hsm.module, token: 'factory', label: 'mfg', pin: new Secret(hsm.pin) };
  const key = openPkcs11Key({ ...place, chain: [] });
  const { publicKey } = readCsr(createCsr({ privateKey: key.privateKey, subject: { commonName: 'mfg' } }));
  key.close();
  const issued = issueCertificate({
    profile: profiles.manufacturerDevice,
    subject: { organization: 'Example Devices', commonName: 'mfg' },
    publicKey,
    issuer: manufacturer.intermediate,
    now: Date.now(),
    serial: randomSerial(systemRandom),
  });
  if (!issued.ok) throw new Error(issued.refusal.code);
  hsm.writeCertificate('factory', 'mfg', 'a1', issued.value.der);
  hsm.writeCertificate('factory', 'intermediate', 'ca', manufacturer.intermediate.certificate.der);
}
