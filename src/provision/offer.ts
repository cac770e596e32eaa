import type { Evidence } from '../core/errors.ts';
import type { OfferEvidence } from './contract.ts';

/** What a ClientHello lacks, so that no handshake can come of it. */
export interface MissingFromOffer {
  readonly evidence: Evidence;
  readonly fix: string;
}

/** What is missing in an offer, the first thing that is; undefined when nothing obvious is. */
export function missingFromOffer(offer: OfferEvidence): MissingFromOffer | undefined {
  if (/^(SSL|TLSv1\.[01]|DTLSv1\.0)/.test(offer.version)) {
    return {
      evidence: { missing: 'version' },
      fix: `let the device offer TLS or DTLS 1.2; ${offer.version} is not taken`,
    };
  }
  for (const { missing, list, taken, fix } of wanted) {
    const offered = list(offer);
    // Who sends no list of groups or algorithms takes what there is (RFC 8422 §4).
    const left = missing !== 'cipher suite' && offered.length === 0;
    if (!left && !offered.some((name) => taken.test(name))) {
      return { evidence: { missing, offeredInstead: offered.join(' ').slice(0, 200) }, fix };
    }
  }
  return undefined;
}

/** What the service takes, as a ClientHello names it (src/secure/engine.ts has the same in OpenSSL's words). */
const wanted: readonly {
  readonly missing: string;
  readonly list: (offer: OfferEvidence) => readonly string[];
  readonly taken: RegExp;
  readonly fix: string;
}[] = [
  {
    missing: 'cipher suite',
    list: ({ cipherSuites }) => cipherSuites,
    taken: /PSK|^TLS_(AES|CHACHA20)_|^(TLS_)?ECDHE[_-](ECDSA|RSA)[_-](WITH_)?AES.*(GCM|CCM|SHA256$|SHA384$)/,
    fix: 'let the device offer TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, or _CCM_8',
  },
  {
    missing: 'group',
    list: ({ groups }) => groups,
    taken: /^(secp256r1|x25519|secp384r1|secp521r1)$/,
    fix: 'let the device offer the group secp256r1 (P-256)',
  },
  {
    missing: 'signature algorithm',
    list: ({ signatureAlgorithms }) => signatureAlgorithms,
    taken: /^(ecdsa_secp(256r1_sha256|384r1_sha384|521r1_sha512)|ed25519|rsa_(pss|pkcs1).*_sha(256|384|512))$/,
    fix: 'let the device offer the signature algorithm ecdsa_secp256r1_sha256; SHA-1 is not taken',
  },
];
