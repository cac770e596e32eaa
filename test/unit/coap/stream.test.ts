import { beforeEach, describe, expect, it } from 'vitest';
import { blockOption } from '../../../src/coap/block.ts';
import type { CoapEndpoint } from '../../../src/coap/endpoint.ts';
import { createDatagramEndpoint } from '../../../src/coap/exchange.ts';
import { encodeFrame } from '../../../src/coap/framing.ts';
import type { CoapMessage, CoapOption } from '../../../src/coap/message.ts';
import {
  emptyOption,
  findOption,
  opaqueOption,
  optionNumber,
  stringOption,
  uintOf,
  uintOption,
} from '../../../src/coap/options.ts';
import { createStreamEndpoint } from '../../../src/coap/stream.ts';
import { concatBytes, fromHex, fromUtf8, toHex, utf8 } from '../../../src/core/bytes.ts';
import { limits } from '../../../src/core/limits.ts';
import { seededRandom } from '../../../src/core/random.ts';
import {
  blocksText,
  datagram,
  message,
  onlyEvent,
  parseBlocks,
  pathOptions,
  sentMessage,
  someBytes,
} from '../../support/coap.ts';

const token = fromHex('0102030405060708');
const get = message(1, { token, options: pathOptions('temperature') });
const custody = emptyOption(2);

let endpoint: CoapEndpoint;
beforeEach(() => {
  endpoint = createStreamEndpoint({ random: seededRandom(1) });
  endpoint.takeOutput();
});

const take = (...messages: readonly CoapMessage[]): void =>
  endpoint.receive(concatBytes(...messages.map(encodeFrame)), 0);
const sent = (): CoapMessage[] => endpoint.takeOutput().map(sentMessage);
const csm = (...options: readonly CoapOption[]): CoapMessage => message(701, { options });
const blocks = (text: string): CoapOption[] => parseBlocks(text).map(({ number, block }) => blockOption(number, block));

describe('the capabilities message', () => {
  it('is in the output from the start, with our message size and the offer of block-wise transfer', () => {
    const [bytes = token, ...more] = createStreamEndpoint({ random: seededRandom(1) }).takeOutput();
    const { code, token: own, options, payload } = sentMessage(bytes);
    expect(more).toEqual([]);
    expect({ code, token: own.length, payload: payload.length }).toEqual({ code: 701, token: 8, payload: 0 });
    expect(uintOf(options, 2)).toBe(limits.coap.messageBytes);
    expect(findOption(options, 4)?.value).toHaveLength(0);
  });

  it('of the peer is not waited for: the reference device never sends one', () => {
    endpoint.receive(fromHex('d80b01f9bdf08493cd271cba782e706c67642e6465760474696d65622710e206e30800'), 0);
    const { id, request } = onlyEvent(endpoint, 'request');
    expect(request).toMatchObject({ method: 'GET', path: ['x.plgd.dev', 'time'], accept: 10000 });
    endpoint.respond(id, { code: 205, payload: someBytes(3000), contentFormat: 10000 }, 0);
    const [answer] = sent();
    expect({ length: answer?.payload.length, blocks: blocksText(answer?.options ?? []) }).toEqual({
      length: 3000,
      blocks: '',
    });
  });

  it('is waited for where that is asked for', () => {
    endpoint = createStreamEndpoint({ random: seededRandom(1), requireCsm: true });
    endpoint.takeOutput();
    take(get);
    expect(onlyEvent(endpoint, 'broken').text).toBe('the first message is not a CSM');
    expect(sent().map(({ code }) => code)).toEqual([705]);
    const patient = createStreamEndpoint({ random: seededRandom(1), requireCsm: true });
    patient.receive(concatBytes(encodeFrame(csm()), encodeFrame(get)), 0);
    onlyEvent(patient, 'request');
  });

  it('with an unknown critical option is answered by an Abort that names it', () => {
    take(csm(uintOption(9, 1)));
    const [abort] = sent();
    expect(abort?.code).toBe(705);
    expect(uintOf(abort?.options ?? [], 2)).toBe(9);
    onlyEvent(endpoint, 'broken');
  });

  it('with an unknown elective option is fine', () => {
    take(csm(uintOption(6, 8)));
    expect(sent()).toEqual([]);
    expect(endpoint.takeEvents()).toEqual([]);
  });
});

it('no message of ours is so short that the reference device goes deaf: signals carry a token of 8 bytes', () => {
  const fresh = createStreamEndpoint({ random: seededRandom(1) });
  fresh.ping(0);
  fresh.release(0);
  fresh.receive(fromHex('09'), 0);
  const output = fresh.takeOutput();
  expect(output.map((bytes) => sentMessage(bytes).code)).toEqual([701, 702, 704, 705]);
  for (const bytes of output) {
    expect(bytes.length).toBeGreaterThan(6);
    expect(sentMessage(bytes).token).toHaveLength(8);
  }
});

describe('signals of the peer', () => {
  it('a Ping is answered by a Pong with its token', () => {
    take(message(702, { token }), message(702));
    expect(sent()).toEqual([message(703, { token }), message(703)]);
  });

  it('a Ping with Custody is answered when what came before it has been answered', () => {
    take(message(702, { token, options: [custody] }));
    expect(sent()).toEqual([message(703, { token, options: [custody] })]);
    take(get, message(702, { token, options: [custody] }), { ...get, token: fromHex('02') });
    const [first, second] = endpoint.takeEvents();
    expect(sent()).toEqual([]);
    if (second?.type === 'request') endpoint.respond(second.id, { code: 205 }, 0);
    expect(sent().map(({ code }) => code)).toEqual([205]);
    if (first?.type === 'request') endpoint.respond(first.id, { code: 205 }, 0);
    expect(sent().map(({ code }) => code)).toEqual([205, 703]);
  });

  it('Release and Abort are told; after Abort nothing is taken', () => {
    take(message(704, { payload: utf8('moving') }), get);
    expect(endpoint.takeEvents()).toMatchObject([{ type: 'released', text: 'moving' }, { type: 'request' }]);
    take(message(705, { payload: utf8('x'.repeat(1000)) }), get);
    expect(onlyEvent(endpoint, 'released').text).toHaveLength(limits.coap.diagnosticBytes);
    expect(endpoint.nextTimeout()).toBeUndefined();
  });

  it('Release may name other addresses and a hold-off', () => {
    take(
      message(704, { options: [stringOption(2, 'coap+tcp://a'), stringOption(2, 'coap+tcp://b'), uintOption(4, 10)] }),
    );
    onlyEvent(endpoint, 'released');
  });

  it('an unknown critical option aborts, whatever the signal', () => {
    for (const code of [702, 703, 704, 705, 720]) {
      const each = createStreamEndpoint({ random: seededRandom(1) });
      each.takeOutput();
      each.receive(encodeFrame(message(code, { token, options: [uintOption(1, 1)] })), 0);
      onlyEvent(each, 'broken');
      expect(each.takeOutput().map((bytes) => sentMessage(bytes).code)).toEqual([705]);
    }
  });

  it('an unknown signal and an empty message mean nothing', () => {
    take(message(720, { token }), message(0), get);
    onlyEvent(endpoint, 'request');
    expect(sent()).toEqual([]);
  });
});

describe('a peer that breaks the protocol', () => {
  const cases: readonly (readonly [string, Uint8Array, RegExp])[] = [
    ['a malformed message', fromHex('10450f'), /reserved option length/],
    ['a token of 9 bytes', fromHex('09'), /token longer than 8 bytes/],
    ['a message over our limit', fromHex('f000100000'), /over the limit of \d+/],
    ['a reserved code', fromHex('0020'), /1\.00 is reserved/],
  ];
  for (const [name, bytes, text] of cases) {
    it(`gets an Abort for ${name}, and nothing after it is taken`, () => {
      endpoint.receive(concatBytes(bytes, encodeFrame(get)), 0);
      expect(onlyEvent(endpoint, 'broken').text).toMatch(text);
      const [abort, ...more] = sent();
      expect({ code: abort?.code, more }).toEqual({ code: 705, more: [] });
      expect(fromUtf8(abort?.payload ?? token)).toMatch(text);
      take(get);
      expect(endpoint.takeEvents()).toEqual([]);
      expect(endpoint.takeOutput()).toEqual([]);
    });
  }

  it('a message of exactly the limit is taken', () => {
    const room = limits.coap.messageBytes - encodeFrame(message(2, { token, payload: someBytes(8000) })).length + 8000;
    take(message(2, { token, payload: someBytes(room) }));
    expect(onlyEvent(endpoint, 'request').request.payload).toHaveLength(room);
    take(message(2, { token, payload: someBytes(room + 1) }));
    onlyEvent(endpoint, 'broken');
  });
});

describe('requests of the peer', () => {
  it('are answered with their token, in any order', () => {
    take(get, { ...get, token: fromHex('99') });
    const events = endpoint.takeEvents();
    for (const event of events.reverse()) if (event.type === 'request') endpoint.respond(event.id, { code: 205 }, 0);
    expect(sent().map((each) => toHex(each.token))).toEqual(['99', toHex(token)]);
  });

  it('keep their token when the memory they came in is used again, also when it is a Buffer', () => {
    for (const over of [endpoint, createDatagramEndpoint({ random: seededRandom(1) })]) {
      const wire = Buffer.from(over === endpoint ? encodeFrame(get) : datagram('NON', 1, get));
      over.receive(wire, 0);
      wire.fill(0xee);
      over.respond(onlyEvent(over, 'request').id, { code: 205 }, 0);
      expect(toHex(over.takeOutput()[0] ?? token)).toContain(toHex(token));
    }
  });

  it('with an unknown method get 4.05', () => {
    take(message(31, { token }));
    expect(sent()).toMatchObject([{ code: 405, token }]);
    expect(endpoint.takeEvents()).toEqual([]);
  });

  it('beyond the number in flight wait in the input until others are answered', () => {
    const total = limits.session.requestsInFlight + 3;
    take(...Array.from({ length: total }, (_, n) => ({ ...get, token: Uint8Array.of(n) })));
    const first = endpoint.takeEvents();
    expect(first).toHaveLength(limits.session.requestsInFlight);
    expect(endpoint.congested).toBe(true);
    for (const event of first) if (event.type === 'request') endpoint.respond(event.id, { code: 205 }, 0);
    expect(endpoint.takeEvents()).toHaveLength(3);
    expect(endpoint.congested).toBe(false);
  });

  it('stop being read while too much output waits, and go on by themselves when it has been taken', () => {
    const pings = new Array(20_000).fill(message(702, { token }));
    take(...pings);
    expect(endpoint.congested).toBe(true);
    let pongs = 0;
    for (let round = 0; round < 100 && (pongs < pings.length || endpoint.congested); round++) {
      const output = endpoint.takeOutput();
      expect(output.reduce((sum, bytes) => sum + bytes.length, 0)).toBeLessThan(limits.secure.queuedBytes + 100);
      pongs += output.length;
      if (endpoint.nextTimeout() === 0) endpoint.handleTimeout(0);
    }
    expect(pongs).toBe(pings.length);
  });

  it('that keep coming although input is held back end the session', () => {
    for (let n = 0; n < 40; n++) take(...new Array(1000).fill(get));
    expect(endpoint.takeEvents().at(-1)?.type).toBe('broken');
    expect(endpoint.congested).toBe(false);
  });

  it('that nobody answers are answered 5.03 at their deadline', () => {
    take(get);
    expect(endpoint.nextTimeout()).toBe(limits.session.requestDeadline);
    endpoint.handleTimeout(limits.session.requestDeadline);
    expect(sent().map(({ code }) => code)).toEqual([503]);
    expect(endpoint.nextTimeout()).toBeUndefined();
  });
});

describe('large responses', () => {
  const respond = (bytes: number): CoapMessage | undefined => {
    const event = onlyEvent(endpoint, 'request');
    endpoint.respond(event.id, { code: 205, payload: someBytes(bytes) }, 0);
    return sent()[0];
  };
  const blockwise = emptyOption(4);

  it('to a peer that offers block-wise transfer are cut to its message size: 1152 when it names none', () => {
    take(csm(blockwise), get);
    const answer = respond(5000);
    expect(blocksText(answer?.options ?? [])).toBe('2:0/1/1024');
    take({ ...get, token: fromHex('55'), options: [...get.options, ...blocks('2:4/0/1024')] });
    const [last] = sent();
    expect({ blocks: blocksText(last?.options ?? []), token: toHex(last?.token ?? token) }).toEqual({
      blocks: '2:4/0/1024',
      token: '55',
    });
    expect(endpoint.takeEvents()).toEqual([]);
  });

  it('come in BERT blocks when its message size is over 1152', () => {
    take(csm(uintOption(2, 4096), blockwise), get);
    const answer = respond(10_000);
    expect({ blocks: blocksText(answer?.options ?? []), bytes: answer?.payload.length }).toEqual({
      blocks: '2:0/1/BERT',
      bytes: 3072,
    });
    take({ ...get, options: [...get.options, ...blocks('2:3/0/BERT')] });
    expect(sent()[0]?.payload).toEqual(someBytes(10_000).subarray(3072, 6144));
  });

  it('come in small blocks when its message size is small', () => {
    take(csm(uintOption(2, 200), blockwise), get);
    const answer = respond(1000);
    expect(blocksText(answer?.options ?? [])).toBe('2:0/1/128');
    expect(encodeFrame(answer ?? get).length).toBeLessThanOrEqual(200);
  });

  it('that fit into its message size come whole', () => {
    take(csm(uintOption(2, 8000), blockwise), get);
    expect(respond(5000)?.payload).toHaveLength(5000);
  });

  it('over the size of a peer that does not offer block-wise transfer become 5.00', () => {
    take(csm(uintOption(2, 2000)), get);
    expect(respond(3000)?.code).toBe(500);
  });

  it('come in blocks to a peer that asks with Block2, offer or not', () => {
    take({ ...get, options: [...get.options, ...blocks('2:0/0/64')] });
    expect(blocksText(respond(100)?.options ?? [])).toBe('2:0/1/64');
  });
});

describe('own requests', () => {
  const answer = (request: CoapMessage | undefined, code: number, options: readonly CoapOption[] = []): void =>
    take(message(code, { token: request?.token ?? token, options }));

  it('are matched by token; answers to nothing are dropped', () => {
    const id = endpoint.request({ method: 'GET', path: ['a'] }, 0);
    const [request] = sent();
    take(message(205, { token: fromHex('0a') }));
    answer(request, 205);
    answer(request, 205);
    expect(onlyEvent(endpoint, 'response').id).toBe(id);
    expect(sent()).toEqual([]);
  });

  it('fail at once when the session has ended', () => {
    take(message(705));
    endpoint.takeEvents();
    const id = endpoint.request({ method: 'GET', path: ['a'] }, 0);
    expect(onlyEvent(endpoint, 'failed')).toEqual({ type: 'failed', id, reason: 'reset' });
    expect(sent()).toEqual([]);
  });

  it('fail at their timeout, and late answers are dropped', () => {
    const id = endpoint.request({ method: 'GET', path: ['a'], timeout: 4000 }, 0);
    const [request] = sent();
    expect(endpoint.nextTimeout()).toBe(4000);
    endpoint.handleTimeout(4000);
    expect(onlyEvent(endpoint, 'failed')).toEqual({ type: 'failed', id, reason: 'timeout' });
    answer(request, 205);
    expect(endpoint.takeEvents()).toEqual([]);
  });

  it('that are cancelled get no event', () => {
    endpoint.cancel(endpoint.request({ method: 'GET', path: ['a'] }, 0));
    answer(sent()[0], 205);
    expect(endpoint.takeEvents()).toEqual([]);
    expect(endpoint.nextTimeout()).toBeUndefined();
  });

  it('fail on an answer with an unknown critical option', () => {
    endpoint.request({ method: 'GET', path: ['a'] }, 0);
    answer(sent()[0], 205, [opaqueOption(9, token)]);
    expect(onlyEvent(endpoint, 'failed').reason).toBe('malformed');
  });

  it('go whole to a peer that has said nothing, and fail when over the size it has named', () => {
    endpoint.request({ method: 'POST', path: ['a'], payload: someBytes(6000) }, 0);
    expect(sent()[0]?.payload).toHaveLength(6000);
    take(csm(uintOption(2, 2000)));
    endpoint.request({ method: 'POST', path: ['a'], payload: someBytes(6000) }, 0);
    expect(onlyEvent(endpoint, 'failed').reason).toBe('too-large');
    expect(sent()).toEqual([]);
  });

  it('go in BERT blocks to a peer that takes them', () => {
    take(csm(uintOption(2, 4000), emptyOption(4)));
    endpoint.request({ method: 'POST', path: ['a'], payload: someBytes(6000) }, 0);
    const [first] = sent();
    expect({ blocks: blocksText(first?.options ?? []), bytes: first?.payload.length }).toEqual({
      blocks: '1:0/1/BERT',
      bytes: 3072,
    });
    expect(uintOf(first?.options ?? [], optionNumber.size1)).toBe(6000);
    answer(first, 231, blocks('1:0/1/BERT'));
    expect(blocksText(sent()[0]?.options ?? [])).toBe('1:3/0/BERT');
  });
});

describe('an own ping', () => {
  it('is answered by the Pong with its token only', () => {
    const id = endpoint.ping(0);
    const [ping] = sent();
    take(message(703, { token }));
    expect(endpoint.takeEvents()).toEqual([]);
    take(message(703, { token: ping?.token ?? token }));
    expect(onlyEvent(endpoint, 'pong').id).toBe(id);
    expect(endpoint.nextTimeout()).toBeUndefined();
  });

  it('is answered by a Pong without a token, as libcoap sends it: the oldest first', () => {
    const ids = [endpoint.ping(0), endpoint.ping(0)];
    endpoint.receive(fromHex('10e320'), 0);
    endpoint.receive(fromHex('10e320'), 0);
    endpoint.receive(fromHex('10e320'), 0);
    expect(endpoint.takeEvents()).toEqual(ids.map((id) => ({ type: 'pong', id })));
  });

  it('fails without one', () => {
    const id = endpoint.ping(0);
    endpoint.handleTimeout(limits.coap.pingTimeout);
    expect(onlyEvent(endpoint, 'failed')).toEqual({ type: 'failed', id, reason: 'timeout' });
  });
});
