import { expect, test } from 'vitest';
import { seconds } from '../../../src/core/clock.ts';
import { budgetRuleText, judgeBudget, parseBudget } from '../../../src/fleet/budget.ts';
import { figuresOf } from '../../../src/fleet/figures.ts';
import { oneAfterTheOther, quietDevice, quietOutcome, quietScenario } from '../../support/made-up-fleet.ts';

test('a budget is read in the units that people write', () => {
  expect(parseBudget('bytes<=7500,rtt<=10,p99<=10s')).toEqual([
    { figure: 'bytes', most: 7500 },
    { figure: 'rtt', most: 10 },
    { figure: 'p99', most: seconds(10) },
  ]);
  expect(parseBudget(' bytes <= 7.5 kB , datagrams<=60 ')).toEqual([
    { figure: 'bytes', most: 7500 },
    { figure: 'datagrams', most: 60 },
  ]);
  expect(parseBudget('bytes<=1.001kB')).toEqual([{ figure: 'bytes', most: 1001 }]);
  expect(parseBudget('bytes<=8KiB')).toEqual([{ figure: 'bytes', most: 8192 }]);
  expect(parseBudget('energy<=2.5J,retransmissions<=0')).toEqual([
    { figure: 'energy', most: 2500 },
    { figure: 'retransmissions', most: 0 },
  ]);
  expect(parseBudget('energy<=800mJ,p50<=250ms,p95<=1.5min')).toEqual([
    { figure: 'energy', most: 800 },
    { figure: 'p50', most: 250 },
    { figure: 'p95', most: 90_000 },
  ]);
});

test('empty text is no budget', () => {
  expect(parseBudget('')).toEqual([]);
  expect(parseBudget('  ')).toEqual([]);
});

test.each([
  ['bites<=3', '"bites<=3": there is no figure "bites": write one of bytes, datagrams, rtt, retransmissions, energy'],
  ['toString<=3', '"toString<=3": there is no figure "toString"'],
  ['bytes<7500', '"bytes<7500" is no budget rule: write <figure><=<most>, like bytes<=7500'],
  ['bytes=7500', '"bytes=7500" is no budget rule'],
  ['bytes<=', '"bytes<=" is no budget rule'],
  ['bytes<=7500,', '"" is no budget rule'],
  ['bytes<=many', '"bytes<=many": "many" does not fit bytes: write bytes, plain or in kB or KiB'],
  ['bytes<=-1', '"-1" does not fit bytes'],
  ['bytes<=10s', '"10s" does not fit bytes'],
  ['rtt<=10ms', '"10ms" does not fit rtt: write a number, like 10'],
  ['p99<=10', '"10" does not fit p99: write a time in ms, s or min, like 10s'],
  ['p99<=2h', '"2h" does not fit p99'],
  ['energy<=5', '"5" does not fit energy: write an energy in mJ or J, like 2J'],
  ['energy<=5constructor', 'does not fit energy'],
  ['rtt<=3,rtt<=4', '"rtt<=4": there is a rule for rtt already'],
])('%s is refused by name', (text, message) => {
  expect(() => parseBudget(text)).toThrow(RangeError);
  expect(() => parseBudget(text)).toThrow(message);
});

test.each(['bytes<=7500', 'rtt<=10', 'p99<=10s', 'p50<=1500ms', 'p95<=2min', 'energy<=2J', 'energy<=1250mJ'])(
  '%s is written as it was read',
  (text) => {
    expect(parseBudget(text).map(budgetRuleText)).toEqual([text]);
  },
);

test('a rule is kept up to its amount and no further', () => {
  const figures = figuresOf({ ...quietOutcome, devices: oneAfterTheOther(100) }, quietScenario);
  expect(judgeBudget(parseBudget('p95<=95s,p99<=98s,p50<=50s'), figures)).toEqual([
    { rule: { figure: 'p95', most: seconds(95) }, found: seconds(95), met: true },
    { rule: { figure: 'p99', most: seconds(98) }, found: seconds(99), met: false },
    { rule: { figure: 'p50', most: seconds(50) }, found: seconds(50), met: true },
  ]);
});

test('what a device costs is judged by the 95th percentile, bytes and datagrams both ways', () => {
  const devices = oneAfterTheOther(100).map((device, at) =>
    at < 96 ? device : { ...device, cost: { ...device.cost, bytesOut: 90_000, roundTrips: 99 } },
  );
  const figures = figuresOf({ ...quietOutcome, devices }, quietScenario);
  const rules = parseBudget('bytes<=7000,datagrams<=39,rtt<=8,retransmissions<=0,energy<=1mJ');
  expect(judgeBudget(rules, figures).map(({ met }) => met)).toEqual([true, false, true, true, false]);
});

test('no rule is met when nobody arrived', () => {
  const devices = [{ ...quietDevice, arrivedAfter: undefined, arrivedAt: undefined }];
  const figures = figuresOf({ ...quietOutcome, devices }, quietScenario);
  expect(judgeBudget(parseBudget('bytes<=7500,p99<=10s'), figures)).toEqual([
    { rule: { figure: 'bytes', most: 7500 }, found: undefined, met: false },
    { rule: { figure: 'p99', most: seconds(10) }, found: undefined, met: false },
  ]);
});
