import { tags } from '../codec/der-tags.ts';
import {
  derBitString,
  derContext,
  derDocument,
  derElement,
  derInteger,
  derSequence,
  derTime,
  derUnsigned,
} from '../codec/der-writer.ts';
import { oids } from '../codec/oid.ts';
import { fromHex } from '../core/bytes.ts';
import type { Millis } from '../core/clock.ts';
import { type CrlReason, reasonCodes } from './crl-reason.ts';
import { encodeAuthorityKeyId, encodeExtension } from './extension.ts';
import type { Issuer } from './issuer.ts';
import { parsePublicKey, subjectKeyIdOf } from './public-key.ts';
import { signatureAlgorithmFor, signBytes } from './signature.ts';

export interface RevokedCertificate {
  /** Hex, as Certificate.serial. */
  readonly serial: string;
  readonly revokedAt: Millis;
  /** Default: unspecified, which is left out, as it should be (RFC 5280 §5.3.1). */
  readonly reason?: CrlReason;
}

export interface CrlOptions {
  readonly issuer: Issuer;
  readonly revoked: readonly RevokedCertificate[];
  readonly thisUpdate: Millis;
  readonly nextUpdate: Millis;
  /** Grows with every list of the issuer (RFC 5280 §5.2.3). */
  readonly number: number;
}

/** A complete revocation list of one issuer, DER (CRL version 2, RFC 5280 §5). */
export function createCrl({ issuer, revoked, thisUpdate, nextUpdate, number }: CrlOptions): Uint8Array {
  const { certificate, privateKey } = issuer;
  const algorithm = signatureAlgorithmFor(privateKey);
  const keyId = certificate.subjectKeyId ?? subjectKeyIdOf(parsePublicKey(certificate.spki).key);
  const entries = revoked.map(encodeEntry);
  const list = derSequence(
    derInteger(1),
    algorithm.der,
    certificate.subject.der,
    derTime(thisUpdate),
    derTime(nextUpdate),
    // An empty list is left out (RFC 5280 §5.1.2.6).
    ...(entries.length > 0 ? [derElement(tags.sequence, Buffer.concat(entries))] : []),
    derContext(
      0,
      derSequence(
        encodeExtension(oids.authorityKeyIdentifier, false, encodeAuthorityKeyId(keyId)),
        encodeExtension(oids.crlNumber, false, derInteger(number)),
      ),
    ),
  );
  return derDocument(list, algorithm.der, derBitString(signBytes(algorithm, list, privateKey)));
}

function encodeEntry({ serial, revokedAt, reason = 'unspecified' }: RevokedCertificate): Uint8Array {
  const known = [derUnsigned(fromHex(serial)), derTime(revokedAt)];
  if (reason === 'unspecified') return derSequence(...known);
  const code = encodeExtension(oids.crlReason, false, derElement(tags.enumerated, Uint8Array.of(reasonCodes[reason])));
  return derSequence(...known, derSequence(code));
}
