import { beforeEach, describe, expect, it } from 'vitest';
import { decodeDatagram, encodeEmpty, type MessageType } from '../../../src/coap/datagram.ts';
import type { CoapEndpoint, CoapEvent, OutgoingResponse } from '../../../src/coap/endpoint.ts';
import { createDatagramEndpoint } from '../../../src/coap/exchange.ts';
import { encodeFrame } from '../../../src/coap/framing.ts';
import type { CoapOption } from '../../../src/coap/message.ts';
import {
  emptyOption,
  findOption,
  optionNumber,
  signalOptionNumber,
  uintOf,
  uintOption,
} from '../../../src/coap/options.ts';
import { createStreamEndpoint } from '../../../src/coap/stream.ts';
import { sortOptions } from '../../../src/coap/wire.ts';
import { concatBytes, fromHex, fromUtf8, noBytes, utf8 } from '../../../src/core/bytes.ts';
import { ManualTimers } from '../../../src/core/clock.ts';
import { limits } from '../../../src/core/limits.ts';
import { seededRandom } from '../../../src/core/random.ts';
import { SimulatedLink } from '../../../src/fleet/link.ts';
import {
  blocksText,
  datagram,
  message,
  onlyEvent,
  parseBlocks,
  pathOptions,
  sentDatagram,
  sentMessage,
  someBytes,
} from '../../support/coap.ts';
import { Pair } from '../../support/pair.ts';

const token = fromHex('0102030405060708');
const observe = (value: number): CoapOption => uintOption(optionNumber.observe, value);
const get = (more: readonly CoapOption[] = [], of = token) =>
  message(1, { token: of, options: sortOptions([...pathOptions('light'), ...more]) });
const state = (text: string): OutgoingResponse => ({ code: 205, payload: utf8(text) });

describe('an observation over datagrams', () => {
  let endpoint: CoapEndpoint;
  let messageId: number;
  beforeEach(() => {
    endpoint = createDatagramEndpoint({ random: seededRandom(1) });
    messageId = 100;
  });

  const sent = () => endpoint.takeOutput().map((bytes) => sentDatagram(bytes));
  const numberOf = (options: readonly CoapOption[]) => uintOf(options, optionNumber.observe);

  /** Sends a GET with Observe 0; the request's id. */
  function register(type: MessageType = 'CON', of = token, observing = true): number {
    endpoint.receive(datagram(type, messageId++, get([observe(0)], of)), 0);
    const { id } = onlyEvent(endpoint, 'request');
    endpoint.respond(id, { ...state('off'), observe: observing }, 0);
    return id;
  }

  it('begins with an answer that has a number, and goes on with NON notifications of higher numbers under the same token', () => {
    const id = register();
    const [first] = sent();
    expect(first?.type).toBe('ACK');
    const start = numberOf(first?.message.options ?? []) ?? Number.NaN;
    for (let n = 1; n <= 3; n++) {
      endpoint.notify(id, state(`on ${n}`), n);
      const [notification] = sent();
      expect(notification).toMatchObject({ type: 'NON', message: { code: 205, token } });
      expect(fromUtf8(notification?.message.payload ?? noBytes)).toBe(`on ${n}`);
      expect(numberOf(notification?.message.options ?? [])).toBe(start + n);
    }
    expect(endpoint.takeEvents()).toEqual([]);
  });

  it('is not begun by a handler that does not observe: the answer is a plain one', () => {
    const id = register('CON', token, false);
    expect(numberOf(sent()[0]?.message.options ?? [])).toBeUndefined();
    endpoint.notify(id, state('on'), 1);
    expect(sent()).toEqual([]);
  });

  it('is not begun by an error, whatever the handler says, and the handler is told', () => {
    endpoint.receive(datagram('CON', 1, get([observe(0)])), 0);
    const { id } = onlyEvent(endpoint, 'request');
    endpoint.respond(id, { code: 404, observe: true }, 0);
    expect(numberOf(sent()[0]?.message.options ?? [])).toBeUndefined();
    expect(endpoint.takeEvents()).toEqual([{ type: 'unobserved', id }]);
  });

  it.each([2, 3, 0xff_ffff])('is not asked for by Observe %d', (value) => {
    endpoint.receive(datagram('CON', 1, get([observe(value)])), 0);
    const { id } = onlyEvent(endpoint, 'request');
    endpoint.respond(id, { ...state('off'), observe: true }, 0);
    expect(numberOf(sent()[0]?.message.options ?? [])).toBeUndefined();
  });

  it('ends when the client sends Observe 1 with its token, before that GET is served', () => {
    const id = register();
    sent();
    endpoint.receive(datagram('CON', 7, get([observe(1)])), 5);
    const [ended, request] = endpoint.takeEvents();
    expect(ended).toEqual({ type: 'unobserved', id });
    if (request?.type !== 'request') throw new Error('the GET is not served');
    endpoint.respond(request.id, { ...state('off'), observe: true }, 5);
    expect(numberOf(sent()[0]?.message.options ?? [])).toBeUndefined();
    endpoint.notify(id, state('on'), 6);
    expect(sent()).toEqual([]);
  });

  it('is not ended by Observe 1 with another token', () => {
    const id = register();
    sent();
    endpoint.receive(datagram('CON', 7, get([observe(1)], fromHex('99'))), 5);
    onlyEvent(endpoint, 'request');
    endpoint.notify(id, state('on'), 6);
    expect(sent()).toHaveLength(1);
  });

  it('ends when the client rejects a notification, also one that is not the last', () => {
    const id = register('NON');
    sent();
    endpoint.notify(id, state('1'), 1);
    endpoint.notify(id, state('2'), 2);
    const [first] = sent();
    endpoint.receive(encodeEmpty('RST', first?.messageId ?? 0), 3);
    expect(endpoint.takeEvents()).toEqual([{ type: 'unobserved', id }]);
    endpoint.notify(id, state('3'), 4);
    expect(sent()).toEqual([]);
  });

  it('is confirmed now and then: a CON after five NON, then NON again once it is acknowledged', () => {
    const id = register();
    sent();
    const types: (string | undefined)[] = [];
    for (let n = 0; n < 8; n++) {
      endpoint.notify(id, state(`${n}`), n);
      const [notification] = sent();
      types.push(notification?.type);
      if (notification?.type === 'CON') endpoint.receive(encodeEmpty('ACK', notification.messageId), n);
    }
    expect(types).toEqual(['NON', 'NON', 'NON', 'NON', 'NON', 'CON', 'NON', 'NON']);
  });

  it('is confirmed after a long silence', () => {
    const id = register();
    sent();
    endpoint.notify(id, state('late'), limits.coap.confirmNotification);
    expect(sent()[0]?.type).toBe('CON');
  });

  /** Brings the observation to a CON notification in transit; its message. */
  function unconfirmed(id: number) {
    for (let n = 0; n < limits.coap.unconfirmedNotifications; n++) endpoint.notify(id, state('.'), 0);
    sent();
    endpoint.notify(id, state('in transit'), 0);
    const [notification] = sent();
    expect(notification?.type).toBe('CON');
    return notification ?? sentDatagram(undefined);
  }

  it('ends when a CON notification is not acknowledged, after the usual retransmissions', () => {
    const id = register();
    sent();
    unconfirmed(id);
    let copies = 0;
    let at = 0;
    for (let due = endpoint.nextTimeout(); due !== undefined; due = endpoint.nextTimeout()) {
      at = due;
      endpoint.handleTimeout(due);
      copies += endpoint.takeOutput().length;
    }
    expect(copies).toBe(limits.coap.maxRetransmit);
    expect(at).toBeLessThanOrEqual(93_000);
    expect(endpoint.takeEvents()).toEqual([{ type: 'unobserved', id }]);
  });

  it('ends when a CON notification is rejected', () => {
    const id = register();
    sent();
    endpoint.receive(encodeEmpty('RST', unconfirmed(id).messageId), 1);
    expect(endpoint.takeEvents()).toEqual([{ type: 'unobserved', id }]);
    expect(endpoint.nextTimeout()).toBeUndefined();
  });

  it('sends the newest state in place of a notification that waits for its ACK, and counts on', () => {
    const id = register();
    sent();
    const old = unconfirmed(id);
    endpoint.notify(id, state('newer'), 10);
    endpoint.notify(id, state('newest'), 20);
    expect(sent()).toEqual([]);
    const texts: string[] = [];
    for (let due = endpoint.nextTimeout(); due !== undefined; due = endpoint.nextTimeout()) {
      endpoint.handleTimeout(due);
      for (const { messageId: id, message: copy } of sent()) {
        expect(id).not.toBe(old.messageId);
        texts.push(fromUtf8(copy.payload));
      }
    }
    expect(texts).toEqual(Array.from({ length: limits.coap.maxRetransmit }, () => 'newest'));
    expect(endpoint.takeEvents()).toEqual([{ type: 'unobserved', id }]);
  });

  it('sends the newest state as soon as the one in transit is acknowledged', () => {
    const id = register();
    sent();
    const old = unconfirmed(id);
    endpoint.notify(id, state('newest'), 10);
    endpoint.receive(encodeEmpty('ACK', old.messageId), 20);
    const [next] = sent();
    expect(next?.type).toBe('NON');
    expect(fromUtf8(next?.message.payload ?? noBytes)).toBe('newest');
  });

  it('ends with an error notification: a CON without the option, and nothing after it', () => {
    const id = register();
    sent();
    endpoint.notify(id, { code: 401 }, 1);
    const [last] = sent();
    expect(last).toMatchObject({ type: 'CON', message: { code: 401, token } });
    expect(numberOf(last?.message.options ?? [])).toBeUndefined();
    endpoint.receive(encodeEmpty('ACK', last?.messageId ?? 0), 2);
    endpoint.notify(id, state('on'), 3);
    expect(sent()).toEqual([]);
    expect(endpoint.takeEvents()).toEqual([]);
  });

  it('is taken over by a new registration with the same token, whose numbers go on', () => {
    const id = register();
    const before = numberOf(sent()[0]?.message.options ?? []) ?? Number.NaN;
    endpoint.receive(datagram('CON', 200, get([observe(0)])), 5);
    const { id: again } = onlyEvent(endpoint, 'request');
    endpoint.respond(again, { ...state('off'), observe: true }, 5);
    expect(endpoint.takeEvents()).toEqual([{ type: 'unobserved', id }]);
    expect(numberOf(sent()[0]?.message.options ?? [])).toBeGreaterThan(before);
    endpoint.notify(id, state('on'), 6);
    expect(sent()).toEqual([]);
    endpoint.notify(again, state('on'), 6);
    expect(sent()).toHaveLength(1);
  });

  it(`is refused beyond ${limits.coap.observations} in a session: a plain answer, and the handler is told`, () => {
    for (let n = 0; n < limits.coap.observations; n++) register('CON', Uint8Array.of(n));
    sent();
    endpoint.takeEvents();
    const id = register('CON', Uint8Array.of(99));
    expect(numberOf(sent()[0]?.message.options ?? [])).toBeUndefined();
    expect(endpoint.takeEvents()).toEqual([{ type: 'unobserved', id }]);
  });

  it('sends a large state in blocks: the option is in the first only, the rest is fetched by GET', () => {
    const id = register();
    sent();
    const large = someBytes(2500);
    endpoint.notify(id, { code: 205, payload: large }, 1);
    const [first] = sent();
    expect(numberOf(first?.message.options ?? [])).toBeDefined();
    expect(blocksText(first?.message.options ?? [])).toBe('2:0/1/1024');
    const parts = [first?.message.payload ?? noBytes];
    for (const number of [1, 2]) {
      const options = parseBlocks(`2:${number}/0/1024`).map(({ block }) =>
        uintOption(optionNumber.block2, block.number * 16 + block.exponent),
      );
      endpoint.receive(datagram('CON', 300 + number, get(options, Uint8Array.of(number))), 2);
      const [block] = sent();
      expect(numberOf(block?.message.options ?? [])).toBeUndefined();
      parts.push(block?.message.payload ?? noBytes);
    }
    expect(concatBytes(...parts)).toEqual(large);
    expect(endpoint.takeEvents()).toEqual([]);
  });

  it('survives a link that loses and reorders: the client, which keeps the highest number, ends with the last confirmed state', () => {
    const timers = new ManualTimers(0);
    const link = new SimulatedLink({
      timers,
      random: seededRandom(5),
      kind: 'datagram',
      faults: { loss: 0.3, reorder: 0.2 },
    });
    const client = new Observer(datagram('CON', 1, get([observe(0)])));
    const ended: CoapEvent[] = [];
    let id = 0;
    const pair = new Pair({
      left: client,
      right: endpoint,
      link,
      timers,
      act: () => {
        for (const event of endpoint.takeEvents()) {
          if (event.type !== 'request') {
            ended.push(event);
            continue;
          }
          id = event.id;
          endpoint.respond(id, { ...state('0'), observe: true }, timers.now());
        }
      },
    });
    expect(pair.run(() => client.highest !== undefined)).toBe(true);
    const change = (text: string): void => {
      endpoint.notify(id, state(text), pair.now);
      const next = pair.now + 1000;
      timers.schedule(next, () => undefined);
      pair.run(() => pair.now >= next);
    };
    for (let n = 1; n <= 60; n++) change(`${n}`);
    pair.run(() => client.text === '60', 120_000);
    expect(ended).toEqual([]);
    expect(Number(client.text)).toBeGreaterThan(50);
    expect(client.confirmable).toBeGreaterThan(3);
    link.sever();
    for (let n = 0; n < 10; n++) change('gone');
    expect(pair.run(() => ended.length > 0, 120_000)).toBe(true);
    expect(ended).toEqual([{ type: 'unobserved', id }]);
  });
});

/** A client that observes: repeats its GET until there is an answer, acknowledges, and keeps the freshest state. */
class Observer {
  highest: number | undefined;
  text = '';
  confirmable = 0;
  private readonly output: Uint8Array[];
  private readonly request: Uint8Array;
  private due: number | undefined = 3000;

  constructor(request: Uint8Array) {
    this.request = request;
    this.output = [request];
  }

  receive(bytes: Uint8Array): void {
    const decoded = decodeDatagram(bytes);
    if (!decoded.ok) throw new Error('malformed');
    const { type, messageId, message: content } = decoded.datagram;
    this.due = undefined;
    if (type === 'CON') {
      this.confirmable++;
      this.output.push(encodeEmpty('ACK', messageId));
    }
    const number = uintOf(content.options, optionNumber.observe);
    if (number === undefined || number <= (this.highest ?? -1)) return;
    this.highest = number;
    this.text = fromUtf8(content.payload);
  }

  takeOutput(): Uint8Array[] {
    return this.output.splice(0);
  }

  nextTimeout(): number | undefined {
    return this.due;
  }

  handleTimeout(now: number): void {
    this.due = now + 3000;
    this.output.push(this.request);
  }
}

describe('an observation over a stream', () => {
  let endpoint: CoapEndpoint;
  beforeEach(() => {
    endpoint = createStreamEndpoint({ random: seededRandom(1) });
    endpoint.takeOutput();
  });

  const sent = () => endpoint.takeOutput().map((bytes) => sentMessage(bytes));
  const take = (content: ReturnType<typeof message>): void => endpoint.receive(encodeFrame(content), 0);

  function register(of = token): number {
    take(get([observe(0)], of));
    const { id } = onlyEvent(endpoint, 'request');
    endpoint.respond(id, { ...state('off'), observe: true }, 0);
    return id;
  }

  it('has the option, empty, in the answer and in every notification', () => {
    const id = register();
    endpoint.notify(id, state('on'), 1);
    const messages = sent();
    expect(messages.map(({ payload }) => fromUtf8(payload))).toEqual(['off', 'on']);
    for (const { token: of, options } of messages) {
      expect(of).toEqual(token);
      expect(findOption(options, optionNumber.observe)?.value).toEqual(noBytes);
    }
  });

  it('ends with Observe 1, and then says nothing more', () => {
    const id = register();
    sent();
    take(get([observe(1)]));
    expect(endpoint.takeEvents()).toMatchObject([{ type: 'unobserved', id }, { type: 'request' }]);
    endpoint.notify(id, state('on'), 1);
    expect(sent()).toEqual([]);
  });

  it('ends with an error notification, without the option', () => {
    const id = register();
    sent();
    endpoint.notify(id, { code: 401 }, 1);
    const [last] = sent();
    expect(last?.code).toBe(401);
    expect(findOption(last?.options ?? [], optionNumber.observe)).toBeUndefined();
    endpoint.notify(id, state('on'), 2);
    expect(sent()).toEqual([]);
  });

  it('ends with the session', () => {
    const id = register();
    take(message(705));
    sent();
    endpoint.notify(id, state('on'), 1);
    expect(sent()).toEqual([]);
  });

  it('sends a state that is over the size the peer takes in blocks, or ends with 5.00 when the peer cannot do blocks', () => {
    take(message(701, { options: [uintOption(signalOptionNumber.maxMessageSize, 1200), emptyOption(4)] }));
    const id = register();
    sent();
    endpoint.notify(id, { code: 205, payload: someBytes(3000) }, 1);
    const [first] = sent();
    expect(blocksText(first?.options ?? [])).toMatch(/^2:0\/1\//);
    expect(findOption(first?.options ?? [], optionNumber.observe)).toBeDefined();

    endpoint = createStreamEndpoint({ random: seededRandom(2) });
    take(message(701, { options: [uintOption(signalOptionNumber.maxMessageSize, 1200)] }));
    const other = register();
    sent();
    endpoint.notify(other, { code: 205, payload: someBytes(3000) }, 1);
    expect(sent()).toMatchObject([{ code: 500 }]);
    expect(endpoint.takeEvents()).toEqual([{ type: 'unobserved', id: other }]);
  });

  it(`is refused beyond ${limits.coap.observations} in a session`, () => {
    for (let n = 0; n < limits.coap.observations; n++) register(Uint8Array.of(n));
    sent();
    const id = register(Uint8Array.of(99));
    expect(findOption(sent()[0]?.options ?? [], optionNumber.observe)).toBeUndefined();
    expect(endpoint.takeEvents()).toEqual([{ type: 'unobserved', id }]);
  });
});
