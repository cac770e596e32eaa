import { describe, expect, it } from 'vitest';
import { hours } from '../../src/core/clock.ts';
import { firstMissingStep, staleTag } from '../../src/device/state.ts';
import type { Step } from '../../src/device/steps.ts';
import { type BenchOptions, DeviceBench, gatewayUri, hubId, isConsistent, ownerId } from '../support/device-bench.ts';

const otherHub = { uri: 'coaps+tcp://second.example:5684', id: '99999999-2222-4333-8444-555555555555' };
const otherOwner = 'aaaaaaaa-1807-4f6e-8d5c-4b3a29180700';

/** What a device is made to do once it is at its cloud. */
interface Story {
  readonly options: BenchOptions;
  readonly goes: (bench: DeviceBench) => void;
  /** Where a restart begins after each write of the story, the first boot apart; undefined: straight to the cloud. */
  readonly restartsAt: readonly (Step | undefined)[];
}

const force = (bench: DeviceBench): void => {
  bench.act((machine, now) => machine.forceReprovision(now));
  expect(bench.runOnline()).toBe(true);
};

const stories: Readonly<Record<string, Story>> = {
  'a forced run': {
    options: {},
    goes: force,
    // The access control list is superseded between new credentials and the new list.
    restartsAt: [undefined, undefined, undefined, 'acls', undefined],
  },
  'a forced run to another hub': {
    options: { hub: (earlier) => (earlier === 0 ? { uri: gatewayUri, id: hubId } : otherHub) },
    goes: force,
    restartsAt: [undefined, undefined, 'credentials', 'acls', undefined, undefined],
  },
  'a forced run to another owner': {
    options: { owner: (earlier) => (earlier === 0 ? ownerId : otherOwner) },
    goes: force,
    // The last one: it signs up anew.
    restartsAt: [undefined, 'cloud', 'credentials', 'acls', undefined, undefined],
  },
  'a forced run to another owner and hub': {
    options: {
      owner: (earlier) => (earlier === 0 ? ownerId : otherOwner),
      hub: (earlier) => (earlier === 0 ? { uri: gatewayUri, id: hubId } : otherHub),
    },
    goes: force,
    restartsAt: [undefined, 'cloud', 'credentials', 'acls', undefined, undefined],
  },
  'a move to the next gateway, which is another hub': {
    options: {
      gateways: [otherHub],
      connect: ({ uri, purpose }, earlier) =>
        purpose === 'cloud' && uri === gatewayUri && earlier > 2 ? 'refused' : 'up',
    },
    goes: (bench) => {
      bench.hangUp();
      expect(bench.runOnline()).toBe(true);
    },
    restartsAt: ['credentials', 'acls', undefined, undefined],
  },
  'a renewal': {
    options: { lifetime: hours(3) },
    goes: (bench) => {
      expect(bench.run(() => bench.count('credentials') === 2, hours(3))).toBe(true);
      bench.wait(1000);
    },
    restartsAt: [undefined],
  },
  'a factory reset': {
    options: {},
    goes: (bench) => {
      bench.act((machine, now) => machine.factoryReset(now));
      expect(bench.runOnline()).toBe(true);
    },
    restartsAt: ['time', 'ownership', 'cloud', 'credentials', 'acls', undefined, undefined],
  },
};

describe('a power cut after any write of', () => {
  it('a first boot leaves a device that goes on at the next step', () => {
    const bench = new DeviceBench().boot();
    expect(bench.runOnline()).toBe(true);
    expect(bench.saved.map((state) => firstMissingStep(state, bench.now, hours(1)))).toEqual([
      'ownership',
      'cloud',
      'credentials',
      'acls',
      undefined,
      undefined,
    ]);
    for (const state of bench.saved) resume(bench, state);
  });

  it.each(Object.keys(stories))('%s leaves a device that still works, or starts over at the right step', (name) => {
    const story = stories[name];
    if (!story) throw new Error(name);
    const bench = new DeviceBench(story.options).boot();
    expect(bench.runOnline()).toBe(true);
    const before = bench.saved.length;
    story.goes(bench);
    const states = bench.saved.slice(before);
    expect(isConsistent(bench.machine.state)).toBe(true);
    expect(states.map((state) => firstMissingStep(state, bench.now, hours(1)))).toEqual(story.restartsAt);
    for (const state of states) resume(bench, state);
  });
});

/** Switches a device on again over what was stored: it must end at its cloud, and never go there inconsistent. */
function resume(before: DeviceBench, state: DeviceBench['machine']['state']): void {
  const again: DeviceBench = new DeviceBench({
    state,
    clock: before.now,
    hub: () => ({ uri: gatewayUri, id: before.hub }),
    owner: () => before.machine.state.owner ?? ownerId,
    connect: ({ purpose }) => {
      if (purpose === 'cloud') expect(isConsistent(again.machine.state)).toBe(true);
      return 'up';
    },
  });
  again.boot();
  expect(again.runOnline()).toBe(true);
  expect(isConsistent(again.machine.state)).toBe(true);
  expect(again.machine.state.deviceId).toBe(state.deviceId);
}

describe('what is superseded', () => {
  it('is tagged stale, and stays in force until the new one is there', () => {
    const bench = new DeviceBench({
      hub: (earlier) => (earlier === 0 ? { uri: gatewayUri, id: hubId } : otherHub),
    }).boot();
    bench.runOnline();
    const old = bench.machine.state;
    bench.act((machine, now) => machine.forceReprovision(now));
    bench.run(() => bench.count('credentials') === 2);
    const { credentials, acl } = bench.machine.state;
    expect(credentials).toEqual({ ...old.credentials, tag: staleTag });
    expect(acl).toEqual(old.acl?.map((ace) => ({ ...ace, tag: staleTag })));
    bench.run(() => bench.count('acls') === 2);
    expect(bench.machine.state.credentials?.tag).toBe('dps');
    expect(bench.machine.state.acl?.every(({ tag }) => tag === staleTag)).toBe(true);
    bench.runOnline();
    expect(bench.machine.state.acl?.every(({ tag }) => tag === 'dps')).toBe(true);
  });

  it('is not the access control list at a renewal', () => {
    const bench = new DeviceBench({ lifetime: hours(3) }).boot();
    bench.runOnline();
    const { acl } = bench.machine.state;
    bench.run(() => bench.count('credentials') === 2, hours(3));
    bench.wait(1000);
    expect(bench.machine.state.acl).toEqual(acl);
  });

  it('are not entries that the provisioning service did not tag', () => {
    const untagged = { permission: 2, subject: { conntype: 'anon-clear' as const }, resources: [{ href: '/oic/d' }] };
    const bench = new DeviceBench().boot();
    bench.runOnline();
    const state = { ...bench.machine.state, acl: [...(bench.machine.state.acl ?? []), untagged] };
    const again = new DeviceBench({ state, clock: bench.now }).boot();
    again.act((machine, now) => machine.forceReprovision(now));
    again.run(() => again.count('acls') === 1);
    expect(again.machine.state.acl?.map(({ tag }) => tag)).toEqual([staleTag, staleTag, undefined]);
  });
});

describe('a state from before there were tags', () => {
  it('is as good as one with them', () => {
    const bench = new DeviceBench().boot();
    bench.runOnline();
    const { credentials, ...rest } = bench.machine.state;
    if (!credentials) throw new Error('no credentials');
    const { tag: _tag, ...untagged } = credentials;
    const again = new DeviceBench({ state: { ...rest, credentials: untagged }, clock: bench.now }).boot();
    expect(again.runOnline()).toBe(true);
    expect(again.names).toEqual(['sign-in']);
  });
});
