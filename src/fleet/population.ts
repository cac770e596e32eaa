import type { Millis } from '../core/clock.ts';
import { type RandomSource, randomFraction, seededRandom } from '../core/random.ts';
import { arrivalTimes } from './arrival.ts';
import type { Part, Range, Scenario } from './scenario.ts';

/** What a device is, before it is switched on. */
export interface Member {
  /** From 0, in order of arrival. */
  readonly number: number;
  readonly name: string;
  readonly part: Part;
  readonly transport: 'udp' | 'tcp';
  /** Whose certificate and key it has: its own number, or that of the device whose clone it is. */
  readonly identity: number;
  /** ms after the start of the run. */
  readonly bootsAt: Millis;
}

/**
 * Who comes, as what and when, by the scenario's seed. Shares are kept as exactly as whole devices allow; which device
 * belongs to which part is drawn.
 * @param offered the transports that the site has an endpoint for; where one is missing everybody takes the other.
 */
export function populate(scenario: Scenario, offered: { readonly udp: boolean; readonly tcp: boolean }): Member[] {
  const { devices, population, seed, udp } = scenario;
  const random = seededRandom(streamSeed(seed, -1, 'population'));
  const counts = apportion(
    population.map(({ share }) => share),
    devices,
  );
  const share = !offered.tcp ? 1 : !offered.udp ? 0 : udp;
  const cast = population.flatMap((part, at) => {
    const count = counts[at] ?? 0;
    const overUdp = part.conduct === 'flood' && offered.udp ? count : Math.round(count * share);
    return Array.from({ length: count }, (_, k) => ({ part, transport: k < overUdp ? 'udp' : 'tcp' }) as const);
  });
  shuffle(cast, random);
  const times = arrivalTimes(scenario.arrival, devices, random);
  const unpaired = new Map<Part, number>();
  return cast.map(({ part, transport }, number) => ({
    number,
    name: `device-${String(number + 1).padStart(5, '0')}`,
    part,
    transport,
    identity: part.identity === 'cloned' ? pairUp(unpaired, part, number) : number,
    bootsAt: times[number] ?? 0,
  }));
}

/** What a device draws from for one purpose: nobody else's draws change it. */
export const deviceRandom = (seed: number, device: number, purpose: Purpose): RandomSource =>
  seededRandom(streamSeed(seed, device, purpose));

/** `conduct`: think times, power cuts and the like; `protocol`: what the device itself draws; `path`: the faults of its network. */
export type Purpose = 'conduct' | 'protocol' | 'path';

export const drawRange = ({ from, to }: Range, random: RandomSource): Millis =>
  to <= from ? from : from + Math.floor(randomFraction(random) * (to - from + 1));

/** Whole numbers in the ratio of the shares that add up to `total` (largest remainders). */
export function apportion(shares: readonly number[], total: number): number[] {
  const sum = shares.reduce((all, share) => all + share, 0);
  if (sum <= 0) return shares.map((_, at) => (at === 0 ? total : 0));
  const exact = shares.map((share) => (share / sum) * total);
  const counts = exact.map(Math.floor);
  const left = total - counts.reduce((all, count) => all + count, 0);
  const neediest = exact
    .map((value, at) => ({ at, remainder: value - Math.floor(value) }))
    .toSorted((a, b) => b.remainder - a.remainder || a.at - b.at);
  for (const { at } of neediest.slice(0, left)) counts[at] = (counts[at] ?? 0) + 1;
  return counts;
}

/** The first of a pair stands for both; an odd one out has nobody to be confused with. */
function pairUp(unpaired: Map<Part, number>, part: Part, number: number): number {
  const first = unpaired.get(part);
  if (first === undefined) {
    unpaired.set(part, number);
    return number;
  }
  unpaired.delete(part);
  return first;
}

/** Fisher and Yates. */
function shuffle<T>(items: T[], random: RandomSource): void {
  for (let at = items.length - 1; at > 0; at--) {
    const other = Math.floor(randomFraction(random) * (at + 1));
    const [a, b] = [items[at], items[other]];
    if (a === undefined || b === undefined) continue;
    items[at] = b;
    items[other] = a;
  }
}

const purposes = { population: 0x51ed_270b, conduct: 0x2545_f491, protocol: 0x6c07_8965, path: 0x1b87_3593 } as const;

/** Mixes seed, device and purpose into 32 bits (the finalizer of MurmurHash3). */
function streamSeed(seed: number, device: number, purpose: keyof typeof purposes): number {
  let mixed = Math.imul(seed, 0x9e37_79b1) ^ Math.imul(device + 1, 0x85eb_ca77) ^ purposes[purpose];
  mixed = Math.imul(mixed ^ (mixed >>> 16), 0x85eb_ca6b);
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2_ae35);
  return (mixed ^ (mixed >>> 16)) >>> 0;
}
