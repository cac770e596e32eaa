import type { Millis } from '../core/clock.ts';
import { type RandomSource, randomFraction } from '../core/random.ts';
import type { Arrival } from './scenario.ts';

/** When each of `count` devices is switched on, ms after the start of the run: never earlier than the one before it. */
export function arrivalTimes(arrival: Arrival, count: number, random: RandomSource): Millis[] {
  switch (arrival.kind) {
    case 'at-once':
      return Array.from({ length: count }, () => 0);
    case 'poisson': {
      let at = 0;
      return Array.from({ length: count }, () => {
        at += pause(arrival.perSecond, random);
        return Math.round(at);
      });
    }
    case 'ramp':
      // A rate that grows evenly from zero: the number of those that are there grows with the square of the time.
      return Array.from({ length: count }, (_, k) => Math.round(arrival.over * Math.sqrt((k + 1) / count)));
  }
}

/** Between two arrivals of a Poisson process, ms. */
function pause(perSecond: number, random: RandomSource): Millis {
  return (-Math.log(1 - randomFraction(random)) / perSecond) * 1000;
}
