import { concatBytes } from '../../src/core/bytes.ts';
import { type RandomSource, randomUint32 } from '../../src/core/random.ts';

/** Repeatable damage: everything is drawn from the given source. */

/** A whole number from 0 to `count` - 1. */
export const drawn = (random: RandomSource, count: number): number => randomUint32(random) % count;

/** One of a list. */
export function pick<T>(random: RandomSource, list: readonly T[]): T {
  const chosen = list[drawn(random, list.length)];
  if (chosen === undefined) throw new RangeError('nothing to pick from');
  return chosen;
}

/** Changes a few bytes, cuts, doubles or inserts a piece: at least one of these, up to three. */
export function damaged(bytes: Uint8Array, random: RandomSource): Uint8Array {
  let out = new Uint8Array(bytes);
  for (let times = 1 + drawn(random, 3); times > 0 && out.length > 0; times--) {
    const at = drawn(random, out.length);
    switch (drawn(random, 6)) {
      case 0:
        out[at] = (out[at] ?? 0) ^ (1 << drawn(random, 8));
        break;
      case 1:
        out[at] = pick(random, [0, 1, 0x7f, 0x80, 0xff]);
        break;
      case 2:
        out = out.slice(0, at);
        break;
      case 3:
        out = concatBytes(out.subarray(0, at), out.subarray(at + 1 + drawn(random, 8))).slice();
        break;
      case 4:
        out = concatBytes(out.subarray(0, at), random.bytes(1 + drawn(random, 8)), out.subarray(at)).slice();
        break;
      default:
        out = concatBytes(out, out.subarray(at)).slice();
    }
  }
  return out;
}
