import { beforeEach, describe, expect, it } from 'vitest';
import { encodeEmpty } from '../../../src/coap/datagram.ts';
import type { CoapEndpoint, CoapEvent } from '../../../src/coap/endpoint.ts';
import { createDatagramEndpoint } from '../../../src/coap/exchange.ts';
import { optionNumber, uintOption } from '../../../src/coap/options.ts';
import { fromHex, fromUtf8, toHex, utf8 } from '../../../src/core/bytes.ts';
import { limits } from '../../../src/core/limits.ts';
import { seededRandom } from '../../../src/core/random.ts';
import { datagram, message, onlyEvent, pathOptions, sentDatagram, vectors } from '../../support/coap.ts';

const token = fromHex('0102030405060708');
const get = message(1, { token, options: pathOptions('temperature') });
const content = { code: 205, payload: utf8('22.3 C') };

let endpoint: CoapEndpoint;
beforeEach(() => {
  endpoint = createDatagramEndpoint({ random: seededRandom(1) });
});

const sentHex = (): string[] => endpoint.takeOutput().map(toHex);
const take = (bytes: Uint8Array, now = 0): void => endpoint.receive(bytes, now);

/** Runs the timers until `until`, collecting when what was sent. */
function timeline(until: number): { at: number; bytes: Uint8Array }[] {
  const sent: { at: number; bytes: Uint8Array }[] = endpoint.takeOutput().map((bytes) => ({ at: 0, bytes }));
  for (let due = endpoint.nextTimeout(); due !== undefined && due <= until; due = endpoint.nextTimeout()) {
    const at = due;
    endpoint.handleTimeout(at);
    sent.push(...endpoint.takeOutput().map((bytes) => ({ at, bytes })));
  }
  return sent;
}

describe('the exchanges of RFC 7252 appendix A, as the server', () => {
  interface Figure {
    readonly figure: number;
    readonly messages: readonly { readonly from: string; readonly hex: string; readonly type: string }[];
  }
  for (const { figure, messages } of vectors<Figure[]>('rfc7252-appendix-a.json').filter(({ figure: n }) => n <= 19)) {
    it(`figure ${figure}: every request, also a repeated one, is answered with the bytes of the figure`, () => {
      const [expected] = messages.filter(({ from }) => from === 'server').map(({ hex }) => hex);
      const requests = messages.filter(({ from }) => from === 'client');
      let served = 0;
      for (const { hex } of requests) {
        take(fromHex(hex));
        for (const event of endpoint.takeEvents()) {
          served++;
          if (event.type === 'request') endpoint.respond(event.id, content, 0);
        }
        expect(sentHex()).toEqual([expected]);
      }
      expect(served).toBe(1);
    });
  }

  it('figure 20: an answer that takes time is announced by an empty ACK and sent as a CON of its own', () => {
    const figure20 = vectors<Figure[]>('rfc7252-appendix-a.json').find(({ figure }) => figure === 20)?.messages ?? [];
    const [request, ack, response] = figure20.map(({ hex }) => fromHex(hex));
    take(request ?? token);
    const { id } = onlyEvent(endpoint, 'request');
    expect(endpoint.nextTimeout()).toBe(limits.coap.separateAfter);
    endpoint.handleTimeout(limits.coap.separateAfter);
    expect(sentHex()).toEqual([toHex(ack ?? token)]);
    endpoint.respond(id, content, 1500);
    const { type, messageId, message: sent } = sentDatagram(endpoint.takeOutput()[0]);
    expect(type).toBe('CON');
    expect(messageId).not.toBe(0x7d38);
    expect(sent).toEqual(sentDatagram(response).message);
    take(encodeEmpty('ACK', messageId), 1600);
    expect(endpoint.nextTimeout()).toBeUndefined();
  });

  it('figure 22: a NON gets a NON', () => {
    take(fromHex('51017d4075bb74656d7065726174757265'));
    endpoint.respond(onlyEvent(endpoint, 'request').id, content, 0);
    const { type, messageId, message: sent } = sentDatagram(endpoint.takeOutput()[0]);
    expect(type).toBe('NON');
    expect(messageId).not.toBe(0x7d40);
    expect(toHex(sent.token)).toBe('75');
    expect(fromUtf8(sent.payload)).toBe('22.3 C');
    expect(endpoint.nextTimeout()).toBeUndefined();
  });
});

describe('copies of a request', () => {
  it('that arrive while the handler works are not answered, and not served again', () => {
    take(datagram('CON', 7, get));
    take(datagram('CON', 7, get), 100);
    const { id } = onlyEvent(endpoint, 'request');
    expect(sentHex()).toEqual([]);
    endpoint.respond(id, content, 200);
    expect(endpoint.takeOutput()).toHaveLength(1);
  });

  it('that arrive after the empty ACK get the empty ACK again', () => {
    take(datagram('CON', 7, get));
    endpoint.handleTimeout(limits.coap.separateAfter);
    expect(sentHex()).toEqual(['60000007']);
    take(datagram('CON', 7, get), 2000);
    expect(sentHex()).toEqual(['60000007']);
    expect(endpoint.takeEvents()).toHaveLength(1);
  });

  it('get the very bytes of the first answer, until EXCHANGE_LIFETIME is over', () => {
    take(datagram('CON', 7, get));
    endpoint.respond(onlyEvent(endpoint, 'request').id, content, 0);
    const answer = sentHex();
    take(datagram('CON', 7, get), limits.coap.exchangeLifetime - 1);
    expect(sentHex()).toEqual(answer);
    expect(endpoint.takeEvents()).toEqual([]);
    take(datagram('CON', 7, get), limits.coap.exchangeLifetime);
    onlyEvent(endpoint, 'request');
  });

  it('of a NON are dropped until NON_LIFETIME is over', () => {
    take(datagram('NON', 7, get));
    endpoint.respond(onlyEvent(endpoint, 'request').id, content, 0);
    endpoint.takeOutput();
    take(datagram('NON', 7, get), limits.coap.nonLifetime - 1);
    expect(endpoint.takeOutput()).toEqual([]);
    expect(endpoint.takeEvents()).toEqual([]);
    take(datagram('NON', 7, get), limits.coap.nonLifetime);
    onlyEvent(endpoint, 'request');
  });

  it('are remembered up to a count; then the oldest is forgotten, but never one that is being served', () => {
    take(datagram('CON', 60_000, get));
    const { id } = onlyEvent(endpoint, 'request');
    for (let mid = 0; mid <= limits.coap.duplicates; mid++) {
      take(datagram('CON', mid, get));
      endpoint.respond(onlyEvent(endpoint, 'request').id, content, 0);
    }
    endpoint.takeOutput();
    take(datagram('CON', 60_000, get));
    expect(endpoint.takeEvents(), 'the one being served').toEqual([]);
    take(datagram('CON', limits.coap.duplicates, get));
    expect(endpoint.takeEvents(), 'the newest').toEqual([]);
    take(datagram('CON', 0, get));
    expect(endpoint.takeEvents(), 'the oldest').toHaveLength(1);
    endpoint.respond(id, content, 0);
  });

  it('are remembered up to a number of bytes', () => {
    const large = { code: 205, payload: new Uint8Array(1024) };
    const fit = Math.floor(limits.coap.duplicateBytes / 1037);
    expect(fit).toBeLessThan(limits.coap.duplicates);
    for (let mid = 0; mid <= fit; mid++) {
      take(datagram('CON', mid, get));
      endpoint.respond(onlyEvent(endpoint, 'request').id, large, 0);
    }
    endpoint.takeOutput();
    take(datagram('CON', fit, get));
    expect(endpoint.takeEvents()).toEqual([]);
    take(datagram('CON', 0, get));
    expect(endpoint.takeEvents()).toHaveLength(1);
  });
});

describe('what a peer may not do', () => {
  const cases: readonly (readonly [string, Uint8Array, string[]])[] = [
    ['a ping is answered with a reset', encodeEmpty('CON', 0x1234), ['70001234']],
    ['a malformed CON is reset', fromHex('40011234ff'), ['70001234']],
    ['a malformed NON is dropped', fromHex('50011234ff'), []],
    ['an empty NON is dropped', encodeEmpty('NON', 0x1234), []],
    ['a response to nothing is reset', datagram('CON', 0x1234, message(205, { token })), ['70001234']],
    ['a NON response to nothing is dropped', datagram('NON', 0x1234, message(205, { token })), []],
    ['an ACK for nothing is dropped', encodeEmpty('ACK', 0x1234), []],
    ['an ACK with a response to nothing is dropped', datagram('ACK', 0x1234, message(205, { token })), []],
    ['a request in an ACK is dropped', datagram('ACK', 0x1234, get), []],
    ['a reset of nothing is dropped', encodeEmpty('RST', 0x1234), []],
    ['a code of a reserved class is reset', fromHex('40e11234'), ['70001234']],
    ['another version is dropped', fromHex('80011234'), []],
  ];
  for (const [name, bytes, expected] of cases) {
    it(name, () => {
      take(bytes);
      expect(sentHex()).toEqual(expected);
      expect(endpoint.takeEvents()).toEqual([]);
      expect(endpoint.nextTimeout()).toBeUndefined();
    });
  }

  it('an unknown method gets 4.05 and runs no handler', () => {
    take(datagram('CON', 1, message(31, { token })));
    const { type, message: sent } = sentDatagram(endpoint.takeOutput()[0]);
    expect({ type, code: sent.code, token: toHex(sent.token) }).toEqual({
      type: 'ACK',
      code: 405,
      token: toHex(token),
    });
    expect(endpoint.takeEvents()).toEqual([]);
  });

  it('an unknown critical option makes the request faulty with 4.02', () => {
    take(datagram('CON', 1, message(1, { token, options: [uintOption(9, 1)] })));
    const { request } = onlyEvent(endpoint, 'request');
    expect(request.fault).toEqual({ code: 402, text: 'option 9 is not understood' });
  });

  it('a request for a proxy is faulty with 5.05', () => {
    take(
      datagram(
        'CON',
        1,
        message(1, { options: [{ number: optionNumber.proxyUri, value: utf8('coap://elsewhere/') }] }),
      ),
    );
    expect(onlyEvent(endpoint, 'request').request.fault?.code).toBe(505);
  });

  it('more requests than may be in flight are told to come back', () => {
    for (let mid = 0; mid < limits.session.requestsInFlight; mid++) take(datagram('CON', mid, get));
    expect(endpoint.takeOutput()).toEqual([]);
    take(datagram('CON', 100, get));
    expect(sentDatagram(endpoint.takeOutput()[0]).message.code).toBe(503);
    expect(endpoint.takeEvents()).toHaveLength(limits.session.requestsInFlight);
  });

  it('a handler that never answers does not keep its place: the peer is told 5.03 at the deadline', () => {
    take(datagram('NON', 1, get));
    const { id } = onlyEvent(endpoint, 'request');
    expect(endpoint.nextTimeout()).toBe(limits.session.requestDeadline);
    endpoint.handleTimeout(limits.session.requestDeadline);
    expect(sentDatagram(endpoint.takeOutput()[0]).message.code).toBe(503);
    endpoint.respond(id, content, limits.session.requestDeadline);
    expect(endpoint.takeOutput()).toEqual([]);
  });
});

describe('an own request', () => {
  const started = (confirmable = true) => {
    const id = endpoint.request({ method: 'GET', path: ['temperature'], accept: 60, confirmable }, 0);
    return { id, sent: sentDatagram(endpoint.takeOutput()[0]) };
  };

  it('has a random token of 8 bytes and a random first message id', () => {
    const { sent } = started();
    const other = createDatagramEndpoint({ random: seededRandom(2) });
    other.request({ method: 'GET', path: [] }, 0);
    const second = sentDatagram(other.takeOutput()[0]);
    expect(sent.message.token).toHaveLength(8);
    expect(second.messageId).not.toBe(sent.messageId);
    expect(toHex(second.message.token)).not.toBe(toHex(sent.message.token));
  });

  it('takes the piggybacked response with its message id and token', () => {
    const { id, sent } = started();
    take(datagram('ACK', sent.messageId, message(205, { token: sent.message.token, payload: utf8('1') })));
    expect(onlyEvent(endpoint, 'response')).toMatchObject({ id, response: { code: 205, payload: utf8('1') } });
    expect(endpoint.nextTimeout()).toBeUndefined();
  });

  it('ignores an ACK whose token or message id is another', () => {
    const { sent } = started();
    take(datagram('ACK', sent.messageId, message(205, { token })));
    take(datagram('ACK', sent.messageId ^ 1, message(205, { token: sent.message.token })));
    take(datagram('ACK', sent.messageId, message(1, { token: sent.message.token })));
    expect(endpoint.takeEvents()).toEqual([]);
    expect(endpoint.nextTimeout()).toBeLessThanOrEqual(3000);
  });

  it('takes a separate response after an empty ACK, and acknowledges it, also its copies', () => {
    const { id, sent } = started();
    take(encodeEmpty('ACK', sent.messageId), 100);
    const response = datagram('CON', 0xad7b, message(205, { token: sent.message.token }));
    take(response, 5000);
    expect(onlyEvent(endpoint, 'response').id).toBe(id);
    expect(sentHex()).toEqual(['6000ad7b']);
    take(response, 7000);
    expect(sentHex()).toEqual(['6000ad7b']);
    expect(endpoint.takeEvents()).toEqual([]);
  });

  it('takes a separate response although the ACK got lost, and stops asking', () => {
    const { sent } = started();
    take(datagram('NON', 0xad7b, message(205, { token: sent.message.token })), 100);
    onlyEvent(endpoint, 'response');
    expect(endpoint.nextTimeout()).toBeUndefined();
  });

  it('asks for the next block at once although only the ACK got lost, and is not stopped by a late copy', () => {
    const { sent } = started();
    const block = (messageId: number, n: number) =>
      datagram(
        'NON',
        messageId,
        message(205, {
          token: sent.message.token,
          options: [uintOption(optionNumber.block2, n * 16 + 8)],
          payload: new Uint8Array(16),
        }),
      );
    take(block(1, 0), 100);
    expect(endpoint.takeOutput()).toHaveLength(1);
    take(block(2, 0), 200);
    expect(endpoint.takeOutput()).toEqual([]);
    const due = endpoint.nextTimeout() ?? 0;
    expect(due).toBeLessThanOrEqual(3100);
    endpoint.handleTimeout(due);
    expect(endpoint.takeOutput()).toHaveLength(1);
  });

  it('is sent again after 2 to 3 s, then after twice as long each time, four times, and fails', () => {
    const { id } = started();
    const times = timeline(19_999).map(({ at }) => at);
    const [first = 0] = times;
    expect(first).toBeGreaterThanOrEqual(2000);
    expect(first).toBeLessThanOrEqual(3000);
    expect(times).toEqual([first, first * 3, ...(first * 7 < 20_000 ? [first * 7] : [])]);
    timeline(100_000);
    expect(onlyEvent(endpoint, 'failed')).toEqual({ type: 'failed', id, reason: 'timeout' });
  });

  it('with a long timeout is given up after four retransmissions', () => {
    endpoint.request({ method: 'GET', path: [], timeout: 1_000_000 }, 0);
    const sent = timeline(2_000_000);
    expect(sent).toHaveLength(5);
    expect(new Set(sent.map(({ bytes }) => toHex(bytes))).size).toBe(1);
    expect(onlyEvent(endpoint, 'failed').reason).toBe('timeout');
    expect(endpoint.nextTimeout()).toBeUndefined();
  });

  it('as a NON is sent once and fails at its timeout', () => {
    const { id } = started(false);
    expect(timeline(100_000)).toEqual([]);
    expect(onlyEvent(endpoint, 'failed')).toEqual({ type: 'failed', id, reason: 'timeout' });
  });

  for (const confirmable of [true, false]) {
    it(`${confirmable ? 'CON' : 'NON'} that is reset fails`, () => {
      const { id, sent } = started(confirmable);
      take(encodeEmpty('RST', sent.messageId));
      expect(onlyEvent(endpoint, 'failed')).toEqual({ type: 'failed', id, reason: 'reset' });
      expect(endpoint.nextTimeout()).toBeUndefined();
    });
  }

  it('whose response has an unknown critical option fails; a CON response is reset', () => {
    const { id, sent } = started();
    const bad = message(205, { token: sent.message.token, options: [uintOption(9, 1)] });
    take(datagram('CON', 0x1234, bad));
    expect(sentHex()).toEqual(['70001234']);
    expect(onlyEvent(endpoint, 'failed')).toEqual({ type: 'failed', id, reason: 'malformed' });
  });

  it('that is cancelled is not sent again and makes room for the next', () => {
    const { id } = started();
    const second = endpoint.request({ method: 'GET', path: ['second'] }, 0);
    expect(endpoint.takeOutput(), 'NSTART is 1').toEqual([]);
    endpoint.cancel(id);
    expect(endpoint.nextTimeout()).toBe(0);
    endpoint.handleTimeout(10);
    const sent = sentDatagram(endpoint.takeOutput()[0]);
    take(datagram('ACK', sent.messageId, message(205, { token: sent.message.token })), 20);
    expect(onlyEvent(endpoint, 'response').id).toBe(second);
  });

  it('waits for its turn: one CON at a time is under way, or as many as NSTART says', () => {
    const wide = createDatagramEndpoint({ random: seededRandom(3), transmission: { nstart: 3 } });
    for (let n = 0; n < 5; n++) wide.request({ method: 'GET', path: [String(n)] }, 0);
    const sent = wide.takeOutput().map((bytes) => sentDatagram(bytes));
    expect(sent).toHaveLength(3);
    wide.receive(encodeEmpty('ACK', sent[0]?.messageId ?? 0), 10);
    expect(wide.takeOutput()).toHaveLength(1);
  });

  it('may not take the token of one that is open', () => {
    endpoint.request({ method: 'GET', path: [], token }, 0);
    expect(() => endpoint.request({ method: 'GET', path: [], token }, 0)).toThrow('cannot be used again');
  });
});

describe('a separate response', () => {
  const separate = (): { id: number; messageId: number } => {
    take(datagram('CON', 7, get));
    endpoint.handleTimeout(limits.coap.separateAfter);
    const { id } = onlyEvent(endpoint, 'request');
    endpoint.takeOutput();
    endpoint.respond(id, content, limits.coap.separateAfter);
    return { id, messageId: sentDatagram(endpoint.takeOutput()[0]).messageId };
  };

  it('is sent again until it is acknowledged', () => {
    const { messageId } = separate();
    const sent = timeline(10_000).map(({ bytes }) => sentDatagram(bytes).messageId);
    expect(sent.length).toBeGreaterThan(0);
    expect(new Set(sent)).toEqual(new Set([messageId]));
    take(encodeEmpty('ACK', messageId), 10_000);
    expect(endpoint.nextTimeout()).toBeUndefined();
  });

  it('that is reset is not sent again', () => {
    const { messageId } = separate();
    take(encodeEmpty('RST', messageId), 1100);
    expect(endpoint.nextTimeout()).toBeUndefined();
    expect(endpoint.takeEvents()).toEqual([]);
  });
});

describe('an own ping', () => {
  const outcome = (): CoapEvent[] => endpoint.takeEvents();

  it('is an empty CON; the reset that answers it is the pong', () => {
    const id = endpoint.ping(0);
    const { type, messageId, message: sent } = sentDatagram(endpoint.takeOutput()[0]);
    expect({ type, code: sent.code }).toEqual({ type: 'CON', code: 0 });
    take(encodeEmpty('RST', messageId));
    expect(outcome()).toEqual([{ type: 'pong', id }]);
  });

  it('without an answer fails after its retransmissions', () => {
    const id = endpoint.ping(0);
    expect(timeline(200_000)).toHaveLength(5);
    expect(outcome()).toEqual([{ type: 'failed', id, reason: 'timeout' }]);
  });
});
