import { describe, expect, it } from 'vitest';
import { hours, type Millis, minutes, seconds } from '../../src/core/clock.ts';
import { cloudFlags, lastErrors } from '../../src/device/status.ts';
import { DeviceBench, gatewayUri, hubId, isConsistent } from '../support/device-bench.ts';

const second = { uri: 'coaps+tcp://second.example:5684', id: hubId };

describe('answers of the cloud', () => {
  it('that come twice, or late, change nothing', () => {
    const twice = new DeviceBench({ behave: () => 'twice' }).boot();
    expect(twice.runOnline()).toBe(true);
    twice.wait(minutes(5));
    expect(twice.names.slice(5)).toEqual(['sign-up', 'sign-in']);

    const late = new DeviceBench({
      behave: (asked, earlier) => (asked.startsWith('sign') && earlier === 0 ? { after: seconds(12) } : 'answer'),
    }).boot();
    expect(late.runOnline()).toBe(true);
    late.wait(minutes(1));
    expect(late.names.slice(5)).toEqual(['sign-up', 'sign-up', 'sign-in', 'sign-in']);
    expect(late.machine.online).toBe(true);
  });

  it.each(['accesstoken', 'refreshtoken', 'uid', 'expiresin'])('to sign-up need %s', (key) => {
    const bench = new DeviceBench({
      behave: (asked, earlier) => {
        if (asked !== 'sign-up' || earlier > 0) return 'answer';
        const { [key]: _, ...map } = { accesstoken: 't', refreshtoken: 'r', uid: 'u', expiresin: -1 } as Record<
          string,
          string | number
        >;
        return { map };
      },
    }).boot();
    expect(bench.runOnline()).toBe(true);
    expect(bench.count('sign-up')).toBe(2);
    expect(bench.totals).toEqual([1, 1, 1, 1, 1]);
  });

  it('to sign-up may send the device to another address of the hub, where it signs in', () => {
    const redirecturi = 'coaps+tcp://elsewhere.example:5684';
    const bench: DeviceBench = new DeviceBench({
      behave: (asked, _earlier, request) =>
        asked === 'sign-up' ? { map: { ...bench.answerTo('sign-up', request), redirecturi } } : 'answer',
    });
    bench.boot();
    expect(bench.runOnline()).toBe(true);
    expect(bench.opened.slice(2).map(({ uri }) => uri)).toEqual([gatewayUri, redirecturi]);
    expect([...bench.open.values()]).toEqual(['cloud']);
    expect(bench.names.slice(5)).toEqual(['sign-up', 'sign-in']);
    expect(bench.machine.state.cloud?.gateways).toEqual([{ uri: redirecturi, id: hubId }]);
    const again = new DeviceBench({ state: bench.machine.state, clock: bench.now }).boot();
    expect(again.runOnline()).toBe(true);
    expect(again.opened.map(({ uri }) => uri)).toEqual([redirecturi]);
  });

  it.each(['', gatewayUri, 'http://elsewhere'])(
    'to sign-up with the redirect "%s" leave it where it is',
    (redirecturi) => {
      const bench: DeviceBench = new DeviceBench({
        behave: (asked, _earlier, request) =>
          asked === 'sign-up' ? { map: { ...bench.answerTo('sign-up', request), redirecturi } } : 'answer',
      });
      bench.boot();
      expect(bench.runOnline()).toBe(true);
      expect(bench.opened).toHaveLength(3);
    },
  );

  it('are not needed to what it publishes', () => {
    const links = [{ href: '/oic/d', types: ['oic.wk.d'], interfaces: ['oic.if.r'], instance: 1 }];
    const bench = new DeviceBench({
      settings: { links },
      behave: (asked) => (asked === 'publish' ? 'silence' : 'answer'),
    }).boot();
    expect(bench.runOnline()).toBe(true);
    bench.wait(minutes(5));
    expect(bench.machine.online).toBe(true);
    expect(bench.count('publish')).toBe(1);
    expect(bench.asked.at(-1)?.request).toMatchObject({ path: ['oic', 'rd'], query: ['rt=oic.wk.rdpub'] });
  });
});

describe('the observer', () => {
  it('tries each gateway for its checks, a second apart, and provisions again after the last', () => {
    const bench = new DeviceBench({
      settings: { cloudChecks: 4 },
      gateways: [second],
      connect: ({ purpose }) => (purpose === 'cloud' ? 'silence' : 'up'),
    }).boot();
    bench.run(() => bench.count('acls') === 1);
    const at = bench.now;
    bench.run(() => bench.opened.at(-1)?.uri === second.uri);
    expect(bench.now - at).toBeGreaterThanOrEqual(seconds(5));
    expect(bench.now - at).toBeLessThan(seconds(6.1));
    bench.run(() => bench.count('time') === 2);
    expect(Math.round((bench.now - at) / seconds(1))).toBe(8);
    expect(bench.reasons).toEqual(['first-boot', 'gateways-exhausted']);
  });

  it('that is off tries the one gateway for ever, at the last wait of the retry table', () => {
    const tries: number[] = [];
    const bench: DeviceBench = new DeviceBench({
      settings: { cloudChecks: 0 },
      connect: ({ purpose }, earlier) => {
        if (purpose !== 'cloud') return 'up';
        tries.push(bench.now);
        return earlier < 12 ? 'refused' : 'up';
      },
    });
    bench.boot();
    expect(bench.runOnline(hours(3))).toBe(true);
    expect(bench.totals).toEqual([1, 1, 1, 1, 1]);
    expect(pauses(tries)).toEqual([2, 4, 8, 16, 32, 64, 64, 64, 64, 64]);
    expect(new Set(bench.opened.slice(2).map(({ uri }) => uri))).toEqual(new Set([gatewayUri]));
  });

  it('looks for another gateway when the device loses the one it was at', () => {
    let up = true;
    const bench = new DeviceBench({
      gateways: [second],
      connect: ({ uri }) => (uri === gatewayUri && !up ? 'refused' : 'up'),
    }).boot();
    bench.runOnline();
    up = false;
    bench.hangUp();
    expect(bench.runOnline()).toBe(true);
    expect(bench.opened.at(-1)?.uri).toBe(second.uri);
    // The same hub: the registration holds.
    expect(bench.count('sign-up')).toBe(1);
    expect(bench.totals).toEqual([1, 1, 1, 1, 1]);
  });

  it('sees a gateway that takes the device in and turns it out again', () => {
    const bench: DeviceBench = new DeviceBench({
      gateways: [second],
      behave: (asked) => (asked === 'sign-in' && bench.opened.at(-1)?.uri === gatewayUri ? { code: 500 } : 'answer'),
    });
    bench.boot();
    expect(bench.runOnline()).toBe(true);
    expect(bench.opened.at(-1)?.uri).toBe(second.uri);
  });
});

describe('the retry table of the cloud', () => {
  const table = [2, 3].map(seconds);
  const elsewhere = { uri: 'coaps+tcp://elsewhere.example:5684', id: '99999999-2222-4333-8444-555555555555' };
  const atCloud = (bench: DeviceBench): string[] =>
    bench.opened.flatMap(({ purpose, uri }) => (purpose === 'cloud' ? [uri] : []));

  it('that is used up leads to the next gateway, long before the observer does', () => {
    const bench = new DeviceBench({
      settings: { cloudRetry: table, cloudChecks: 250 },
      gateways: [second],
      connect: ({ uri }) => (uri === gatewayUri ? 'refused' : 'up'),
    }).boot();
    expect(bench.runOnline(minutes(1))).toBe(true);
    expect(atCloud(bench)).toEqual([gatewayUri, gatewayUri, gatewayUri, second.uri]);
    expect(bench.totals).toEqual([1, 1, 1, 1, 1]);
    expect(bench.reasons).toEqual(['first-boot']);
  });

  it('that is used up at the last gateway means provisioning again, with the observer', () => {
    const bench = new DeviceBench({
      settings: { cloudRetry: table, cloudChecks: 250 },
      gateways: [second],
      connect: ({ purpose }) => (purpose === 'cloud' ? 'refused' : 'up'),
    }).boot();
    expect(bench.run(() => bench.count('time') === 2, minutes(1))).toBe(true);
    expect(atCloud(bench)).toEqual([...Array(3).fill(gatewayUri), ...Array(3).fill(second.uri)]);
    expect(bench.reasons).toEqual(['first-boot', 'gateways-exhausted']);
  });

  it('that is used up at the last gateway means the first again, without the observer', () => {
    const bench: DeviceBench = new DeviceBench({
      settings: { cloudRetry: table, cloudChecks: 0 },
      gateways: [second],
      connect: ({ purpose }) => (purpose === 'cloud' && atCloud(bench).length < 7 ? 'refused' : 'up'),
    });
    bench.boot();
    expect(bench.runOnline(minutes(2))).toBe(true);
    expect(atCloud(bench)).toEqual([
      ...Array(3).fill(gatewayUri),
      ...Array(3).fill(second.uri),
      ...Array(2).fill(gatewayUri),
    ]);
    expect(bench.totals).toEqual([1, 1, 1, 1, 1]);
    expect(bench.reasons).toEqual(['first-boot']);
  });

  it('that leads to another hub fetches its credentials and access control list first, and on the way back, too', () => {
    const bench: DeviceBench = new DeviceBench({
      settings: { cloudRetry: table, cloudChecks: 0 },
      gateways: [elsewhere],
      connect: ({ purpose }) => {
        if (purpose !== 'cloud') return 'up';
        expect(isConsistent(bench.machine.state)).toBe(true);
        return atCloud(bench).length < 6 ? 'refused' : 'up';
      },
    });
    bench.boot();
    expect(bench.run(() => bench.machine.state.cloud?.selected === 1, minutes(1))).toBe(true);
    expect(bench.runOnline(minutes(2))).toBe(true);
    expect(bench.totals).toEqual([1, 1, 1, 3, 3]);
    expect(bench.reasons).toEqual(['first-boot', 'hub-changed', 'hub-changed']);
    expect(bench.opened.at(-1)?.uri).toBe(gatewayUri);
  });

  it('starts over once the device was signed in', () => {
    let up = false;
    const bench: DeviceBench = new DeviceBench({
      settings: { cloudRetry: table, cloudChecks: 0 },
      gateways: [second],
      connect: ({ purpose, uri }) => {
        if (purpose !== 'cloud') return 'up';
        if (uri === gatewayUri && !up) {
          up = atCloud(bench).length === 1;
          return 'refused';
        }
        return 'up';
      },
    });
    bench.boot();
    expect(bench.runOnline()).toBe(true);
    up = false;
    bench.hangUp();
    bench.run(() => bench.machine.state.cloud?.selected === 1, minutes(1));
    // Two tries before it was signed in, one with which it got in; two after the session was lost, each after its wait.
    expect(atCloud(bench)).toEqual(Array(5).fill(gatewayUri));
  });
});

describe('a gateway address that cannot be used', () => {
  it.each(['http://gateway.example', 'gateway.example:5684', 'coap+tcp://gateway.example:5683', ''])(
    '("%s") shows as START_CLOUD while it is so, and a cloud that lets the device in clears it',
    (uri) => {
      const bench = new DeviceBench({
        hub: (earlier) => ({ uri: earlier === 0 ? uri : gatewayUri, id: hubId }),
      }).boot();
      bench.run(() => bench.machine.status.lastError === lastErrors.startCloud, minutes(1));
      expect(bench.machine.status.lastError).toBe(6);
      expect(bench.opened.map(({ purpose }) => purpose)).not.toContain('cloud');
      bench.wait(seconds(20));
      expect(bench.machine.status.lastError).toBe(6);
      expect(bench.machine.online).toBe(false);
      // The observer gives up, and the service names another one.
      expect(bench.runOnline(minutes(2))).toBe(true);
      expect(bench.machine.status.lastError).toBe(0);
    },
  );

  it('is passed over for the next one of the list, whose answer clears the error', () => {
    const bench = new DeviceBench({
      hub: () => ({ uri: 'http://gateway.example', id: hubId }),
      gateways: [second],
    }).boot();
    expect(bench.run(() => bench.machine.status.lastError === lastErrors.startCloud, minutes(1))).toBe(true);
    expect(bench.run(() => bench.count('sign-up') === 1 && bench.machine.status.lastError === 0, minutes(2))).toBe(
      true,
    );
    expect(bench.runOnline(minutes(1))).toBe(true);
    expect(bench.opened.at(-1)?.uri).toBe(second.uri);
    expect(bench.totals).toEqual([1, 1, 1, 1, 1]);
  });

  it('does not stand for a gateway that is merely away: CONNECT and START_CLOUD are not shown while it is tried', () => {
    const bench = new DeviceBench({
      connect: ({ purpose }) => (purpose === 'cloud' ? 'refused' : 'up'),
    }).boot();
    bench.wait(minutes(1));
    expect(new Set(bench.errors)).toEqual(new Set([0]));
  });
});

describe('a token', () => {
  it('of a short life is refreshed at its half', () => {
    const bench = new DeviceBench({
      behave: (asked) => (asked === 'sign-in' ? { map: { expiresin: 60 } } : 'answer'),
    }).boot();
    bench.runOnline();
    const at = bench.now;
    bench.run(() => bench.count('token-refresh') === 1, minutes(2));
    expect(Math.round((bench.now - at) / seconds(1))).toBe(30);
  });

  it('that lives for a second only is refreshed every ten', () => {
    const bench = new DeviceBench({
      behave: (asked) => (asked === 'sign-in' ? { map: { expiresin: 1 } } : 'answer'),
    }).boot();
    bench.runOnline();
    const writes = bench.saved.length;
    bench.wait(minutes(1));
    expect(bench.count('token-refresh')).toBe(5);
    expect(bench.saved.length - writes).toBe(5);
    expect(bench.machine.online).toBe(true);
  });

  it('whose refresh fails costs the session, not the registration', () => {
    const bench = new DeviceBench({
      behave: (asked, earlier) => {
        if (asked === 'sign-in') return { map: { expiresin: 600 } };
        return asked === 'token-refresh' && earlier === 0 ? { code: 503 } : 'answer';
      },
    }).boot();
    bench.runOnline();
    bench.run(() => bench.count('token-refresh') === 1, minutes(20));
    expect(bench.runOnline()).toBe(true);
    expect(bench.count('sign-up')).toBe(1);
  });

  it('that is refreshed shows in the cloud flags', () => {
    const bench = new DeviceBench({
      behave: (asked) => (asked === 'sign-in' ? { map: { expiresin: 600 } } : 'answer'),
    }).boot();
    bench.runOnline();
    bench.run(() => bench.count('sign-in') === 2, minutes(20));
    const flags = bench.cloud.at(-1) ?? 0;
    expect(flags & cloudFlags.refreshedToken).not.toBe(0);
    expect(bench.cloud.some((told) => (told & cloudFlags.tokenExpiry) !== 0)).toBe(true);
  });
});

describe('a renewal', () => {
  it('goes by the dates of the leaf, whatever stands behind it', () => {
    // The intermediate of these chains lives for years; plgd's client takes the last certificate's dates.
    const bench = new DeviceBench({ lifetime: hours(6) }).boot();
    bench.runOnline();
    const { credentials, clockOffset } = bench.machine.state;
    expect(credentials?.identity.match(/BEGIN CERTIFICATE/g)).toHaveLength(2);
    const life = (credentials?.validTo ?? 0) - ((clockOffset ?? 0) + bench.now);
    expect(Math.round(life / minutes(1))).toBe(360);
    bench.run(() => bench.count('credentials') === 2, hours(6));
    expect(Math.round(bench.now / minutes(1))).toBe(240);
  });

  it('uses the new credentials at the next session with the cloud', () => {
    const bench = new DeviceBench({ lifetime: hours(3) }).boot();
    bench.runOnline();
    bench.run(() => bench.count('credentials') === 2, hours(3));
    bench.wait(seconds(1));
    const [first] = bench.opened.filter(({ purpose }) => purpose === 'cloud');
    const session = first?.session ?? 0;
    bench.act((machine, now) => machine.closed(session, 'close-notify', now));
    bench.runOnline();
    const last = bench.opened.at(-1);
    expect(last?.purpose).toBe('cloud');
    expect(last?.identity.chain[0]).not.toEqual(first?.identity.chain[0]);
  });

  it('under the expiry limit is due at once, and with a small limit a short-lived certificate is taken', () => {
    const bench = new DeviceBench({ lifetime: minutes(5), settings: { expiring: seconds(10) } }).boot();
    expect(bench.runOnline()).toBe(true);
    bench.run(() => bench.count('credentials') === 2);
    expect(Math.round(bench.now / seconds(1))).toBe(120);
  });
});

/** Seconds between one try and the next; a refusal takes a moment. */
const pauses = (tries: readonly Millis[]): number[] =>
  tries.slice(1).map((at, before) => Math.round((at - (tries[before] ?? 0)) / seconds(1)));
