/** A CoAP message's parts that both transports share (RFC 7252 §3, RFC 8323 §3). */
export interface CoapMessage {
  /** class * 100 + detail: GET is 1, 2.05 is 205, 7.01 (CSM) is 701, empty is 0. */
  readonly code: number;
  /** 0..8 bytes. */
  readonly token: Uint8Array;
  /** In ascending order of number. */
  readonly options: readonly CoapOption[];
  readonly payload: Uint8Array;
}

export interface CoapOption {
  readonly number: number;
  readonly value: Uint8Array;
}
