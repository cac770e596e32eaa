/** Certificate paths as the secure engine reports them (RFC 5280 §6), and what their findings mean for a device. */

export interface PeerChain {
  /** As presented, DER, leaf first. Never empty. */
  readonly presented: readonly Uint8Array[];
  /** The path that was built, DER, leaf first up to the trust anchor; shorter when none could be completed. */
  readonly path: readonly Uint8Array[];
  /** Everything the path check found; empty means valid. */
  readonly errors: readonly PathError[];
}

/** One finding of path validation (X509_V_ERR_*): at which depth (0 = leaf), on which certificate. */
export interface PathError {
  readonly depth: number;
  /** OpenSSL's constant without prefix, e.g. `CERT_HAS_EXPIRED`, `UNABLE_TO_GET_ISSUER_CERT_LOCALLY`. */
  readonly code: string;
  /** OpenSSL's sentence for it. */
  readonly text: string;
  /** DER of the certificate it is about. */
  readonly certificate: Uint8Array;
}
