import { describe, expect, it } from 'vitest';
import { systemRandom } from '../../../src/core/random.ts';
import { createDevelopmentPki } from '../../../src/development.ts';
import { DeviceFactory } from '../../../src/fleet/factory.ts';
import type { IdentityKind } from '../../../src/fleet/scenario.ts';
import { parseCertificate } from '../../../src/pki/certificate.ts';
import { spkiOf } from '../../../src/pki/public-key.ts';
import { verifyPath } from '../../../src/secure/engine.ts';

const now = Date.UTC(2026, 5, 1);
const pki = createDevelopmentPki({ now });
const serviceCa = [pki.serviceCa.certificate.der];
const factory = new DeviceFactory({ manufacturer: pki.manufacturer, serviceCa, now, random: systemRandom });

/** What OpenSSL says of it, with the manufacturer's root and nothing else at hand. */
function judged(kind: IdentityKind): string[] {
  const { chain } = factory.make(6, kind);
  const [leaf = new Uint8Array(), ...untrusted] = chain;
  const anchors = [pki.manufacturer.root.certificate.der];
  const { errors } = verifyPath({ leaf, untrusted, trust: { anchors, purpose: 'client' }, at: now });
  return errors.map(({ code }) => code);
}

describe('a factory of device identities', () => {
  it('makes a key, a chain that fits it and the anchors of the service', () => {
    const { chain, privateKey, serviceCa: anchors } = factory.make(6, 'good');
    const [leaf = new Uint8Array()] = chain;
    const { subject, spki } = parseCertificate(leaf);
    expect(subject.commonName).toBe('device-00007');
    expect(spki).toEqual(spkiOf(privateKey));
    expect(anchors).toEqual(serviceCa);
  });

  it('makes good ones that everybody takes, in any order', () => {
    expect(judged('good')).toEqual([]);
    expect(judged('cloned')).toEqual([]);
    expect(judged('wrong-order')).toEqual([]);
    expect(factory.make(1, 'wrong-order').chain[1]).toEqual(pki.manufacturer.root.certificate.der);
  });

  it.each([
    ['missing-intermediate', 'UNABLE_TO_GET_ISSUER_CERT_LOCALLY'],
    ['expired', 'CERT_HAS_EXPIRED'],
    ['not-yet-valid', 'CERT_NOT_YET_VALID'],
    ['unknown-issuer', 'UNABLE_TO_GET_ISSUER_CERT_LOCALLY'],
  ] as const)('makes a bad one: %s', (kind, code) => {
    expect(judged(kind)).toContain(code);
  });
});
