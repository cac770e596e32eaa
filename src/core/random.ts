import { randomFillSync } from 'node:crypto';

/** The one source of randomness. Injected everywhere, so that a run can be repeated from its seed. */
export interface RandomSource {
  /** `count` fresh bytes. */
  bytes(count: number): Uint8Array;
}

/** The machine's cryptographic generator. */
export const systemRandom: RandomSource = {
  bytes(count) {
    if (count > reserve.length) return randomFillSync(new Uint8Array(count));
    if (left < count) {
      randomFillSync(reserve);
      left = reserve.length;
    }
    const out = reserve.slice(left - count, left);
    // What has been given out is nowhere else.
    reserve.fill(0, left - count, left);
    left -= count;
    return out;
  },
};

/** Random bytes in stock: asking the generator costs as much for one token or serial number as for a kilobyte. */
const reserve = new Uint8Array(1024);
let left = 0;

/** A repeatable generator for simulations and tests (xoshiro128**, Blackman and Vigna). Never for keys. */
export function seededRandom(seed: number): RandomSource {
  const state = splitMix(seed);
  return {
    bytes(count) {
      const out = new Uint8Array(count);
      for (let at = 0; at < count; at += 4) {
        let word = nextWord(state);
        for (let k = at; k < Math.min(at + 4, count); k++, word >>>= 8) out[k] = word & 0xff;
      }
      return out;
    },
  };
}

/** A number in [0, 1), from 32 random bits. */
export function randomFraction(random: RandomSource): number {
  return randomUint32(random) / 0x1_0000_0000;
}

export function randomUint32(random: RandomSource): number {
  const b = random.bytes(4);
  return new DataView(b.buffer, b.byteOffset, 4).getUint32(0);
}

function nextWord(s: Uint32Array): number {
  const [s0 = 0, s1 = 0, s2 = 0, s3 = 0] = s;
  const result = Math.imul(rotateLeft(Math.imul(s1, 5), 7), 9) >>> 0;
  const t2 = s2 ^ s0;
  const t3 = s3 ^ s1;
  s[1] = s1 ^ t2;
  s[0] = s0 ^ t3;
  s[2] = t2 ^ (s1 << 9);
  s[3] = rotateLeft(t3, 11);
  return result;
}

const rotateLeft = (x: number, k: number): number => ((x << k) | (x >>> (32 - k))) >>> 0;

/** Spreads a small seed over the generator's state, which must not be all zero. */
function splitMix(seed: number): Uint32Array {
  const state = new Uint32Array(4);
  let x = seed >>> 0;
  for (let k = 0; k < 4; k++) {
    x = (x + 0x9e37_79b9) >>> 0;
    let z = x;
    z = Math.imul(z ^ (z >>> 16), 0x85eb_ca6b);
    z = Math.imul(z ^ (z >>> 13), 0xc2b2_ae35);
    state[k] = (z ^ (z >>> 16)) >>> 0;
  }
  return state;
}
