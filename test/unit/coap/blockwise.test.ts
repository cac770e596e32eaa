import { beforeEach, describe, expect, it } from 'vitest';
import { blockOption } from '../../../src/coap/block.ts';
import { codeOf } from '../../../src/coap/code.ts';
import type { CoapEndpoint, IncomingRequest, OutgoingResponse } from '../../../src/coap/endpoint.ts';
import { createDatagramEndpoint } from '../../../src/coap/exchange.ts';
import type { CoapMessage, CoapOption } from '../../../src/coap/message.ts';
import { findOption, opaqueOption, optionNumber, uintOf, uintOption } from '../../../src/coap/options.ts';
import { concatBytes, fromUtf8, noBytes, toHex } from '../../../src/core/bytes.ts';
import { limits } from '../../../src/core/limits.ts';
import { seededRandom } from '../../../src/core/random.ts';
import {
  blocksText,
  datagram,
  message,
  parseBlocks,
  pathOptions,
  sentDatagram,
  serve,
  someBytes,
  vectors,
} from '../../support/coap.ts';

let endpoint: CoapEndpoint;
let served: IncomingRequest[];
let messageId: number;
let handler: (request: IncomingRequest) => OutgoingResponse;

beforeEach(() => {
  endpoint = createDatagramEndpoint({ random: seededRandom(1) });
  served = [];
  messageId = 0;
  handler = () => ({ code: 204 });
});

/** Sends one request as a CON with a token of its own; returns the answer. */
function ask(code: number, options: readonly CoapOption[], payload: Uint8Array = noBytes, now = 0): CoapMessage {
  messageId++;
  const token = Uint8Array.of(messageId >> 8, messageId & 0xff);
  endpoint.receive(datagram('CON', messageId, message(code, { token, options, payload })), now);
  serve(endpoint, record, now);
  const { type, message: answer } = sentDatagram(endpoint.takeOutput()[0]);
  expect(type).toBe('ACK');
  expect(toHex(answer.token)).toBe(toHex(token));
  return answer;
}

function record(request: IncomingRequest): OutgoingResponse {
  served.push(request);
  return handler(request);
}

const blocks = (text: string): CoapOption[] => parseBlocks(text).map(({ number, block }) => blockOption(number, block));

/** Uploads `body` in blocks of `size`; returns the last answer. */
function upload(body: Uint8Array, size: number, options: readonly CoapOption[] = pathOptions('a')): CoapMessage {
  for (let number = 0; ; number++) {
    const more = (number + 1) * size < body.length;
    const block = blocks(`1:${number}/${more ? 1 : 0}/${size}`);
    const answer = ask(codeOf('POST'), [...options, ...block], body.subarray(number * size, (number + 1) * size));
    if (!more || answer.code !== 231) return answer;
  }
}

interface Exchange {
  readonly source: string;
  readonly title: string;
  readonly code: number;
  readonly path: string;
  readonly answer: number;
  readonly steps: readonly { readonly request: string; readonly code: number; readonly response: string }[];
}

describe('the exchanges of RFC 7959', () => {
  for (const { source, title, code, path, answer, steps } of vectors<Exchange[]>('blockwise.json')) {
    it(`${source}, ${title}`, () => {
      const at128 = createDatagramEndpoint({ random: seededRandom(1), blockExponent: 3 });
      endpoint = at128;
      const sizes = new Map(
        steps.flatMap(({ response }) => parseBlocks(response).map(({ number, block }) => [number, block])),
      );
      const body = (number: 23 | 27): Uint8Array => {
        const last = sizes.get(number);
        return last ? someBytes(last.number * (16 << last.exponent) + 10) : noBytes;
      };
      handler = () => ({ code: answer, payload: body(optionNumber.block2) });
      for (const { request, code: expected, response } of steps) {
        const asked = blocks(request);
        const [upward] = parseBlocks(request).filter(({ number }) => number === optionNumber.block1);
        const size = 16 << (upward?.block.exponent ?? 0);
        const from = (upward?.block.number ?? 0) * size;
        const payload = upward ? body(optionNumber.block1).subarray(from, from + size) : noBytes;
        const got = ask(code, [...pathOptions(path), ...asked], payload);
        expect({ code: got.code, blocks: blocksText(got.options) }).toEqual({ code: expected, blocks: response });
        for (const { number, block } of parseBlocks(response).filter(({ number }) => number === optionNumber.block2)) {
          const bytes = 16 << block.exponent;
          expect(got.payload).toEqual(body(number).subarray(block.number * bytes, (block.number + 1) * bytes));
        }
      }
      expect(served).toHaveLength(1);
      expect(served[0]?.payload).toEqual(body(optionNumber.block1));
    });
  }
});

describe('an upload', () => {
  it('reaches the handler once, whole, without regard to tokens', () => {
    const body = someBytes(5000);
    const answer = upload(body, 1024);
    expect(answer.code).toBe(204);
    expect(blocksText(answer.options)).toBe('1:4/0/1024');
    expect(served.map(({ payload }) => payload)).toEqual([body]);
  });

  it('in one block only is served at once', () => {
    expect(blocksText(upload(someBytes(10), 16).options)).toBe('1:0/0/16');
    expect(served[0]?.payload).toEqual(someBytes(10));
  });

  it('with a block missing gets 4.08', () => {
    ask(2, [...pathOptions('a'), ...blocks('1:0/1/16')], someBytes(16));
    expect(ask(2, [...pathOptions('a'), ...blocks('1:2/1/16')], someBytes(16)).code).toBe(408);
    expect(ask(2, [...pathOptions('b'), ...blocks('1:1/0/16')], someBytes(16)).code, 'another path').toBe(408);
    expect(ask(3, [...pathOptions('a'), ...blocks('1:1/0/16')], someBytes(16)).code, 'another method').toBe(408);
    expect(served).toEqual([]);
  });

  it('whose latest block comes again goes on', () => {
    ask(2, [...pathOptions('a'), ...blocks('1:0/1/16')], someBytes(16));
    ask(2, [...pathOptions('a'), ...blocks('1:1/1/16')], someBytes(16));
    expect(ask(2, [...pathOptions('a'), ...blocks('1:1/1/16')], someBytes(16)).code).toBe(231);
    expect(ask(2, [...pathOptions('a'), ...blocks('1:2/0/16')], someBytes(8)).code).toBe(204);
    expect(served[0]?.payload).toEqual(concatBytes(someBytes(16), someBytes(16), someBytes(8)));
  });

  it('that starts again replaces what was there', () => {
    ask(2, [...pathOptions('a'), ...blocks('1:0/1/16')], someBytes(16).fill(1));
    ask(2, [...pathOptions('a'), ...blocks('1:0/1/16')], someBytes(16).fill(2));
    ask(2, [...pathOptions('a'), ...blocks('1:1/0/16')], someBytes(1).fill(2));
    expect(served.map(({ payload }) => payload)).toEqual([new Uint8Array(17).fill(2)]);
  });

  it('with another Request-Tag is another upload', () => {
    const tagged = (tag: number, block: string): readonly CoapOption[] => [
      ...pathOptions('a'),
      ...blocks(block),
      opaqueOption(optionNumber.requestTag, Uint8Array.of(tag)),
    ];
    ask(2, tagged(1, '1:0/1/16'), someBytes(16).fill(1));
    ask(2, tagged(2, '1:0/1/16'), someBytes(16).fill(2));
    ask(2, tagged(1, '1:1/0/16'), someBytes(1).fill(1));
    ask(2, tagged(2, '1:1/0/16'), someBytes(1).fill(2));
    expect(served.map(({ payload }) => payload[16])).toEqual([1, 2]);
  });

  it('over the body limit gets 4.13 with the limit as Size1', () => {
    const answer = upload(someBytes(limits.coap.bodyBytes + 1), 1024);
    expect(answer.code).toBe(413);
    expect(uintOf(answer.options, optionNumber.size1)).toBe(limits.coap.bodyBytes);
    expect(upload(someBytes(limits.coap.bodyBytes), 1024).code).toBe(204);
  });

  it('that announces too much gets 4.13 with its first block', () => {
    const size1 = uintOption(optionNumber.size1, limits.coap.bodyBytes + 1);
    expect(ask(2, [...pathOptions('a'), ...blocks('1:0/1/16'), size1], someBytes(16)).code).toBe(413);
  });

  it('with a short block in the middle gets 4.00, as do reserved sizes', () => {
    expect(ask(2, [...pathOptions('a'), ...blocks('1:0/1/32')], someBytes(31)).code).toBe(400);
    expect(ask(2, [...pathOptions('a'), ...blocks('1:0/1/BERT')], someBytes(1024)).code).toBe(400);
    expect(ask(1, [...pathOptions('a'), ...blocks('2:0/0/BERT')]).code).toBe(400);
    expect(served).toEqual([]);
  });

  it('that goes on too late gets 4.08, even before the timer has run', () => {
    ask(2, [...pathOptions('a'), ...blocks('1:0/1/16')], someBytes(16));
    const late = [...pathOptions('a'), ...blocks('1:1/0/16')];
    expect(ask(2, late, someBytes(16), limits.coap.transfer).code).toBe(408);
  });

  it('nobody goes on with is dropped after its time, and the oldest when there are too many', () => {
    ask(2, [...pathOptions('a'), ...blocks('1:0/1/16')], someBytes(16));
    expect(endpoint.nextTimeout()).toBe(limits.coap.transfer);
    endpoint.handleTimeout(limits.coap.transfer);
    expect(endpoint.nextTimeout()).toBeUndefined();
    expect(ask(2, [...pathOptions('a'), ...blocks('1:1/0/16')], someBytes(16)).code).toBe(408);
    for (let n = 0; n <= limits.coap.transfers; n++) {
      ask(2, [...pathOptions(String(n)), ...blocks('1:0/1/16')], someBytes(16));
    }
    expect(ask(2, [...pathOptions('0'), ...blocks('1:1/0/16')], someBytes(16)).code).toBe(408);
    expect(ask(2, [...pathOptions('1'), ...blocks('1:1/0/16')], someBytes(16)).code).toBe(204);
  });
});

describe('the messages that an exchange takes', () => {
  const large = someBytes(2500);

  it('are one for a small request with a small answer', () => {
    ask(1, pathOptions('a'));
    expect(served[0]?.messages).toEqual({ received: 1, open: false });
  });

  it('are one for each block of an upload, blocks that came twice included', () => {
    upload(someBytes(100), 16);
    expect(served[0]?.messages).toEqual({ received: 7, open: false });
    served = [];
    const first = someBytes(32);
    for (const number of [0, 1, 1]) ask(2, [...pathOptions('b'), ...blocks(`1:${number}/1/16`)], first.subarray(0, 16));
    ask(2, [...pathOptions('b'), ...blocks('1:2/0/16')], first.subarray(0, 3));
    expect(served[0]?.messages?.received).toBe(4);
  });

  it('go on with each block of the answer, and are complete with the last one', () => {
    handler = () => ({ code: 205, payload: large });
    ask(1, pathOptions('a'));
    expect(served[0]?.messages).toEqual({ received: 1, open: true });
    ask(1, [...pathOptions('a'), ...blocks('2:1/0/1024')]);
    expect(served[0]?.messages).toEqual({ received: 2, open: true });
    ask(1, [...pathOptions('a'), ...blocks('2:2/0/1024')]);
    expect(served[0]?.messages).toEqual({ received: 3, open: false });
  });

  it('are those of both ways when both are large', () => {
    handler = () => ({ code: 204, payload: large });
    upload(someBytes(64), 32);
    for (const number of [1, 2]) ask(2, [...pathOptions('a'), ...blocks(`2:${number}/0/1024`)]);
    expect(served[0]?.messages).toEqual({ received: 4, open: false });
  });
});

describe('a large response', () => {
  const body = someBytes(5000);
  beforeEach(() => {
    handler = () => ({ code: 205, payload: body, contentFormat: 10000, options: [uintOption(2053, 2048)] });
  });

  it('comes in blocks, each with the ETag and the options of the response, the first with its size', () => {
    const answers = [0, 1, 2, 3, 4].map((n) =>
      ask(1, [...pathOptions('a'), ...(n > 0 ? blocks(`2:${n}/0/1024`) : [])]),
    );
    expect(answers.map(({ options }) => blocksText(options))).toEqual([
      '2:0/1/1024',
      '2:1/1/1024',
      '2:2/1/1024',
      '2:3/1/1024',
      '2:4/0/1024',
    ]);
    expect(concatBytes(...answers.map(({ payload }) => payload))).toEqual(body);
    expect(answers.map(({ options }) => uintOf(options, optionNumber.size2))).toEqual([
      5000,
      ...new Array(4).fill(undefined),
    ]);
    const tags = new Set(answers.map(({ options }) => toHex(findOption(options, optionNumber.eTag)?.value ?? noBytes)));
    expect([...tags]).toEqual([expect.stringMatching(/^[0-9a-f]{16}$/)]);
    expect(answers.every(({ options }) => uintOf(options, 12) === 10000 && uintOf(options, 2053) === 2048)).toBe(true);
    expect(served).toHaveLength(1);
  });

  it('to a POST is continued as the reference device does: POST, no payload, no Content-Format, no OCF version of it', () => {
    const accepting = [uintOption(17, 10000), uintOption(2049, 2048)];
    const posted = [...pathOptions('api', 'credentials'), uintOption(12, 10000), ...accepting, uintOption(2053, 2048)];
    handler = () => ({ code: 204, payload: body, contentFormat: 10000 });
    expect(blocksText(ask(2, posted, someBytes(546)).options)).toBe('2:0/1/1024');
    const [accept = uintOption(17, 0), version = uintOption(2049, 0)] = accepting;
    const next = ask(2, [...pathOptions('api', 'credentials'), accept, ...blocks('2:1/0/1024'), version]);
    expect({ code: next.code, blocks: blocksText(next.options) }).toEqual({ code: 204, blocks: '2:1/1/1024' });
    expect(next.payload).toEqual(body.subarray(1024, 2048));
    expect(served).toHaveLength(1);
  });

  it('keeps its own ETag', () => {
    handler = () => ({ code: 205, payload: body, options: [opaqueOption(optionNumber.eTag, Uint8Array.of(7))] });
    const tag = findOption(ask(1, pathOptions('a')).options, optionNumber.eTag);
    expect(tag?.value).toEqual(Uint8Array.of(7));
  });

  it('may be asked for in smaller blocks, but not in larger ones than ours', () => {
    endpoint = createDatagramEndpoint({ random: seededRandom(1), blockExponent: 2 });
    expect(blocksText(ask(1, [...pathOptions('a'), ...blocks('2:0/0/32')]).options)).toBe('2:0/1/32');
    const larger = ask(1, [...pathOptions('a'), ...blocks('2:1/0/1024')]);
    expect(blocksText(larger.options)).toBe('2:16/1/64');
    expect(larger.payload).toEqual(body.subarray(1024, 1088));
  });

  it('that fits into one block shows Block2 only to one who asked with it', () => {
    handler = () => ({ code: 205, payload: someBytes(16) });
    expect(blocksText(ask(1, pathOptions('a')).options)).toBe('');
    expect(blocksText(ask(1, [...pathOptions('a'), ...blocks('2:0/0/16')]).options)).toBe('2:0/0/16');
  });

  it('asked for anew is made anew', () => {
    ask(1, pathOptions('a'));
    ask(1, [...pathOptions('a'), ...blocks('2:0/0/1024')]);
    expect(served).toHaveLength(2);
  });

  it('is 4.00 beyond its end', () => {
    ask(1, pathOptions('a'));
    expect(ask(1, [...pathOptions('a'), ...blocks('2:5/0/1024')]).code).toBe(400);
    expect(served).toHaveLength(1);
  });

  it('no longer kept: a GET is run again, a POST is 4.00', () => {
    ask(1, pathOptions('a'));
    ask(2, pathOptions('b'));
    const later = limits.coap.transfer;
    endpoint.handleTimeout(later);
    const again = ask(1, [...pathOptions('a'), ...blocks('2:4/0/1024')], noBytes, later);
    expect(again.payload).toEqual(body.subarray(4096));
    const refused = ask(2, [...pathOptions('b'), ...blocks('2:4/0/1024')], noBytes, later);
    expect({ code: refused.code, text: fromUtf8(refused.payload) }).toEqual({
      code: 400,
      text: 'the response is no longer kept',
    });
    expect(served.map(({ method }) => method)).toEqual(['GET', 'POST', 'GET']);
  });

  it('that is an error is never cut', () => {
    handler = () => ({ code: 500, payload: someBytes(2000) });
    const answer = ask(1, pathOptions('a'));
    expect({ length: answer.payload.length, blocks: blocksText(answer.options) }).toEqual({ length: 2000, blocks: '' });
  });
});
