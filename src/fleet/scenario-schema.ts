import Type, { type Static } from 'typebox';
import { limits } from '../core/limits.ts';
import { patterns } from './units.ts';

const closed = { additionalProperties: false } as const;
const one = <Words extends string[]>(...words: [...Words]) => Type.Enum<Words>(words);

const zero = Type.Number({ minimum: 0, maximum: 0 });
const duration = Type.Union([Type.String({ pattern: patterns.duration }), zero], {
  description: 'a time with its unit: 100ms, 10s, 2min, 3h or 1d',
});
const range = Type.Union([Type.String({ pattern: patterns.range }), zero], {
  description: 'a time with its unit (10s), or a shortest and a longest one (5s..30s)',
});
const proportion = Type.Union(
  [Type.String({ pattern: patterns.proportion }), Type.Number({ minimum: 0, maximum: 1 })],
  { description: 'a share: 0% to 100%, or 0 to 1' },
);
const count = (most: number) => Type.Integer({ minimum: 0, maximum: most });

const link = Type.Object(
  {
    loss: Type.Optional(proportion),
    duplicate: Type.Optional(proportion),
    reorder: Type.Optional(proportion),
    delay: Type.Optional(duration),
    jitter: Type.Optional(duration),
    mtu: Type.Optional(Type.Integer({ minimum: 64, maximum: 65_535, description: 'bytes' })),
    rebind: Type.Optional(proportion),
  },
  closed,
);

const deviceClock = Type.Object(
  {
    shows: Type.Optional(
      Type.Union([Type.String({ pattern: patterns.moment }), Type.Integer({ minimum: 1970, maximum: 9999 })], {
        description: 'right, a year or date (1970, 2036-05-01), or how far off it is (+10y, -3h)',
      }),
    ),
    drift: Type.Optional(
      Type.Union([Type.String({ pattern: patterns.drift }), zero], {
        description: 'time gained or lost per time: 200ms/s or -10s/d',
      }),
    ),
  },
  closed,
);

const power = Type.Object(
  {
    cut: Type.Optional(proportion),
    when: Type.Optional(one('before', 'after', 'either')),
    dark: Type.Optional(range),
    most: Type.Optional(count(limits.fleet.powerCuts)),
  },
  closed,
);

const resets = Type.Object({ count: Type.Optional(count(limits.fleet.resets)), after: Type.Optional(range) }, closed);

/** What a part of the fleet may have of its own; at the top: what parts have that say nothing else. */
const troubles = {
  identity: Type.Optional(
    one('good', 'wrong-order', 'missing-intermediate', 'expired', 'not-yet-valid', 'unknown-issuer', 'cloned'),
  ),
  conduct: Type.Optional(one('honest', 'garbage', 'flood', 'half-open', 'slow-reader')),
  expect: Type.Optional(one('arrives', 'refused', 'any')),
  link: Type.Optional(link),
  deviceClock: Type.Optional(deviceClock),
  power: Type.Optional(power),
  resets: Type.Optional(resets),
  think: Type.Optional(range),
};

const part = Type.Object(
  {
    name: Type.String({ minLength: 1, maxLength: 60 }),
    share: Type.Optional(
      Type.Union(
        [Type.String({ pattern: patterns.proportion }), Type.Number({ minimum: 0, maximum: limits.fleet.devices })],
        { description: 'its size: 90% of the fleet, or a number beside those of the other parts' },
      ),
    ),
    ...troubles,
  },
  closed,
);

const event = Type.Object(
  {
    at: duration,
    what: one('service-kill', 'authority-outage', 'token-outage', 'hub-outage'),
    lasts: Type.Optional(duration),
  },
  closed,
);

const target = Type.Object(
  {
    udp: Type.Optional(Type.String({ pattern: '^coaps://', description: 'coaps://host:port' })),
    tcp: Type.Optional(Type.String({ pattern: '^coaps\\+tcp://', description: 'coaps+tcp://host:port' })),
    factory: Type.String({ minLength: 1, description: 'folder of device folders, or of a manufacturer' }),
    skipVerification: Type.Optional(Type.Boolean()),
  },
  closed,
);

const keys = {
  name: Type.Optional(Type.String({ minLength: 1, maxLength: 100 })),
  about: Type.Optional(Type.String({ maxLength: 2000 })),
  seed: Type.Optional(Type.Integer({ minimum: 0, maximum: 0xffff_ffff })),
  devices: Type.Optional(Type.Integer({ minimum: 1, maximum: limits.fleet.devices })),
  clock: Type.Optional(one('virtual', 'real')),
  goal: Type.Optional(one('provisioned', 'online')),
  limit: Type.Optional(duration),
  transport: Type.Optional(
    Type.String({ pattern: patterns.transport, description: 'udp, tcp, mix, or a share such as 70% udp' }),
  ),
  arrival: Type.Optional(
    Type.String({ pattern: patterns.arrival, description: 'at-once, poisson:50/s (or /min, /h) or ramp:30s' }),
  ),
  retry: Type.Optional(
    Type.Union([Type.String({ pattern: '^\\d+(?: ?, ?\\d+)*$' }), Type.Integer({ minimum: 1, maximum: 255 })], {
      description: '1 to 8 numbers from 1 to 255, seconds: 10,20,40,80,120',
    }),
  ),
  retryVariant: Type.Optional(Type.Union([Type.Literal('documented'), Type.Literal('2025'), Type.Literal(2025)])),
  afterwards: Type.Optional(one('stay', 'leave')),
  identityLife: Type.Optional(duration),
  target: Type.Optional(target),
  radio: Type.Optional(Type.String({ minLength: 1 })),
  budget: Type.Optional(Type.String({ description: 'figures and their most: bytes<=7500,rtt<=10,p99<=10s' })),
  ...troubles,
  population: Type.Optional(Type.Array(part, { minItems: 1, maxItems: limits.fleet.parts })),
  events: Type.Optional(Type.Array(event, { maxItems: limits.fleet.events })),
};

/** The shape of a scenario file. Everything is optional: what is missing is as in `scenarioDefaults`. */
export const scenarioSchema = Type.Object(
  {
    ...keys,
    /** Keys that are others in the short form. */
    short: Type.Optional(Type.Object(keys, closed)),
  },
  closed,
);

export type ScenarioFile = Static<typeof scenarioSchema>;
export type PartFile = Static<typeof part>;
type Troubles = Omit<PartFile, 'name' | 'share'>;

/** What a scenario file that says nothing means, in the words of a scenario file. */
export const scenarioDefaults = {
  name: 'fleet',
  about: '',
  seed: 1,
  devices: 100,
  clock: 'virtual',
  goal: 'online',
  limit: '1h',
  transport: 'mix',
  arrival: 'at-once',
  retry: '10,20,40,80,120',
  retryVariant: 'documented',
  afterwards: 'stay',
  radio: 'nb-iot',
  budget: '',
  identity: 'good',
  conduct: 'honest',
  link: { loss: '0%', duplicate: '0%', reorder: '0%', delay: '5ms', jitter: '0ms', mtu: 65_535, rebind: '0%' },
  deviceClock: { shows: 'right', drift: 0 },
  power: { cut: '0%', when: 'either', dark: '5s..30s', most: 3 },
  resets: { count: 0, after: '1min' },
  think: '0s',
} as const satisfies ScenarioFile & Troubles;
