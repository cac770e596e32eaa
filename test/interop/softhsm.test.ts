import { createHash, createPublicKey, randomBytes, verify } from 'node:crypto';
import pkcs11js from 'pkcs11js';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { systemRandom } from '../../src/core/random.ts';
import { Secret } from '../../src/core/secret.ts';
import type { FactoryIdentity } from '../../src/device/identity.ts';
import { selectKey } from '../../src/device/keys.ts';
import { openPkcs11Key, type Pkcs11Key, type Pkcs11KeyOptions } from '../../src/device/pkcs11.ts';
import { loadPkcs11, type Pkcs11Package } from '../../src/device/pkcs11-package.ts';
import { SimulatedDevice } from '../../src/device/simulator.ts';
import { checkCsr, createCsr, readCsr } from '../../src/pki/csr.ts';
import type { DevelopmentPki } from '../../src/pki/development.ts';
import { issueCertificate, randomSerial } from '../../src/pki/issue.ts';
import { profiles } from '../../src/pki/profile.ts';
import { findPeer } from '../support/peers.ts';
import { startTestService, type TestService } from '../support/service.ts';
import { SoftHsm } from '../support/softhsm.ts';

it('the package for hardware keys is what we take it for', () => {
  // The compiler compares.
  const taken: Pkcs11Package = pkcs11js;
  expect(loadPkcs11()).toBe(taken);
});

/** Manufacturer keys that never leave their token, in a device that provisions itself. */
const softhsm = findPeer('softhsm2-util');

describe.skipIf(softhsm.missing)(`manufacturer keys in ${softhsm.title}`, () => {
  let hsm: SoftHsm;
  let running: TestService;
  const opened: Pkcs11Key[] = [];
  const devices: SimulatedDevice[] = [];

  const open = (options: Partial<Pkcs11KeyOptions> = {}): Pkcs11Key => {
    const place = { module: hsm.module, token: 'factory', label: 'mfg', pin: new Secret(hsm.pin) };
    const key = openPkcs11Key({ ...place, ...options });
    opened.push(key);
    return key;
  };

  /** What a factory does: key in the token, request signed there, certificate written beside it. */
  const manufacture = (pki: DevelopmentPki, token: string, label: string, id: string): Uint8Array => {
    hsm.generateKey(token, label, id);
    const fresh = open({ token, label, chain: [] });
    const csr = readCsr(createCsr({ privateKey: fresh.privateKey, subject: { commonName: label } }));
    fresh.close();
    const checked = checkCsr(csr);
    if (!checked.ok) throw new Error(checked.refusal.code);
    const issued = issueCertificate({
      profile: profiles.manufacturerDevice,
      subject: { organization: 'Example Devices', commonName: label },
      publicKey: checked.value.publicKey,
      issuer: pki.manufacturer.intermediate,
      now: Date.now(),
      serial: randomSerial(systemRandom),
    });
    if (!issued.ok) throw new Error(issued.refusal.code);
    hsm.writeCertificate(token, label, id, issued.value.der);
    return issued.value.der;
  };

  let leaves: { readonly primary: Uint8Array; readonly auxiliary: Uint8Array };

  beforeAll(async () => {
    hsm = await SoftHsm.create();
    running = await startTestService();
    hsm.addToken('factory');
    hsm.addToken('field');
    const primary = manufacture(running.pki, 'factory', 'mfg', 'a1');
    const auxiliary = manufacture(running.pki, 'field', 'aux', 'b1');
    for (const token of ['factory', 'field']) {
      hsm.writeCertificate(token, 'intermediate', 'ca', running.pki.manufacturer.intermediate.certificate.der);
      hsm.writeCertificate(token, 'root', 'cb', running.pki.manufacturer.root.certificate.der);
    }
    leaves = { primary, auxiliary };
  });
  afterEach(async () => {
    for (const device of devices.splice(0)) await device.close();
    for (const key of opened.splice(0)) key.close();
  });
  afterAll(async () => {
    await running?.close();
    await hsm?.close();
  });

  const boot = async (key: Pkcs11Key, transport: 'udp' | 'tcp'): Promise<SimulatedDevice> => {
    const identity: FactoryIdentity = {
      chain: key.chain,
      privateKey: key.privateKey,
      serviceCa: [running.pki.serviceCa.certificate.der],
    };
    const endpoint = running.service.endpoints[transport] ?? '';
    const device = await SimulatedDevice.create({ endpoint, identity, cloudChecks: 0, timeout: 100_000 });
    devices.push(device);
    return device;
  };

  it('the private key cannot be read out of the token', () => {
    expect(hsm.ask('factory', 'mfg', pkcs11js.CKA_VALUE)).toBe('CKR_ATTRIBUTE_SENSITIVE');
    expect(hsm.ask('factory', 'mfg', pkcs11js.CKA_EXTRACTABLE)).toEqual(Buffer.of(0));
    expect(hsm.ask('factory', 'mfg', pkcs11js.CKA_NEVER_EXTRACTABLE)).toEqual(Buffer.of(1));
    expect(hsm.ask('factory', 'mfg', pkcs11js.CKA_LOCAL)).toEqual(Buffer.of(1));
  });

  it('two tokens are in use at once, and closing one key leaves the others', async () => {
    const slots = { primary: open(), auxiliary: open({ token: 'field', label: 'aux' }) };
    const again = open();
    slots.primary.close();
    for (const key of [again, slots.auxiliary]) expectSigns(key);
    again.close();
    const device = await boot(slots.auxiliary, 'tcp');
    await device.provision();
    expect(selectKey(slots, 'newest').chain[0]).toEqual(leaves.auxiliary);
    // With the last key the library was finalized: it starts again.
    slots.auxiliary.close();
    expectSigns(open());
  });

  it('signs digests of every length that TLS 1.2 may choose', () => {
    const key = open();
    for (const algorithm of ['sha256', 'sha384', 'sha512']) expectSigns(key, algorithm);
  });

  it('a key that wants the PIN for every signature gets it', () => {
    hsm.generateKey('field', 'careful', 'd1', { [pkcs11js.CKA_ALWAYS_AUTHENTICATE]: true });
    const key = open({ token: 'field', label: 'careful', chain: [] });
    for (let k = 0; k < 3; k++) expectSigns(key);
  });

  it('leaves the cryptography of the process as it was', () => {
    for (let k = 0; k < 20; k++) {
      const key = open();
      expectSigns(key);
      key.close();
    }
    expect(randomBytes(32)).not.toEqual(randomBytes(32));
  });

  it('a device whose key was closed says so', async () => {
    const key = open();
    key.close();
    const device = await boot(key, 'tcp');
    const failed = new Promise<string>((resolve) => {
      device.client.onStep(({ refusal }) => refusal && resolve(JSON.stringify(refusal)));
    });
    device.client.start();
    expect(await failed).toMatch(/the private key did not sign.*factory.*has been closed/);
  });

  describe('what does not work is said with module, token, reason and fix, and never with the PIN', () => {
    it.each<[string, () => Partial<Pkcs11KeyOptions>, RegExp]>([
      ['a module that is not there', () => ({ module: '/nowhere/token.so' }), /module \/nowhere\/token\.so.*path/],
      ['a file that is no module', () => ({ module: import.meta.filename }), /softhsm\.test\.ts.*path/],
      ['another token', () => ({ token: 'fatcory' }), /token fatcory.*no slots.*"factory".*label or slot/],
      ['a slot with nothing in it', () => ({ token: 99_999 }), /token 99999.*no slots.*"factory"/],
      ['another label', () => ({ label: 'nfg' }), /token factory.*"nfg".*no private keys.*CKA_LABEL/],
      ['a wrong PIN', () => ({ pin: new Secret('000000') }), /token factory.*CKR_PIN_INCORRECT.*user PIN/],
      ['a PIN that is too short', () => ({ pin: new Secret('1') }), /token factory.*CKR_PIN.*user PIN/],
      [
        'the chain of another key',
        () => ({ chain: [leaves.auxiliary] }),
        /key "mfg" on token "factory".*certificate of this/,
      ],
    ])('%s', (_, options, expected) => {
      const attempt = (): unknown => {
        try {
          return open(options());
        } catch (error) {
          return error;
        }
      };
      const error = attempt();
      expect(error).toMatchObject({ code: 'service.config', message: expect.stringMatching(expected) });
      expect(JSON.stringify(error) + String(error)).not.toMatch(new RegExp(`${hsm.pin}|000000`));
      // Nothing is left open by it.
      expectSigns(open());
    });

    it('no PIN: a private key is not shown', () => {
      const { pin: _, ...place } = { module: hsm.module, token: 'factory', label: 'mfg', pin: hsm.pin };
      expect(() => openPkcs11Key(place)).toThrow(/no private keys.*PIN/);
    });

    it('a key without certificate, and two keys with one label', () => {
      hsm.generateKey('field', 'bare', 'c1');
      expect(() => open({ token: 'field', label: 'bare' })).toThrow(/no certificate.*CKA_ID/);
      hsm.generateKey('field', 'bare', 'c2');
      expect(() => open({ token: 'field', label: 'bare' })).toThrow(/2 private keys/);
    });
  });
});

function expectSigns(key: Pkcs11Key, algorithm = 'sha256'): void {
  const message = randomBytes(100);
  const digest = new Uint8Array(createHash(algorithm).update(message).digest());
  const publicKey = createPublicKey({ key: Buffer.from(key.privateKey.publicKey), format: 'der', type: 'spki' });
  expect(verify(algorithm, message, publicKey, key.privateKey.sign(digest))).toBe(true);
}
