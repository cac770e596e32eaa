import { describe, expect, it } from 'vitest';
import { minutes, seconds } from '../../src/core/clock.ts';
import { type BenchOptions, DeviceBench, gatewayUri, hubId, ownerId } from '../support/device-bench.ts';

const otherHub = { uri: 'coaps+tcp://second.example:5684', id: '99999999-2222-4333-8444-555555555555' };

/** A device that is provisioned once more, and told another hub then. */
function moved(options: BenchOptions = {}): DeviceBench {
  const bench = new DeviceBench({
    hub: (earlier) => (earlier === 0 ? { uri: gatewayUri, id: hubId } : otherHub),
    ...options,
  }).boot();
  expect(bench.runOnline()).toBe(true);
  bench.act((machine, now) => machine.forceReprovision(now));
  return bench;
}

describe('another hub in the cloud configuration', () => {
  it('makes a registered device sign off at the old one, with what it had there', () => {
    const bench = new DeviceBench({
      hub: (earlier) => (earlier === 0 ? { uri: gatewayUri, id: hubId } : otherHub),
    }).boot();
    bench.runOnline();
    const { deviceId, cloud } = bench.machine.state;
    bench.act((machine, now) => machine.forceReprovision(now));
    expect(bench.runOnline()).toBe(true);
    const [open, ...more] = bench.opened.filter(({ purpose }) => purpose === 'sign-off');
    expect(more).toEqual([]);
    expect(open).toMatchObject({ uri: gatewayUri, trust: { dates: 'check' }, identity: bench.opened[2]?.identity });
    const [asked] = bench.asked.filter(({ name }) => name === 'sign-off');
    expect(asked?.request.query).toEqual([
      'uid=user',
      `di=${deviceId}`,
      `accesstoken=${cloud?.registration?.accessToken}`,
    ]);
    expect(bench.outcomes.find(({ step }) => step === 'sign-off')).toMatchObject({ result: 'done' });
    expect(bench.opened.at(-1)?.uri).toBe(otherHub.uri);
    expect(bench.count('sign-up')).toBe(2);
    expect(bench.totals).toEqual([2, 2, 2, 2, 2]);
  });

  it.each(['silence', 'close', { code: 401 }, { code: 500 }] as const)(
    'does not wait for an old hub that answers %j',
    (behaviour) => {
      const plain = moved();
      plain.runOnline();
      const bench = moved({ behave: (asked) => (asked === 'sign-off' ? behaviour : 'answer') });
      expect(bench.runOnline()).toBe(true);
      expect(Math.abs(bench.now - plain.now)).toBeLessThan(seconds(3));
      bench.wait(seconds(11));
      expect([...bench.open.values()]).toEqual(['cloud']);
      expect(bench.outcomes.find(({ step }) => step === 'sign-off')).toMatchObject({ result: 'failure' });
    },
  );

  it('gives up an old hub that cannot be reached after ten seconds', () => {
    const bench = moved({ connect: ({ purpose }) => (purpose === 'sign-off' ? 'silence' : 'up') });
    expect(bench.runOnline()).toBe(true);
    bench.wait(seconds(12));
    expect(bench.count('sign-off')).toBe(0);
    expect([...bench.open.values()]).toEqual(['cloud']);
    expect(bench.machine.online).toBe(true);
  });

  it('with a token that is too long for the query signs in first, and leaves it out', () => {
    const accesstoken = 'x'.repeat(300);
    const bench = moved({
      behave: (asked) =>
        asked === 'sign-up' ? { map: { accesstoken, refreshtoken: 'refresh', uid: 'user', expiresin: -1 } } : 'answer',
    });
    bench.run(() => bench.count('sign-off') === 1);
    expect(bench.asked.at(-1)?.request.query).toEqual(['uid=user', `di=${bench.machine.state.deviceId}`]);
    expect(bench.names.slice(-3).filter((name) => name.startsWith('sign'))).toEqual(['sign-in', 'sign-off']);
    expect(bench.runOnline()).toBe(true);
  });

  it('says nothing to a hub at which the device was never registered', () => {
    const bench: DeviceBench = new DeviceBench({
      hub: (earlier) => (earlier === 0 ? { uri: gatewayUri, id: hubId } : otherHub),
      behave: (asked, earlier) =>
        asked === 'sign-up' && earlier < 20 && bench.count('cloud') < 2 ? { code: 500 } : 'answer',
    });
    bench.boot();
    expect(bench.runOnline(minutes(10))).toBe(true);
    expect(bench.count('cloud')).toBe(2);
    expect(bench.opened.map(({ purpose }) => purpose)).not.toContain('sign-off');
  });

  it('with another owner at the same time still signs off as it was', () => {
    const bench = moved({ owner: (earlier) => (earlier === 0 ? ownerId : 'aaaaaaaa-1807-4f6e-8d5c-4b3a29180700') });
    expect(bench.runOnline()).toBe(true);
    expect(bench.count('sign-off')).toBe(1);
    expect(bench.opened.find(({ purpose }) => purpose === 'sign-off')?.identity.chain).toEqual(
      bench.opened[2]?.identity.chain,
    );
  });

  it('is told to the old hub once, however often the run starts over', () => {
    const bench = moved({
      behave: (asked, earlier) => (asked === 'acls' && earlier > 0 && earlier < 4 ? { code: 500 } : 'answer'),
    });
    expect(bench.runOnline()).toBe(true);
    expect(bench.count('cloud')).toBe(5);
    expect(bench.count('sign-off')).toBe(1);
  });

  it('is not waited for by a stop', () => {
    const bench = moved({ behave: (asked) => (asked === 'sign-off' ? 'silence' : 'answer') });
    bench.run(() => bench.count('sign-off') === 1);
    bench.act((machine) => machine.stop());
    expect(bench.open.size).toBe(0);
    expect(bench.machine.nextTimeout()).toBeUndefined();
  });
});

describe('the same hub in the cloud configuration', () => {
  it.each([
    ['as before', { uri: gatewayUri, id: hubId }, 1],
    // Another address: the device signs up there, and its hub knows it already.
    ['at another address', { uri: 'coaps+tcp://elsewhere.example:5684', id: hubId }, 2],
  ])('%s is not signed off from', (_what, hub, signUps) => {
    const bench = moved({ hub: (earlier) => (earlier === 0 ? { uri: gatewayUri, id: hubId } : hub) });
    expect(bench.runOnline()).toBe(true);
    expect(bench.count('sign-off')).toBe(0);
    expect(bench.count('sign-up')).toBe(signUps);
  });

  it('keeps the registration of a device that had moved to another gateway of it', () => {
    const second = { uri: 'coaps+tcp://second.example:5684', id: hubId };
    const bench = new DeviceBench({
      gateways: [second],
      connect: ({ uri }) => (uri === gatewayUri ? 'refused' : 'up'),
    }).boot();
    expect(bench.runOnline()).toBe(true);
    bench.act((machine, now) => machine.forceReprovision(now));
    expect(bench.runOnline()).toBe(true);
    expect(bench.count('sign-up')).toBe(1);
  });

  it('after the device had moved to a gateway of another hub means signing off there, and signing up anew', () => {
    let down = true;
    const bench = new DeviceBench({
      gateways: [otherHub],
      connect: ({ uri }) => (uri === gatewayUri && down ? 'refused' : 'up'),
    }).boot();
    expect(bench.runOnline()).toBe(true);
    expect(bench.hub).toBe(otherHub.id);
    down = false;
    bench.act((machine, now) => machine.forceReprovision(now));
    expect(bench.runOnline()).toBe(true);
    expect(bench.hub).toBe(hubId);
    expect(bench.opened.find(({ purpose }) => purpose === 'sign-off')?.uri).toBe(otherHub.uri);
    expect(bench.count('sign-up')).toBe(2);
  });
});
