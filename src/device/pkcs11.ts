import { derBitString, derDocument, derOctetString, derOid, derSequence, derUnsigned } from '../codec/der-writer.ts';
import { oids } from '../codec/oid.ts';
import { equalBytes, noBytes } from '../core/bytes.ts';
import { limits } from '../core/limits.ts';
import { parseCertificate } from '../pki/certificate.ts';
import type { SigningKey } from '../pki/signing-key.ts';
import { type DeviceKey, deviceKey } from './keys.ts';
import { type TokenObject, type TokenPlace, TokenSession } from './pkcs11-token.ts';

export interface Pkcs11KeyOptions extends TokenPlace {
  /** CKA_LABEL of the private key. */
  readonly label: string;
  /**
   * Manufacturer certificate chain, DER: leaf first, no root. Default: read from the token, the leaf by the key's CKA_ID (or
   * its label), those above it by their names. Empty: the key has no certificate yet, and shall sign a request for one.
   */
  readonly chain?: readonly Uint8Array[];
}

export interface Pkcs11Key extends DeviceKey {
  readonly privateKey: SigningKey;
  /** Ends the session with the token; the key signs no more. */
  close(): void;
}

/**
 * A manufacturer identity whose private key stays in a token: a P-256 key that signs by CKM_ECDSA (PKCS #11 v2.40
 * mechanisms §2.3.6). Close it when its device is done.
 * @throws FirstbootError service.config naming module, token, label and the fix; never the PIN
 */
export function openPkcs11Key(options: Pkcs11KeyOptions): Pkcs11Key {
  const session = new TokenSession(options);
  try {
    const token = new KeyOnToken(session, options.label);
    const { privateKey } = token;
    const source = `key "${options.label}" on token "${options.token}"`;
    const chain = options.chain ?? token.chain();
    return { ...deviceKey({ source, chain, privateKey }), privateKey, close: () => session.close() };
  } catch (error) {
    session.close();
    throw error;
  }
}

/** A key pair on a token, and what belongs to it. */
class KeyOnToken {
  readonly privateKey: SigningKey;
  private readonly session: TokenSession;
  private readonly label: string;
  /** CKA_ID; empty when the key has none. */
  private readonly id: Uint8Array;

  constructor(session: TokenSession, label: string) {
    this.session = session;
    this.label = label;
    const { CKO_PRIVATE_KEY, CKA_LABEL, CKA_CLASS, CKA_ID, CKA_EC_PARAMS } = session.constants;
    const found = session.find([
      { type: CKA_CLASS, value: CKO_PRIVATE_KEY },
      { type: CKA_LABEL, value: label },
    ]);
    const [key] = found;
    if (!key || found.length > 1)
      throw this.failed(
        `${found.length || 'no'} private keys have it`,
        key
          ? 'give every key a label of its own'
          : 'give the label (CKA_LABEL) of a private key, and the PIN that shows it',
      );
    if (!equalBytes(session.attribute(key, CKA_EC_PARAMS) ?? p256, p256))
      throw this.failed('the key is not on the curve P-256', 'make a P-256 key');
    this.id = session.attribute(key, CKA_ID) ?? noBytes;
    const authenticate = session.attribute(key, session.constants.CKA_ALWAYS_AUTHENTICATE)?.[0] === 1;
    this.privateKey = {
      publicKey: this.publicKey(),
      sign: (digest) => encodeSignature(session.sign(key, digest.subarray(0, digestSize), signatureSize, authenticate)),
    };
  }

  /** Leaf first; a root is left out. */
  chain(): readonly Uint8Array[] {
    const { CKO_CERTIFICATE, CKA_CLASS } = this.session.constants;
    const { publicKey } = this.privateKey;
    const leaf = this.certificates(this.partners(CKO_CERTIFICATE)).find(({ spki }) => equalBytes(spki, publicKey));
    if (!leaf)
      throw this.failed(
        'there is no certificate for it on the token',
        "write the certificate with the key's CKA_ID, or give the chain",
      );
    const all = this.certificates(this.session.find([{ type: CKA_CLASS, value: CKO_CERTIFICATE }]));
    const chain = [leaf];
    for (let below = leaf; chain.length < limits.device.tokenChain; ) {
      const above = all.find(({ subject, selfIssued }) => !selfIssued && equalBytes(subject.der, below.issuer.der));
      if (!above || chain.includes(above)) break;
      chain.push(above);
      below = above;
    }
    return chain.map(({ der }) => der);
  }

  private publicKey(): Uint8Array {
    const { CKO_PUBLIC_KEY, CKO_CERTIFICATE, CKA_EC_POINT } = this.session.constants;
    const [object] = this.partners(CKO_PUBLIC_KEY);
    const point = object && this.session.attribute(object, CKA_EC_POINT);
    if (point) return derDocument(derSequence(derOid(oids.ecPublicKey), p256), derBitString(this.bare(point)));
    const [certificate] = this.certificates(this.partners(CKO_CERTIFICATE));
    if (certificate) return certificate.spki;
    throw this.failed('neither its public key nor its certificate is on the token', 'write one of them to the token');
  }

  /** CKA_EC_POINT is an OCTET STRING around the point; older tokens give the bare point. */
  private bare(point: Uint8Array): Uint8Array {
    const bare = point.subarray(-pointSize);
    if (bare.length === pointSize && (point.length === pointSize || equalBytes(derOctetString(bare), point)))
      return bare;
    throw this.failed(`its CKA_EC_POINT has ${point.length} bytes`, 'make a P-256 key, with an uncompressed point');
  }

  private partners(objectClass: number): TokenObject[] {
    const { CKA_CLASS, CKA_ID, CKA_LABEL } = this.session.constants;
    const same =
      this.id.length > 0 ? { type: CKA_ID, value: Buffer.from(this.id) } : { type: CKA_LABEL, value: this.label };
    return this.session.find([{ type: CKA_CLASS, value: objectClass }, same]);
  }

  private certificates(objects: readonly TokenObject[]): ReturnType<typeof parseCertificate>[] {
    const { CKA_VALUE } = this.session.constants;
    return objects.flatMap((object) => {
      const der = this.session.attribute(object, CKA_VALUE);
      return der ? [parseCertificate(der)] : [];
    });
  }

  private failed(reason: string, fix: string): Error {
    return this.session.failed(`use the label "${this.label}"`, new Error(reason), fix);
  }
}

const p256 = derOid(oids.p256);
const pointSize = 65;
const digestSize = 32;
const signatureSize = 64;

/** A token gives r and s side by side (PKCS #11 §2.3.1); TLS and X.509 want Ecdsa-Sig-Value (RFC 3279 §2.2.3). */
const encodeSignature = (raw: Uint8Array): Uint8Array =>
  derDocument(derUnsigned(raw.subarray(0, raw.length / 2)), derUnsigned(raw.subarray(raw.length / 2)));
