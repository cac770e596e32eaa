import { createHash, generateKeyPairSync, type KeyObject } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import {
  derBitString,
  derContext,
  derElement,
  derInteger,
  derOid,
  derSequence,
  derSetOf,
  derUtf8String,
} from '../../../src/codec/der-writer.ts';
import { decodePemBlock, encodePem } from '../../../src/codec/pem.ts';
import { concatBytes, toHex } from '../../../src/core/bytes.ts';
import { FirstbootError } from '../../../src/core/errors.ts';
import { checkCsr, createCsr, readCsr, readCsrText } from '../../../src/pki/csr.ts';
import { encodeName, uuidOf, uuidSubject } from '../../../src/pki/name.ts';
import { spkiOf } from '../../../src/pki/public-key.ts';
import { type SignatureAlgorithm, signatureAlgorithms, signBytes } from '../../../src/pki/signature.ts';
import { callbackKey } from '../../support/callback-key.ts';

const id = '21565d33-acc1-44ce-5dd0-25c86cbd0bce';
const subject = uuidSubject(id);
const ecKey = (namedCurve = 'prime256v1'): KeyObject => generateKeyPairSync('ec', { namedCurve }).privateKey;
const recorded = readFileSync(new URL('../../vectors/pki/reference-device-csr.pem', import.meta.url), 'utf8');

describe('the request of the reference device', () => {
  it('is read and holds', () => {
    const text = readCsrText(recorded);
    if (!text.ok) throw new Error(text.refusal.code);
    expect(uuidOf(text.value.subject)).toBe(id);
    expect(text.value.signatureAlgorithm).toBe('ecdsa-with-SHA256');
    expect(checkCsr(text.value)).toMatchObject({ ok: true, value: { checked: true } });
  });

  it('has the shape of ours, octet by octet but for key and signature', () => {
    const theirs = readCsr(decodePemBlock(recorded, 'CERTIFICATE REQUEST'));
    const ours = readCsr(createCsr({ privateKey: ecKey(), subject }));
    const blank = (csr: typeof ours): string => toHex(csr.info).replace(toHex(csr.publicKey.key), 'KEY');
    expect(blank(ours)).toBe(blank(theirs));
    expect(checkCsr(ours).ok).toBe(true);
  });
});

describe('a request for a key that is elsewhere', () => {
  it('is signed there, and is the same but for key and signature', () => {
    const key = callbackKey(ecKey());
    const csr = readCsr(createCsr({ privateKey: key, subject }));
    expect(checkCsr(csr).ok).toBe(true);
    expect(csr.publicKey.spki).toEqual(key.publicKey);
    expect(key.digests).toEqual([new Uint8Array(createHash('sha256').update(csr.info).digest())]);
  });

  it('that is not P-256 cannot be made', () => {
    const key = { ...callbackKey(ecKey()), publicKey: spkiOf(ecKey('secp384r1')) };
    expect(() => createCsr({ privateKey: key, subject })).toThrow(/P-256, not P-384/);
  });
});

describe('readCsr', () => {
  const key = ecKey();
  const good = createCsr({ privateKey: key, subject });

  it('refuses what openssl and the JavaScript libraries let pass', () => {
    const info = derSequence(derInteger(0), encodeName(subject), spkiOf(key), derContext(0));
    const [algorithm, signature] = [
      signatureAlgorithms.ecdsaSha256,
      signBytes(signatureAlgorithms.ecdsaSha256, info, key),
    ];
    const around = (...parts: readonly Uint8Array[]): Uint8Array => derSequence(...parts);
    const whole = derBitString(signature);
    const unusedBits = derElement(3, Uint8Array.of(7), signature);
    const indefinite = concatBytes(Uint8Array.of(0x30, 0x80), info, algorithm.der, whole, Uint8Array.of(0, 0));
    const longLength = concatBytes(Uint8Array.of(0x30, 0x82, 0), good.slice(2));
    expect(good[1]).toBe(0x81);
    expect(foundIn(concatBytes(good, Uint8Array.of(0)))).toBe('1 bytes too many');
    expect(foundIn(indefinite)).toBe('an indefinite length (BER)');
    expect(foundIn(longLength)).toBe('a length that is not minimal');
    expect(foundIn(around(info, algorithm.der, unusedBits))).toMatch(/unused bits/);
    expect(foundIn(around(info, algorithm.der, whole, derInteger(1)))).toBe('3 bytes too many');
    expect(foundIn(signed(derInteger(5)))).toBe('not 0');
  });

  it('refuses a request without the attributes field, and attributes that are not DER', () => {
    const field = (bytes: Uint8Array): Uint8Array => signed(derInteger(0), bytes);
    expect(foundIn(field(new Uint8Array()))).toBe('nothing');
    expect(foundIn(field(derContext(0, derSequence(derElement(1, Uint8Array.of(1))))))).toBe('a bad BOOLEAN');
  });

  it('says csr.malformed and where', () => {
    expect(errorIn(good.slice(0, 40))).toMatchObject({ code: 'csr.malformed', evidence: { at: 0, what: 'request' } });
  });

  function signed(version: Uint8Array, attributes: Uint8Array = derContext(0)): Uint8Array {
    return request(version, spkiOf(key), attributes, signatureAlgorithms.ecdsaSha256, key);
  }
});

describe('readCsrText', () => {
  it.each([
    ['DER in base64 without boundaries', 'MIHvMIGWAgEA'],
    ['a certificate', encodePem('CERTIFICATE', Uint8Array.of(0x30, 0))],
    ['text around the block', `hello\n${recorded}`],
    ['two blocks', recorded + recorded],
    ['nothing', ''],
  ])('refuses %s as csr.encoding', (_, text) => {
    expect(readCsrText(text)).toMatchObject({ ok: false, refusal: { code: 'csr.encoding' } });
  });

  it('refuses PEM of something else as csr.malformed, with the place', () => {
    const pem = encodePem('CERTIFICATE REQUEST', Uint8Array.of(0x30, 1, 0));
    expect(readCsrText(pem)).toMatchObject({ ok: false, refusal: { code: 'csr.malformed', evidence: { at: 2 } } });
  });
});

describe('checkCsr', () => {
  it.each([
    ['P-384', ecKey('secp384r1'), true],
    ['P-521', ecKey('secp521r1'), false],
    ['secp256k1', ecKey('secp256k1'), false],
    ['Ed25519', generateKeyPairSync('ed25519').privateKey, false],
    ['RSA 2048', generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey, false],
  ])('by default judges a key of kind %s', (_, key, allowed) => {
    const { ecdsaSha256, ed25519 } = signatureAlgorithms;
    const algorithm = key.asymmetricKeyType === 'ed25519' ? ed25519 : ecdsaSha256;
    const csr = readCsr(request(derInteger(0), spkiOf(key), derContext(0), algorithm, key));
    const verdict = checkCsr(csr);
    expect(verdict.ok ? 'allowed' : verdict.refusal.code).toBe(allowed ? 'allowed' : 'csr.key-not-allowed');
  });

  it('takes Ed25519 when the policy says so', () => {
    const csr = readCsr(createCsr({ privateKey: generateKeyPairSync('ed25519').privateKey, subject }));
    expect(checkCsr(csr, { keys: ['Ed25519'] }).ok).toBe(true);
  });

  it('refuses a request that somebody else has signed', () => {
    const { ecdsaSha256 } = signatureAlgorithms;
    const csr = readCsr(request(derInteger(0), spkiOf(ecKey()), derContext(0), ecdsaSha256, ecKey()));
    expect(checkCsr(csr)).toMatchObject({ ok: false, refusal: { code: 'csr.signature', evidence: { key: 'P-256' } } });
  });

  it('refuses a request whose subject was changed after signing', () => {
    const changed = new Uint8Array(createCsr({ privateKey: ecKey(), subject }));
    const at = Buffer.from(changed).indexOf('uuid:') + 5;
    changed[at] = (changed[at] ?? 0) ^ 1;
    expect(checkCsr(readCsr(changed))).toMatchObject({ ok: false, refusal: { code: 'csr.signature' } });
  });

  it('refuses SHA-1, and an algorithm that does not go with the key', () => {
    const key = ecKey();
    const oid = '1.2.840.10045.4.1';
    const sha1: SignatureAlgorithm = {
      name: 'sha1',
      oid,
      digest: 'sha1',
      keyType: 'ec',
      der: derSequence(derOid(oid)),
    };
    const wrong = { ...signatureAlgorithms.ecdsaSha256, der: signatureAlgorithms.ed25519.der };
    for (const algorithm of [sha1, wrong]) {
      const csr = readCsr(request(derInteger(0), spkiOf(key), derContext(0), algorithm, key));
      expect(checkCsr(csr)).toMatchObject({ ok: false, refusal: { code: 'csr.signature' } });
    }
  });

  it('refuses a point that is not on its curve', () => {
    const key = ecKey();
    const spki = spkiOf(key);
    spki[spki.length - 1] = (spki[spki.length - 1] ?? 0) ^ 1;
    const csr = readCsr(request(derInteger(0), spki, derContext(0), signatureAlgorithms.ecdsaSha256, key));
    expect(checkCsr(csr)).toMatchObject({
      ok: false,
      refusal: { code: 'csr.malformed', evidence: { what: 'public key' } },
    });
  });

  it('keeps nothing of requested extensions', () => {
    const key = ecKey();
    const wish = derSequence(derOid('1.2.840.113549.1.9.14'), derSetOf(derSequence(derUtf8String('CA:TRUE please'))));
    const csr = readCsr(request(derInteger(0), spkiOf(key), derContext(0, wish), signatureAlgorithms.ecdsaSha256, key));
    const verdict = checkCsr(csr);
    expect(verdict.ok && Object.keys(verdict.value)).toEqual(['subject', 'publicKey', 'checked']);
  });
});

function request(
  version: Uint8Array,
  spki: Uint8Array,
  attributes: Uint8Array,
  algorithm: SignatureAlgorithm,
  key: KeyObject,
): Uint8Array {
  const info = derSequence(version, encodeName(subject), spki, attributes);
  const signature = signBytes({ ...algorithm, digest: digestFor(key, algorithm) }, info, key);
  return derSequence(info, algorithm.der, derBitString(signature));
}

const digestFor = (key: KeyObject, { digest }: SignatureAlgorithm): string | null =>
  key.asymmetricKeyType === 'ed25519' ? null : (digest ?? 'sha256');

function errorIn(der: Uint8Array): FirstbootError {
  try {
    readCsr(der);
  } catch (error) {
    if (error instanceof FirstbootError) return error;
    throw error;
  }
  throw new Error('the request was read');
}

const foundIn = (der: Uint8Array): unknown => errorIn(der).evidence.found;
