import { describe, expect, it } from 'vitest';
import { minutes } from '../../../src/core/clock.ts';
import { seededRandom } from '../../../src/core/random.ts';
import { arrivalTimes } from '../../../src/fleet/arrival.ts';
import { apportion, deviceRandom, drawRange, populate } from '../../../src/fleet/population.ts';
import { partOf, scenarioOf } from '../../support/fleet.ts';

const both = { udp: true, tcp: true };

describe('the population of a fleet', () => {
  it('has parts in the ratio of their shares, to the device', () => {
    expect(apportion([1, 1, 1], 10)).toEqual([4, 3, 3]);
    expect(apportion([0.5, 0.3, 0.2], 1000)).toEqual([500, 300, 200]);
    expect(apportion([98, 1, 1], 7)).toEqual([7, 0, 0]);
    const population = [partOf({ name: 'good', share: 8 }), partOf({ name: 'late', share: 2 })];
    const members = populate(scenarioOf({ devices: 50, population, udp: 0.5 }), both);
    expect(members.filter(({ part }) => part.name === 'late')).toHaveLength(10);
    expect(members.filter(({ transport }) => transport === 'udp')).toHaveLength(25);
    // Not one part after the other.
    expect(new Set(members.slice(0, 40).map(({ part }) => part.name)).size).toBe(2);
  });

  it('is the same for the same seed, and another one for another', () => {
    const scenario = scenarioOf({
      devices: 40,
      udp: 0.5,
      population: [partOf({ share: 1 }), partOf({ name: 'other', share: 1 })],
      arrival: { kind: 'poisson', perSecond: 10 },
    });
    expect(populate(scenario, both)).toEqual(populate(scenario, both));
    expect(populate({ ...scenario, seed: 2 }, both)).not.toEqual(populate(scenario, both));
  });

  it('comes over what the site offers, whatever the scenario says', () => {
    const scenario = scenarioOf({ devices: 10, udp: 0.5 });
    expect(new Set(populate(scenario, { udp: false, tcp: true }).map(({ transport }) => transport))).toEqual(
      new Set(['tcp']),
    );
  });

  it('has clones in pairs that share one identity', () => {
    const population = [partOf({ name: 'clones', identity: 'cloned' }), partOf()];
    const members = populate(scenarioOf({ devices: 20, population }), both);
    const clones = members.filter(({ part }) => part.identity === 'cloned');
    expect(clones).toHaveLength(10);
    expect(new Set(clones.map(({ identity }) => identity)).size).toBe(5);
    for (const { number, part, identity } of members) if (part.name === 'good') expect(identity).toBe(number);
  });

  it('gives each device streams of its own, one for each purpose', () => {
    const draw = (device: number, purpose: 'conduct' | 'path'): number =>
      drawRange({ from: 0, to: 1e9 }, deviceRandom(7, device, purpose));
    const drawn = Array.from({ length: 500 }, (_, k) => [draw(k, 'conduct'), draw(k, 'path')]).flat();
    expect(new Set(drawn).size).toBe(1000);
    expect(draw(3, 'path')).toBe(drawn[7]);
  });
});

describe('arrivals', () => {
  const count = 4000;

  it('at once are all at zero', () => {
    expect(new Set(arrivalTimes({ kind: 'at-once' }, 5, seededRandom(1)))).toEqual(new Set([0]));
  });

  it('of a Poisson process have exponential pauses with the mean of their rate', () => {
    const times = arrivalTimes({ kind: 'poisson', perSecond: 50 }, count, seededRandom(1));
    const pauses = times.map((at, k) => at - (times[k - 1] ?? 0));
    const mean = pauses.reduce((sum, pause) => sum + pause, 0) / count;
    const variance = pauses.reduce((sum, pause) => sum + (pause - mean) ** 2, 0) / count;
    expect(pauses.every((pause) => pause >= 0)).toBe(true);
    // 20 ms; the standard error of the mean is 0.3 ms. Exponential: the deviation is the mean.
    expect(mean).toBeGreaterThan(19);
    expect(mean).toBeLessThan(21);
    expect(Math.sqrt(variance) / mean).toBeGreaterThan(0.9);
    expect(Math.sqrt(variance) / mean).toBeLessThan(1.1);
    // e^-1 of the pauses are longer than the mean.
    expect(pauses.filter((pause) => pause > 20).length / count).toBeCloseTo(Math.exp(-1), 1);
  });

  it('on a ramp come ever faster and all within its time', () => {
    const times = arrivalTimes({ kind: 'ramp', over: minutes(1) }, count, seededRandom(1));
    expect(times.at(-1)).toBe(minutes(1));
    // Half of the time, a quarter of the devices.
    expect(times.filter((at) => at <= minutes(0.5)).length / count).toBeCloseTo(0.25, 2);
  });
});
