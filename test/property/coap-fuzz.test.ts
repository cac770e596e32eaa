import { describe, expect, it } from 'vitest';
import { blockOption } from '../../src/coap/block.ts';
import type { CoapEndpoint, IncomingRequest, OutgoingResponse } from '../../src/coap/endpoint.ts';
import { createDatagramEndpoint } from '../../src/coap/exchange.ts';
import { encodeFrame } from '../../src/coap/framing.ts';
import type { CoapMessage } from '../../src/coap/message.ts';
import { opaqueOption, optionNumber, stringOption, uintOption } from '../../src/coap/options.ts';
import { createStreamEndpoint } from '../../src/coap/stream.ts';
import { concatBytes, fromHex } from '../../src/core/bytes.ts';
import { limits } from '../../src/core/limits.ts';
import { randomUint32, seededRandom } from '../../src/core/random.ts';
import { datagram, message, pathOptions, sentDatagram, sentMessage, serve, someBytes } from '../support/coap.ts';
import { heldBytes } from '../support/memory.ts';

/** 100,000 hostile inputs in all: 70,000 datagrams and 30,000 pieces of streams. Seeded: a failure can be run again. */
const datagrams = 70_000;
const pieces = 30_000;

const random = seededRandom(8323);
const pick = (below: number): number => randomUint32(random) % below;

const block = (number: number, at: number, more: boolean, exponent: number) =>
  blockOption(number, { number: at, more, exponent });
const token = fromHex('0102030405060708');

/** What good clients say: the soil that mutations grow on. */
const good: readonly CoapMessage[] = [
  message(1, { token, options: [...pathOptions('x.plgd.dev', 'time'), uintOption(17, 10000), uintOption(2049, 2048)] }),
  message(2, {
    token,
    options: [...pathOptions('a'), uintOption(12, 10000), uintOption(2053, 2048)],
    payload: someBytes(546),
  }),
  message(2, { token, options: [...pathOptions('a'), block(optionNumber.block1, 0, true, 2)], payload: someBytes(64) }),
  message(2, {
    token,
    options: [...pathOptions('a'), block(optionNumber.block1, 1, false, 2)],
    payload: someBytes(20),
  }),
  message(1, { token, options: [...pathOptions('large'), block(optionNumber.block2, 1, false, 6)] }),
  message(3, {
    token,
    options: [stringOption(optionNumber.uriHost, 'h'), ...pathOptions('b'), opaqueOption(292, token)],
  }),
  message(205, { token, options: [opaqueOption(4, token), uintOption(12, 60)], payload: someBytes(30) }),
  message(0),
];

const signals: readonly CoapMessage[] = [
  message(701, { token, options: [uintOption(2, 8192), opaqueOption(4, fromHex(''))] }),
  message(702, { token, options: [opaqueOption(2, fromHex(''))] }),
  message(703, { token }),
  message(704, { options: [stringOption(2, 'coap+tcp://x'), uintOption(4, 3)] }),
  message(705, { payload: someBytes(9) }),
];

/** Flips, cuts, inserts, doubles or replaces: one to four times. */
function mutate(bytes: Uint8Array): Uint8Array {
  let out: Uint8Array = bytes.slice();
  for (let times = 1 + pick(4); times > 0; times--) {
    const at = pick(out.length + 1);
    switch (pick(6)) {
      case 0:
        if (at < out.length) out[at] = (out[at] ?? 0) ^ (1 << pick(8));
        break;
      case 1:
        out = out.slice(0, at);
        break;
      case 2:
        out = concatBytes(out.subarray(0, at), random.bytes(1 + pick(20)), out.subarray(at));
        break;
      case 3:
        out = concatBytes(out.subarray(0, at), out.subarray(pick(out.length + 1)));
        break;
      case 4:
        if (at < out.length) out[at] = [0x00, 0xff, 0x0f, 0xf0, 0xd0, 0x0d, 0xe0, 0x0e][pick(8)] ?? 0;
        break;
      default:
        out = random.bytes(pick(64));
    }
  }
  return out;
}

let served = 0;

function handler(request: IncomingRequest): OutgoingResponse {
  served++;
  if (request.path[0] === 'large') return { code: 205, payload: someBytes(3000) };
  return { code: 204, payload: request.payload.subarray(0, 9) };
}

/** A good request must be served right after whatever came before. */
function isAlive(endpoint: CoapEndpoint, ask: Uint8Array, now: number): boolean {
  endpoint.receive(ask, now);
  let served = false;
  serve(
    endpoint,
    () => {
      served = true;
      return { code: 205 };
    },
    now,
  );
  return served;
}

describe('100,000 hostile inputs', () => {
  it(`${datagrams} datagrams: everything is answered with well-formed datagrams or dropped, and the next good request is served`, () => {
    const endpoint = createDatagramEndpoint({ random: seededRandom(1) });
    let [now, sent, rejected] = [0, 0, 0];
    served = 0;
    for (let n = 0; n < datagrams; n++) {
      now += pick(50);
      const type = (['CON', 'NON', 'ACK', 'CON'] as const)[pick(4)] ?? 'CON';
      const base = good[pick(good.length)] ?? message(0);
      const wire =
        base.code === 0
          ? fromHex(`4000${(n & 0xffff).toString(16).padStart(4, '0')}`)
          : datagram(type, n & 0xffff, base);
      endpoint.receive(mutate(wire), now);
      if (n % 3 > 0) serve(endpoint, handler, now);
      if ((endpoint.nextTimeout() ?? Number.POSITIVE_INFINITY) <= now) endpoint.handleTimeout(now);
      const output = endpoint.takeOutput();
      // One answer each, and what was due.
      expect(output.length).toBeLessThanOrEqual(1 + 2 * limits.session.requestsInFlight);
      for (const bytes of output) if (sentDatagram(bytes).type === 'RST') rejected++;
      sent += output.length;
    }
    now += limits.coap.exchangeLifetime;
    endpoint.handleTimeout(now);
    serve(endpoint, handler, now);
    expect(isAlive(endpoint, datagram('CON', 0xffff, good[0] ?? message(1)), now)).toBe(true);
    // The mutations are neither all harmless nor all fatal.
    expect(served).toBeGreaterThan(datagrams / 20);
    expect(rejected).toBeGreaterThan(datagrams / 20);
    expect(sent).toBeLessThan(datagrams * 1.2);
  });

  it(`${pieces} pieces of streams: every session goes on or ends with an Abort, and a new one is not disturbed`, () => {
    const fresh = (): CoapEndpoint => createStreamEndpoint({ random: seededRandom(1) });
    let endpoint = fresh();
    let ended = 0;
    served = 0;
    for (let n = 0; n < pieces; n++) {
      const base = pick(3) === 0 ? signals[pick(signals.length)] : good[pick(good.length)];
      const wire = encodeFrame(base ?? message(0));
      endpoint.receive(pick(2) === 0 ? wire : mutate(wire), n);
      const others = serve(endpoint, handler, n);
      const codes = endpoint.takeOutput().map((bytes) => sentMessage(bytes).code);
      const broken = others.some(({ type }) => type === 'broken');
      expect(codes.includes(705)).toBe(broken);
      if (!broken && n % 50 > 0) continue;
      if (broken) ended++;
      endpoint = fresh();
    }
    expect(isAlive(fresh(), encodeFrame(good[0] ?? message(1)), pieces)).toBe(true);
    expect(served).toBeGreaterThan(pieces / 20);
    expect(ended).toBeGreaterThan(pieces / 100);
  });
});

describe('memory under a peer that only begins things', () => {
  it('3,000 first blocks of different uploads, and as many large answers never fetched, leave a bounded rest', async () => {
    const body = someBytes(limits.coap.bodyBytes);
    const payload = someBytes(1024);
    const endpoint = createDatagramEndpoint({ random: seededRandom(1) });
    const before = await heldBytes();
    for (let n = 0; n < 3_000; n++) {
      const path = pathOptions(String(n));
      const begin = message(2, { token, options: [...path, block(optionNumber.block1, 0, true, 6)], payload });
      endpoint.receive(datagram('CON', (2 * n) & 0xffff, begin), n);
      endpoint.receive(datagram('CON', (2 * n + 1) & 0xffff, message(1, { token, options: path })), n);
      serve(endpoint, () => ({ code: 205, payload: body.slice() }), n);
      expect(endpoint.takeOutput()).toHaveLength(2);
    }
    // Uploads in assembly, representations, and answers for copies; 3,000 of each would be 190 MB.
    expect((await heldBytes()) - before).toBeLessThan(2 * limits.coap.transfers * limits.coap.bodyBytes + 1024 * 1024);
    expect(isAlive(endpoint, datagram('NON', 0xffff, message(1)), 3_000)).toBe(true);
  });
});
