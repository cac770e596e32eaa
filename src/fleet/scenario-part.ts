import type { Complain } from '../codec/yaml.ts';
import type { Millis } from '../core/clock.ts';
import type { Conduct, Expectation, IdentityKind, Part, Range } from './scenario.ts';
import { type PartFile, type ScenarioFile, scenarioDefaults } from './scenario-schema.ts';
import { parseDrift, parseDuration, parseMoment, parseProportion, parseRange } from './units.ts';

export interface PartContext {
  /** Where the part stands in the file. */
  readonly where: readonly (string | number)[];
  readonly complain: Complain;
  /** The true time when the run begins. */
  readonly start: Millis;
  /** Share of the devices that come over UDP. */
  readonly udp: number;
}

/** A part of a fleet from what the file says of it and, where it says nothing, of the whole fleet. */
export function partOf(own: PartFile, whole: ScenarioFile, context: PartContext): Part {
  const { where, complain, start, udp } = context;
  const pick = <T>(value: T | undefined, keys: readonly string[], expected: string): T => {
    if (value !== undefined) return value;
    throw complain(placeOf(own, where, keys), expected);
  };
  const identity = own.identity ?? whole.identity ?? scenarioDefaults.identity;
  const conduct = own.conduct ?? whole.conduct ?? scenarioDefaults.conduct;
  const link = { ...scenarioDefaults.link, ...whole.link, ...own.link };
  const clock = { ...scenarioDefaults.deviceClock, ...whole.deviceClock, ...own.deviceClock };
  const power = { ...scenarioDefaults.power, ...whole.power, ...own.power };
  const resets = { ...scenarioDefaults.resets, ...whole.resets, ...own.resets };
  const proportion = (value: string | number, ...keys: string[]): number =>
    pick(parseProportion(value), keys, 'expected a share');
  const duration = (value: string | number, ...keys: string[]): Millis =>
    pick(parseDuration(value), keys, 'expected a time');
  const range = (value: string | number, ...keys: string[]): Range =>
    pick(parseRange(value), keys, 'expected the shorter time before the longer one: 5s..30s');
  if (conduct === 'flood' && udp === 0) {
    throw complain(
      placeOf(own, where, ['conduct']),
      'a flood goes over UDP, and this fleet has only TCP: transport: mix',
    );
  }
  return {
    name: own.name,
    share: shareOf(own.share ?? 1),
    identity,
    conduct,
    expect: own.expect ?? whole.expect ?? expectationOf(identity, conduct),
    link: {
      loss: proportion(link.loss, 'link', 'loss'),
      duplicate: proportion(link.duplicate, 'link', 'duplicate'),
      reorder: proportion(link.reorder, 'link', 'reorder'),
      delay: duration(link.delay, 'link', 'delay'),
      jitter: duration(link.jitter, 'link', 'jitter'),
      mtu: link.mtu,
    },
    rebind: proportion(link.rebind, 'link', 'rebind'),
    clock: {
      shows: pick(parseMoment(clock.shows, start), ['deviceClock', 'shows'], 'expected a date that there is'),
      drift: pick(parseDrift(clock.drift), ['deviceClock', 'drift'], 'expected time per time: 200ms/s'),
    },
    power: {
      cut: proportion(power.cut, 'power', 'cut'),
      when: power.when,
      dark: range(power.dark, 'power', 'dark'),
      most: power.most,
    },
    resets: { count: resets.count, after: range(resets.after, 'resets', 'after') },
    think: range(own.think ?? whole.think ?? scenarioDefaults.think, 'think'),
  };
}

/**
 * Percentages are of the whole fleet, numbers of their sum: what they are side by side nobody can say.
 * @throws FirstbootError as `complain` makes it: shares of both kinds, percentages that do not add up, nobody at all
 */
export function requireShares(parts: readonly Pick<PartFile, 'name' | 'share'>[], complain: Complain): void {
  const [percent] = parts.filter(({ share }) => typeof share === 'string');
  if (percent === undefined) {
    if (parts.some(({ share }) => share !== 0)) return;
    throw complain(['population'], 'expected a share above 0 in one part at least');
  }
  for (const [at, { share }] of parts.entries()) {
    if (typeof share === 'string') continue;
    const found = share === undefined ? 'left out it is the number 1' : 'this is a number';
    const expected = `expected a percentage, as part ${percent.name} has (${percent.share}): ${found}`;
    throw complain(['population', at, 'share'], `${expected}; give all in percent, or all as numbers`);
  }
  const sum = parts.reduce((all, { share }) => all + Math.round(shareOf(share ?? 0) * 100 * finest), 0);
  if (sum === 100 * finest) return;
  throw complain(['population'], `expected percentages that add up to 100%: the sum of these is ${sum / finest}%`);
}

/** Percentages have four decimals at most (units.ts). */
const finest = 10_000;

/** What is to become of devices that somebody has made, or that behave, like this. */
function expectationOf(identity: IdentityKind, conduct: Conduct): Expectation {
  if (conduct === 'slow-reader') return 'any';
  if (conduct !== 'honest') return 'refused';
  return expected[identity];
}

const expected: Readonly<Record<IdentityKind, Expectation>> = {
  good: 'arrives',
  'wrong-order': 'arrives',
  // A service that has the intermediate from elsewhere takes it.
  'missing-intermediate': 'any',
  expired: 'refused',
  'not-yet-valid': 'refused',
  'unknown-issuer': 'refused',
  cloned: 'any',
};

/** A percentage, or any number. */
const shareOf = (share: string | number): number =>
  typeof share === 'number' ? share : (parseProportion(share) ?? Number.NaN);

/** A value stands at the part when the part has the key, else at the top. */
function placeOf(
  own: PartFile,
  where: readonly (string | number)[],
  keys: readonly string[],
): readonly (string | number)[] {
  let node: unknown = own;
  for (const key of keys) node = typeof node === 'object' && node !== null ? Reflect.get(node, key) : undefined;
  return node === undefined ? keys : [...where, ...keys];
}
