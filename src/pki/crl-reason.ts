/** CRLReason (RFC 5280 §5.3.1), as far as it is for end entities and complete lists. */
export const reasonCodes = {
  unspecified: 0,
  keyCompromise: 1,
  affiliationChanged: 3,
  superseded: 4,
  cessationOfOperation: 5,
  certificateHold: 6,
  privilegeWithdrawn: 9,
} as const;

export type CrlReason = keyof typeof reasonCodes;

export const crlReasons = Object.keys(reasonCodes) as readonly CrlReason[];
