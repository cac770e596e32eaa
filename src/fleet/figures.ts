import { type Millis, minutes, seconds } from '../core/clock.ts';
import { limits } from '../core/limits.ts';
import { estimateEnergy, type RadioProfile, radioProfile } from './energy.ts';
import type { DeviceOutcome, FleetOutcome } from './outcome.ts';
import type { Scenario } from './scenario.ts';

/** A run in numbers: what budgets are judged by and reports show. */
export interface Figures {
  readonly counts: Counts;
  /** In the scenario's order. */
  readonly parts: readonly NamedCounts[];
  readonly transports: readonly NamedCounts[];
  readonly arrivals: Arrivals;
  /** From switching on to the goal, ms, of the devices that arrived; undefined when none did. */
  readonly timeToArrive: Spread | undefined;
  /** The same in 201 points: entry i is the time within which i half percents of the arrived had arrived; [] when none did. */
  readonly distribution: readonly Millis[];
  /** How long the steps took, ms, in the order in which a device comes to them. */
  readonly steps: readonly NamedSpread[];
  /** The most frequent first. */
  readonly failures: readonly { readonly reason: string; readonly count: number }[];
  /** What a first arrival cost, of the devices that arrived; undefined when none did. */
  readonly costs: Readonly<Record<CostName, Spread>> | undefined;
  /** What `costs.energy` was estimated with. */
  readonly radio: RadioProfile;
}

export interface Counts {
  readonly devices: number;
  /** Switched on before the run was over. */
  readonly booted: number;
  readonly arrived: number;
  /** Kept out, as was expected. */
  readonly refused: number;
  /** Expected, and not arrived. */
  readonly missing: number;
  /** To be refused, and arrived. */
  readonly intruders: number;
  readonly provisioned: number;
  readonly renewed: number;
  readonly resets: number;
  readonly powerCuts: number;
}

export interface NamedCounts extends Counts {
  readonly name: string;
  readonly timeToArrive: Spread | undefined;
}

/** Percentiles by nearest rank: each is a value that occurred. */
export interface Spread {
  readonly count: number;
  readonly p50: number;
  readonly p95: number;
  readonly p99: number;
  readonly max: number;
}

export interface NamedSpread extends Spread {
  readonly name: string;
}

export interface Arrivals {
  /** Arrived devices over the time from the first switched on to the last arrival; 0 when none arrived. */
  readonly perSecond: number;
  /** Width of a bin, ms. Bin i begins i widths after the start of the run. */
  readonly bin: Millis;
  readonly arrived: readonly number[];
  readonly booted: readonly number[];
}

/** Bytes, counts, ms and mJ of one device. `bytes` and `datagrams` are both ways together. */
export const costNames = [
  'bytesOut',
  'bytesIn',
  'bytes',
  'datagrams',
  'roundTrips',
  'retransmissions',
  'sessions',
  'ms',
  'energy',
] as const;

export type CostName = (typeof costNames)[number];

/** @throws RangeError when the scenario's radio is not known. */
export function figuresOf(outcome: FleetOutcome, scenario: Scenario): Figures {
  const { devices, took } = outcome;
  const radio = radioProfile(scenario.radio);
  const times = sorted(devices.flatMap(({ arrivedAfter }) => (arrivedAfter === undefined ? [] : [arrivedAfter])));
  const partNames = [...new Set([...scenario.population.map(({ name }) => name), ...devices.map(({ part }) => part)])];
  return {
    counts: countsOf(devices, took),
    parts: grouped(devices, partNames, took, ({ part }) => part),
    transports: grouped(devices, ['udp', 'tcp'], took, ({ transport }) => transport).filter(
      (group) => group.devices > 0,
    ),
    arrivals: arrivalsOf(devices, took),
    timeToArrive: spreadOfSorted(times),
    distribution: times.length === 0 ? [] : Array.from({ length: 201 }, (_, i) => nearestRank(times, i / 200)),
    steps: stepsOf(outcome),
    failures: Object.entries(outcome.failures)
      .map(([reason, count]) => ({ reason, count }))
      .sort((a, b) => b.count - a.count || (a.reason < b.reason ? -1 : 1)),
    costs: costsOf(devices, radio),
    radio,
  };
}

/** Undefined of no values. */
export const spreadOf = (values: readonly number[]): Spread | undefined => spreadOfSorted(sorted(values));

function spreadOfSorted(values: Float64Array): Spread | undefined {
  if (values.length === 0) return undefined;
  const [p50, p95, p99] = [nearestRank(values, 0.5), nearestRank(values, 0.95), nearestRank(values, 0.99)];
  return { count: values.length, p50, p95, p99, max: nearestRank(values, 1) };
}

/** The smallest value that is not below a share of all of them. Rounded up only past what multiplying leaves as error. */
function nearestRank(values: Float64Array, share: number): number {
  const rank = Math.max(1, Math.ceil(share * values.length - 1e-9));
  return values[rank - 1] ?? Number.NaN;
}

const sorted = (values: readonly number[]): Float64Array => Float64Array.from(values).sort();

function countsOf(devices: readonly DeviceOutcome[], took: Millis): Counts {
  const count = (holds: (device: DeviceOutcome) => boolean): number =>
    devices.reduce((sum, device) => sum + (holds(device) ? 1 : 0), 0);
  const sum = (name: 'provisioned' | 'renewed' | 'resets' | 'powerCuts'): number =>
    devices.reduce((total, device) => total + device[name], 0);
  const arrived = ({ arrivedAfter }: DeviceOutcome): boolean => arrivedAfter !== undefined;
  return {
    devices: devices.length,
    booted: count(({ bootedAt }) => bootedAt <= took),
    arrived: count(arrived),
    refused: count((device) => device.expect === 'refused' && !arrived(device)),
    missing: count((device) => device.expect === 'arrives' && !arrived(device)),
    intruders: count((device) => device.expect === 'refused' && arrived(device)),
    provisioned: sum('provisioned'),
    renewed: sum('renewed'),
    resets: sum('resets'),
    powerCuts: sum('powerCuts'),
  };
}

function grouped(
  devices: readonly DeviceOutcome[],
  names: readonly string[],
  took: Millis,
  groupOf: (device: DeviceOutcome) => string,
): NamedCounts[] {
  const groups = new Map<string, DeviceOutcome[]>(names.map((name) => [name, []]));
  for (const device of devices) groups.get(groupOf(device))?.push(device);
  return [...groups].map(([name, members]) => ({
    name,
    ...countsOf(members, took),
    timeToArrive: spreadOf(members.flatMap(({ arrivedAfter }) => (arrivedAfter === undefined ? [] : [arrivedAfter]))),
  }));
}

const stepOrder = [
  'time',
  'ownership',
  'cloud',
  'credentials',
  'acls',
  'sign-up',
  'sign-in',
  'publish',
  'token-refresh',
];

function stepsOf({ steps }: FleetOutcome): NamedSpread[] {
  const place = (name: string): number => (stepOrder.indexOf(name) + stepOrder.length + 1) % (stepOrder.length + 1);
  return Object.entries(steps)
    .flatMap(([name, times]) => {
      const spread = spreadOf(times);
      return spread ? [{ name, ...spread }] : [];
    })
    .sort((a, b) => place(a.name) - place(b.name));
}

function costsOf(
  devices: readonly DeviceOutcome[],
  radio: RadioProfile,
): Readonly<Record<CostName, Spread>> | undefined {
  const arrived = devices.flatMap((device) => {
    const { cost, transport, arrivedAfter: ms } = device;
    if (ms === undefined) return [];
    const { bytesOut, bytesIn, roundTrips, retransmissions, sessions } = cost;
    const datagrams = cost.datagramsOut + cost.datagramsIn;
    const energy = estimateEnergy(radio, transport, cost, ms);
    return [
      { bytesOut, bytesIn, bytes: bytesOut + bytesIn, datagrams, roundTrips, retransmissions, sessions, ms, energy },
    ];
  });
  const spreads = costNames.flatMap((name) => {
    const spread = spreadOf(arrived.map((device) => device[name]));
    return spread ? [[name, spread] as const] : [];
  });
  return spreads.length === 0 ? undefined : (Object.fromEntries(spreads) as Record<CostName, Spread>);
}

function arrivalsOf(devices: readonly DeviceOutcome[], took: Millis): Arrivals {
  const arrivals = devices.flatMap(({ arrivedAt }) => (arrivedAt === undefined ? [] : [arrivedAt]));
  const boots = devices.flatMap(({ bootedAt }) => (bootedAt <= took ? [bootedAt] : []));
  const last = arrivals.reduce((latest, at) => Math.max(latest, at), 0);
  const first = boots.reduce((earliest, at) => Math.min(earliest, at), last);
  const end = boots.reduce((latest, at) => Math.max(latest, at), last);
  const bin =
    binWidths.find((width) => end < width * limits.fleet.report.bins) ?? Math.ceil(end / limits.fleet.report.bins);
  const bins = Math.floor(end / bin) + 1;
  const binned = (times: readonly Millis[]): number[] => {
    const series = new Array<number>(bins).fill(0);
    for (const at of times) {
      const index = Math.min(bins - 1, Math.floor(at / bin));
      series[index] = (series[index] ?? 0) + 1;
    }
    return series;
  };
  // Everything within one and the same ms: there is no rate to tell, so that ms counts.
  const perSecond = arrivals.length === 0 ? 0 : arrivals.length / (Math.max(1, last - first) / seconds(1));
  return { perSecond, bin, arrived: binned(arrivals), booted: binned(boots) };
}

/** Widths that people like to read. */
const binWidths: readonly Millis[] = [
  ...[10, 20, 50, 100, 200, 500],
  ...[1, 2, 5, 10, 20, 30].map(seconds),
  ...[1, 2, 5, 10, 20, 30, 60, 120, 360, 720, 1440].map(minutes),
];
