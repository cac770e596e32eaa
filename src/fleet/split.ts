import { apportion } from './population.ts';
import type { Scenario } from './scenario.ts';

/**
 * A scenario as several smaller ones that together have its devices, part by part, to the device: for processes that each run
 * one. A rate of arrival is divided; each draws from a seed of its own.
 */
export function splitScenario(scenario: Scenario, count: number): readonly Scenario[] {
  const { devices, population, arrival, seed } = scenario;
  const even = Array.from({ length: count }, () => 1);
  const shares = population.map(({ share }) => share);
  // Each part is divided on its own, and the odd ones go to another process each time.
  let turn = 0;
  const divided = apportion(shares, devices).map((size) => {
    const pieces = apportion(even, size);
    const turned = pieces.map((_, at) => pieces[(at + turn) % count] ?? 0);
    turn += size;
    return turned;
  });
  return even
    .map((_, at): Scenario => {
      const sizes = divided.map((pieces) => pieces[at] ?? 0);
      return {
        ...scenario,
        seed: (seed + Math.imul(at, 0x9e37_79b1)) >>> 0,
        devices: sizes.reduce((all, size) => all + size, 0),
        population: population.map((part, which) => ({ ...part, share: sizes[which] ?? 0 })),
        arrival: arrival.kind === 'poisson' ? { ...arrival, perSecond: arrival.perSecond / count } : arrival,
      };
    })
    .filter((part) => part.devices > 0);
}
