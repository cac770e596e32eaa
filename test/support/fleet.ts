import { minutes, seconds } from '../../src/core/clock.ts';
import { documentedRetry } from '../../src/device/retry.ts';
import { perfectLink } from '../../src/fleet/link.ts';
import type { Part, Scenario } from '../../src/fleet/scenario.ts';

/** A part without troubles, but for those given. */
export const partOf = (changes: Partial<Part> = {}): Part => ({
  name: 'good',
  share: 1,
  identity: 'good',
  conduct: 'honest',
  expect: 'arrives',
  link: perfectLink,
  rebind: 0,
  clock: { shows: 'right', drift: 0 },
  power: { cut: 0, when: 'either', dark: { from: seconds(1), to: seconds(5) }, most: 0 },
  resets: { count: 0, after: { from: seconds(1), to: seconds(10) } },
  think: { from: 0, to: 0 },
  ...changes,
});

/** A few devices that come at once and go to their cloud in virtual time, but for the changes. */
export const scenarioOf = (changes: Partial<Scenario> = {}): Scenario => ({
  name: 'test',
  about: '',
  seed: 1,
  devices: 10,
  clock: 'virtual',
  goal: 'online',
  limit: minutes(60),
  udp: 0.5,
  arrival: { kind: 'at-once' },
  retry: documentedRetry,
  afterwards: 'stay',
  identityLife: undefined,
  target: { kind: 'own' },
  population: [partOf()],
  events: [],
  radio: 'none',
  budget: [],
  ...changes,
});
