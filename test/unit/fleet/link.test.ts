import { describe, expect, it } from 'vitest';
import { equalBytes } from '../../../src/core/bytes.ts';
import { ManualTimers, type Millis } from '../../../src/core/clock.ts';
import { seededRandom } from '../../../src/core/random.ts';
import { type LinkFaults, SimulatedLink, type SimulatedLinkOptions } from '../../../src/fleet/link.ts';

interface Arrival {
  readonly at: Millis;
  readonly bytes: Uint8Array;
}

function link(faults: Partial<LinkFaults>, options: Partial<SimulatedLinkOptions> = {}) {
  const timers = new ManualTimers(0);
  const made = new SimulatedLink({ timers, random: seededRandom(1), faults, ...options });
  const arrived: Arrival[] = [];
  made.deliver = (to, bytes) => {
    if (to === 'right') arrived.push({ at: timers.now(), bytes });
  };
  return { timers, link: made, arrived };
}

const joined = (arrived: readonly Arrival[]): Uint8Array =>
  new Uint8Array(Buffer.concat(arrived.map(({ bytes }) => bytes)));

describe('a simulated link of datagrams', () => {
  it('loses, doubles and delays about as many as it is told', () => {
    const { timers, link: net, arrived } = link({ loss: 0.2, duplicate: 0.1, delay: 20, jitter: 10 });
    for (let n = 0; n < 2000; n++) net.send('left', new Uint8Array([n & 255]));
    timers.advanceTo(1000);
    expect(net.traffic.left.lost).toBeGreaterThan(300);
    expect(net.traffic.left.lost).toBeLessThan(500);
    expect(arrived.length).toBe(2000 - net.traffic.left.lost + net.traffic.left.duplicated);
    expect(Math.min(...arrived.map(({ at }) => at))).toBeGreaterThanOrEqual(20);
    expect(Math.max(...arrived.map(({ at }) => at))).toBeLessThanOrEqual(30);
  });

  it('keeps the order unless it is told to reorder', () => {
    const order = (reorder: number): number[] => {
      const { timers, link: net, arrived } = link({ delay: 10, jitter: 50, reorder });
      for (let n = 0; n < 100; n++) {
        timers.advanceTo(n);
        net.send('left', new Uint8Array([n]));
      }
      timers.advanceTo(10_000);
      return arrived.map(({ bytes }) => bytes[0] ?? -1);
    };
    const sent = Array.from({ length: 100 }, (_, n) => n);
    expect(order(0)).toEqual(sent);
    expect(order(0.2)).not.toEqual(sent);
    expect(order(0.2).sort((a, b) => a - b)).toEqual(sent);
  });

  it('drops what is larger than its MTU', () => {
    const { timers, link: net, arrived } = link({ mtu: 100 });
    net.send('left', new Uint8Array(101));
    net.send('left', new Uint8Array(100));
    timers.advanceTo(100);
    expect(arrived.map(({ bytes }) => bytes.length)).toEqual([100]);
    expect(net.traffic.left.oversized).toBe(1);
  });
});

describe('a simulated link of a stream', () => {
  it('loses no byte and keeps the order, whatever is lost on the way', () => {
    for (const fragment of ['any', 'none'] as const) {
      const {
        timers,
        link: net,
        arrived,
      } = link({ loss: 0.3, delay: 10, jitter: 40, mtu: 500 }, { kind: 'stream', fragment });
      const sent: Uint8Array[] = [];
      for (let n = 0; n < 200; n++) {
        timers.advanceTo(n * 7);
        const bytes = new Uint8Array((n * 37) % 1500).fill(n);
        sent.push(bytes);
        net.send('left', bytes);
      }
      timers.advanceTo(10_000_000);
      expect(equalBytes(joined(arrived), new Uint8Array(Buffer.concat(sent)))).toBe(true);
      expect(net.traffic.left.lost).toBeGreaterThan(0);
    }
  });

  it('makes a lost segment and all behind it wait for a retransmission timeout of 200 ms or more', () => {
    const { timers, link: net, arrived } = link({ loss: 0.5, delay: 5 }, { kind: 'stream', fragment: 'none' });
    for (let n = 0; n < 50; n++) {
      timers.advanceTo(n * 10_000);
      net.send('left', new Uint8Array([n]));
    }
    timers.advanceTo(1_000_000);
    const delays = arrived.map(({ at }, n) => at - n * 10_000);
    expect(delays.filter((delay) => delay === 5).length).toBeGreaterThan(10);
    expect(delays.filter((delay) => delay === 205).length).toBeGreaterThan(5);
    // Two in a row: the timeout doubles.
    expect(delays.filter((delay) => delay === 605).length).toBeGreaterThan(1);
    expect(delays.filter((delay) => delay > 5 && delay < 205)).toEqual([]);
  });

  it('delivers what is written at one moment together', () => {
    const { timers, link: net } = link({ delay: 5, jitter: 20 }, { kind: 'stream', fragment: 'none' });
    for (let n = 0; n < 10; n++) net.send('left', new Uint8Array(10));
    expect(timers.held).toBe(1);
  });

  it('opens after the round trip of TCP, and what is sent before leaves then', () => {
    const { timers, link: net, arrived } = link({ delay: 30 }, { kind: 'stream', fragment: 'none' });
    expect(net.open()).toBe(60);
    net.send('left', new Uint8Array(1));
    timers.advanceTo(1000);
    expect(arrived.map(({ at }) => at)).toEqual([90]);
  });

  it('ends after its last byte', () => {
    const { timers, link: net, arrived } = link({ delay: 5, jitter: 100 }, { kind: 'stream', fragment: 'none' });
    const events: string[] = [];
    net.deliver = (_, bytes) => events.push(`${bytes.length}`);
    net.ended = (at) => events.push(`end at ${at}`);
    net.send('left', new Uint8Array(7));
    net.end('left');
    timers.advanceTo(1000);
    expect(events).toEqual(['7', 'end at right']);
    expect(arrived).toEqual([]);
  });
});
