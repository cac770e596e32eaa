import type { CborMap } from '../codec/cbor.ts';
import { type Millis, minutes, seconds } from '../core/clock.ts';
import { type Decision, decided } from '../core/errors.ts';
import { limits } from '../core/limits.ts';
import { wrong } from './answers.ts';
import type { Registration } from './state.ts';

/**
 * The answer to sign-up and to a token refresh: `accesstoken` and `refreshtoken` (and `uid`, at sign-up) are text that is
 * not empty, `expiresin` is seconds or -1 for never (contract, plgd-device b6).
 * @param userId what is known from sign-up, for a refresh.
 * @param time the device's time.
 */
export function readRegistration(map: CborMap, time: Millis, userId?: string): Decision<Registration> {
  for (const key of ['accesstoken', 'refreshtoken', ...(userId === undefined ? ['uid'] : [])]) {
    const value = map[key];
    if (typeof value !== 'string' || value === '' || value.length >= limits.device.cloudTextBytes) {
      return wrong(key, value, `send ${key} as text`);
    }
  }
  const expiresIn = readExpiry(map);
  if (!expiresIn.ok) return expiresIn;
  const registration = {
    userId: userId ?? String(map.uid),
    accessToken: String(map.accesstoken),
    refreshToken: String(map.refreshtoken),
  };
  return decided(expiresIn.value === undefined ? registration : { ...registration, expiresAt: time + expiresIn.value });
}

/** `expiresin`, mandatory: ms, or undefined for never. */
export function readExpiry({ expiresin }: CborMap): Decision<Millis | undefined> {
  if (typeof expiresin !== 'number' || !Number.isInteger(expiresin)) {
    return wrong('expiresin', expiresin, 'send expiresin as an integer');
  }
  return decided(expiresin > 0 ? seconds(expiresin) : undefined);
}

/** How long from now a token that lives for `expiresIn` is to be refreshed: never at once, for each refresh is stored. */
export function refreshDelay(expiresIn: Millis): Millis {
  if (expiresIn > minutes(2)) return expiresIn - minutes(1);
  return Math.max(limits.device.refreshPause, Math.floor(expiresIn / 2));
}
