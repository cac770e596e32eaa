import { hash } from 'node:crypto';
import { DerReader } from '../codec/der.ts';
import { contextTag, tags } from '../codec/der-tags.ts';
import { decodeCertificates } from '../codec/pem.ts';
import { equalBytes, toHex } from '../core/bytes.ts';
import type { Millis } from '../core/clock.ts';
import { FirstbootError, failure } from '../core/errors.ts';
import { type Extensions, type FamiliarExtensions, readExtensions } from './extension.ts';
import { type Name, readName } from './name.ts';
import { type PublicKeyKind, readPublicKey } from './public-key.ts';
import { readSignatureAlgorithm } from './signature.ts';

/** What we need to know of an X.509 certificate (RFC 5280 §4). Byte fields share memory with `der`. */
export interface Certificate extends CertificateFields {
  readonly der: Uint8Array;
  /** The signed part. */
  readonly tbs: Uint8Array;
  readonly signature: Uint8Array;
}

/** What the signed part says. */
export interface CertificateFields extends Extensions {
  readonly version: 1 | 2 | 3;
  /** Lower-case hex of the magnitude, without leading zero octets. */
  readonly serial: string;
  /** OpenSSL-like name, `ecdsa-with-SHA256`, or the dotted identifier. */
  readonly signatureAlgorithm: string;
  readonly issuer: Name;
  readonly notBefore: Millis;
  readonly notAfter: Millis;
  readonly subject: Name;
  /** SubjectPublicKeyInfo, DER. */
  readonly spki: Uint8Array;
  readonly publicKey: PublicKeyKind;
  /** Issuer and subject are the same name. Says nothing about who signed. */
  readonly selfIssued: boolean;
}

/**
 * Parses one certificate with the strict DER reader; nothing may follow it. Judges no dates, signatures or path.
 * @throws FirstbootError der.malformed
 */
export function parseCertificate(der: Uint8Array): Certificate {
  const document = DerReader.over(der);
  const outer = document.sequence('certificate');
  document.end('certificate');
  const signed = outer.element(tags.sequence, 'tbsCertificate');
  const algorithm = readSignatureAlgorithm(outer);
  const signature = outer.octetAligned('signatureValue');
  outer.end('certificate');
  const { fields, signatureAlgorithm } = readFields(outer.reread(signed, 'tbsCertificate'));
  if (!equalBytes(signatureAlgorithm, algorithm.encoded)) {
    throw failure('der.malformed', { what: 'signature', found: 'two different algorithms' }, 'sign it again');
  }
  return { der, tbs: signed.encoded, signature, ...fields };
}

/** The same for what a peer may have sent anything for: undefined when it cannot be read. */
export function tryParseCertificate(der: Uint8Array): Certificate | undefined {
  try {
    return parseCertificate(der);
  } catch (error) {
    if (error instanceof FirstbootError) return undefined;
    throw error;
  }
}

/** The same for the first certificate of a record in PEM. */
export function certificateInPem(pem: string): Certificate | undefined {
  try {
    const [der] = decodeCertificates(pem);
    return der && parseCertificate(der);
  } catch (error) {
    if (error instanceof FirstbootError) return undefined;
    throw error;
  }
}

/** Parts that many certificates have in common, with what they were read as. */
export interface FamiliarParts {
  readonly issuer: Name;
  readonly extensions: FamiliarExtensions;
}

/**
 * Parses a signed part on its own: a certificate that is still to be signed.
 * @param familiar parts that are not read again where their octets are the same.
 * @throws FirstbootError der.malformed
 */
export function parseTbs(tbs: Uint8Array, familiar?: FamiliarParts): CertificateFields {
  const document = DerReader.over(tbs);
  const { fields } = readFields(document.sequence('tbsCertificate'), familiar);
  document.end('tbsCertificate');
  return fields;
}

/** SHA-256 over the DER, lower-case hex. */
export const fingerprint = (der: Uint8Array): string => hash('sha256', der, 'hex');

/** A serial number for people and keys of tables: hex without leading zero octets. */
export function serialText(octets: Uint8Array): string {
  let from = 0;
  while (from < octets.length - 1 && octets[from] === 0) from++;
  return toHex(octets.subarray(from));
}

function readFields(
  tbs: DerReader,
  familiar?: FamiliarParts,
): { readonly fields: CertificateFields; readonly signatureAlgorithm: Uint8Array } {
  const version = readVersion(tbs);
  const serial = readSerial(tbs);
  const algorithm = readSignatureAlgorithm(tbs);
  const issuer = familiar && tbs.takeSame(familiar.issuer.der) ? familiar.issuer : readName(tbs, 'issuer');
  const validity = tbs.sequence('validity');
  const notBefore = validity.time('notBefore');
  const notAfter = validity.time('notAfter');
  validity.end('validity');
  const subject = readName(tbs, 'subject');
  const { spki, kind } = readPublicKey(tbs);
  skipUniqueId(tbs, 1, 'issuerUniqueID');
  skipUniqueId(tbs, 2, 'subjectUniqueID');
  const extensions = readExtensions(tbs, contextTag(3, 'constructed'), familiar?.extensions);
  tbs.end('tbsCertificate');
  const fields: CertificateFields = {
    version,
    serial,
    signatureAlgorithm: algorithm.name,
    issuer,
    notBefore,
    notAfter,
    subject,
    spki,
    publicKey: kind,
    selfIssued: equalBytes(issuer.der, subject.der),
    extensions: extensions.extensions,
    basicConstraints: extensions.basicConstraints,
    keyUsage: extensions.keyUsage,
    extendedKeyUsage: extensions.extendedKeyUsage,
    subjectKeyId: extensions.subjectKeyId,
    authorityKeyId: extensions.authorityKeyId,
    subjectAltNames: extensions.subjectAltNames,
  };
  return { fields, signatureAlgorithm: algorithm.encoded };
}

/** Negative ones would share their text with positive ones, and RFC 5280 forbids them. */
function readSerial(tbs: DerReader): string {
  const octets = tbs.integer('serialNumber');
  if ((octets[0] ?? 0) >= 0x80) {
    const evidence = { what: 'serialNumber', found: 'a negative number' };
    throw failure('der.malformed', evidence, 'issue it with a positive one');
  }
  return serialText(octets);
}

function readVersion(tbs: DerReader): 1 | 2 | 3 {
  if (tbs.peek() !== contextTag(0, 'constructed')) return 1;
  const wrapper = tbs.enter(contextTag(0, 'constructed'), 'version');
  const version = wrapper.smallInteger('version');
  wrapper.end('version');
  // v1 is the DEFAULT and must then be left out (X.690 §11.5).
  if (version !== 1 && version !== 2) {
    throw failure('der.malformed', { what: 'version', found: version }, 'issue an X.509 v3 certificate');
  }
  return version === 1 ? 2 : 3;
}

/** Nobody issues these any more (RFC 5280 §4.1.2.8), but they may be there. */
function skipUniqueId(tbs: DerReader, n: number, what: string): void {
  if (tbs.peek() === contextTag(n, 'primitive')) tbs.bitString(contextTag(n, 'primitive'), what);
}
