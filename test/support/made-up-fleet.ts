import { minutes, seconds } from '../../src/core/clock.ts';
import type { DeviceOutcome, FleetOutcome } from '../../src/fleet/outcome.ts';
import type { Part, Scenario } from '../../src/fleet/scenario.ts';

/** Runs that never took place, for what reads them. */

export const quietPart: Part = {
  name: 'honest',
  share: 1,
  identity: 'good',
  conduct: 'honest',
  expect: 'arrives',
  link: { loss: 0, duplicate: 0, reorder: 0, delay: 5, jitter: 0, mtu: 65_535 },
  rebind: 0,
  clock: { shows: 'right', drift: 0 },
  power: { cut: 0, when: 'either', dark: { from: 0, to: 0 }, most: 0 },
  resets: { count: 0, after: { from: 0, to: 0 } },
  think: { from: 0, to: 0 },
};

export const quietScenario: Scenario = {
  name: 'quiet day',
  about: 'Everything goes well.',
  seed: 7,
  devices: 4,
  clock: 'virtual',
  goal: 'online',
  limit: minutes(10),
  udp: 0.5,
  arrival: { kind: 'at-once' },
  retry: { table: [seconds(10)], variant: '2025' },
  afterwards: 'stay',
  identityLife: undefined,
  target: { kind: 'own' },
  population: [quietPart],
  events: [],
  radio: 'nb-iot',
  budget: [],
};

export const quietDevice: DeviceOutcome = {
  name: 'device-1',
  part: 'honest',
  transport: 'udp',
  expect: 'arrives',
  bootedAt: 0,
  arrivedAfter: 1000,
  arrivedAt: 1000,
  cost: {
    bytesOut: 3000,
    bytesIn: 4000,
    datagramsOut: 20,
    datagramsIn: 20,
    roundTrips: 8,
    retransmissions: 0,
    sessions: 2,
  },
  provisioned: 1,
  renewed: 0,
  resets: 0,
  powerCuts: 0,
};

export const quietOutcome: FleetOutcome = {
  devices: [],
  steps: {},
  failures: {},
  violations: [],
  unchecked: [],
  end: 'complete',
  toCome: { resets: 0, events: 0 },
  took: seconds(60),
  wall: 1500,
  cpu: 1200,
  processes: 1,
};

/** `count` devices that arrived after 1, 2, 3 … s. */
export const oneAfterTheOther = (count: number): DeviceOutcome[] =>
  Array.from({ length: count }, (_, at) => ({
    ...quietDevice,
    name: `device-${at + 1}`,
    arrivedAfter: seconds(at + 1),
    arrivedAt: seconds(at + 1),
  }));

/** A large run with something of everything: losses, hostile devices, renewals, violations. The same at every call. */
export function eventfulDay(count: number): { readonly scenario: Scenario; readonly outcome: FleetOutcome } {
  const random = numbersFrom(1);
  const names = ['honest', 'bad cell', 'unknown issuer', 'flooding'] as const;
  const devices = Array.from({ length: count }, (_, at): DeviceOutcome => {
    const part = names[at % 20 === 0 ? 2 : at % 50 === 1 ? 3 : at % 4 === 1 ? 1 : 0] ?? 'honest';
    const kept = part === 'unknown issuer' || part === 'flooding';
    const bootedAt = Math.floor(random() * seconds(120));
    const lossy = part === 'bad cell' ? 3 : 1;
    const delay = random() < 0.12 * lossy ? seconds(10) * (1 + Math.floor(random() * 3)) : 0;
    const arrives = !kept && at !== 7;
    const took = Math.floor(600 * lossy + random() * 900 + delay);
    const tries = 1 + delay / seconds(10);
    return {
      ...quietDevice,
      name: `device-${String(at + 1).padStart(5, '0')}`,
      part,
      transport: at % 3 === 0 ? 'tcp' : 'udp',
      expect: kept ? 'refused' : 'arrives',
      bootedAt,
      arrivedAfter: arrives ? took : undefined,
      arrivedAt: arrives ? bootedAt + took : undefined,
      cost: {
        bytesOut: Math.floor(3100 + random() * 120 + 400 * tries),
        bytesIn: Math.floor(3900 + random() * 200 + 300 * tries),
        datagramsOut: 22 + Math.floor(tries * 3),
        datagramsIn: 21 + Math.floor(tries * 2),
        roundTrips: 8 + Math.floor(tries),
        retransmissions: Math.floor(random() * 2 * tries * lossy),
        sessions: 1 + Math.ceil(tries),
      },
      powerCuts: at % 33 === 0 ? 1 : 0,
      renewed: at % 9 === 0 ? 1 : 0,
    };
  });
  const around = (middle: number): number[] => devices.map(() => Math.floor(middle * (0.6 + random() ** 3 * 4)));
  const trace = [
    '12.310 s switched on',
    '12.480 s time: done',
    '12.910 s ownership: done',
    '13.300 s cloud: no answer, tried again in 10 s',
    '23.300 s cloud: the provisioning service answered 5.03',
  ];
  return {
    scenario: {
      ...quietScenario,
      name: 'first day of a product',
      about: 'Ten thousand devices are unpacked within two minutes; a quarter of them stands in a cellar.',
      devices: count,
      population: names.map((name) => ({ ...quietPart, name })),
      budget: [
        { figure: 'bytes', most: 8000 },
        { figure: 'p99', most: seconds(10) },
      ],
    },
    outcome: {
      devices,
      steps: {
        time: around(110),
        ownership: around(130),
        cloud: around(120),
        credentials: around(310),
        acls: around(90),
        'sign-up': around(150),
        'sign-in': around(80),
        publish: around(70),
      },
      failures: {
        'credentials: timeout': 412,
        'time: timeout': 288,
        'handshake: the certificate was issued by somebody unknown': 501,
        'cloud: 5.03': 61,
        'sign-in: timeout': 12,
      },
      violations: [
        { rule: 'arrives', device: 'device-00008', found: 'it never reached its goal: the last step was cloud', trace },
        { rule: 'arrives', device: 'device-00451', found: 'it was online after 14.2 s and is gone at the end', trace },
      ],
      unchecked: ['acknowledged-lost'],
      end: 'complete',
      toCome: { resets: 0, events: 0 },
      took: seconds(190),
      wall: 21_400,
      cpu: 38_000,
      processes: 2,
    },
  };
}

/** Numbers in 0 .. 1 that look random (mulberry32). */
function numbersFrom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
