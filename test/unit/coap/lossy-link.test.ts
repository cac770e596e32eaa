import { describe, expect, it } from 'vitest';
import type { CoapEndpoint, CoapEvent, IncomingRequest, OutgoingRequest } from '../../../src/coap/endpoint.ts';
import { createDatagramEndpoint, type DatagramEndpointOptions } from '../../../src/coap/exchange.ts';
import { createStreamEndpoint } from '../../../src/coap/stream.ts';
import { equalBytes } from '../../../src/core/bytes.ts';
import { ManualTimers } from '../../../src/core/clock.ts';
import { seededRandom } from '../../../src/core/random.ts';
import { type LinkFaults, type Sent, SimulatedLink } from '../../../src/fleet/link.ts';
import { serve, someBytes } from '../../support/coap.ts';
import { Pair } from '../../support/pair.ts';

interface Run {
  readonly pair: Pair;
  readonly client: CoapEndpoint;
  readonly outcomes: CoapEvent[];
  readonly served: IncomingRequest[];
}

const answerBytes = 5000;

function start(options: {
  readonly seed: number;
  readonly kind?: 'datagram' | 'stream';
  readonly faults?: Partial<LinkFaults>;
  readonly endpoint?: Omit<DatagramEndpointOptions, 'random'>;
  readonly intercept?: (sent: Sent) => 'pass' | 'drop' | 'duplicate';
}): Run {
  const { seed, kind = 'datagram', faults = {}, endpoint = {}, intercept = () => 'pass' } = options;
  const timers = new ManualTimers(1_000_000);
  const make = (random: number): CoapEndpoint =>
    kind === 'datagram'
      ? createDatagramEndpoint({ random: seededRandom(random), ...endpoint })
      : createStreamEndpoint({ random: seededRandom(random) });
  const [client, server] = [make(seed), make(seed + 1000)];
  const outcomes: CoapEvent[] = [];
  const served: IncomingRequest[] = [];
  const link = new SimulatedLink({ timers, random: seededRandom(seed + 2000), kind, faults, intercept });
  const pair = new Pair({
    left: client,
    right: server,
    link,
    timers,
    act: () => {
      outcomes.push(...client.takeEvents());
      serve(
        server,
        (request) => {
          served.push(request);
          return { code: 204, payload: someBytes(answerBytes), contentFormat: 10000 };
        },
        timers.now(),
      );
    },
  });
  return { pair, client, outcomes, served };
}

const post = (bytes: number): OutgoingRequest => ({
  method: 'POST',
  path: ['a'],
  payload: someBytes(bytes),
  timeout: 110_000,
});

describe('two endpoints on a network that loses, doubles, delays and reorders', () => {
  for (const [loss, blockExponent, mtu] of [
    [0.1, 6, 1200],
    [0.2, 6, 1200],
    [0.2, 4, 300],
  ] as const) {
    it(`finish 5,000 bytes each way at ${loss * 100} % loss and MTU ${mtu}, and the handler runs once`, () => {
      const faults = { loss, duplicate: 0.1, reorder: 0.2, delay: 50, jitter: 50, mtu };
      let finished = 0;
      for (let seed = 0; seed < 20; seed++) {
        const { pair, client, outcomes, served } = start({ seed, faults, endpoint: { blockExponent } });
        client.request(post(5000), pair.now);
        expect(pair.run(() => outcomes.length > 0, 1_000_000)).toBe(true);
        expect(served.length, `seed ${seed}`).toBeLessThanOrEqual(1);
        const [outcome] = outcomes;
        if (outcome?.type === 'response') {
          finished++;
          expect(equalBytes(outcome.response.payload, someBytes(answerBytes))).toBe(true);
          expect(equalBytes(served[0]?.payload ?? new Uint8Array(0), someBytes(5000))).toBe(true);
        } else {
          // Five copies of one message lost in a row, or their answers.
          expect(outcome).toMatchObject({ type: 'failed', reason: 'timeout' });
        }
      }
      expect(finished).toBeGreaterThanOrEqual(loss > 0.1 && blockExponent < 6 ? 10 : 16);
    });
  }

  it('need blocks that fit: datagrams over the MTU never arrive', () => {
    const { pair, client, outcomes } = start({ seed: 1, faults: { mtu: 512 } });
    client.request(post(5000), pair.now);
    pair.run(() => outcomes.length > 0);
    expect(outcomes).toMatchObject([{ type: 'failed', reason: 'timeout' }]);
    expect(pair.link.traffic.left.oversized).toBe(5);
  });

  for (let lost = 0; lost < 10; lost++) {
    it(`get over the loss of datagram ${lost} of the client, and over that of the server`, () => {
      for (const side of ['left', 'right'] as const) {
        const intercept = ({ from, index }: Sent) => (from === side && index === lost ? 'drop' : 'pass');
        const { pair, client, outcomes, served } = start({ seed: lost, intercept });
        const begin = pair.now;
        client.request(post(5000), begin);
        expect(pair.run(() => outcomes.length > 0)).toBe(true);
        expect(outcomes).toMatchObject([{ type: 'response', response: { code: 204 } }]);
        expect(served).toHaveLength(1);
        const took = pair.now - begin;
        // Nine messages each way: 5 blocks up, the last of which is answered with the first of 5 blocks down.
        if (lost < 9) expect(took).toBeGreaterThanOrEqual(2000);
        expect(took).toBeLessThanOrEqual(3200);
      }
    });
  }

  it('serve every request once when every datagram comes twice', () => {
    const { pair, client, outcomes, served } = start({ seed: 5, faults: { duplicate: 1 } });
    for (let n = 0; n < 20; n++)
      client.request({ method: 'PUT', path: [String(n)], confirmable: n % 2 === 0 }, pair.now);
    expect(pair.run(() => outcomes.length === 20)).toBe(true);
    expect(served.map(({ path }) => path.join()).sort()).toEqual(
      Array.from({ length: 20 }, (_, n) => String(n)).sort(),
    );
  });

  it('wait while the network is cut, and go on when it is back in time', () => {
    const { pair, client, outcomes } = start({ seed: 6 });
    pair.link.sever();
    client.request({ method: 'GET', path: ['a'], timeout: 60_000 }, pair.now);
    expect(pair.run(() => outcomes.length > 0, 10_000)).toBe(false);
    pair.link.restore();
    expect(pair.run(() => outcomes.length > 0)).toBe(true);
    expect(outcomes[0]?.type).toBe('response');
  });
});

describe('two endpoints on a stream', () => {
  it('understand each other in pieces of any size, and use BERT for what is over a message', () => {
    for (const mtu of [1, 10, 1000, 65_535]) {
      const { pair, client, outcomes, served } = start({ seed: mtu, kind: 'stream', faults: { mtu } });
      client.request(post(100), pair.now);
      expect(pair.run(() => outcomes.length === 1)).toBe(true);
      client.request(post(30_000), pair.now);
      expect(pair.run(() => outcomes.length === 2)).toBe(true);
      expect(outcomes).toMatchObject([
        { type: 'response' },
        { type: 'response', response: { payload: { length: 5000 } } },
      ]);
      expect(served.map(({ payload }) => payload.length)).toEqual([100, 30_000]);
      // CSM, the small request, and 30,000 bytes in blocks of 8 KiB.
      expect(pair.link.traffic.left.sent).toBeGreaterThanOrEqual(2 + 4);
    }
  });

  it('answer pings both ways', () => {
    const { pair, client, outcomes } = start({ seed: 1, kind: 'stream' });
    const id = client.ping(pair.now);
    expect(pair.run(() => outcomes.length > 0)).toBe(true);
    expect(outcomes).toEqual([{ type: 'pong', id }]);
  });
});
