import { keys, put, under } from './medium.ts';
import type { Rows } from './rows.ts';

/**
 * Makes a store of one that was copied out of another: what that one may have given out since then is left out. Lists of a
 * key are signed at most once a second, and a service starts more seldom, so that no number up to the seconds since 1970 was
 * given out before, whoever counts from 1 or from such a number (RFC 5280 §5.2.3: numbers only grow).
 */
export async function leaveOutGiven(rows: Rows, now: number): Promise<void> {
  const least = Math.floor(now / 1000);
  const numbers = await rows.rows(under('crl-number'));
  const later = (text: string | undefined): string => String(Math.max(Number(text ?? 0), least));
  await rows.write(
    [...numbers.map(([key, number]) => put(key, later(number))), put(keys.epoch, later(rows.written(keys.epoch)))],
    true,
  );
}
