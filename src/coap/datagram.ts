import { noBytes } from '../core/bytes.ts';
import { limits } from '../core/limits.ts';
import { codeFromByte, codeToByte, kindOf } from './code.ts';
import type { CoapMessage } from './message.ts';
import { bodyLength, maxTokenBytes, readBody, writeBody } from './wire.ts';

/** Message types of RFC 7252 §4.2 and §4.3, in the order of their wire values. */
const types = ['CON', 'NON', 'ACK', 'RST'] as const;

export type MessageType = (typeof types)[number];

/** A CoAP message as it travels over UDP (RFC 7252 §3). */
export interface Datagram {
  readonly type: MessageType;
  /** 0 .. 65535. */
  readonly messageId: number;
  readonly message: CoapMessage;
}

export type DecodedDatagram =
  | { readonly ok: true; readonly datagram: Datagram }
  /** `reset`: the message id to answer with RST, when the malformed message was a CON (RFC 7252 §4.2); else it is dropped. */
  | { readonly ok: false; readonly text: string; readonly reset: number | undefined };

const headerBytes = 4;
const version = 1;

/**
 * Decodes one datagram. Whatever the bytes are, it does not throw and does not read past their end.
 * Token, option values and payload share the memory of `bytes`.
 */
export function decodeDatagram(bytes: Uint8Array): DecodedDatagram {
  const first = bytes[0] ?? 0;
  // RFC 7252 §3: messages of an unknown version are silently ignored.
  if (bytes.length < headerBytes) return malformed('fewer than 4 bytes', undefined);
  if (first >> 6 !== version) return malformed('not CoAP version 1', undefined);
  const type = types[(first >> 4) & 3] ?? 'RST';
  const messageId = ((bytes[2] ?? 0) << 8) | (bytes[3] ?? 0);
  const reset = type === 'CON' ? messageId : undefined;
  if (bytes.length > limits.coap.messageBytes) return malformed(`a message of ${bytes.length} bytes`, reset);

  const tokenLength = first & 0x0f;
  const code = codeFromByte(bytes[1] ?? 0);
  if (code === 0) {
    if (bytes.length > headerBytes || tokenLength > 0) return malformed('an empty message with content', reset);
    return { ok: true, datagram: { type, messageId, message: emptyMessage } };
  }
  const kind = kindOf(code);
  if (kind !== 'request' && kind !== 'response') return malformed('a code of a reserved class', reset);
  if (type === 'RST') return malformed('a reset with a code', undefined);
  if (tokenLength > maxTokenBytes) return malformed('a token longer than 8 bytes', reset);
  const bodyAt = headerBytes + tokenLength;
  if (bodyAt > bytes.length) return malformed('a truncated token', reset);
  const body = readBody(bytes, bodyAt);
  if (!body.ok) return malformed(body.text, reset);
  const token = tokenLength === 0 ? noBytes : bytes.subarray(headerBytes, bodyAt);
  return {
    ok: true,
    datagram: { type, messageId, message: { code, token, options: body.options, payload: body.payload } },
  };
}

/** Encodes one datagram. Throws a RangeError on options out of order or a token longer than 8 bytes: our own fault. */
export function encodeDatagram({ type, messageId, message }: Datagram): Uint8Array {
  const { token } = message;
  if (token.length > maxTokenBytes) throw new RangeError(`a token of ${token.length} bytes: the longest is 8`);
  const bodyAt = headerBytes + token.length;
  const out = new Uint8Array(bodyAt + bodyLength(message));
  writeHeader(out, type, token.length, codeToByte(message.code), messageId);
  out.set(token, headerBytes);
  writeBody(message, out, bodyAt);
  return out;
}

/** A message without code, token, options and payload: empty ACK, RST, or (as CON) a ping (RFC 7252 §4.1, §4.3). */
export function encodeEmpty(type: MessageType, messageId: number): Uint8Array {
  const out = new Uint8Array(headerBytes);
  writeHeader(out, type, 0, 0, messageId);
  return out;
}

function writeHeader(out: Uint8Array, type: MessageType, tokenLength: number, codeByte: number, messageId: number) {
  out[0] = (version << 6) | (types.indexOf(type) << 4) | tokenLength;
  out[1] = codeByte;
  out[2] = messageId >> 8;
  out[3] = messageId & 0xff;
}

const emptyMessage: CoapMessage = { code: 0, token: noBytes, options: [], payload: noBytes };

const malformed = (text: string, reset: number | undefined): DecodedDatagram => ({ ok: false, text, reset });
