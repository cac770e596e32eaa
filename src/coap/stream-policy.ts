import { noBytes } from '../core/bytes.ts';
import { bertExponent } from './block.ts';
import type { BlockPolicy } from './blockwise.ts';
import type { CoapOption } from './message.ts';
import { bodyLength } from './wire.ts';

/** What a stream's peer has said of itself in its CSM (RFC 8323 §5.3). */
export interface StreamPeer {
  csm: boolean;
  maxMessageSize: number | undefined;
  blockwise: boolean;
}

/** What a peer says it can take when it says nothing (RFC 8323 §5.3.1). */
const baseMessageSize = 1152;
/** Of a message beside options and payload: length field, code, token, payload marker, and the block layer's own options. */
const framingReserve = 6 + 8 + 1 + 24;

/** Block-wise is for peers that offered it in their CSM, or that use it in a request of theirs (RFC 8323 §5.3.2, §6). */
export function streamPolicy(peer: StreamPeer, options: readonly CoapOption[]): BlockPolicy {
  if (!peer.blockwise) return wholeOnly;
  const size = peer.maxMessageSize ?? baseMessageSize;
  const room = size - framingReserve - bodyLength({ code: 0, token: noBytes, options, payload: noBytes });
  const bert = size > baseMessageSize && room >= 1024;
  return {
    exponent: bert ? bertExponent : fittingExponent(room),
    wholeBytes: Math.max(room, 0),
    bertBytes: bert ? room - (room % 1024) : 1024,
    bert: true,
  };
}

const wholeOnly: BlockPolicy = { exponent: 6, wholeBytes: Number.POSITIVE_INFINITY, bertBytes: 1024, bert: true };

const fittingExponent = (room: number): number => Math.max(0, Math.min(6, 27 - Math.clz32(Math.max(room, 16))));
