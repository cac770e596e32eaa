import { expect, test } from 'vitest';
import { seconds } from '../../../src/core/clock.ts';
import { limits } from '../../../src/core/limits.ts';
import { figuresOf, spreadOf } from '../../../src/fleet/figures.ts';
import {
  eventfulDay,
  oneAfterTheOther,
  quietDevice,
  quietOutcome,
  quietPart,
  quietScenario,
} from '../../support/made-up-fleet.ts';

test('percentiles are values that occurred, by nearest rank', () => {
  const hundred = Array.from({ length: 100 }, (_, at) => 100 - at);
  expect(spreadOf(hundred)).toEqual({ count: 100, p50: 50, p95: 95, p99: 99, max: 100 });
  expect(spreadOf([15, 20, 35, 40, 50])).toEqual({ count: 5, p50: 35, p95: 50, p99: 50, max: 50 });
  expect(spreadOf([3])).toEqual({ count: 1, p50: 3, p95: 3, p99: 3, max: 3 });
  expect(spreadOf([])).toBeUndefined();
});

test('percentiles order numbers by size, not by their text', () => {
  expect(spreadOf([9, 10, 100])?.p50).toBe(10);
});

test('a rank that is a whole number is not pushed to the next by rounding', () => {
  // 0.95 * 20 is 19 exactly on paper.
  const twenty = Array.from({ length: 20 }, (_, at) => at + 1);
  expect(spreadOf(twenty)?.p95).toBe(19);
  const large = Array.from({ length: 700 }, (_, at) => at + 1);
  expect(spreadOf(large)).toMatchObject({ p50: 350, p95: 665, p99: 693 });
});

test('devices are counted by what was expected of them and what became of them', () => {
  const gone = { arrivedAfter: undefined, arrivedAt: undefined };
  const outcome = {
    ...quietOutcome,
    devices: [
      quietDevice,
      { ...quietDevice, ...gone },
      { ...quietDevice, ...gone, part: 'strangers', expect: 'refused', transport: 'tcp' } as const,
      { ...quietDevice, part: 'strangers', expect: 'refused', transport: 'tcp' } as const,
      { ...quietDevice, ...gone, part: 'clones', expect: 'any' } as const,
      { ...quietDevice, ...gone, bootedAt: quietOutcome.took + 1, resets: 2, renewed: 3, powerCuts: 4 },
    ],
  };
  const scenario = { ...quietScenario, population: [quietPart, { ...quietPart, name: 'strangers' }] };
  const figures = figuresOf(outcome, scenario);
  expect(figures.counts).toEqual({
    devices: 6,
    booted: 5,
    arrived: 2,
    refused: 1,
    missing: 2,
    intruders: 1,
    provisioned: 6,
    renewed: 3,
    resets: 2,
    powerCuts: 4,
  });
  expect(figures.parts.map(({ name, devices, arrived }) => [name, devices, arrived])).toEqual([
    ['honest', 3, 1],
    ['strangers', 2, 1],
    ['clones', 1, 0],
  ]);
  expect(figures.transports.map(({ name, devices, refused }) => [name, devices, refused])).toEqual([
    ['udp', 4, 0],
    ['tcp', 2, 1],
  ]);
});

test('a part that no device belongs to is still reported, a transport that nobody used is not', () => {
  const scenario = { ...quietScenario, population: [quietPart, { ...quietPart, name: 'rare' }] };
  const figures = figuresOf({ ...quietOutcome, devices: [quietDevice] }, scenario);
  expect(figures.parts.map(({ name, devices }) => [name, devices])).toEqual([
    ['honest', 1],
    ['rare', 0],
  ]);
  expect(figures.transports.map(({ name }) => name)).toEqual(['udp']);
});

test('arrivals are counted in bins over the run, and their rate from the first switched on to the last arrival', () => {
  const figures = figuresOf({ ...quietOutcome, devices: oneAfterTheOther(10) }, quietScenario);
  expect(figures.arrivals.perSecond).toBe(1);
  expect(figures.arrivals.bin).toBe(200);
  expect(figures.arrivals.booted[0]).toBe(10);
  expect(figures.arrivals.arrived.map((count, at) => (count > 0 ? at : -1)).filter((at) => at >= 0)).toEqual([
    5, 10, 15, 20, 25, 30, 35, 40, 45, 50,
  ]);
});

test.each([1, 1000, seconds(59), seconds(3600), seconds(86_400 * 40)])(
  'a run of %i ms fits a bounded series that loses nobody',
  (last) => {
    const devices = [quietDevice, { ...quietDevice, bootedAt: last, arrivedAt: last, arrivedAfter: 0 }];
    const { arrivals } = figuresOf({ ...quietOutcome, took: last, devices }, quietScenario);
    expect(arrivals.arrived.length).toBeLessThanOrEqual(limits.fleet.report.bins + 1);
    expect(arrivals.arrived.length).toBe(arrivals.booted.length);
    expect(arrivals.arrived.reduce((sum, count) => sum + count, 0)).toBe(2);
    expect(arrivals.booted.reduce((sum, count) => sum + count, 0)).toBe(2);
  },
);

test('a run in which nobody arrived has figures all the same', () => {
  const devices = [{ ...quietDevice, arrivedAfter: undefined, arrivedAt: undefined }];
  const figures = figuresOf({ ...quietOutcome, devices }, quietScenario);
  expect(figures).toMatchObject({ timeToArrive: undefined, costs: undefined, distribution: [] });
  expect(figures.arrivals.perSecond).toBe(0);
  const nobody = figuresOf(quietOutcome, quietScenario);
  expect(nobody.counts.devices).toBe(0);
  expect(nobody.transports).toEqual([]);
});

test('devices that all arrive in the same ms have a rate that can be written', () => {
  const devices = [{ ...quietDevice, bootedAt: 5, arrivedAt: 5, arrivedAfter: 0 }];
  expect(figuresOf({ ...quietOutcome, devices }, quietScenario).arrivals.perSecond).toBe(1000);
});

test('the distribution has a point for every half percent, from the first to the last', () => {
  const { distribution } = figuresOf({ ...quietOutcome, devices: oneAfterTheOther(200) }, quietScenario);
  expect(distribution).toHaveLength(201);
  expect(distribution[0]).toBe(seconds(1));
  expect(distribution[100]).toBe(seconds(100));
  expect(distribution[200]).toBe(seconds(200));
});

test('steps come in the order in which a device takes them, failures with the most frequent first', () => {
  const figures = figuresOf(
    {
      ...quietOutcome,
      steps: { 'sign-in': [5], acls: [4], time: [1, 3], publish: [], ownership: [2] },
      failures: { 'acls: 5.03': 2, 'time: timeout': 9, 'cloud: timeout': 2 },
    },
    quietScenario,
  );
  expect(figures.steps.map(({ name, count }) => [name, count])).toEqual([
    ['time', 2],
    ['ownership', 1],
    ['acls', 1],
    ['sign-in', 1],
  ]);
  expect(figures.failures.map(({ reason }) => reason)).toEqual(['time: timeout', 'acls: 5.03', 'cloud: timeout']);
});

test('costs are those of the devices that arrived, bytes and datagrams both ways together as well', () => {
  const dear = { ...quietDevice.cost, bytesOut: 1e6 };
  const devices = [quietDevice, { ...quietDevice, arrivedAfter: undefined, arrivedAt: undefined, cost: dear }];
  const { costs } = figuresOf({ ...quietOutcome, devices }, quietScenario);
  expect(costs?.bytes).toEqual({ count: 1, p50: 7000, p95: 7000, p99: 7000, max: 7000 });
  expect(costs?.datagrams.max).toBe(40);
  expect(costs?.ms.max).toBe(1000);
  expect(costs?.energy.max).toBeGreaterThan(0);
});

test('a radio that nobody knows is named together with those that there are', () => {
  expect(() => figuresOf(quietOutcome, { ...quietScenario, radio: 'pigeon' })).toThrow(
    '"pigeon" is no radio profile: write one of nb-iot, lte-m, 802.15.4, wifi',
  );
});

test('the figures of ten thousand devices count each of them once', () => {
  const { scenario, outcome } = eventfulDay(10_000);
  const figures = figuresOf(outcome, scenario);
  expect(figures.counts.arrived + figures.counts.refused + figures.counts.missing).toBe(10_000);
});
