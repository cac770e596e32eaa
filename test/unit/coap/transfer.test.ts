import { describe, expect, it } from 'vitest';
import { blockOption } from '../../../src/coap/block.ts';
import type { BlockPolicy } from '../../../src/coap/blockwise.ts';
import type { OutgoingRequest } from '../../../src/coap/endpoint.ts';
import type { CoapOption, MessageParts } from '../../../src/coap/message.ts';
import { opaqueOption, optionNumber, uintOf, uintOption } from '../../../src/coap/options.ts';
import { Transfer, type TransferStep } from '../../../src/coap/transfer.ts';
import { noBytes } from '../../../src/core/bytes.ts';
import { limits } from '../../../src/core/limits.ts';
import { blocksText, message, parseBlocks, someBytes, vectors } from '../../support/coap.ts';

const udp = (exponent = 6): BlockPolicy => ({
  exponent,
  wholeBytes: 16 << exponent,
  bertBytes: 1024,
  bert: false,
});

const answer = (code: number, text: string, payload = noBytes, more: readonly CoapOption[] = []) =>
  message(code, {
    options: [...more, ...parseBlocks(text).map(({ number, block }) => blockOption(number, block))].sort(
      (a, b) => a.number - b.number,
    ),
    payload,
  });

const sent = (step: TransferStep): MessageParts => {
  if (step.type !== 'send') throw new Error(`expected to send, not: ${JSON.stringify(step)}`);
  return step.parts;
};

const shown = ({ options, payload }: MessageParts) => ({ blocks: blocksText(options), bytes: payload.length });

const get: OutgoingRequest = { method: 'GET', path: ['status'], accept: 60 };
const put = (bytes: number): OutgoingRequest => ({
  method: 'PUT',
  path: ['options'],
  payload: someBytes(bytes),
  contentFormat: 60,
});

describe('an upload', () => {
  it('goes block by block, the first with its size', () => {
    const transfer = new Transfer(put(300), udp(3));
    const first = transfer.first();
    expect(shown(first)).toEqual({ blocks: '1:0/1/128', bytes: 128 });
    expect(uintOf(first.options, optionNumber.size1)).toBe(300);
    expect(shown(sent(transfer.receive(answer(231, '1:0/1/128'))))).toEqual({ blocks: '1:1/1/128', bytes: 128 });
    const last = sent(transfer.receive(answer(231, '1:1/1/128')));
    expect(shown(last)).toEqual({ blocks: '1:2/0/128 2:0/0/128', bytes: 44 });
    expect(transfer.receive(answer(204, '1:2/0/128'))).toMatchObject({ type: 'done', response: { code: 204 } });
  });

  it('goes on in smaller blocks when the server wants that (RFC 7959 figure 8)', () => {
    const transfer = new Transfer(put(208), udp(3));
    expect(shown(transfer.first()).blocks).toBe('1:0/1/128');
    expect(shown(sent(transfer.receive(answer(231, '1:0/1/32'))))).toEqual({ blocks: '1:4/1/32', bytes: 32 });
    expect(shown(sent(transfer.receive(answer(231, '1:4/1/32'))))).toEqual({ blocks: '1:5/1/32', bytes: 32 });
    expect(shown(sent(transfer.receive(answer(231, '1:5/1/32')))).blocks).toMatch(/^1:6\/0\/32/);
  });

  it('starts again in smaller blocks after a 4.13 that names a size, and ends when it names none', () => {
    const transfer = new Transfer(put(300), udp());
    expect(shown(transfer.first())).toEqual({ blocks: '', bytes: 300 });
    expect(shown(sent(transfer.receive(answer(413, '1:0/0/128'))))).toEqual({ blocks: '1:0/1/128', bytes: 128 });
    expect(shown(sent(transfer.receive(answer(413, '1:0/1/64'))))).toEqual({ blocks: '1:0/1/64', bytes: 64 });
    expect(transfer.receive(answer(413, '1:0/1/64'))).toMatchObject({ type: 'done', response: { code: 413 } });
  });

  it('that is refused in the middle is done with the refusal', () => {
    const transfer = new Transfer(put(300), udp(3));
    transfer.first();
    expect(transfer.receive(answer(408, '1:0/1/128'))).toMatchObject({ type: 'done', response: { code: 408 } });
  });

  for (const [name, bad] of [
    ['of another block', '1:1/1/128'],
    ['of a larger size', '1:0/1/256'],
    ['without a block', ''],
  ] as const) {
    it(`cannot go on after a 2.31 ${name}`, () => {
      const transfer = new Transfer(put(300), udp(3));
      transfer.first();
      expect(transfer.receive(answer(231, bad))).toEqual({ type: 'failed', reason: 'malformed' });
    });
  }

  it('is not confused by a late copy of an acknowledgement', () => {
    const transfer = new Transfer(put(500), udp(3));
    transfer.first();
    transfer.receive(answer(231, '1:0/1/128'));
    expect(transfer.receive(answer(231, '1:0/1/128'))).toEqual({ type: 'ignore' });
  });

  it('does not take 2.31 for an answer', () => {
    const whole = new Transfer(put(10), udp());
    whole.first();
    expect(whole.receive(answer(231, '')).type).toBe('failed');
    const last = new Transfer(put(130), udp(3));
    last.first();
    last.receive(answer(231, '1:0/1/128'));
    expect(last.receive(answer(231, '1:1/0/128')).type).toBe('failed');
  });
});

describe('a download', () => {
  const tag = (value: number): CoapOption[] => [opaqueOption(optionNumber.eTag, Uint8Array.of(value))];

  it('asks block by block and hands out the whole, without the options of the blocks', () => {
    const transfer = new Transfer(get, udp());
    expect(shown(transfer.first()).blocks).toBe('');
    const body = someBytes(300);
    const first = answer(205, '2:0/1/128', body.subarray(0, 128), [
      uintOption(12, 60),
      uintOption(optionNumber.size2, 300),
    ]);
    const second = sent(transfer.receive(first));
    expect(blocksText(second.options)).toBe('2:1/0/128');
    expect(uintOf(second.options, optionNumber.accept)).toBe(60);
    transfer.receive(answer(205, '2:1/1/128', body.subarray(128, 256)));
    expect(transfer.receive(answer(205, '2:2/0/128', body.subarray(256)))).toEqual({
      type: 'done',
      response: { code: 205, payload: body, contentFormat: 60, options: [uintOption(12, 60)] },
    });
  });

  it('after a POST goes on with POSTs without payload and what described it', () => {
    const request: OutgoingRequest = {
      ...put(10),
      method: 'POST',
      options: [uintOption(2053, 2048), uintOption(2049, 2048)],
    };
    const transfer = new Transfer(request, udp());
    transfer.first();
    const next = sent(transfer.receive(answer(204, '2:0/1/16', someBytes(16))));
    expect({ code: next.code, bytes: next.payload.length }).toEqual({ code: 2, bytes: 0 });
    expect(next.options.map(({ number }) => number)).toEqual([optionNumber.uriPath, optionNumber.block2, 2049]);
  });

  it('asks for small blocks from the start when ours are small', () => {
    expect(shown(new Transfer(get, udp(2)).first()).blocks).toBe('2:0/0/64');
  });

  it('asks for smaller blocks than the server sends (late negotiation, RFC 7959 figure 3)', () => {
    const transfer = new Transfer(get, udp(2));
    transfer.first();
    expect(blocksText(sent(transfer.receive(answer(205, '2:0/1/128', someBytes(128)))).options)).toBe('2:2/0/64');
  });

  it('of a GET whose representation changes starts over, once', () => {
    const transfer = new Transfer(get, udp());
    transfer.first();
    transfer.receive(answer(205, '2:0/1/16', someBytes(16), tag(1)));
    expect(shown(sent(transfer.receive(answer(205, '2:1/1/16', someBytes(16), tag(2))))).blocks).toBe('');
    transfer.receive(answer(205, '2:0/1/16', someBytes(16), tag(2)));
    expect(transfer.receive(answer(205, '2:1/0/16', someBytes(16), tag(3))).type).toBe('failed');
  });

  it('of a POST whose representation changes fails: it must not be done twice', () => {
    const transfer = new Transfer({ ...put(10), method: 'POST' }, udp());
    transfer.first();
    transfer.receive(answer(204, '2:0/1/16', someBytes(16), tag(1)));
    expect(transfer.receive(answer(204, '2:1/1/16', someBytes(16), tag(2)))).toEqual({
      type: 'failed',
      reason: 'malformed',
    });
  });

  it('over the body limit fails, at once when its size is announced', () => {
    const announced = new Transfer(get, udp());
    announced.first();
    const size = [uintOption(optionNumber.size2, limits.coap.bodyBytes + 1)];
    expect(announced.receive(answer(205, '2:0/1/16', someBytes(16), size))).toEqual({
      type: 'failed',
      reason: 'too-large',
    });
    const silent = new Transfer(get, udp());
    silent.first();
    let step: TransferStep = { type: 'ignore' };
    let number = 0;
    do step = silent.receive(answer(205, `2:${number}/1/1024`, someBytes(1024)));
    while (step.type === 'send' && ++number < 1000);
    expect({ number, step }).toEqual({
      number: limits.coap.bodyBytes / 1024,
      step: { type: 'failed', reason: 'too-large' },
    });
  });

  it('that ends in an error is done with the error', () => {
    const transfer = new Transfer(get, udp());
    transfer.first();
    transfer.receive(answer(205, '2:0/1/16', someBytes(16)));
    expect(transfer.receive(answer(404, ''))).toMatchObject({ type: 'done', response: { code: 404 } });
  });

  for (const [name, bad] of [
    ['a block that skips one', answer(205, '2:2/1/16', someBytes(16))],
    ['a short block that is not the last', answer(205, '2:1/1/16', someBytes(15))],
    ['a response without a block', answer(205, '', someBytes(16))],
    ['a reserved size', answer(205, '2:1/1/BERT', someBytes(1024))],
  ] as const) {
    it(`cannot go on after ${name}`, () => {
      const transfer = new Transfer(get, udp());
      transfer.first();
      transfer.receive(answer(205, '2:0/1/16', someBytes(16)));
      expect(transfer.receive(bad)).toEqual({ type: 'failed', reason: 'malformed' });
    });
  }

  it('ignores a late copy of a block', () => {
    const transfer = new Transfer(get, udp());
    transfer.first();
    transfer.receive(answer(205, '2:0/1/16', someBytes(16)));
    expect(transfer.receive(answer(205, '2:0/1/16', someBytes(16)))).toEqual({ type: 'ignore' });
  });
});

describe('BERT on a stream (RFC 8323 §6)', () => {
  interface Bert {
    readonly bert: Record<
      'download' | 'upload',
      { readonly steps: readonly { request: string; response: string; payload: number; code?: number }[] }
    >;
  }
  const { download, upload } = vectors<Bert>('rfc8323.json').bert;

  it('downloads the example of §6.1', () => {
    const transfer = new Transfer(get, { exponent: 7, wholeBytes: 4096, bertBytes: 4096, bert: true });
    let request = transfer.first();
    for (const [at, step] of download.steps.entries()) {
      expect(blocksText(request.options)).toBe(step.request);
      const next = transfer.receive(answer(205, step.response, someBytes(step.payload)));
      if (at < download.steps.length - 1) request = sent(next);
      else expect(next).toMatchObject({ type: 'done', response: { payload: { length: 3072 + 5120 + 4711 } } });
    }
  });

  it('uploads like the example of §6.2, in messages of our size', () => {
    const total = upload.steps.reduce((sum, { payload }) => sum + payload, 0);
    const transfer = new Transfer(put(total), { exponent: 7, wholeBytes: 8192, bertBytes: 8192, bert: true });
    let request = transfer.first();
    const steps: string[] = [];
    for (;;) {
      const text = blocksText(request.options);
      steps.push(`${text} ${request.payload.length}`);
      if (text.includes('/0/')) break;
      request = sent(transfer.receive(answer(231, text)));
    }
    expect(steps).toEqual(['1:0/1/BERT 8192', '1:8/1/BERT 8192', '1:16/1/BERT 8192', '1:24/0/BERT 5683']);
    expect(transfer.receive(answer(204, '1:24/0/BERT')).type).toBe('done');
  });
});
