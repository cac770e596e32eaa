import { afterEach, beforeEach, expect, test } from 'vitest';
import { limits } from '../../../src/core/limits.ts';
import { silentLog } from '../../../src/core/log.ts';
import { systemRandom } from '../../../src/core/random.ts';
import { Recorder } from '../../../src/provision/attempt.ts';
import { SessionRecord } from '../../../src/provision/session-record.ts';
import { StageWatch } from '../../../src/provision/stage-watch.ts';
import { openLevelStore } from '../../../src/store/level.ts';
import type { Store } from '../../../src/store/store.ts';
import { someUuid } from '../../support/store-records.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';

const now = Date.UTC(2026, 5, 1);
const gone = { reason: 'closed-by-peer', bytesIn: 1, bytesOut: 2 } as const;
let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let store: Store;
let recorder: Recorder;

beforeEach(async () => {
  folder = await temporaryFolder();
  store = await openLevelStore(folder.path);
  recorder = new Recorder({ store, random: systemRandom, log: silentLog, onEntry: undefined });
});

afterEach(async () => {
  await recorder.settle(now);
  await store.close();
  await folder.remove();
});

const session = (at = now): SessionRecord =>
  new SessionRecord(recorder, { transport: 'coaps', peer: '192.0.2.1:1', at }, new StageWatch(() => at));

test('a session that proves nothing and asks nothing leaves a closed attempt behind', async () => {
  await session().end(gone, now);
  expect(await store.attempts({ limit: 5 })).toMatchObject([{ keyId: undefined, verdict: 'abandoned' }]);
  expect(recorder.size).toBe(0);
});

test('sessions of one key are one attempt, sessions of two keys are two', async () => {
  for (const key of [1, 1, 2]) {
    const record = session(now + key);
    record.identify(someUuid(key), now + key);
    record.asked('ownership', now + key);
    record.agreed({}, 'ownership', now + key);
    await record.end(gone, now + key);
  }
  const attempts = await store.attempts({ limit: 5 });
  expect(attempts.map(({ keyId }) => keyId)).toEqual([someUuid(2), someUuid(1)]);
  expect(recorder.size).toBe(2);
});

test('a chatty session fills its attempt up to the limit, and the end is still recorded', async () => {
  const record = session();
  record.identify(someUuid(1), now);
  record.asked('time', now);
  for (let k = 0; k < limits.provision.attemptEntries + 100; k++) {
    record.note({ at: now, type: 'alert', direction: 'received', name: 'user_canceled' });
  }
  record.refused({ code: 'match.no-group', evidence: {}, fix: '' }, undefined, now);
  await record.end(gone, now);
  const [summary] = await store.attempts({ limit: 1 });
  const attempt = summary && (await store.attempt(summary.id));
  expect(attempt?.entries).toHaveLength(limits.provision.attemptEntries + 1);
  expect(attempt?.entries.at(-1)).toMatchObject({ type: 'closed', verdict: 'refused' });
});

test('a session that never got a verdict does not hold more than the limit before it is known', async () => {
  const record = session();
  for (let k = 0; k < 2 * limits.provision.attemptEntries; k++) {
    record.note({ at: now, type: 'alert', direction: 'received', name: 'no_renegotiation' });
  }
  await record.end(gone, now);
  const [summary] = await store.attempts({ limit: 1 });
  const attempt = summary && (await store.attempt(summary.id));
  expect(attempt?.entries.length).toBeLessThanOrEqual(limits.provision.attemptEntries + 1);
});

test('when too many runs are open, the one that has been without a session for longest gives way, then the oldest', async () => {
  const keys = limits.provision.openAttempts;
  const waiting = session();
  waiting.identify('waiting', now);
  await waiting.end(gone, now);
  const first = session();
  first.identify('first', now);
  for (let k = 2; k < keys; k++) recorder.start(recorder.newId(now), `key-${k}`, now);
  expect(recorder.size).toBe(keys);
  recorder.start(recorder.newId(now), 'one-more', now);
  expect(recorder.size).toBe(keys);
  expect(recorder.ofKey('waiting')).toBeUndefined();
  expect(recorder.ofKey('first')).toBeDefined();
  recorder.start(recorder.newId(now), 'and-another', now);
  expect(recorder.ofKey('first')).toBeUndefined();
  // Its session goes on, under a new attempt.
  first.asked('time', now);
  expect(recorder.ofKey('first')).toBeDefined();
  expect(recorder.size).toBe(keys);
});

test('a session of the run that idles out does not spoil the session that goes on', async () => {
  const first = session();
  first.identify(someUuid(1), now);
  first.asked('time', now);
  first.agreed({}, 'time', now);
  const second = session(now + 1);
  second.identify(someUuid(1), now + 1);
  second.asked('ownership', now + 1);
  second.agreed({}, 'ownership', now + 1);
  expect(await first.end({ ...gone, reason: 'timeout' }, now + 2)).toEqual({ brokeOff: false });
  expect(recorder.nextTimeout()).toBeUndefined();
  expect(await second.end({ ...gone, reason: 'broken', text: 'reset' }, now + 3)).toEqual({ brokeOff: true });
  expect(recorder.expire(now + 3 + limits.provision.run)).toMatchObject([{ closing: { verdict: 'failed' } }]);
});

test('runs expire in the order in which their last session ended', async () => {
  const records = [1, 2, 3].map((key) => {
    const record = session(now);
    record.identify(someUuid(key), now);
    return record;
  });
  for (const [k, record] of [...records.entries()].reverse()) await record.end(gone, now + (3 - k) * 1000);
  const run = limits.provision.run;
  expect(recorder.nextTimeout()).toBe(now + 1000 + run);
  expect(recorder.expire(now + 2000 + run).map(({ keyId }) => keyId)).toEqual([someUuid(3), someUuid(2)]);
  expect(recorder.nextTimeout()).toBe(now + 3000 + run);
});

test('what happens in a long session is written after a while, without its end', async () => {
  const record = session();
  record.identify(someUuid(1), now);
  record.note({ at: now + 5, type: 'alert', direction: 'received', name: 'user_canceled' });
  const due = now + limits.provision.entryDelay;
  expect(recorder.nextTimeout()).toBe(due);
  recorder.expire(due - 1);
  expect(await store.attempts({ limit: 1 })).toEqual([]);
  recorder.expire(due);
  await recorder.settle(due);
  const [summary] = await store.attempts({ limit: 1 });
  expect((summary && (await store.attempt(summary.id)))?.entries.map(({ type }) => type)).toEqual(['opened', 'alert']);
  expect(recorder.nextTimeout()).toBeUndefined();
});
