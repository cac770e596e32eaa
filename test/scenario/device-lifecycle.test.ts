import { describe, expect, it } from 'vitest';
import { days, hours, minutes, seconds } from '../../src/core/clock.ts';
import type { DeviceState } from '../../src/device/state.ts';
import { cloudFlags, progressFlags } from '../../src/device/status.ts';
import { DeviceBench, hubId, ownerId } from '../support/device-bench.ts';

const provisioned = (): { readonly state: DeviceState; readonly now: number } => {
  const bench = new DeviceBench().boot();
  expect(bench.runOnline()).toBe(true);
  return { state: bench.machine.state, now: bench.now };
};

describe('a restart', () => {
  it('with a good state goes straight to the cloud and signs in with what it has', () => {
    const { state, now } = provisioned();
    const bench = new DeviceBench({ state, clock: now }).boot();
    expect(bench.runOnline()).toBe(true);
    expect(bench.names).toEqual(['sign-in']);
    expect(bench.progress).toEqual([10389, 10645]);
  });

  const without =
    (...keys: readonly (keyof DeviceState)[]) =>
    (state: DeviceState): DeviceState =>
      Object.fromEntries(
        Object.entries(state).filter(([key]) => !keys.includes(key as keyof DeviceState)),
      ) as unknown as DeviceState;

  it.each<[string, (state: DeviceState) => DeviceState, number[]]>([
    ['everything', without('clockOffset', 'owner', 'cloud', 'credentials', 'acl'), [1, 1, 1, 1, 1]],
    ['the time', without('clockOffset'), [1, 1, 1, 1, 1]],
    ['its owner', without('owner'), [0, 1, 1, 1, 1]],
    ['any owner but itself', (state) => ({ ...state, owner: state.deviceId }), [0, 1, 1, 1, 1]],
    ['its cloud', without('cloud', 'credentials', 'acl'), [0, 0, 1, 1, 1]],
    ['its credentials', without('credentials', 'acl'), [0, 0, 0, 1, 1]],
    ['its access control list', without('acl'), [0, 0, 0, 0, 1]],
  ])('without %s starts the run there', (_what, change, totals) => {
    const { state, now } = provisioned();
    const bench = new DeviceBench({ state: change(state), clock: now }).boot();
    expect(bench.runOnline()).toBe(true);
    expect(bench.totals).toEqual(totals);
  });

  it('with credentials that are about to expire fetches new ones first', () => {
    const { state, now } = provisioned();
    const later = (state.credentials?.validTo ?? 0) - (state.clockOffset ?? 0) - minutes(30);
    expect(later).toBeGreaterThan(now + days(80));
    const bench = new DeviceBench({ state, clock: later }).boot();
    bench.run(() => bench.asked.length > 0);
    expect(bench.names).toEqual(['credentials']);
  });

  it('after a power cut behind any write ends provisioned, with nothing half-installed', () => {
    const bench = new DeviceBench().boot();
    bench.runOnline();
    for (const state of bench.saved) {
      const again = new DeviceBench({ state, clock: bench.now }).boot();
      expect(again.runOnline()).toBe(true);
      expect(again.machine.state.deviceId).toBe(state.deviceId);
    }
  });

  it('of the machine while a step is outstanding asks for it again on a new session', () => {
    const bench = new DeviceBench().boot();
    bench.run(() => bench.count('credentials') === 1);
    bench.act((machine, now) => {
      machine.stop();
      machine.start(now);
    });
    expect(bench.runOnline()).toBe(true);
    expect(bench.totals).toEqual([1, 1, 1, 2, 1]);
  });
});

describe('stop', () => {
  it('closes every session, at any moment, and nothing more happens', () => {
    for (let asked = 1; asked <= 7; asked++) {
      const bench = new DeviceBench().boot();
      bench.run(() => bench.asked.length === asked);
      bench.act((machine) => machine.stop());
      expect(bench.open.size).toBe(0);
      bench.wait(minutes(10));
      expect(bench.asked).toHaveLength(asked);
      expect(bench.machine.nextTimeout()).toBeUndefined();
    }
  });
});

describe('a device without an endpoint', () => {
  it('stays uninitialized and asks nobody', () => {
    const state = { ...new DeviceBench().machine.state, endpoints: [] };
    const bench = new DeviceBench({ state }).boot();
    bench.wait(minutes(1));
    expect(bench.opened).toEqual([]);
    expect(bench.machine.status.text).toBe('uninitialized');
  });
});

describe('force re-provisioning', () => {
  it('does exactly one full run, offline and online again, with the same device id and registration', () => {
    const bench = new DeviceBench().boot();
    bench.runOnline();
    const { deviceId } = bench.machine.state;
    bench.act((machine, now) => machine.forceReprovision(now));
    expect(bench.machine.online).toBe(false);
    expect(bench.machine.status.progress).toBe(4097);
    expect(bench.runOnline()).toBe(true);
    expect(bench.totals).toEqual([2, 2, 2, 2, 2]);
    expect(bench.machine.state.deviceId).toBe(deviceId);
    expect(bench.count('sign-up')).toBe(1);
    expect(bench.count('sign-in')).toBe(2);
  });
});

describe('a factory reset', () => {
  it('gives a new device id and a new key, keeps nothing, and provisions again', () => {
    const bench = new DeviceBench().boot();
    bench.runOnline();
    const before = bench.machine.state;
    bench.act((machine, now) => machine.factoryReset(now));
    const { state } = bench.machine;
    expect(state.deviceId).not.toBe(before.deviceId);
    expect(state.key).not.toBe(before.key);
    expect(Object.keys(state).toSorted()).toEqual(['deviceId', 'endpoints', 'key', 'selected']);
    expect(bench.runOnline()).toBe(true);
    expect(bench.totals).toEqual([2, 2, 2, 2, 2]);
    expect(bench.count('sign-up')).toBe(2);
    expect(bench.opened[3]?.identity).toBe(bench.opened[0]?.identity);
  });

  it('in the middle of any step works as well', () => {
    for (let asked = 1; asked <= 7; asked++) {
      const bench = new DeviceBench().boot();
      bench.run(() => bench.asked.length === asked);
      const { deviceId } = bench.machine.state;
      bench.act((machine, now) => machine.factoryReset(now));
      expect(bench.runOnline()).toBe(true);
      expect(bench.machine.state.deviceId).not.toBe(deviceId);
    }
  });

  it('brings back the endpoints of the factory', () => {
    const bench: DeviceBench = new DeviceBench({
      behave: (asked, earlier, request) =>
        asked === 'acls' && earlier === 0
          ? { map: { ...bench.answerTo('acls', request), redirecturi: 'coaps://other.example:1' } }
          : 'answer',
    });
    bench.boot().runOnline();
    expect(bench.machine.state.endpoints[0]?.uri).toBe('coaps://other.example:1');
    bench.act((machine, now) => machine.factoryReset(now));
    expect(bench.machine.state.endpoints[0]?.uri).toBe('coaps://service.example:20030');
  });

  it('of a device that is off leaves it off', () => {
    const bench = new DeviceBench();
    bench.act((machine, now) => machine.factoryReset(now));
    expect(bench.opened).toEqual([]);
    expect(bench.saved).toHaveLength(1);
  });
});

describe('a new owner', () => {
  it('ends what the earlier one gave; the same owner again does not', () => {
    const owners = [ownerId, ownerId, hubId];
    const bench = new DeviceBench({
      behave: (asked, earlier) =>
        asked === 'ownership' ? { map: { devowneruuid: owners[earlier] ?? hubId } } : 'answer',
    }).boot();
    bench.runOnline();
    bench.act((machine, now) => machine.forceReprovision(now));
    bench.run(() => bench.count('cloud') === 2);
    expect(bench.machine.state.credentials).toBeDefined();
    bench.runOnline();
    bench.act((machine, now) => machine.forceReprovision(now));
    bench.run(() => bench.count('cloud') === 3);
    expect(bench.machine.state).not.toHaveProperty('credentials');
    expect(bench.machine.state).not.toHaveProperty('acl');
  });
});

describe('renewal', () => {
  it('asks for credentials alone, on a session of its own, and keeps the cloud session', () => {
    const bench = new DeviceBench({ lifetime: hours(3) }).boot();
    bench.runOnline();
    const first = bench.machine.state.credentials?.identity;
    bench.run(() => bench.count('credentials') === 2, hours(3));
    expect(Math.round(bench.now / minutes(1))).toBe(120);
    expect(bench.machine.status).toMatchObject({ progress: 11157, text: 'renew credentials' });
    bench.run(() => bench.machine.status.progress === 10645, minutes(1));
    expect(bench.totals).toEqual([1, 1, 1, 2, 1]);
    expect(bench.machine.state.credentials?.identity).not.toBe(first);
    expect(bench.machine.online).toBe(true);
    expect(bench.opened.map(({ purpose }) => purpose)).toEqual(['time', 'provision', 'cloud', 'renew']);
    expect([...bench.open.values()]).toEqual(['cloud']);
  });

  it('is tried again after a failure, without a full run', () => {
    const bench = new DeviceBench({
      lifetime: hours(3),
      behave: (asked, earlier) => (asked === 'credentials' && earlier > 0 && earlier < 5 ? { code: 500 } : 'answer'),
    }).boot();
    bench.runOnline();
    expect(bench.run(() => bench.count('credentials') === 6, hours(3))).toBe(true);
    bench.wait(seconds(1));
    expect(bench.totals).toEqual([1, 1, 1, 6, 1]);
    expect(bench.machine.online).toBe(true);
    expect(bench.machine.status.progress).toBe(10645);
  });
});

describe('at the cloud', () => {
  it('the flags tell of sign-up and sign-in', () => {
    const bench = new DeviceBench().boot();
    bench.runOnline();
    const { initialized, registered, loggedIn } = cloudFlags;
    expect(bench.cloud).toEqual([initialized, initialized | registered, initialized | registered | loggedIn]);
  });

  it('sign-up and sign-in each wait one to two seconds', () => {
    const bench = new DeviceBench().boot();
    bench.runOnline();
    const at = (name: string): number => bench.asked.find((asked) => asked.name === name)?.at ?? 0;
    for (const pause of [at('sign-up') - at('acls'), at('sign-in') - at('sign-up')]) {
      expect(pause).toBeGreaterThanOrEqual(seconds(1));
      expect(pause).toBeLessThan(seconds(2.1));
    }
  });

  it('it pings every 20 seconds and connects anew after six pings without an answer', () => {
    let silent = false;
    const bench = new DeviceBench({ pongs: () => !silent }).boot();
    bench.runOnline();
    bench.wait(minutes(2) + seconds(1));
    expect(bench.pings).toBe(6);
    expect(bench.machine.online).toBe(true);
    silent = true;
    bench.run(() => !bench.machine.online, minutes(3));
    expect(bench.pings).toBe(12);
    expect(bench.runOnline(minutes(1))).toBe(true);
    expect(bench.count('sign-up')).toBe(1);
    expect(bench.totals).toEqual([1, 1, 1, 1, 1]);
  });

  it('a session that the gateway ends is made anew', () => {
    const bench = new DeviceBench().boot();
    bench.runOnline();
    const session = bench.opened.at(-1)?.session ?? 0;
    bench.act((machine, now) => machine.closed(session, 'close-notify', now));
    expect(bench.machine.online).toBe(false);
    expect(bench.cloud.at(-1)).toBe(
      cloudFlags.initialized | cloudFlags.registered | cloudFlags.failure | cloudFlags.loggedOut,
    );
    expect(bench.runOnline(minutes(1))).toBe(true);
    expect(bench.names.slice(-2)).toEqual(['sign-in', 'sign-in']);
  });

  it('a token is refreshed before it expires, and the device signs in again on the same session', () => {
    const bench = new DeviceBench({
      behave: (asked) => (asked === 'sign-in' ? { map: { expiresin: 600 } } : 'answer'),
    }).boot();
    bench.runOnline();
    const at = bench.now;
    bench.run(() => bench.count('sign-in') === 2, minutes(10));
    expect(Math.round((bench.now - at) / seconds(1))).toBe(540);
    expect(bench.names.slice(-2)).toEqual(['token-refresh', 'sign-in']);
    expect(bench.opened).toHaveLength(3);
  });

  it('a token that is refused at sign-in is refreshed; one that stays refused makes it sign up anew', () => {
    const once = new DeviceBench({
      behave: (asked, earlier) => (asked === 'sign-in' && earlier === 0 ? { code: 401 } : 'answer'),
    }).boot();
    expect(once.runOnline()).toBe(true);
    expect(once.names.slice(5)).toEqual(['sign-up', 'sign-in', 'token-refresh', 'sign-in']);

    const twice = new DeviceBench({
      behave: (asked, earlier) => (asked === 'sign-in' && earlier < 2 ? { code: 401 } : 'answer'),
    }).boot();
    expect(twice.runOnline()).toBe(true);
    expect(twice.names.slice(5)).toEqual(['sign-up', 'sign-in', 'token-refresh', 'sign-in', 'sign-up', 'sign-in']);
    expect(twice.totals).toEqual([1, 1, 1, 1, 1]);
  });

  it('a gateway that does not let it in for 30 checks makes it provision again', () => {
    const bench = new DeviceBench({ behave: (asked) => (asked === 'sign-up' ? { code: 500 } : 'answer') }).boot();
    bench.run(() => bench.count('time') === 2);
    const started = bench.asked.find(({ name }) => name === 'acls')?.at ?? 0;
    expect(Math.round((bench.now - started) / seconds(1))).toBe(30);
    expect(bench.open.size).toBe(1);
  });

  it('another gateway of the same hub is tried without provisioning', () => {
    const bench = new DeviceBench({
      gateways: [{ uri: 'coaps+tcp://second.example:5684', id: hubId }],
      connect: ({ uri }) => (uri.includes('gateway.example') ? 'refused' : 'up'),
    }).boot();
    expect(bench.runOnline()).toBe(true);
    expect(bench.totals).toEqual([1, 1, 1, 1, 1]);
    expect(bench.opened.at(-1)?.uri).toBe('coaps+tcp://second.example:5684');
  });

  it('another hub means credentials and access control list first', () => {
    const other = '99999999-2222-4333-8444-555555555555';
    const bench = new DeviceBench({
      gateways: [{ uri: 'coaps+tcp://second.example:5684', id: other }],
      connect: ({ uri }) => (uri.includes('gateway.example') ? 'refused' : 'up'),
    }).boot();
    expect(bench.runOnline()).toBe(true);
    expect(bench.totals).toEqual([1, 1, 1, 2, 2]);
    expect(bench.progress).toContain(10369 | progressFlags.getCredentials);
  });
});
