import { constants, verify } from 'node:crypto';
import { DerReader } from '../codec/der.ts';
import { contextTag, tags } from '../codec/der-tags.ts';
import { oids } from '../codec/oid.ts';
import { decodePem, encodePem } from '../codec/pem.ts';
import { equalBytes, toHex } from '../core/bytes.ts';
import type { Millis } from '../core/clock.ts';
import { failure } from '../core/errors.ts';
import { limits } from '../core/limits.ts';
import { type Certificate, serialText } from './certificate.ts';
import { type Extensions, readExtensions } from './extension.ts';
import { type Name, readName } from './name.ts';
import { readSignatureAlgorithm } from './signature.ts';

/** What we need to know of somebody's certificate revocation list (RFC 5280 §5). Byte fields share memory with the DER. */
export interface RevocationList {
  readonly issuer: Name;
  readonly thisUpdate: Millis;
  /** Undefined where the issuer does not say; lists of RFC 5280 have it. */
  readonly nextUpdate: Millis | undefined;
  /** cRLNumber: grows with every list of the issuer. */
  readonly number: bigint | undefined;
  /** Of the key that signed. */
  readonly authorityKeyId: Uint8Array | undefined;
  readonly revoked: readonly RevokedEntry[];
  readonly signatureAlgorithm: string;
  /** The signed part. */
  readonly tbs: Uint8Array;
  readonly signature: Uint8Array;
}

export interface RevokedEntry {
  /** As Certificate.serial. */
  readonly serial: string;
  readonly revokedAt: Millis;
  /** Name of RFC 5280 §5.3.1; `unspecified` when the list says nothing. */
  readonly reason: string;
}

/**
 * Parses one revocation list with the strict DER reader; nothing may follow it. Judges no dates and no signature.
 * @throws FirstbootError der.malformed
 */
export function readCrl(der: Uint8Array): RevocationList {
  const document = DerReader.over(der, limits.crl.bytes);
  const outer = document.sequence('certificateList');
  document.end('certificateList');
  const signed = outer.element(tags.sequence, 'tbsCertList');
  const algorithm = readSignatureAlgorithm(outer);
  const signature = outer.octetAligned('signatureValue');
  outer.end('certificateList');

  const list = outer.reread(signed, 'tbsCertList');
  if (list.peek() === tags.integer && list.smallInteger('version') !== 1) {
    throw failure('der.malformed', { what: 'version', found: 'not version 2' }, 'issue a version 2 list');
  }
  if (!equalBytes(readSignatureAlgorithm(list).encoded, algorithm.encoded)) {
    throw failure('der.malformed', { what: 'signature', found: 'two different algorithms' }, 'sign it again');
  }
  const issuer = readName(list, 'issuer');
  const thisUpdate = list.time('thisUpdate');
  const nextUpdate = isTime(list.peek()) ? list.time('nextUpdate') : undefined;
  const revoked = list.peek() === tags.sequence ? list.sequenceOf('revokedCertificates', readEntry) : [];
  const extensions = readExtensions(list, contextTag(0, 'constructed'));
  list.end('tbsCertList');
  return {
    issuer,
    thisUpdate,
    nextUpdate,
    number: numberOf(extensions),
    authorityKeyId: extensions.authorityKeyId,
    revoked,
    signatureAlgorithm: algorithm.name,
    tbs: signed.encoded,
    signature,
  };
}

/** Whether the holder of `certificate` issued the list: its name, its key, and its leave to sign lists (RFC 5280 §6.3.3 f, g). */
export function crlSignedBy(crl: RevocationList, certificate: Certificate): boolean {
  const { subject, keyUsage, spki } = certificate;
  if (!equalBytes(crl.issuer.der, subject.der) || (keyUsage && !keyUsage.includes('cRLSign'))) return false;
  const scheme = schemes.get(crl.signatureAlgorithm);
  const key = encodePem('PUBLIC KEY', spki);
  try {
    return scheme?.some((check) => check(crl.tbs, key, crl.signature)) ?? false;
  } catch {
    // A key that is none, or that is of another type than the signature.
    return false;
  }
}

/**
 * DER of every revocation list in a PEM document, in its order; other blocks are left out.
 * @throws FirstbootError pem.malformed
 */
export const decodeCrls = (document: string | Uint8Array): Uint8Array[] =>
  decodePem(document, 'file', limits.crl.documentBytes).flatMap(({ label, der }) =>
    label === 'X509 CRL' ? [der] : [],
  );

type Check = (tbs: Uint8Array, key: string, signature: Uint8Array) => boolean;

const plain =
  (digest: string | null): Check =>
  (tbs, key, signature) =>
    verify(digest, tbs, key, signature);

const pss =
  (digest: string): Check =>
  (tbs, key, signature) =>
    verify(
      digest,
      tbs,
      { key, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: constants.RSA_PSS_SALTLEN_AUTO },
      signature,
    );

/** By the names that readSignatureAlgorithm gives. SHA-1 is not among them: OpenSSL does not take it either. */
const schemes = new Map<string, readonly Check[]>([
  ['ecdsa-with-SHA256', [plain('sha256')]],
  ['ecdsa-with-SHA384', [plain('sha384')]],
  ['ecdsa-with-SHA512', [plain('sha512')]],
  ['ED25519', [plain(null)]],
  ['sha256WithRSAEncryption', [plain('sha256')]],
  ['sha384WithRSAEncryption', [plain('sha384')]],
  ['sha512WithRSAEncryption', [plain('sha512')]],
  // Its digest is in parameters that nobody else needs: one of these.
  ['rsassaPss', [pss('sha256'), pss('sha384'), pss('sha512')]],
]);

const isTime = (tag: number | undefined): boolean => tag === tags.utcTime || tag === tags.generalizedTime;

function readEntry(items: DerReader): RevokedEntry {
  const entry = items.sequence('revokedCertificate');
  const serial = serialText(entry.integer('userCertificate'));
  const revokedAt = entry.time('revocationDate');
  const extensions = entry.peek() === undefined ? [] : readEntryExtensions(entry);
  entry.end('revokedCertificate');
  const reason = extensions.find(({ oid }) => oid === oids.crlReason)?.value;
  return { serial, revokedAt, reason: reasons[reason?.[2] ?? 0] ?? 'unspecified' };
}

/** They stand there without the tag around them that the list's own have. */
function readEntryExtensions(entry: DerReader): { readonly oid: string; readonly value: Uint8Array }[] {
  return entry.sequenceOf('crlEntryExtensions', (items) => {
    const item = items.sequence('extension');
    const oid = item.oid('extnID');
    if (item.peek() === tags.boolean) item.boolean('critical');
    const value = item.octetString('extnValue');
    item.end('extension');
    return { oid, value };
  });
}

const reasons = [
  'unspecified',
  'keyCompromise',
  'cACompromise',
  'affiliationChanged',
  'superseded',
  'cessationOfOperation',
  'certificateHold',
  'unspecified',
  'removeFromCRL',
  'privilegeWithdrawn',
  'aACompromise',
] as const;

function numberOf({ extensions }: Extensions): bigint | undefined {
  const found = extensions.find(({ oid }) => oid === oids.crlNumber);
  if (!found) return undefined;
  const value = DerReader.over(found.value);
  const octets = value.integer('cRLNumber');
  value.end('cRLNumber');
  return BigInt(`0x${toHex(octets)}`);
}
