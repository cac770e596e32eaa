import { describe, expect, test } from 'vitest';
import { FirstbootError, describe as words } from '../../../src/core/errors.ts';
import { documentedRetry } from '../../../src/device/retry.ts';
import { perfectLink } from '../../../src/fleet/link.ts';
import { defaultScenario, type ReadOptions, readScenario } from '../../../src/fleet/scenario-file.ts';

const complaintOf = (text: string, options?: ReadOptions): string => {
  try {
    readScenario(text, 'scenario.yaml', options);
  } catch (error) {
    if (error instanceof FirstbootError) return words(error);
    throw error;
  }
  throw new Error('the scenario was accepted');
};

describe('a bad scenario is refused with file, line, key and what was expected', () => {
  test.each([
    ['an unknown key', 'seed: 1\ndevice: 5\n', /scenario\.yaml, line 2, key device\): there is no such key.*devices/],
    ['an unknown key of a part', 'population:\n  - name: a\n    los: 1%\n', /line 3, key population\[0\]\.los.*share/],
    ['no devices', 'devices: 0\n', /line 1, key devices.*from 1 to 200000/],
    ['more devices than can be', 'devices: 1000000\n', /line 1, key devices.*from 1 to 200000/],
    ['a time without a unit', 'limit: 300\n', /line 1, key limit.*with its unit: 100ms, 10s, 2min, 3h or 1d/],
    ['a unit of something else', 'link:\n  delay: 10kB\n', /line 2, key link\.delay.*with its unit/],
    ['a share without %', 'link:\n  loss: 10\n', /line 2, key link\.loss.*0% to 100%, or 0 to 1/],
    ['a share over 100 %', 'link:\n  loss: 110%\n', /line 2, key link\.loss.*0% to 100%/],
    ['a range that ends before it begins', 'power:\n  dark: 30s..5s\n', /line 2, key power\.dark.*shorter time before/],
    ['an arrival nobody knows', 'arrival: soon\n', /line 1, key arrival.*at-once.*poisson:50\/s.*ramp:30s/],
    ['an arrival that never comes', 'arrival: poisson:0/s\n', /line 1, key arrival.*rate above 0/],
    ['a transport nobody knows', 'transport: sctp\n', /line 1, key transport.*udp, tcp, mix/],
    ['a word outside of a list', 'goal: there\n', /line 1, key goal.*"provisioned", "online"/],
    ['an MTU that holds nothing', 'link: { mtu: 10 }\n', /line 1, key link\.mtu.*from 64 to 65535.*bytes/],
    ['a retry table with a zero', 'retry: 10,0\n', /line 1, key retry.*"0".*1 to 255/],
    ['a retry table too long', 'retry: 1,2,3,4,5,6,7,8,9\n', /line 1, key retry.*1 to 8 entries/],
    ['a date that there is not', 'deviceClock:\n  shows: 2026-13-40\n', /line 2, key deviceClock\.shows.*date/],
    ['no parts', 'population: []\n', /line 1, key population.*at least one/],
    [
      'shares that are all zero',
      'seed: 1\npopulation:\n  - { name: a, share: 0 }\n  - { name: b, share: 0 }\n',
      /line 3, key population\).*share above 0/,
    ],
    [
      'a share in percent beside a part without one',
      'population:\n  - { name: a, share: 60% }\n  - name: b\n',
      /scenario\.yaml, line 3, key population\[1\]\.share\): expected a percentage, as part a has \(60%\): left out it is the number 1/,
    ],
    [
      'a number beside a share in percent',
      'population:\n  - name: a\n    share: 3\n  - { name: b, share: 40% }\n',
      /line 3, key population\[0\]\.share.*as part b has \(40%\): this is a number; give all in percent, or all as numbers/,
    ],
    [
      'percentages that are less than all',
      'seed: 1\npopulation:\n  - { name: a, share: 60% }\n  - { name: b, share: 30.5% }\n',
      /line 3, key population\).*add up to 100%: the sum of these is 90\.5%/,
    ],
    ['percentages that are more than all', 'population: [{ name: a, share: 70% }, { name: b, share: 40% }]', /is 110%/],
    ['one part in percent that is not all', 'population: [{ name: a, share: 60% }]\n', /add up.*is 60%/],
    ['two parts of one name', 'population:\n  - name: a\n  - name: a\n', /line 3, key population\[1\]\.name.*its own/],
    ['a part without a name', 'population:\n  - share: 1\n', /line 2, key population\[0\].*missing: name/],
    ['an event nobody knows', 'events:\n  - { at: 1s, what: fire }\n', /line 2, key events\[0\]\.what.*"service-kill"/],
    [
      'an event after the end',
      'limit: 1min\nevents:\n  - at: 2min\n    what: service-kill\n',
      /line 3.*before the limit/,
    ],
    ['an outage without a length', 'events:\n  - { at: 1s, what: token-outage }\n', /line 2, key events\[0\].*lasts/],
    [
      'an event at an endpoint that is not ours',
      'target: { udp: "coaps://a", factory: f }\nevents:\n  - { at: 1s, what: service-kill }\n',
      /line 3, key events\[0\].*service of its own/,
    ],
    [
      'an event that processes cannot have',
      'clock: real\nevents:\n  - { at: 1s, what: token-outage, lasts: 1s }\n',
      /line 3, key events\[0\]\.what.*service-kill and hub-outage.*virtual/,
    ],
    [
      'virtual time at an endpoint',
      'clock: virtual\ntarget: { udp: "coaps://a", factory: f }\n',
      /line 1, key clock.*without a target/,
    ],
    ['a target without an endpoint', 'target: { factory: f }\n', /line 1, key target.*udp, tcp or both/],
    ['a target without devices', 'target:\n  udp: coaps://a\n', /line 2, key target.*missing: factory/],
    [
      'a transport that the target has not',
      'transport: mix\ntarget: { udp: "coaps://a", factory: f }\n',
      /line 1, key transport.*no tcp endpoint/,
    ],
    [
      'a life that the target decides',
      'identityLife: 3h\ntarget: { udp: "coaps://a", factory: f }\n',
      /line 1, key identityLife.*target's service/,
    ],
    ['a life too short to renew', 'identityLife: 1s\n', /line 1, key identityLife.*2min/],
    [
      'a flood in a fleet without UDP',
      'transport: tcp\npopulation:\n  - name: a\n    conduct: flood\n',
      /line 4, key population\[0\]\.conduct.*UDP/,
    ],
    ['a budget of something unknown', 'budget: joy<=3\n', /line 1, key budget.*joy/],
    ['a radio nobody knows', 'radio: smoke\n', /line 1, key radio.*nb-iot/],
    ['a bad value in the short form', 'short:\n  devices: few\n', /line 2, key short\.devices.*integer/],
    ['an empty mapping', 'link:\nseed: 1\n', /line 1, key link.*object/],
    ['broken YAML', 'link: {loss: 1%\n', /scenario\.yaml, line/],
    ['a key that is there twice', 'seed: 1\nseed: 2\n', /line 2\).*unique/],
    ['a list instead of keys', '- devices\n', /line 1.*object/],
    ['aliases upon aliases', 'about: &a [*a]\n', /scenario\.yaml, line 1/],
  ])('%s', (_, text, expected) => {
    expect(complaintOf(text)).toMatch(expected);
  });

  test('what only the short form breaks is complained about there, and only there', () => {
    const text =
      'limit: 1h\nevents:\n  - { at: 20min, what: service-kill }\nshort:\n  arrival: ramp:1s\n  limit: 1min\n';
    expect(complaintOf(text, { short: true })).toMatch(/line 3, key events\[0\]\.at/);
    expect(complaintOf('short:\n  arrival: poisson:0/s\n', { short: true })).toMatch(/line 2, key short\.arrival/);
    expect(readScenario(text, 'scenario.yaml').limit).toBe(3_600_000);
    const shares = 'seed: 1\nshort:\n  population: [{ name: a, share: 50% }, { name: b }]\n';
    expect(complaintOf(shares, { short: true })).toMatch(/line 3, key short\.population\[1\]\.share/);
  });

  test('an override that is wrong is no fault of the file', () => {
    const overrides = { link: { loss: 'much' } };
    expect(complaintOf('link: { loss: 1% }\n', { overrides })).toMatch(
      /the command line is wrong \(key link\.loss\).*0% to 100%/,
    );
  });
});

describe('what a scenario means', () => {
  test('an empty file is a hundred honest devices on a perfect link', () => {
    const scenario = defaultScenario();
    expect(scenario).toMatchObject({
      devices: 100,
      clock: 'virtual',
      goal: 'online',
      udp: 0.5,
      retry: documentedRetry,
    });
    expect(scenario).toMatchObject({ target: { kind: 'own' }, events: [], budget: [], identityLife: undefined });
    expect(scenario.population).toHaveLength(1);
    expect(scenario.population[0]).toMatchObject({
      identity: 'good',
      conduct: 'honest',
      expect: 'arrives',
      link: perfectLink,
      rebind: 0,
      clock: { shows: 'right', drift: 0 },
    });
  });

  test('a part has what the top says, key by key, unless it says something itself', () => {
    const { population } = readScenario(
      `
link: { loss: 10%, delay: 50ms, rebind: 2% }
power: { cut: 5%, dark: 1s..2min }
think: 1s..3s
population:
  - name: city
    share: 90%
  - name: cellar
    share: 10%
    link: { loss: 30% }
    power: { most: 1 }
    think: 0
`,
      'scenario.yaml',
    );
    const [city, cellar] = population;
    expect(city).toMatchObject({
      share: 0.9,
      link: { loss: 0.1, delay: 50 },
      rebind: 0.02,
      think: { from: 1000, to: 3000 },
    });
    expect(cellar).toMatchObject({
      share: 0.1,
      link: { loss: 0.3, delay: 50 },
      rebind: 0.02,
      power: { cut: 0.05, dark: { from: 1000, to: 120_000 }, most: 1 },
      think: { from: 0, to: 0 },
    });
  });

  test('thirds can be said in percent, with four decimals', () => {
    const thirds = ['33.3333%', '33.3333%', '33.3334%'];
    const parts = thirds.map((share, at) => `{ name: p${at}, share: ${share} }`).join(', ');
    expect(readScenario(`population: [${parts}]`, 's').population).toHaveLength(3);
  });

  test.each([
    ['{ name: a, identity: expired }', 'refused'],
    ['{ name: a, identity: unknown-issuer }', 'refused'],
    ['{ name: a, identity: cloned }', 'any'],
    ['{ name: a, conduct: flood }', 'refused'],
    ['{ name: a, conduct: slow-reader }', 'any'],
    ['{ name: a, identity: expired, expect: arrives }', 'arrives'],
  ])('what is to become of %s: %s', (part, expected) => {
    expect(readScenario(`population: [${part}]`, 'scenario.yaml').population[0]?.expect).toBe(expected);
  });

  test('clocks are at a date, at a distance from the true time, or drift', () => {
    const start = Date.UTC(2026, 5, 1);
    const clockOf = (text: string) => readScenario(`deviceClock: ${text}`, 's', { start }).population[0]?.clock;
    expect(clockOf('{ shows: 1970 }')?.shows).toBe(0);
    expect(clockOf('{ shows: 2036-01-01 }')?.shows).toBe(Date.UTC(2036, 0, 1));
    expect(clockOf('{ shows: +10y }')?.shows).toBe(start + 3652.5 * 86_400_000);
    expect(clockOf('{ shows: -3h }')?.shows).toBe(start - 3 * 3_600_000);
    expect(clockOf('{ drift: 200ms/s }')).toEqual({ shows: 'right', drift: 200 });
    expect(clockOf('{ drift: -86.4s/d }')?.drift).toBeCloseTo(-1);
  });

  test.each([
    ['at-once', { kind: 'at-once' }],
    ['poisson:50/s', { kind: 'poisson', perSecond: 50 }],
    ['poisson:120/min', { kind: 'poisson', perSecond: 2 }],
    ['ramp:1.5min', { kind: 'ramp', over: 90_000 }],
  ])('arrival: %s', (text, expected) => {
    expect(readScenario(`arrival: ${text}`, 's').arrival).toEqual(expected);
  });

  test.each([
    ['udp', 1],
    ['tcp', 0],
    ['mix', 0.5],
    ['70% udp', 0.7],
  ])('transport: %s', (text, share) => {
    expect(readScenario(`transport: ${text}`, 's').udp).toBe(share);
  });

  test('a target means real time, and only the transports that it has', () => {
    const scenario = readScenario('target: { tcp: "coaps+tcp://a:1", factory: devices }', 's');
    expect(scenario).toMatchObject({ clock: 'real', udp: 0 });
    expect(scenario.target).toEqual({
      kind: 'endpoint',
      udp: undefined,
      tcp: 'coaps+tcp://a:1',
      factory: 'devices',
      skipVerification: false,
    });
  });

  test('events come in order of time', () => {
    const text = 'events:\n  - { at: 2min, what: hub-outage, lasts: 1min }\n  - { at: 10s, what: service-kill }\n';
    expect(readScenario(text, 's').events).toEqual([
      { at: 10_000, what: 'service-kill', lasts: 0 },
      { at: 120_000, what: 'hub-outage', lasts: 60_000 },
    ]);
  });

  test('flags stand above the short form, the short form above the file', () => {
    const text = 'devices: 5000\nseed: 7\nlink: { loss: 1%, mtu: 1280 }\nshort: { devices: 50, seed: 8 }\n';
    const options = { short: true, overrides: { devices: 5, link: { loss: '20%' } } };
    const { devices, seed, population } = readScenario(text, 's', options);
    expect({ devices, seed }).toEqual({ devices: 5, seed: 8 });
    expect(population[0]?.link).toMatchObject({ loss: 0.2, mtu: 1280 });
  });

  test('the 2025 retry rule may be written as a number', () => {
    const { retry } = readScenario('retry: 3\nretryVariant: 2025\n', 's');
    expect(retry).toEqual({ table: [3000], variant: '2025' });
  });
});
