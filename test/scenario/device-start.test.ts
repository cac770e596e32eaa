import { describe, expect, it } from 'vitest';
import { days, hours, minutes, seconds } from '../../src/core/clock.ts';
import type { RunReason, StartDecision } from '../../src/device/start-gate.ts';
import type { DeviceState } from '../../src/device/state.ts';
import { DeviceBench } from '../support/device-bench.ts';

/** Decides about runs of one reason by a list; past its end, and for other reasons, the run may begin. */
const script =
  (reason: RunReason, decisions: readonly StartDecision[]) =>
  (asked: RunReason): StartDecision => {
    if (asked !== reason) return 'apply';
    const [next = 'apply', ...rest] = decisions;
    decisions = rest;
    return next;
  };

const provisioned = (): { readonly state: DeviceState; readonly now: number } => {
  const bench = new DeviceBench().boot();
  expect(bench.runOnline()).toBe(true);
  return { state: bench.machine.state, now: bench.now };
};

const isProvisioned = (bench: DeviceBench) => (): boolean => bench.machine.status.progress === 10645;

describe('a device that shall not connect', () => {
  it('is provisioned and never goes to its cloud', () => {
    const bench = new DeviceBench({ settings: { connect: false } }).boot();
    expect(bench.run(isProvisioned(bench))).toBe(true);
    bench.wait(hours(1));
    expect(bench.opened.map(({ purpose }) => purpose)).toEqual(['time', 'provision']);
    expect(bench.cloud).toEqual([]);
    expect(bench.open.size).toBe(0);
  });

  it('is not taken for disconnected, and renews its credentials all the same', () => {
    const bench = new DeviceBench({ settings: { connect: false }, lifetime: hours(3) }).boot();
    expect(bench.run(() => bench.count('credentials') === 2, hours(3))).toBe(true);
    expect(bench.alarms).toEqual([]);
  });

  it('with a good state does nothing at all after a restart', () => {
    const { state, now } = provisioned();
    const bench = new DeviceBench({ state, clock: now, settings: { connect: false } }).boot();
    bench.wait(hours(1));
    expect(bench.opened).toEqual([]);
    expect(bench.machine.status.text).toBe('provisioned');
  });
});

describe('the conditional start', () => {
  it('is asked once for a run, with its reason, however many tries the run takes', () => {
    const bench = new DeviceBench({ behave: (_asked, earlier) => (earlier < 3 ? { code: 503 } : 'answer') }).boot();
    expect(bench.run(isProvisioned(bench))).toBe(true);
    expect(bench.totals).toEqual([8, 7, 6, 5, 4]);
    expect(bench.reasons).toEqual(['first-boot']);
  });

  it('is not asked by a device that goes straight to its cloud', () => {
    const { state, now } = provisioned();
    const bench = new DeviceBench({ state, clock: now, beforeRun: () => 'ignore' }).boot();
    expect(bench.runOnline()).toBe(true);
    expect(bench.reasons).toEqual([]);
  });

  it('that ignores the first boot leaves the device alone until it is started again', () => {
    const bench = new DeviceBench({ beforeRun: script('first-boot', ['ignore']) }).boot();
    bench.wait(hours(24));
    expect(bench.opened).toEqual([]);
    expect(bench.machine.status).toMatchObject({ progress: 1, text: 'initialized' });
    expect(bench.machine.nextTimeout()).toBeUndefined();
    bench.boot();
    expect(bench.runOnline()).toBe(true);
    expect(bench.reasons).toEqual(['first-boot', 'first-boot']);
  });

  it('that ignores the first boot is asked again by force, and by a reset', () => {
    const forced = new DeviceBench({ beforeRun: script('first-boot', ['ignore']) }).boot();
    forced.act((machine, now) => machine.forceReprovision(now));
    expect(forced.runOnline()).toBe(true);
    expect(forced.reasons).toEqual(['first-boot', 'forced']);

    const reset = new DeviceBench({ beforeRun: script('first-boot', ['ignore']) }).boot();
    reset.act((machine, now) => machine.factoryReset(now));
    expect(reset.runOnline()).toBe(true);
    expect(reset.reasons).toEqual(['first-boot', 'first-boot']);
  });

  it('that reschedules is asked again after so many ms, and as often as it likes', () => {
    const later = { reschedule: minutes(5) };
    const bench = new DeviceBench({ beforeRun: script('first-boot', [later, later]) }).boot();
    bench.run(() => bench.opened.length > 0);
    expect(bench.now).toBe(minutes(10));
    expect(bench.reasons).toHaveLength(3);
    expect(bench.runOnline()).toBe(true);
  });

  it('that reschedules is not asked early by another start, and not at all after a stop', () => {
    const bench = new DeviceBench({ beforeRun: script('first-boot', [{ reschedule: minutes(5) }]) }).boot();
    bench.wait(minutes(1));
    bench.boot();
    expect(bench.reasons).toHaveLength(1);
    bench.act((machine) => machine.stop());
    bench.wait(hours(1));
    expect(bench.reasons).toHaveLength(1);
    expect(bench.opened).toEqual([]);
  });

  it('names what is missing apart from a first boot', () => {
    const { state, now } = provisioned();
    const { acl: _acl, ...rest } = state;
    const bench = new DeviceBench({ state: rest, clock: now }).boot();
    bench.runOnline();
    expect(bench.reasons).toEqual(['missing']);
    expect(bench.totals).toEqual([0, 0, 0, 0, 1]);
  });

  it('that ignores a forced run leaves the device at its cloud', () => {
    const bench = new DeviceBench({ beforeRun: script('forced', ['ignore', { reschedule: hours(1) }]) }).boot();
    bench.runOnline();
    bench.act((machine, now) => machine.forceReprovision(now));
    expect(bench.machine.online).toBe(true);
    bench.act((machine, now) => machine.forceReprovision(now));
    bench.wait(minutes(59));
    expect(bench.machine.online).toBe(true);
    expect(bench.totals).toEqual([1, 1, 1, 1, 1]);
    bench.run(() => !bench.machine.online, minutes(2));
    expect(bench.runOnline()).toBe(true);
    expect(bench.totals).toEqual([2, 2, 2, 2, 2]);
  });

  it('that ignores a renewal is asked again at the next schedule', () => {
    const bench = new DeviceBench({ lifetime: hours(9), beforeRun: script('renewal', ['ignore', 'ignore']) }).boot();
    bench.runOnline();
    bench.run(() => bench.reasons.length === 2, hours(9));
    expect(Math.round(bench.now / minutes(1))).toBe(360);
    bench.run(() => bench.reasons.length === 3, hours(9));
    // Two thirds of the three hours that are left.
    expect(Math.round(bench.now / minutes(1))).toBe(480);
    // Less than the expiring limit is left then: soon again, but not without end.
    expect(bench.run(() => bench.count('credentials') === 2, hours(1))).toBe(true);
    expect(bench.reasons).toEqual(['first-boot', 'renewal', 'renewal', 'renewal']);
    expect(bench.machine.online).toBe(true);
  });

  it('that ignores every renewal is asked at most every ten seconds when the credentials run out', () => {
    const ignoring = (reason: RunReason): StartDecision => (reason === 'renewal' ? 'ignore' : 'apply');
    const bench = new DeviceBench({ lifetime: hours(2), beforeRun: ignoring }).boot();
    bench.runOnline();
    bench.wait(hours(2));
    const asked = bench.reasons.length;
    bench.wait(minutes(1));
    expect(bench.reasons.length - asked).toBe(6);
  });

  it('that reschedules a renewal is asked again then, and the renewal is one of the credentials alone', () => {
    const bench = new DeviceBench({
      lifetime: days(3),
      beforeRun: script('renewal', [{ reschedule: minutes(30) }]),
    }).boot();
    bench.runOnline();
    expect(bench.run(() => bench.count('credentials') === 2, days(3))).toBe(true);
    expect(Math.round(bench.now / minutes(1))).toBe(48 * 60 + 30);
    bench.wait(minutes(1));
    expect(bench.totals).toEqual([1, 1, 1, 2, 1]);
  });

  it.each<readonly StartDecision[]>([['ignore'], [{ reschedule: minutes(10) }, 'ignore']])(
    'does not lose a renewal that is held back to a forced run that comes to nothing (%j)',
    (...decisions) => {
      const forced = script('forced', decisions);
      const renewal = script('renewal', [{ reschedule: minutes(30) }]);
      const bench = new DeviceBench({
        lifetime: hours(9),
        beforeRun: (reason) => (reason === 'forced' ? forced(reason) : renewal(reason)),
      }).boot();
      bench.run(() => bench.reasons.includes('renewal'), hours(9));
      bench.act((machine, now) => machine.forceReprovision(now));
      expect(bench.run(() => bench.count('credentials') === 2, hours(1))).toBe(true);
      expect(bench.reasons.at(-1)).toBe('renewal');
      expect(bench.totals).toEqual([1, 1, 1, 2, 1]);
    },
  );

  it('does not lose a run that is held back to a renewal that is due meanwhile', () => {
    const bench = new DeviceBench({ lifetime: hours(3), beforeRun: script('forced', [{ reschedule: hours(2.5) }]) });
    bench.boot().runOnline();
    bench.act((machine, now) => machine.forceReprovision(now));
    expect(bench.run(() => bench.count('time') === 2, hours(3))).toBe(true);
    expect(bench.runOnline()).toBe(true);
    expect(bench.reasons).toEqual(['first-boot', 'forced', 'forced']);
    expect(bench.totals).toEqual([2, 2, 2, 2, 2]);
  });

  it('that ignores the run after the last gateway lets the device try that gateway on, and is asked each time', () => {
    const bench = new DeviceBench({
      behave: (asked, earlier) => (asked === 'sign-up' && earlier < 12 ? { code: 500 } : 'answer'),
      beforeRun: script('gateways-exhausted', ['ignore', 'ignore', 'ignore', 'ignore', 'ignore']),
    }).boot();
    expect(bench.runOnline()).toBe(true);
    expect(bench.totals).toEqual([1, 1, 1, 1, 1]);
    expect(bench.reasons.filter((reason) => reason === 'gateways-exhausted').length).toBeGreaterThan(1);
  });

  it('that reschedules the run after the last gateway is not asked again before its time', () => {
    const bench = new DeviceBench({
      behave: (asked) => (asked === 'sign-up' ? { code: 500 } : 'answer'),
      beforeRun: script('gateways-exhausted', [{ reschedule: minutes(10) }]),
    }).boot();
    bench.run(() => bench.count('time') === 2);
    expect(bench.reasons).toEqual(['first-boot', 'gateways-exhausted', 'gateways-exhausted']);
    expect(Math.round(bench.now / minutes(1))).toBe(11);
    expect(bench.count('sign-up')).toBeGreaterThan(10);
  });

  it('is asked when the next gateway is another hub, and holds its credentials back', () => {
    const bench = new DeviceBench({
      gateways: [{ uri: 'coaps+tcp://second.example:5684', id: '99999999-2222-4333-8444-555555555555' }],
      connect: ({ uri }) => (uri.includes('gateway.example') ? 'refused' : 'up'),
      beforeRun: script('hub-changed', [{ reschedule: minutes(1) }, 'ignore']),
    }).boot();
    bench.run(() => bench.reasons.includes('hub-changed'));
    const at = bench.now;
    bench.run(() => bench.reasons.length === 3);
    expect(bench.now - at).toBe(minutes(1));
    bench.wait(hours(1));
    // Not at a cloud that would refuse the credentials of the other one.
    expect(bench.opened.at(-1)?.uri).not.toContain('second.example');
    bench.boot();
    expect(bench.runOnline()).toBe(true);
    expect(bench.reasons).toEqual(['first-boot', 'hub-changed', 'hub-changed', 'missing']);
    expect(bench.totals).toEqual([1, 1, 1, 2, 2]);
  });

  it('may stop or reset the device that asks it', () => {
    const stopping = new DeviceBench({
      beforeRun: (_reason, machine) => {
        machine.stop();
        return 'apply';
      },
    }).boot();
    stopping.wait(minutes(10));
    expect(stopping.opened).toEqual([]);
    expect(stopping.machine.running).toBe(false);
  });

  it.each(['stop', 'factoryReset', 'setEndpoints', 'forceReprovision'] as const)(
    'may let the device %s when no gateway is left, and the device is not at its old gateway after it',
    (what) => {
      const bench = new DeviceBench({
        behave: (asked, earlier) => {
          if (asked === 'sign-up') return { code: 500 };
          return asked === 'time' && earlier > 0 ? 'silence' : 'answer';
        },
        beforeRun: (reason, machine) => {
          if (reason !== 'gateways-exhausted') return 'apply';
          if (what === 'setEndpoints') machine.setEndpoints([], bench.now);
          else machine[what](bench.now);
          return 'ignore';
        },
      }).boot();
      expect(bench.run(() => bench.reasons.includes('gateways-exhausted'))).toBe(true);
      expect([...bench.open.values()]).not.toContain('cloud');
      const { length } = bench.opened;
      bench.wait(seconds(5));
      expect(bench.opened.slice(length)).toEqual([]);
    },
  );
});

describe('the alarm Disconnected', () => {
  it('is raised while the device is on and not signed in, and cleared at sign-in', () => {
    const bench = new DeviceBench();
    expect(bench.machine.alarms.size).toBe(0);
    bench.boot();
    expect([...bench.machine.alarms]).toEqual(['Disconnected']);
    bench.runOnline();
    expect(bench.alarms).toEqual(['Disconnected true', 'Disconnected false']);
    expect(bench.machine.alarms.size).toBe(0);
  });

  it('comes back when the gateway ends the session', () => {
    const bench = new DeviceBench().boot();
    bench.runOnline();
    bench.hangUp();
    expect(bench.alarms.at(-1)).toBe('Disconnected true');
    bench.runOnline();
    expect(bench.alarms.at(-1)).toBe('Disconnected false');
  });

  it('is cleared by a stop, and never raised by a device without an endpoint', () => {
    const bench = new DeviceBench().boot();
    bench.act((machine) => machine.stop());
    expect(bench.alarms).toEqual(['Disconnected true', 'Disconnected false']);
    const waiting = new DeviceBench({ state: { ...bench.machine.state, endpoints: [] } }).boot();
    expect(waiting.alarms).toEqual([]);
  });
});

describe('the alarm ProvisioningFailed', () => {
  it('is raised by the first failure of the failing class, and cleared when a run ends well', () => {
    const bench = new DeviceBench({
      behave: (asked, earlier) => (asked === 'acls' && earlier < 2 ? { code: 500 } : 'answer'),
    }).boot();
    bench.runOnline();
    const told = bench.alarms.filter((alarm) => alarm.startsWith('ProvisioningFailed'));
    expect(told).toEqual(['ProvisioningFailed true', 'ProvisioningFailed false']);
    expect(bench.alarms.indexOf('ProvisioningFailed false')).toBeLessThan(bench.alarms.indexOf('Disconnected false'));
  });

  it('is raised by the third transient failure in a row, not by the second', () => {
    const failing = (times: number): DeviceBench => {
      const bench = new DeviceBench({
        behave: (asked, earlier) => (asked === 'acls' && earlier < times ? { code: 503 } : 'answer'),
      }).boot();
      expect(bench.runOnline()).toBe(true);
      return bench;
    };
    expect(failing(2).alarms).not.toContain('ProvisioningFailed true');
    expect(failing(3).alarms).toContain('ProvisioningFailed true');
  });

  it('is raised by a renewal, too, and the device stays at its cloud', () => {
    const bench = new DeviceBench({
      lifetime: hours(3),
      behave: (asked, earlier) => (asked === 'credentials' && earlier === 1 ? { code: 500 } : 'answer'),
    }).boot();
    bench.runOnline();
    bench.run(() => bench.count('credentials') === 3, hours(3));
    expect([...bench.machine.alarms]).toEqual(['ProvisioningFailed']);
    bench.wait(seconds(1));
    expect(bench.machine.alarms.size).toBe(0);
  });

  it('is cleared by a factory reset', () => {
    const bench = new DeviceBench({ behave: (_asked, earlier) => (earlier === 0 ? { code: 500 } : 'answer') }).boot();
    bench.run(() => bench.machine.alarms.has('ProvisioningFailed'));
    bench.act((machine, now) => machine.factoryReset(now));
    expect(bench.machine.alarms.has('ProvisioningFailed')).toBe(false);
  });
});
