import type { KeyObject } from 'node:crypto';
import type { Certificate } from './certificate.ts';

/** A certificate and the key that signs with it. The key stays a KeyObject: parsing one costs ten signatures. */
export interface Issuer {
  readonly certificate: Certificate;
  readonly privateKey: KeyObject;
}

/** Our own certificate authority: a root that signs only issuing authorities, and the one that signs devices now. */
export interface Authority {
  readonly root: Issuer;
  readonly issuing: Issuer;
  /** What is delivered behind a leaf: the issuing authority, DER. Never the root (plgd-device, renewal trap). */
  readonly chain: readonly Uint8Array[];
  /** What devices and gateways shall trust, DER: the present root, then those that come or go (roll-over). */
  readonly trustAnchors: readonly Uint8Array[];
  /** Every issuing authority whose certificates may be alive, the present one first: each has its revocation list. */
  readonly issuers: readonly Issuer[];
}

/** The authority as it is now: whoever works with it asks again each time, for it may be replaced while the service runs. */
export interface AuthoritySource {
  readonly current: Authority;
}

/** A certificate chain with its key: DER, leaf first, no root. */
export interface KeyedChain {
  readonly chain: readonly Uint8Array[];
  readonly privateKey: KeyObject;
}
