import { X509Certificate as NodeCertificate } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { encodePem } from '../../../src/codec/pem.ts';
import { equalBytes, toHex } from '../../../src/core/bytes.ts';
import { days } from '../../../src/core/clock.ts';
import { uuidV5 } from '../../../src/core/ids.ts';
import { fingerprint, parseCertificate, serialText } from '../../../src/pki/certificate.ts';
import { createDevelopmentPki } from '../../../src/pki/development.ts';
import { uuidOf } from '../../../src/pki/name.ts';
import { manufacturerKeyId, parsePublicKey } from '../../../src/pki/public-key.ts';
import { makeIdentities } from '../../support/identities.ts';

const now = Date.parse('2026-11-21T12:00:00Z');
const hubId = 'd03a1bb4-0a77-428c-b78c-1c46efe6a38e';
const pki = createDevelopmentPki({ devices: 1, hubId, now });
const [deviceDer = new Uint8Array()] = pki.devices[0]?.chain ?? [];
const [gatewayDer = new Uint8Array()] = pki.gateway.chain;
const identities = makeIdentities(now);

describe('parseCertificate', () => {
  it('reads a device certificate', () => {
    const device = parseCertificate(deviceDer);
    expect(device).toMatchObject({
      version: 3,
      notBefore: now - 3_600_000,
      publicKey: { type: 'ec', curve: 'P-256' },
      signatureAlgorithm: 'ecdsa-with-SHA256',
      basicConstraints: { authority: false, pathLength: undefined },
      keyUsage: ['digitalSignature', 'keyAgreement'],
      extendedKeyUsage: ['1.3.6.1.5.5.7.3.2', '1.3.6.1.5.5.7.3.1', '1.3.6.1.4.1.44924.1.6'],
      subjectAltNames: [],
      selfIssued: false,
    });
    expect(device.subject.text).toBe('O=Example Devices, CN=device-0001');
    expect(device.subject.commonName).toBe('device-0001');
    expect(device.issuer.text).toBe('O=Example Devices, CN=Example Devices Intermediate CA');
    expect(device.serial).toMatch(/^[0-9a-f]{32}$/);
    expect(device.authorityKeyId).toEqual(pki.manufacturer.intermediate.certificate.subjectKeyId);
  });

  it('reads an authority, and tells that a root is self-issued', () => {
    const { root, intermediate } = pki.manufacturer;
    expect(intermediate.certificate).toMatchObject({
      basicConstraints: { authority: true, pathLength: 0 },
      keyUsage: ['keyCertSign', 'cRLSign'],
      extendedKeyUsage: undefined,
      selfIssued: false,
    });
    expect(root.certificate.selfIssued).toBe(true);
    expect(root.certificate.basicConstraints).toEqual({ authority: true, pathLength: undefined });
  });

  it('reads alternative names of each kind', () => {
    expect(parseCertificate(gatewayDer).subjectAltNames).toEqual([
      { type: 'uri', value: `urn:uuid:${hubId}` },
      { type: 'dns', value: 'localhost' },
      { type: 'ip', value: '127.0.0.1' },
      { type: 'ip', value: '::1' },
    ]);
    expect(uuidOf(parseCertificate(gatewayDer).subject)).toBe(hubId);
  });

  it.each(['goodRsa', 'weakKey', 'sha1Signature'] as const)('describes the keys and signatures of %s', (name) => {
    const [leaf = new Uint8Array()] = identities.named[name].chain;
    const { publicKey, signatureAlgorithm } = parseCertificate(leaf);
    const expected = {
      goodRsa: [{ type: 'rsa', bits: 2048 }, 'ecdsa-with-SHA256'],
      weakKey: [{ type: 'rsa', bits: 1024 }, 'ecdsa-with-SHA256'],
      sha1Signature: [{ type: 'ec', curve: 'P-256' }, 'ecdsa-with-SHA1'],
    };
    expect([publicKey, signatureAlgorithm]).toEqual(expected[name]);
  });

  it('agrees with Node about every named identity and everything in the development PKI', () => {
    const all = [...Object.values(identities.named), ...pki.devices, pki.service, pki.gateway].flatMap(
      ({ chain }) => chain,
    );
    for (const der of all) {
      const ours = parseCertificate(der);
      const node = new NodeCertificate(der);
      expect(ours.serial).toBe(node.serialNumber.toLowerCase());
      expect(ours.subject.text.split(', ')).toEqual(node.subject.split('\n'));
      expect(ours.issuer.text.split(', ')).toEqual(node.issuer.split('\n'));
      expect(ours.notBefore).toBe(Date.parse(node.validFrom));
      expect(ours.notAfter).toBe(Date.parse(node.validTo));
      expect(ours.basicConstraints?.authority).toBe(node.ca);
      expect(equalBytes(ours.spki, node.publicKey.export({ type: 'spki', format: 'der' }))).toBe(true);
      expect(fingerprint(der)).toBe(node.fingerprint256.replaceAll(':', '').toLowerCase());
    }
  });

  it('refuses trailing bytes, a flipped length, truncation and PEM', () => {
    expect(() => parseCertificate(Uint8Array.of(...deviceDer, 0))).toThrow('1 bytes too many');
    expect(() => parseCertificate(deviceDer.slice(0, -1))).toThrow('a length beyond the end');
    expect(() => parseCertificate(new Uint8Array(Buffer.from(encodePem('CERTIFICATE', deviceDer))))).toThrow('DER');
  });

  it('refuses a certificate whose two algorithm fields differ', () => {
    const inner = Buffer.from('300a06082a8648ce3d040302', 'hex');
    const other = new Uint8Array(deviceDer);
    other[Buffer.from(other).indexOf(inner) + inner.length - 1] = 3;
    expect(() => parseCertificate(other)).toThrow('two different algorithms');
  });

  it('refuses a negative serial number, which would look like another certificate on a revocation list', () => {
    const negative = new Uint8Array(deviceDer);
    const at = Buffer.from(negative).indexOf(Buffer.from('a003020102', 'hex')) + 7;
    negative[at] = 0x90;
    expect(() => parseCertificate(negative)).toThrow('a negative number');
  });

  it('refuses the same extension twice', () => {
    const twice = new Uint8Array(deviceDer);
    // Both basicConstraints and keyUsage become 2.5.29.112, which nobody reads.
    for (const oid of ['0603551d13', '0603551d0f'])
      twice[Buffer.from(twice).indexOf(Buffer.from(oid, 'hex')) + 4] = 112;
    expect(() => parseCertificate(twice)).toThrow('an extension twice');
  });
});

describe('what identifies a certificate and a key', () => {
  it('writes serial numbers as hex without leading zero octets', () => {
    expect(serialText(Uint8Array.of(0, 0x80, 1))).toBe('8001');
    expect(serialText(Uint8Array.of(0))).toBe('00');
    expect(serialText(Uint8Array.of(0x0a, 0))).toBe('0a00');
  });

  it('derives the same device id from the same key, whatever its certificate', () => {
    const { spki } = parseCertificate(deviceDer);
    const renewed = createDevelopmentPki({ devices: 1, hubId, now: now + days(1) });
    expect(manufacturerKeyId(spki)).toBe(uuidV5('6ba7b814-9dad-11d1-80b4-00c04fd430c8', spki));
    const [other = new Uint8Array()] = renewed.devices[0]?.chain ?? [];
    expect(manufacturerKeyId(parseCertificate(other).spki)).not.toBe(manufacturerKeyId(spki));
    expect(toHex(parsePublicKey(spki).key)).toMatch(/^04[0-9a-f]{128}$/);
  });
});
