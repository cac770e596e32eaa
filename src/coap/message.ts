import { share } from '../core/bytes.ts';

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

/** A message without its token: what the block layer makes, which does not know the exchange that carries it. */
export type MessageParts = Omit<CoapMessage, 'token'>;

export interface CoapOption {
  readonly number: number;
  readonly value: Uint8Array;
}

/** A token as the key of a map. */
export const tokenKey = (token: Uint8Array): string => share(token).toString('latin1');
