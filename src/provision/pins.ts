import { fingerprint } from '../pki/certificate.ts';
import type { PathError } from '../pki/path.ts';

/** What a pin names a device by: SHA-256 of its SubjectPublicKeyInfo, lower-case hex. */
export const pinOf = (spki: Uint8Array): string => fingerprint(spki);

/**
 * What a pin overrides: everything that is about who signed a certificate, when and in which form. That a key is too weak or
 * that its issuer has revoked it is about the key itself, and stays; and so does a signature that does not verify or a part
 * that cannot be read: that certificate is damaged. The handshake lets these pass for pinned keys alone; stage attest judges
 * them again.
 */
export const overriddenByPin: readonly string[] = [
  // Nobody known has signed, or somebody who should not have.
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'SELF_SIGNED_CERT_IN_CHAIN',
  'UNABLE_TO_GET_ISSUER_CERT',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
  'CERT_UNTRUSTED',
  'CERT_REJECTED',
  'CERT_CHAIN_TOO_LONG',
  'PATH_LENGTH_EXCEEDED',
  'INVALID_CA',
  'KEYUSAGE_NO_CERTSIGN',
  'SUBJECT_ISSUER_MISMATCH',
  'AKID_SKID_MISMATCH',
  'AKID_ISSUER_SERIAL_MISMATCH',
  'CA_KEY_TOO_SMALL',
  'CA_MD_TOO_WEAK',
  'PERMITTED_VIOLATION',
  'EXCLUDED_VIOLATION',
  // Its dates.
  'CERT_HAS_EXPIRED',
  'CERT_NOT_YET_VALID',
  // The signer's revocation lists, but not what stands in them.
  'UNABLE_TO_GET_CRL',
  'UNABLE_TO_GET_CRL_ISSUER',
  'CRL_NOT_YET_VALID',
  'CRL_HAS_EXPIRED',
  'CRL_PATH_VALIDATION_ERROR',
  'KEYUSAGE_NO_CRL_SIGN',
  // Its form and its usage: a self-signed one is as simple as can be.
  'INVALID_PURPOSE',
  'UNHANDLED_CRITICAL_EXTENSION',
  'EXTENSIONS_REQUIRE_VERSION_3',
  'PATHLEN_INVALID_FOR_NON_CA',
  'PATHLEN_WITHOUT_KU_KEY_CERT_SIGN',
  'KU_KEY_CERT_SIGN_INVALID_FOR_NON_CA',
  'CA_BCONS_NOT_CRITICAL',
  'CA_CERT_MISSING_KEY_USAGE',
  'ISSUER_NAME_EMPTY',
  'SUBJECT_NAME_EMPTY',
  'MISSING_AUTHORITY_KEY_IDENTIFIER',
  'MISSING_SUBJECT_KEY_IDENTIFIER',
  'AUTHORITY_KEY_IDENTIFIER_CRITICAL',
  'SUBJECT_KEY_IDENTIFIER_CRITICAL',
  'EMPTY_SUBJECT_ALT_NAME',
  'EMPTY_SUBJECT_SAN_NOT_CRITICAL',
];

export const overriding = ({ code }: PathError): boolean => overridden.has(code);

const overridden: ReadonlySet<string> = new Set(overriddenByPin);
