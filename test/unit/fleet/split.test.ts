import { expect, test } from 'vitest';
import { apportion } from '../../../src/fleet/population.ts';
import { readScenario } from '../../../src/fleet/scenario-file.ts';
import { splitScenario } from '../../../src/fleet/split.ts';

const scenario = readScenario(
  'devices: 1003\narrival: poisson:30/s\npopulation: [{ name: a, share: 97% }, { name: b, share: 2% }, { name: c, share: 1% }]',
  's',
);
const sizes = (of: {
  readonly population: readonly { readonly share: number }[];
  readonly devices: number;
}): number[] =>
  apportion(
    of.population.map(({ share }) => share),
    of.devices,
  );

test.each([1, 2, 3, 7])('%i processes have the devices of one fleet, part by part', (count) => {
  const parts = splitScenario(scenario, count);
  expect(parts).toHaveLength(count);
  const whole = sizes(scenario);
  expect(whole.map((_, at) => parts.reduce((sum, part) => sum + (sizes(part)[at] ?? 0), 0))).toEqual(whole);
  expect(new Set(parts.map(({ seed }) => seed)).size).toBe(count);
  const devices = parts.map((part) => part.devices);
  expect(Math.max(...devices) - Math.min(...devices)).toBeLessThanOrEqual(scenario.population.length);
  const rates = parts.map(({ arrival }) => (arrival.kind === 'poisson' ? arrival.perSecond : 0));
  expect(rates.reduce((sum, rate) => sum + rate, 0)).toBeCloseTo(30);
});

test('no process is left without a device', () => {
  expect(splitScenario({ ...scenario, devices: 2 }, 5).map(({ devices }) => devices)).toEqual([1, 1]);
});

test('alone it is the same scenario', () => {
  const [only] = splitScenario(scenario, 1);
  expect(only?.seed).toBe(scenario.seed);
  expect(sizes(only ?? scenario)).toEqual(sizes(scenario));
});
