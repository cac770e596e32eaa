import { decodeDatagram, encodeDatagram, type MessageType } from '../../src/coap/datagram.ts';
import { encodeFrame, Framer } from '../../src/coap/framing.ts';
import type { CoapMessage, CoapOption } from '../../src/coap/message.ts';
import { optionNumber, stringOption, uintOption } from '../../src/coap/options.ts';
import { type CborMap, type CborValue, decodeCbor, encodeCbor, isCborMap } from '../../src/codec/cbor.ts';
import { equalBytes, noBytes } from '../../src/core/bytes.ts';
import { systemRandom } from '../../src/core/random.ts';

/** CoAP messages by hand, for channels that know nothing of CoAP. */

export const paths = {
  time: '/x.plgd.dev/time',
  ownership: '/api/v1/provisioning/ownership',
  cloud: '/api/v1/provisioning/cloud-configuration',
  credentials: '/api/v1/provisioning/credentials',
  acls: '/api/v1/provisioning/acls',
} as const;

const ocfCbor = 10_000;
const ocfVersion = 2048;

/** A request as a device sends it: random token, Accept 10000 and the OCF versions; with a body it is a POST. */
export function deviceRequest(path: string, body?: CborValue | Uint8Array): CoapMessage {
  const payload = body === undefined ? noBytes : body instanceof Uint8Array ? body : encodeCbor(body);
  const posting = body !== undefined;
  const options: CoapOption[] = [
    ...path
      .slice(1)
      .split('/')
      .map((segment) => stringOption(optionNumber.uriPath, segment)),
    ...(posting ? [uintOption(optionNumber.contentFormat, ocfCbor)] : []),
    uintOption(optionNumber.accept, ocfCbor),
    uintOption(optionNumber.ocfAcceptContentFormatVersion, ocfVersion),
    ...(posting ? [uintOption(optionNumber.ocfContentFormatVersion, ocfVersion)] : []),
  ];
  return { code: posting ? 2 : 1, token: systemRandom.bytes(8), options, payload };
}

/** A channel that carries one CoAP message a datagram, or a stream of them. */
export interface RawChannel {
  send(bytes: Uint8Array): void;
  next(): Promise<Uint8Array>;
}

/** One after another for all channels: a message id that comes again too soon is a duplicate (RFC 7252 §4.4). */
let lastMessageId = 0x4000;

/** Sends a request in one datagram and waits for the datagram with its answer; others are passed over. */
export async function askDatagram(
  channel: RawChannel,
  message: CoapMessage,
  type: MessageType = 'CON',
): Promise<CoapMessage> {
  lastMessageId = (lastMessageId + 1) & 0xffff;
  channel.send(encodeDatagram({ type, messageId: lastMessageId, message }));
  for (;;) {
    const decoded = decodeDatagram(await channel.next());
    if (!decoded.ok) throw new Error(`a malformed datagram: ${decoded.text}`);
    if (equalBytes(decoded.datagram.message.token, message.token)) return decoded.datagram.message;
  }
}

/** The stream of one channel. */
export class RawStream {
  private readonly channel: RawChannel;
  private readonly framer = new Framer(64 * 1024);

  constructor(channel: RawChannel) {
    this.channel = channel;
  }

  async next(): Promise<CoapMessage> {
    for (;;) {
      const frame = this.framer.next();
      if (frame?.type === 'message') return frame.message;
      if (frame) throw new Error(`the stream is ${frame.type}`);
      this.framer.push(await this.channel.next());
    }
  }

  /** Waits for the answer; signals and other answers are passed over. */
  async ask(message: CoapMessage): Promise<CoapMessage> {
    this.channel.send(encodeFrame(message));
    for (;;) {
      const got = await this.next();
      if (equalBytes(got.token, message.token)) return got;
    }
  }
}

/** The map in an answer. */
export function contentOf({ code, payload }: { readonly code: number; readonly payload: Uint8Array }): CborMap {
  if (code >= 400) throw new Error(`${code}: ${Buffer.from(payload).toString()}`);
  const value = decodeCbor(payload);
  if (!isCborMap(value)) throw new Error('the answer is no map');
  return value;
}
