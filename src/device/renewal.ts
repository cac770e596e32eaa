import { type Millis, minutes, seconds } from '../core/clock.ts';

/**
 * How long from now the identity certificate is to be renewed (contract, plgd-device d): at two thirds of the life that
 * remains, sooner for short-lived ones, at once when it is about to expire.
 * @param remaining ms until the leaf expires.
 * @param expiring ms under which a certificate counts as expiring.
 */
export function renewalDelay(remaining: Millis, expiring: Millis): Millis {
  if (remaining < expiring) return 0;
  if (remaining < minutes(1)) return seconds(10);
  if (remaining < minutes(3)) return minutes(1);
  if (remaining < minutes(6)) return minutes(2);
  return Math.floor((remaining * 2) / 3);
}
