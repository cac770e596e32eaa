import { describe, expect, it } from 'vitest';
import { minutes, seconds } from '../../src/core/clock.ts';
import { lastErrors, progressFlags } from '../../src/device/status.ts';
import { type Asked, DeviceBench, gatewayUri, hubId, ownerId, serviceTime } from '../support/device-bench.ts';

const run: readonly Asked[] = ['time', 'ownership', 'cloud', 'credentials', 'acls'];

describe('a first boot', () => {
  it('goes through the flags of the reference client, one after another', () => {
    const bench = new DeviceBench().boot();
    expect(bench.runOnline()).toBe(true);
    expect(bench.progress).toEqual([1, 4097, 8193, 9217, 10241, 10305, 10369, 10371, 10373, 10381, 10389, 10645]);
    expect(bench.machine.status).toEqual({ flags: 0b1111, progress: 10645, text: 'provisioned', lastError: 0 });
    expect(bench.names).toEqual([...run, 'sign-up', 'sign-in']);
  });

  it('asks for the time on a session of its own without judging dates, and for the rest with the time received', () => {
    const bench = new DeviceBench({ clock: 0, settings: { service: [new Uint8Array([1])] } }).boot();
    bench.runOnline();
    const [time, rest, cloud] = bench.opened;
    expect(bench.opened.map(({ purpose }) => purpose)).toEqual(['time', 'provision', 'cloud']);
    expect(time).toMatchObject({ clockOffset: 0, trust: { dates: 'ignore', purpose: 'server' } });
    expect(rest).toMatchObject({ trust: { dates: 'check', purpose: 'server' } });
    expect(Math.abs((rest?.clockOffset ?? 0) - serviceTime)).toBeLessThan(100);
    expect(cloud).toMatchObject({ uri: gatewayUri, clockOffset: rest?.clockOffset, trust: { dates: 'check' } });
    expect(cloud?.identity.chain).toHaveLength(2);
  });

  it('closes the provisioning session before it goes to its cloud', () => {
    const bench = new DeviceBench().boot();
    bench.run(() => bench.opened.at(-1)?.purpose === 'cloud');
    expect([...bench.open.values()]).toEqual(['cloud']);
  });

  it('keeps what it was given, one whole state a step', () => {
    const bench = new DeviceBench().boot();
    bench.runOnline();
    expect(bench.saved.map((state) => Object.keys(state).length)).toEqual([5, 6, 7, 8, 9, 9]);
    expect(bench.machine.state).toMatchObject({
      owner: ownerId,
      cloud: { provider: 'plgd', gateways: [{ uri: gatewayUri, id: hubId }], registration: { userId: 'user' } },
      acl: [ownerId, hubId].map((uuid) => ({ permission: 31, subject: { uuid }, tag: 'dps' })),
    });
  });

  it('asks for the time with CON and for everything else with NON', () => {
    const bench = new DeviceBench().boot();
    bench.runOnline();
    const confirmable = bench.asked.map(({ name, request }) => `${name} ${request.confirmable}`);
    expect(confirmable.slice(0, 5)).toEqual([
      'time true',
      'ownership false',
      'cloud false',
      'credentials false',
      'acls false',
    ]);
  });

  it('names the gateway it has when it is provisioned once more', () => {
    const bench = new DeviceBench().boot();
    bench.runOnline();
    bench.act((machine, now) => machine.forceReprovision(now));
    expect(bench.runOnline()).toBe(true);
    const [first, second] = bench.asked.filter(({ name }) => name === 'cloud');
    const text = (payload: Uint8Array | undefined): string => Buffer.from(payload ?? []).toString('latin1');
    expect(text(first?.request.payload)).toContain('coaps+tcp://127.0.0.1');
    expect(text(second?.request.payload)).toContain(gatewayUri);
    expect(text(second?.request.payload)).toContain(hubId);
  });
});

describe('a step that fails', () => {
  it('with 5.03 three times is asked for again, and starts the run over at the third: 8/7/6/5/4', () => {
    const bench = new DeviceBench({ behave: (_asked, earlier) => (earlier < 3 ? { code: 503 } : 'answer') });
    bench.boot();
    expect(bench.run(() => bench.machine.status.progress === 10645)).toBe(true);
    expect(bench.totals).toEqual([8, 7, 6, 5, 4]);
  });

  it('with 5.00 once starts the run over each time: 6/5/4/3/2', () => {
    const bench = new DeviceBench({ behave: (_asked, earlier) => (earlier < 1 ? { code: 500 } : 'answer') });
    bench.boot();
    expect(bench.run(() => bench.machine.status.progress === 10645)).toBe(true);
    expect(bench.totals).toEqual([6, 5, 4, 3, 2]);
  });

  it('without an answer, three times, counts as 5.03 does: 8/7/6/5/4', () => {
    const bench = new DeviceBench({ behave: (_asked, earlier) => (earlier < 3 ? 'silence' : 'answer') });
    bench.boot();
    expect(bench.run(() => bench.machine.status.progress === 10645)).toBe(true);
    expect(bench.totals).toEqual([8, 7, 6, 5, 4]);
  });

  it.each(run)('because the service closed the session in %s: the run starts over and ends well', (name) => {
    const bench = new DeviceBench({
      behave: (asked, earlier) => (asked === name && earlier === 0 ? 'close' : 'answer'),
    });
    bench.boot();
    expect(bench.runOnline()).toBe(true);
    const at = run.indexOf(name);
    expect(bench.totals).toEqual(run.map((_, k) => (k <= at ? 2 : 1)));
  });

  it.each([400, 401, 402, 403, 404, 405, 406, 408, 409, 412, 413, 415, 422, 429, 500, 501, 502, 505])(
    'with %i: no code but 5.03 and 5.04 keeps the step',
    (code) => {
      const bench = new DeviceBench({
        behave: (asked, earlier) => (asked === 'acls' && earlier === 0 ? { code } : 'answer'),
      });
      bench.boot();
      expect(bench.runOnline()).toBe(true);
      expect(bench.totals).toEqual([2, 2, 2, 2, 2]);
      expect(bench.progress).toContain(10381 | progressFlags.failure);
      expect(bench.errors).toContain(lastErrors.response);
    },
  );

  it('with 5.04 is transient: the flag is shown, the last error is not', () => {
    const bench = new DeviceBench({
      behave: (asked, earlier) => (asked === 'acls' && earlier === 0 ? { code: 504 } : 'answer'),
    });
    bench.boot();
    bench.run(() => (bench.machine.status.progress & progressFlags.transientFailure) !== 0);
    expect(bench.machine.status).toMatchObject({ text: 'transient failure', lastError: lastErrors.ok });
    expect(bench.runOnline()).toBe(true);
    expect(bench.totals).toEqual([1, 1, 1, 1, 2]);
  });

  it('is asked for again on a new session', () => {
    const bench = new DeviceBench({
      behave: (asked, earlier) => (asked === 'cloud' && earlier === 0 ? { code: 503 } : 'answer'),
    });
    bench.boot();
    bench.runOnline();
    expect(bench.opened.map(({ purpose }) => purpose)).toEqual(['time', 'provision', 'provision', 'cloud']);
    expect(bench.totals).toEqual([1, 1, 2, 1, 1]);
  });

  it('waits 10, 20, 40, 80, 120 s, and then from 10 s on, for ever', () => {
    const bench = new DeviceBench({ behave: () => ({ code: 500 }) }).boot();
    bench.run(() => bench.asked.length === 9, minutes(60));
    const pauses = bench.asked.slice(1).map(({ at }, k) => Math.round((at - (bench.asked[k]?.at ?? 0)) / 1000));
    expect(pauses).toEqual([10, 20, 40, 80, 120, 10, 20, 40]);
  });

  it('waits from 10 s on again after a step that succeeded', () => {
    const bench = new DeviceBench({
      behave: (asked, earlier) =>
        (asked === 'time' && earlier < 2) || asked === 'ownership' ? { code: 503 } : 'answer',
    }).boot();
    bench.run(() => bench.count('ownership') === 2);
    const [, second, third] = bench.asked;
    const ownership = bench.asked.filter(({ name }) => name === 'ownership');
    expect((third?.at ?? 0) - (second?.at ?? 0)).toBeGreaterThanOrEqual(seconds(20));
    expect((ownership[1]?.at ?? 0) - (ownership[0]?.at ?? 0)).toBeLessThan(seconds(11));
  });

  it('as the 2025 client has it: at once after a timeout, within half and whole of the interval after a failure', () => {
    const settings = { retry: { table: [seconds(10), seconds(20)], variant: '2025' as const } };
    const silent = new DeviceBench({ settings, behave: () => 'silence' }).boot();
    silent.run(() => silent.asked.length === 3);
    const gaps = silent.asked.slice(1).map(({ at }, k) => Math.round((at - (silent.asked[k]?.at ?? 0)) / 1000));
    expect(gaps).toEqual([10, 20]);

    const failing = new DeviceBench({ settings, behave: () => ({ code: 500 }) }).boot();
    failing.run(() => failing.asked.length === 2);
    const gap = (failing.asked[1]?.at ?? 0) - (failing.asked[0]?.at ?? 0);
    expect(gap).toBeGreaterThanOrEqual(seconds(5));
    expect(gap).toBeLessThan(seconds(10.1));
  });

  it('until the table is used up makes the device turn to its next service', () => {
    const endpoints = [{ uri: 'coaps://a.example:1' }, { uri: 'coaps+tcp://b.example:2', name: 'b' }];
    const settings = { endpoints, retry: { table: [seconds(1), seconds(2)], variant: 'documented' as const } };
    const state = { ...new DeviceBench().machine.state, endpoints };
    const bench = new DeviceBench({
      state,
      settings,
      connect: ({ uri }) => (uri === 'coaps://a.example:1' ? 'refused' : 'up'),
    }).boot();
    expect(bench.runOnline()).toBe(true);
    const uris = bench.opened.slice(0, 4).map(({ uri }) => uri);
    expect(uris).toEqual([endpoints[0]?.uri, endpoints[0]?.uri, endpoints[1]?.uri, endpoints[1]?.uri]);
    expect(bench.machine.state.selected).toBe(1);
  });

  it('because nobody answers the handshake is a timeout: the same step again', () => {
    const bench = new DeviceBench({ connect: (_open, earlier) => (earlier === 1 ? 'silence' : 'up') }).boot();
    expect(bench.runOnline()).toBe(true);
    expect(bench.totals).toEqual([1, 1, 1, 1, 1]);
    expect(bench.opened.map(({ purpose }) => purpose)).toEqual(['time', 'provision', 'provision', 'cloud']);
  });
});

describe('answers that come late or twice', () => {
  it('change nothing when they come twice', () => {
    const bench = new DeviceBench({ behave: () => 'twice' }).boot();
    expect(bench.runOnline()).toBe(true);
    expect(bench.totals).toEqual([1, 1, 1, 1, 1]);
  });

  it('are ignored when the step was asked for anew meanwhile', () => {
    const bench = new DeviceBench({
      behave: (_asked, earlier) => (earlier === 0 ? { after: seconds(15) } : 'answer'),
    }).boot();
    expect(bench.runOnline()).toBe(true);
    expect(bench.totals).toEqual([2, 2, 2, 2, 2]);
  });

  it('count when they come within the time the step allows', () => {
    const bench = new DeviceBench({ behave: () => ({ after: seconds(9) }) }).boot();
    expect(bench.run(() => bench.machine.status.progress === 10645)).toBe(true);
    expect(bench.totals).toEqual([1, 1, 1, 1, 1]);
  });
});

describe('a redirect', () => {
  it('in the cloud configuration takes the remaining steps to the service it names', () => {
    const bench: DeviceBench = new DeviceBench({
      behave: (asked, _earlier, request) =>
        asked === 'cloud'
          ? { map: { ...bench.answerTo('cloud', request), redirecturi: 'coaps+tcp://other.example:20031' } }
          : 'answer',
    });
    bench.boot();
    expect(bench.runOnline()).toBe(true);
    expect(bench.totals).toEqual([1, 1, 1, 1, 1]);
    expect(bench.opened.map(({ uri }) => uri)).toEqual([
      'coaps://service.example:20030',
      'coaps://service.example:20030',
      'coaps+tcp://other.example:20031',
      gatewayUri,
    ]);
    expect(bench.machine.state.endpoints).toEqual([{ uri: 'coaps+tcp://other.example:20031' }]);
  });

  it('in the ownership answer is an unexpected property', () => {
    const map = { devowneruuid: ownerId, redirecturi: 'coaps+tcp://other.example:20031' };
    const bench = new DeviceBench({
      behave: (asked, earlier) => (asked === 'ownership' && earlier === 0 ? { map } : 'answer'),
    });
    bench.boot();
    expect(bench.runOnline()).toBe(true);
    expect(bench.totals).toEqual([2, 2, 1, 1, 1]);
    expect(bench.errors).toContain(lastErrors.getOwner);
  });
});
