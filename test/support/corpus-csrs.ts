import { createHash, type KeyObject, sign } from 'node:crypto';
import type { CborMap, CborValue } from '../../src/codec/cbor.ts';
import { derBitString, derContext, derDocument, derInteger, derOid, derSequence } from '../../src/codec/der-writer.ts';
import { encodePem } from '../../src/codec/pem.ts';
import { concatBytes } from '../../src/core/bytes.ts';
import type { ErrorCode } from '../../src/core/errors.ts';
import type { Uuid } from '../../src/core/ids.ts';
import { encodeName, type Subject, uuidSubject } from '../../src/pki/name.ts';
import { spkiOf } from '../../src/pki/public-key.ts';
import { curveKey, newKey, rsaKey } from './forge.ts';

/** A certificate request of some device, and what has to be said of it. */
export interface CsrCase {
  readonly name: string;
  readonly expected: ErrorCode;
  readonly why: string;
  /** What stands under `csr` in the body. */
  readonly csr: CborValue | undefined;
}

/** Every broken certificate request that we have thought of. */
export function csrCorpus(deviceId: Uuid): readonly CsrCase[] {
  const subject = uuidSubject(deviceId);
  const good = request({ subject });
  const pem = (der: Uint8Array): CborMap => wrapped(encodePem('CERTIFICATE REQUEST', der));
  const one = (name: string, expected: ErrorCode, why: string, csr: CborValue | undefined): CsrCase => ({
    name,
    expected,
    why,
    csr,
  });
  return [
    one('csrMissing', 'csr.encoding', 'there is none', undefined),
    one('csrInBytes', 'csr.encoding', 'DER in a byte string', { data: good, encoding: 'oic.sec.encoding.der' }),
    one('csrWithoutEncoding', 'csr.encoding', 'it does not say how it is encoded', {
      data: encodePem('CERTIFICATE REQUEST', good),
    }),
    one('csrEmpty', 'csr.encoding', 'an empty text', wrapped('')),
    one('csrOfCertificate', 'csr.encoding', 'a certificate in its place', wrapped(encodePem('CERTIFICATE', good))),
    one('csrTwice', 'csr.encoding', 'two blocks', wrapped(encodePem('CERTIFICATE REQUEST', good).repeat(2))),
    one(
      'csrWithText',
      'csr.encoding',
      'text before the block',
      wrapped(`hello\n${encodePem('CERTIFICATE REQUEST', good)}`),
    ),
    one(
      'csrNotBase64',
      'csr.encoding',
      'a block of something else',
      wrapped(encodePem('CERTIFICATE REQUEST', good).replace(/^M/m, '*')),
    ),
    one('csrGarbage', 'csr.malformed', 'octets that are no request', pem(Uint8Array.of(1, 2, 3))),
    one('csrCut', 'csr.malformed', 'the end is missing', pem(good.slice(0, -4))),
    one('csrLonger', 'csr.malformed', 'an octet behind it', pem(concatBytes(good, Uint8Array.of(0)))),
    one('csrVersion1', 'csr.malformed', 'version 1', pem(request({ subject, version: 1 }))),
    one('csrOffCurve', 'csr.malformed', 'a point that is not on its curve', pem(request({ subject, spki: offCurve }))),
    one('csrAltered', 'csr.signature', 'one bit of the signature', pem(flipped(good))),
    one('csrOfAnother', 'csr.signature', 'signed with another key', pem(request({ subject, signer: newKey() }))),
    one(
      'csrSha1',
      'csr.signature',
      'signed over SHA-1',
      pem(request({ subject, algorithm: '1.2.840.10045.4.1', digest: 'sha1' })),
    ),
    one('csrRsa', 'csr.key-not-allowed', 'an RSA key', pem(request({ subject, spki: () => spkiOf(rsaKey(2048)) }))),
    one('csrP521', 'csr.key-not-allowed', 'a P-521 key', pem(request({ subject, key: curveKey('secp521r1') }))),
    one(
      'csrSecp256k1',
      'csr.key-not-allowed',
      'a key on secp256k1',
      pem(request({ subject, key: curveKey('secp256k1') })),
    ),
    one(
      'csrForAnother',
      'csr.subject',
      'for another device',
      pem(request({ subject: uuidSubject('21565d33-acc1-44ce-5dd0-25c86cbd0bce') })),
    ),
    one('csrWithoutId', 'csr.subject', 'its name has no id', pem(request({ subject: { commonName: 'device-0001' } }))),
    one('csrNameless', 'csr.subject', 'it has no name', pem(request({ subject: {} }))),
  ];
}

/** The `csr` of a device that does everything right. */
export const goodCsr = (deviceId: Uuid): CborMap =>
  wrapped(encodePem('CERTIFICATE REQUEST', request({ subject: uuidSubject(deviceId) })));

const wrapped = (data: string): CborMap => ({ data, encoding: 'oic.sec.encoding.pem' });

interface RequestSpec {
  readonly subject: Subject;
  readonly key?: KeyObject;
  readonly signer?: KeyObject;
  readonly version?: number;
  readonly algorithm?: string;
  readonly digest?: string;
  /** Changes what stands there for the public key. */
  readonly spki?: (spki: Uint8Array) => Uint8Array;
}

/** Signs whatever is asked for. */
function request(spec: RequestSpec): Uint8Array {
  const { subject, key = newKey(), version = 0, algorithm = '1.2.840.10045.4.3.2', digest = 'sha256' } = spec;
  const spki = new Uint8Array(spkiOf(key));
  const info = derSequence(derInteger(version), encodeName(subject), spec.spki?.(spki) ?? spki, derContext(0));
  const signature = sign(digest, info, spec.signer ?? key);
  return derDocument(info, derSequence(derOid(algorithm)), derBitString(new Uint8Array(signature)));
}

/** Another y for the same x. */
function offCurve(spki: Uint8Array): Uint8Array {
  const copy = new Uint8Array(spki);
  copy.set(createHash('sha256').update(copy).digest(), copy.length - 32);
  return copy;
}

function flipped(der: Uint8Array): Uint8Array {
  const copy = new Uint8Array(der);
  const last = copy.length - 1;
  copy[last] = (copy[last] ?? 0) ^ 1;
  return copy;
}
