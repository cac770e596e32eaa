import { describe, expect, it } from 'vitest';
import { hours, minutes, seconds } from '../../src/core/clock.ts';
import { cloudFlags } from '../../src/device/status.ts';
import { DeviceBench, freshState, gatewayUri, isConsistent } from '../support/device-bench.ts';

const other = { uri: 'coaps+tcp://other.example:20031', name: 'other' };
const third = { uri: 'coaps://third.example:1' };

const online = (options: ConstructorParameters<typeof DeviceBench>[0] = {}): DeviceBench => {
  const bench = new DeviceBench(options).boot();
  expect(bench.runOnline()).toBe(true);
  return bench;
};

describe('new endpoints', () => {
  it('take the place of the old ones, the first is selected, and a full run begins there', () => {
    const bench = online();
    bench.act((machine, now) => machine.setEndpoints([other, third], now));
    expect(bench.machine.state).toMatchObject({ endpoints: [other, third], selected: 0 });
    expect(bench.machine.online).toBe(false);
    expect(bench.runOnline()).toBe(true);
    expect(bench.totals).toEqual([2, 2, 2, 2, 2]);
    expect(bench.opened.slice(3).map(({ uri }) => uri)).toEqual([other.uri, other.uri, gatewayUri]);
    expect(bench.reasons).toEqual(['first-boot', 'forced']);
    expect(bench.count('sign-off')).toBe(0);
  });

  it('are asked in their order when the first gives no answer', () => {
    const bench = new DeviceBench({
      settings: { retry: { table: [seconds(1)], variant: 'documented' } },
      connect: ({ uri }) => (uri === other.uri ? 'refused' : 'up'),
    });
    bench.act((machine, now) => machine.setEndpoints([other, third], now));
    bench.boot();
    expect(bench.runOnline()).toBe(true);
    expect(bench.machine.state.selected).toBe(1);
  });

  it('of a device that is off are kept for its next start', () => {
    const bench = online();
    bench.act((machine) => machine.stop());
    bench.act((machine, now) => machine.setEndpoints([other], now));
    bench.wait(hours(1));
    expect(bench.totals).toEqual([1, 1, 1, 1, 1]);
    bench.boot();
    expect(bench.runOnline()).toBe(true);
    expect(bench.totals).toEqual([2, 2, 2, 2, 2]);
    expect(bench.opened[3]?.uri).toBe(other.uri);
  });

  it('hold over a power cut at any moment: the whole run is made at the new service', () => {
    const bench = online();
    const before = bench.saved.length;
    bench.act((machine, now) => machine.setEndpoints([other], now));
    bench.runOnline();
    const states = bench.saved.slice(before);
    expect(states.length).toBeGreaterThan(5);
    for (const state of states) {
      const again = new DeviceBench({ state, clock: bench.now }).boot();
      expect(again.runOnline()).toBe(true);
      expect(again.machine.state.endpoints).toEqual([other]);
      expect(again.machine.state).not.toHaveProperty('superseded');
      // Only what was through to its last step has nothing left to do.
      expect(again.totals).toEqual(state.superseded ? [1, 1, 1, 1, 1] : [0, 0, 0, 0, 0]);
      if (state.superseded) expect(isConsistent(again.machine.state)).toBe(true);
    }
  });

  it('end a wait for an endpoint', () => {
    const bench = new DeviceBench({ state: { ...freshState(), endpoints: [] } }).boot();
    bench.wait(minutes(10));
    expect(bench.machine.status.text).toBe('uninitialized');
    bench.act((machine, now) => machine.setEndpoints([other], now));
    expect(bench.runOnline()).toBe(true);
    expect(bench.reasons).toEqual(['first-boot']);
    expect(bench.opened[0]?.uri).toBe(other.uri);
  });

  it('in the middle of a first boot begin it again there', () => {
    const bench = new DeviceBench().boot();
    bench.run(() => bench.count('time') === 1);
    bench.act((machine, now) => machine.setEndpoints([other], now));
    expect(bench.runOnline()).toBe(true);
    expect(bench.totals).toEqual([2, 1, 1, 1, 1]);
  });
});

describe('no endpoint any more', () => {
  it.each([
    ['an empty list', []],
    ['an empty URI', [{ uri: '' }]],
    ['an empty URI before others', [{ uri: '' }, other]],
  ])('(%s) signs off, resets the device, and lets it wait for an endpoint', (_what, endpoints) => {
    const bench = online();
    const before = bench.machine.state;
    bench.act((machine, now) => machine.setEndpoints(endpoints, now));
    expect(bench.run(() => bench.machine.state.deviceId !== before.deviceId, seconds(2))).toBe(true);
    const [request] = bench.asked.filter(({ name }) => name === 'sign-off').map((asked) => asked.request);
    expect(request).toMatchObject({
      method: 'DELETE',
      path: ['oic', 'sec', 'account'],
      query: ['uid=user', `di=${before.deviceId}`, `accesstoken=${before.cloud?.registration?.accessToken}`],
    });
    // On the session it had.
    expect(bench.opened).toHaveLength(3);
    expect(bench.open.size).toBe(0);
    expect(bench.machine.state).toMatchObject({ endpoints: [], selected: 0 });
    expect(bench.machine.state.key).not.toBe(before.key);
    expect(Object.keys(bench.machine.state)).toHaveLength(4);
    expect(bench.machine.status).toMatchObject({ progress: 0, text: 'uninitialized' });
    expect(bench.machine.cloudFlags).toBe(cloudFlags.deregistered);
    expect(bench.machine.alarms.size).toBe(0);
    bench.wait(hours(24));
    expect(bench.opened).toHaveLength(3);

    bench.act((machine, now) => machine.setEndpoints([other], now));
    expect(bench.runOnline()).toBe(true);
    expect(bench.totals).toEqual([2, 2, 2, 2, 2]);
    expect(bench.count('sign-up')).toBe(2);
  });

  it('waits two seconds for a silent cloud, and resets then', () => {
    const bench = online({ behave: (asked) => (asked === 'sign-off' ? 'silence' : 'answer') });
    const { deviceId } = bench.machine.state;
    const at = bench.now;
    bench.act((machine, now) => machine.setEndpoints([], now));
    bench.run(() => bench.machine.state.deviceId !== deviceId);
    expect(bench.now - at).toBe(seconds(2));
    expect(bench.outcomes.at(-1)).toMatchObject({ step: 'sign-off', result: 'failure' });
    expect(bench.open.size).toBe(0);
  });

  it.each([{ code: 401 }, { code: 500 }, 'close'] as const)('resets at once when the cloud answers %j', (behaviour) => {
    const bench = online({ behave: (asked) => (asked === 'sign-off' ? behaviour : 'answer') });
    const { deviceId } = bench.machine.state;
    bench.act((machine, now) => machine.setEndpoints([], now));
    expect(bench.run(() => bench.machine.state.deviceId !== deviceId, seconds(1))).toBe(true);
    expect(bench.machine.cloudFlags).toBe(0);
  });

  it('opens a session for it with the old credentials when the device is registered, but not signed in', () => {
    const bench = online();
    const { credentials, clockOffset } = bench.machine.state;
    bench.hangUp();
    bench.act((machine, now) => machine.setEndpoints([], now));
    expect(bench.opened.at(-1)).toMatchObject({ purpose: 'sign-off', uri: gatewayUri, clockOffset });
    bench.run(() => bench.machine.state.owner === undefined);
    expect(bench.names.at(-1)).toBe('sign-off');
    expect(credentials).toBeDefined();
    expect(bench.open.size).toBe(0);
  });

  it('resets at once a device that is not registered anywhere, or off', () => {
    const early = new DeviceBench().boot();
    early.run(() => early.count('credentials') === 1);
    early.act((machine, now) => machine.setEndpoints([], now));
    expect(early.machine.state.owner).toBeUndefined();
    expect(early.open.size).toBe(0);

    const off = online();
    off.act((machine) => machine.stop());
    off.act((machine, now) => machine.setEndpoints([], now));
    expect(off.machine.state.endpoints).toEqual([]);
    expect(off.count('sign-off')).toBe(0);
  });

  it('is not forgotten by what happens while the cloud is told', () => {
    const leaving = (): DeviceBench => {
      const bench = online({ behave: (asked) => (asked === 'sign-off' ? 'silence' : 'answer') });
      return bench.act((machine, now) => machine.setEndpoints([], now));
    };
    const before = online().machine.state;
    const stopped = leaving().act((machine) => machine.stop());
    expect(stopped.machine.state.owner).toBeUndefined();
    expect(stopped.open.size).toBe(0);

    const started = leaving().boot();
    started.wait(seconds(3));
    expect(started.machine.state.owner).toBeUndefined();
    expect(started.machine.state.deviceId).not.toBe(before.deviceId);

    const forced = leaving().act((machine, now) => machine.forceReprovision(now));
    expect(forced.machine.status.text).toBe('uninitialized');

    const reset = leaving().act((machine, now) => machine.factoryReset(now));
    expect(reset.machine.state.endpoints).toHaveLength(1);
    expect(reset.runOnline()).toBe(true);

    const sent = leaving().act((machine, now) => machine.setEndpoints([other], now));
    expect(sent.runOnline()).toBe(true);
    expect(sent.opened.at(-2)?.uri).toBe(other.uri);
    expect(sent.count('sign-up')).toBe(2);
  });

  it('stays so over a restart', () => {
    const bench = online();
    bench.act((machine, now) => machine.setEndpoints([], now));
    bench.run(() => bench.machine.state.owner === undefined);
    const again = new DeviceBench({ state: bench.machine.state, clock: bench.now }).boot();
    again.wait(hours(1));
    expect(again.opened).toEqual([]);
    expect(again.machine.status.text).toBe('uninitialized');
  });
});

describe('a factory reset as by SIGHUP', () => {
  it('tells no cloud', () => {
    const bench = online();
    bench.act((machine, now) => machine.factoryReset(now));
    expect(bench.runOnline()).toBe(true);
    expect(bench.count('sign-off')).toBe(0);
    expect(bench.opened.map(({ purpose }) => purpose)).not.toContain('sign-off');
  });
});

describe('a redirect', () => {
  const redirecturi = 'coaps+tcp://other.example:20031';
  const redirecting = (step: string): DeviceBench => {
    const bench: DeviceBench = new DeviceBench({
      behave: (asked, earlier, request) =>
        asked === step && earlier === 0 ? { map: { ...bench.answerTo(asked, request), redirecturi } } : 'answer',
    });
    bench.boot();
    expect(bench.runOnline()).toBe(true);
    return bench;
  };
  const asked = (bench: DeviceBench): string[] => bench.opened.map(({ uri }) => uri.replace(/.*\/\/(\w+)\..*/, '$1'));

  it.each([
    ['cloud', ['service', 'service', 'other', 'gateway']],
    ['credentials', ['service', 'service', 'other', 'gateway']],
    // The run is through: the next one will go there.
    ['acls', ['service', 'service', 'gateway']],
  ])('in %s counts, with the rest of the answer', (step, services) => {
    const bench = redirecting(step);
    expect(bench.totals).toEqual([1, 1, 1, 1, 1]);
    expect(asked(bench)).toEqual(services);
    expect(bench.machine.state.endpoints).toEqual([{ uri: redirecturi }]);
    bench.act((machine, now) => machine.forceReprovision(now));
    bench.runOnline();
    expect(asked(bench).slice(services.length)).toEqual(['other', 'other', 'gateway']);
  });

  it('in the ownership answer is obeyed, although the answer is refused for it: all again at the other service', () => {
    const bench = redirecting('ownership');
    expect(bench.totals).toEqual([2, 2, 1, 1, 1]);
    expect(asked(bench)).toEqual(['service', 'service', 'other', 'other', 'gateway']);
  });

  it('in the time step is ignored', () => {
    const bench = redirecting('time');
    expect(asked(bench)).toEqual(['service', 'service', 'gateway']);
    expect(bench.machine.state.endpoints[0]?.uri).toBe('coaps://service.example:20030');
  });

  it('takes the place of the endpoint in use and leaves the others', () => {
    const endpoints = [{ uri: 'coaps://a.example:1' }, { uri: 'coaps://b.example:1', name: 'b' }];
    const bench: DeviceBench = new DeviceBench({
      state: { ...freshState(), endpoints },
      behave: (step, earlier, request) =>
        step === 'cloud' && earlier === 0 ? { map: { ...bench.answerTo(step, request), redirecturi } } : 'answer',
    });
    bench.boot().runOnline();
    expect(bench.machine.state).toMatchObject({ endpoints: [endpoints[1], { uri: redirecturi }], selected: 1 });
  });
});
