import { DerReader } from '../codec/der.ts';
import { contextTag, tags } from '../codec/der-tags.ts';
import { derBitString, derContext, derDocument, derInteger, derSequence } from '../codec/der-writer.ts';
import { decodePemBlock } from '../codec/pem.ts';
import { type Decision, decided, FirstbootError, failure, refused } from '../core/errors.ts';
import { encodeName, type Name, readName, type Subject } from './name.ts';
import { describeKind, type PublicKeyInfo, readPublicKey } from './public-key.ts';
import { readSignatureAlgorithm, type SignatureAlgorithm, verifyWithSpki } from './signature.ts';
import { type PrivateKey, publicKeyOf, signWith } from './signing-key.ts';

/** A certification request (PKCS #10, RFC 2986). Attributes, and the extensions asked for in them, are not kept. */
export interface Csr {
  readonly der: Uint8Array;
  /** The signed part. */
  readonly info: Uint8Array;
  readonly subject: Name;
  readonly publicKey: PublicKeyInfo;
  /** Name of the algorithm, and what it is when it is one that we verify. */
  readonly signatureAlgorithm: string;
  readonly algorithm: SignatureAlgorithm | undefined;
  readonly signature: Uint8Array;
}

/** A request whose sender has shown that it holds the private key, and whose key the policy allows. */
export interface CheckedCsr {
  readonly subject: Name;
  readonly publicKey: PublicKeyInfo;
  readonly checked: true;
}

export interface CsrPolicy {
  /** Key kinds in words: P-256, P-384, Ed25519. RSA is not offered for identities. */
  readonly keys: readonly IdentityKeyKind[];
}

export type IdentityKeyKind = 'P-256' | 'P-384' | 'Ed25519';

const defaultCsrPolicy: CsrPolicy = { keys: ['P-256', 'P-384'] };

/**
 * Reads a request strictly: DER only, version 0, nothing behind it, whole-octet signature.
 * @throws FirstbootError csr.malformed
 */
export function readCsr(der: Uint8Array): Csr {
  try {
    return parse(der);
  } catch (error) {
    if (!(error instanceof FirstbootError)) throw error;
    throw failure('csr.malformed', error.evidence, 'send a DER encoded PKCS #10 request (RFC 2986)', error);
  }
}

/**
 * Reads a request as it comes over a wire: one strict PEM block, nothing around it.
 * Refusals: csr.encoding, csr.malformed.
 */
export function readCsrText(text: string): Decision<Csr> {
  let der: Uint8Array;
  try {
    der = decodePemBlock(text, 'CERTIFICATE REQUEST', 'wire');
  } catch (error) {
    if (!(error instanceof FirstbootError)) throw error;
    return refused('csr.encoding', error.evidence, 'send the request as one PEM block, CERTIFICATE REQUEST');
  }
  try {
    return decided(readCsr(der));
  } catch (error) {
    if (!(error instanceof FirstbootError)) throw error;
    return refused(error.code, error.evidence, error.fix);
  }
}

/**
 * Whether the key is of an allowed kind and has signed the request.
 * Refusals: csr.key-not-allowed, csr.signature, csr.malformed (a point off its curve).
 */
export function checkCsr(csr: Csr, policy: CsrPolicy = defaultCsrPolicy): Decision<CheckedCsr> {
  const kind = describeKind(csr.publicKey.kind);
  const allowed = policy.keys.join(', ');
  if (!policy.keys.some((key) => key === kind)) {
    return refused('csr.key-not-allowed', { key: kind, allowed }, `make the device's identity key one of ${allowed}`);
  }
  if (csr.algorithm?.keyType !== csr.publicKey.kind.type) {
    const fix = 'sign the request with SHA-256 or better, and with the key that is in it';
    return refused('csr.signature', { algorithm: csr.signatureAlgorithm }, fix);
  }
  let holds: boolean;
  try {
    holds = verifyWithSpki(csr.algorithm, csr.info, csr.publicKey.spki, csr.signature);
  } catch {
    return refused('csr.malformed', { what: 'public key', key: kind }, 'send a point that is on its curve');
  }
  if (!holds) {
    const fix = 'sign the request with the private key of the key inside it';
    return refused('csr.signature', { algorithm: csr.signatureAlgorithm, key: kind }, fix);
  }
  return decided({ subject: csr.subject, publicKey: csr.publicKey, checked: true });
}

/** Makes a request, DER, in the shape of the reference device's: a subject, no attributes, ECDSA with SHA-256 for P-256. */
export function createCsr(options: { readonly privateKey: PrivateKey; readonly subject: Subject }): Uint8Array {
  const { privateKey, subject } = options;
  const { algorithm, sign } = signWith(privateKey);
  const info = derSequence(derInteger(0), encodeName(subject), publicKeyOf(privateKey), derContext(0));
  return derDocument(info, algorithm.der, derBitString(sign(info)));
}

function parse(der: Uint8Array): Csr {
  const document = DerReader.over(der);
  const outer = document.sequence('request');
  document.end('request');
  const signed = outer.element(tags.sequence, 'certificationRequestInfo');
  const algorithm = readSignatureAlgorithm(outer);
  const signature = outer.octetAligned('signature');
  outer.end('request');

  const info = outer.reread(signed, 'certificationRequestInfo');
  if (info.smallInteger('version') !== 0) {
    throw failure('der.malformed', { what: 'version', found: 'not 0' }, 'write version 0');
  }
  const subject = readName(info, 'subject');
  const publicKey = readPublicKey(info);
  info.setOf('attributes', (attributes) => attributes.opaque('attribute'), contextTag(0, 'constructed'));
  info.end('certificationRequestInfo');
  return {
    der,
    info: signed.encoded,
    subject,
    publicKey,
    signatureAlgorithm: algorithm.name,
    algorithm: algorithm.known,
    signature,
  };
}
