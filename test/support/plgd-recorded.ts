import { readFileSync } from 'node:fs';
import { encodeDatagram, type MessageType } from '../../src/coap/datagram.ts';
import { decodeFrame } from '../../src/coap/framing.ts';
import type { CoapMessage } from '../../src/coap/message.ts';
import { optionNumber, uintOption } from '../../src/coap/options.ts';
import { fromHex, noBytes } from '../../src/core/bytes.ts';

/** What plgd's C client sends, see test/vectors/ocf/README.md and test/vectors/coap/README.md. */
export type RecordedStep = 'time' | 'ownership' | 'cloud-configuration' | 'credentials' | 'acls';

/** Its cipher suites, in its order (contract, plgd-device c1). */
export const recordedSuites = [
  'ECDHE-ECDSA-AES128-GCM-SHA256',
  'ECDHE-ECDSA-AES128-SHA256',
  'ECDHE-ECDSA-AES256-GCM-SHA384',
  'ECDHE-ECDSA-AES256-SHA384',
  'ECDHE-RSA-AES128-GCM-SHA256',
  'ECDHE-RSA-AES256-GCM-SHA384',
] as const;

/** The device id in its requests. */
export const recordedDeviceId = '21565d33-acc1-44ce-5dd0-25c86cbd0bce';

/** Its ClientHello over DTLS, but for the 32 random bytes. */
export const recordedClientHello = (random: Uint8Array): Uint8Array =>
  fromHex(
    `16fefd0000000000000000006a0100005e000000000000005efefd${Buffer.from(random).toString('hex')}0000000ec02bc023c02cc024c02fc03000ff01000026000a0006000400170018000d000e000c060306010503050104030401000b0002010000170000`,
  );

/** One request as it crossed the wire inside TLS. */
export function recordedFrame(step: RecordedStep): Uint8Array {
  const found = requests.find(({ name }) => name === step);
  if (!found) throw new Error(`no recorded ${step}`);
  return fromHex(found.message);
}

/** The same request as a message. */
export function recordedMessage(step: RecordedStep): CoapMessage {
  const frame = decodeFrame(recordedFrame(step));
  if (frame.type !== 'message') throw new Error(`${step} is ${frame.type}`);
  return frame.message;
}

/** The same request as it goes over DTLS: types and message ids are recorded, and its length. */
export function recordedDatagram(step: RecordedStep): Uint8Array {
  const { type, messageId, length } = datagrams[step];
  const bytes = encodeDatagram({ type, messageId, message: recordedMessage(step) });
  if (bytes.length !== length) throw new Error(`${step} had ${length} bytes on the wire, not ${bytes.length}`);
  return bytes;
}

/** How it asks for the next block of an answer: a CON with the same token and method, no payload and no Content-Format. */
export function recordedContinuation(step: RecordedStep, number: number): Uint8Array {
  const { code, token, options } = recordedMessage(step);
  const bodyOptions: readonly number[] = [optionNumber.contentFormat, optionNumber.ocfContentFormatVersion];
  const asked = options.filter((option) => !bodyOptions.includes(option.number));
  const block = uintOption(optionNumber.block2, (number << 4) | 6);
  const message = { code, token, options: [...asked, block].toSorted((a, b) => a.number - b.number), payload: noBytes };
  const bytes = encodeDatagram({ type: 'CON', messageId: datagrams[step].messageId + number, message });
  if (step === 'credentials' && bytes.length !== continuationBytes) throw new Error(`not ${bytes.length} bytes`);
  return bytes;
}

const datagrams: Readonly<Record<RecordedStep, { type: MessageType; messageId: number; length: number }>> = {
  time: { type: 'CON', messageId: 53_055, length: 36 },
  ownership: { type: 'NON', messageId: 53_057, length: 50 },
  'cloud-configuration': { type: 'NON', messageId: 53_059, length: 196 },
  credentials: { type: 'NON', messageId: 53_061, length: 546 },
  acls: { type: 'NON', messageId: 53_064, length: 45 },
};
const continuationBytes = 54;

const requests = JSON.parse(
  readFileSync(new URL('../vectors/ocf/plgd-device-requests.json', import.meta.url), 'utf8'),
) as readonly { readonly name: string; readonly message: string }[];
