import { describe, expect, it } from 'vitest';
import { createDatagramEndpoint } from '../../../src/coap/exchange.ts';
import { limits } from '../../../src/core/limits.ts';
import { seededRandom } from '../../../src/core/random.ts';
import { cloudRequests, fitsQuery } from '../../../src/device/requests.ts';
import { DeviceBench } from '../../support/device-bench.ts';

/** What a hub may answer to sign-up (contract, plgd-device b6: texts shorter than 4096 bytes). */
const signUp = (uid: string, token = 'token') => ({
  behave: (asked: string) =>
    asked === 'sign-up'
      ? { map: { uid, accesstoken: token, refreshtoken: 'refresh', expiresin: -1 } }
      : ('answer' as const),
});

describe('a reset of a device at a hub that has given it', () => {
  it('a user id too long for a query is not told to that hub, and happens', () => {
    const bench = new DeviceBench(signUp('u'.repeat(4000)));
    expect(bench.boot().runOnline()).toBe(true);
    const before = bench.machine.state.deviceId;
    bench.act((machine, now) => machine.setEndpoints([], now));
    expect(bench.count('sign-off')).toBe(0);
    expect(bench.machine.state.deviceId).not.toBe(before);
    expect(bench.open.size).toBe(0);
  });

  it('a token whose bytes, not characters, are too many signs off without it', () => {
    const registration = { userId: 'user', accessToken: '\u00e9'.repeat(200), refreshToken: 'refresh' };
    expect(fitsQuery(registration)).toBe(false);
    const endpoint = createDatagramEndpoint({ random: seededRandom(1) });
    endpoint.request(cloudRequests.signOff('device', registration, fitsQuery(registration), 1000), 0);
    expect(endpoint.takeOutput()[0]?.length).toBeLessThan(limits.secure.recordBytes);
  });
});
