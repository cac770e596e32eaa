import { afterEach, beforeEach, expect, test } from 'vitest';
import { days, hours, minutes } from '../../../src/core/clock.ts';
import type { ErrorCode, Refusal } from '../../../src/core/errors.ts';
import { errorTable } from '../../../src/core/errors.ts';
import { limits } from '../../../src/core/limits.ts';
import { silentLog } from '../../../src/core/log.ts';
import { systemRandom } from '../../../src/core/random.ts';
import { Recorder } from '../../../src/provision/attempt.ts';
import { SessionRecord } from '../../../src/provision/session-record.ts';
import { StageWatch } from '../../../src/provision/stage-watch.ts';
import { Strangers } from '../../../src/provision/strangers.ts';
import { openLevelStore } from '../../../src/store/level.ts';
import type { AttemptEntry } from '../../../src/store/model.ts';
import type { Store } from '../../../src/store/store.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';

const start = Date.UTC(2026, 5, 1);
const broken = { reason: 'broken', text: 'the handshake failed', bytesIn: 1, bytesOut: 2 } as const;
const { strangersRecorded: most, strangersDelay } = limits.provision;
const unknown: Refusal = { code: 'attest.unknown-issuer', evidence: { issuer: 'CN=x' }, fix: 'upload it' };
const noSuite: Refusal = { code: 'attest.no-common-suite', evidence: {}, fix: 'offer another one' };
let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let store: Store;
let heard: AttemptEntry[];
let recorder: Recorder;

beforeEach(async () => {
  folder = await temporaryFolder();
  store = await openLevelStore(folder.path);
  heard = [];
  const onEntry = (_: string, entry: AttemptEntry): void => void heard.push(entry);
  recorder = new Recorder({ store, random: systemRandom, log: silentLog, onEntry });
});

afterEach(async () => {
  await store.close();
  await folder.remove();
});

async function refused(refusal: Refusal, now: number): Promise<void> {
  const record = new SessionRecord(
    recorder,
    { transport: 'coaps', peer: '192.0.2.1:1', at: now },
    new StageWatch(() => 0),
  );
  record.note({ at: now, type: 'chain', certificates: ['pem'] });
  record.refused(refusal, undefined, now);
  await record.end(broken, now);
}

test('of strangers the first few of each reason a minute are recorded whole, the others are only counted', async () => {
  for (let k = 0; k < most + 50; k++) await refused(unknown, start + k);
  await refused(noSuite, start + 100);
  await recorder.settle(start + 100);
  const attempts = await store.attempts({ limit: 1000 });
  expect(attempts).toHaveLength(most + 1);
  expect(await store.refusalCounts(0)).toEqual([
    { hour: start, code: 'attest.no-common-suite', count: 1, recorded: 1 },
    { hour: start, code: 'attest.unknown-issuer', count: most + 50, recorded: most },
  ]);
  const first = await store.attempt(attempts.at(-1)?.id ?? '');
  expect(first?.entries.map(({ type }) => type)).toEqual(['opened', 'chain', 'stage', 'closed']);
  expect(first?.entries.at(-1)).toMatchObject({ verdict: 'refused', refusal: unknown, bytesIn: 1, bytesOut: 2 });
});

test('listeners hear of the recorded ones only', async () => {
  for (let k = 0; k < most + 50; k++) await refused(unknown, start);
  expect(heard).toHaveLength(4 * most);
});

test('the next minute records some again', async () => {
  for (const at of [start, start + minutes(1) - 1, start + minutes(1)])
    for (let k = 0; k < most; k++) await refused(unknown, at);
  expect(await store.attempts({ limit: 1000 })).toHaveLength(2 * most);
});

test('one reason alone takes no more than its part of a day, and leaves the others theirs', () => {
  const strangers = new Strangers(store, silentLog);
  const recordedOn = (day: number): number => {
    let recorded = 0;
    for (let minute = 0; minute < 100; minute++)
      for (let k = 0; k < most; k++)
        if (strangers.gone('attest.unknown-psk', start + days(day) + minutes(minute))) recorded++;
    return recorded;
  };
  expect(recordedOn(0)).toBe(limits.provision.strangersRecordedDaily);
  expect(strangers.gone('attest.unknown-issuer', start + minutes(100))).toBe(true);
  expect(recordedOn(1)).toBe(limits.provision.strangersRecordedDaily);
});

test('what a stranger asks for is on its record as well, and begins none by itself', async () => {
  const record = new SessionRecord(
    recorder,
    { transport: 'coaps', peer: '192.0.2.1:1', at: start },
    new StageWatch(() => 0),
  );
  record.refused({ code: 'match.no-group', evidence: {}, fix: '' }, undefined, start);
  record.asked('time', start);
  record.refused({ code: 'match.no-group', evidence: {}, fix: '' }, 'time', start);
  expect(recorder.size).toBe(0);
  await record.end({ ...broken, reason: 'closed-by-peer' }, start + 1);
  const [summary] = await store.attempts({ limit: 5 });
  expect(summary).toMatchObject({ verdict: 'refused', refusal: { code: 'match.no-group' } });
  const attempt = await store.attempt(summary?.id ?? '');
  expect(attempt?.entries.filter(({ type }) => type === 'stage')).toHaveLength(2);
});

test('counts are written after a while, without anybody asking', async () => {
  for (let k = 0; k < most + 5; k++) await refused(unknown, start + 7);
  expect(recorder.nextTimeout()).toBe(start + 7 + strangersDelay);
  recorder.expire(start + 7 + strangersDelay - 1);
  expect(await store.refusalCounts(0)).toEqual([]);
  recorder.expire(start + 7 + strangersDelay);
  expect(recorder.nextTimeout()).toBeUndefined();
  await recorder.settle(start + 7 + strangersDelay);
  expect(await store.refusalCounts(0)).toMatchObject([{ count: most + 5 }]);
});

test('a store that is away for a while is told everything afterwards, each hour by itself', async () => {
  let away = true;
  const faulty = {
    countRefusals: (counts: Parameters<Store['countRefusals']>[0]) =>
      away ? Promise.reject(new Error('away')) : store.countRefusals(counts),
  } as unknown as Store;
  const strangers = new Strangers(faulty, silentLog);
  for (const hour of [0, 1]) {
    for (let k = 0; k < 3; k++) strangers.gone('attest.unknown-psk', start + hours(hour) + k);
    await strangers.flush(start + hours(hour) + 5);
  }
  expect(strangers.nextTimeout()).toBe(start + 5 + hours(1) + limits.provision.unsavedRetry);
  away = false;
  await strangers.flush(start + hours(2));
  expect(await store.refusalCounts(0)).toEqual(
    [0, 1].map((hour) => ({ hour: start + hours(hour), code: 'attest.unknown-psk', count: 3, recorded: 3 })),
  );
});

test('memory is bounded when the store never comes back', async () => {
  let told = 0;
  let most = 0;
  const dead = {
    countRefusals: (counts: readonly unknown[]) => {
      told++;
      most = Math.max(most, counts.length);
      return Promise.reject(new Error('away'));
    },
  } as unknown as Store;
  const strangers = new Strangers(dead, silentLog);
  const codes = Object.keys(errorTable) as ErrorCode[];
  for (let hour = 0; hour < 50; hour++) {
    for (const code of codes) strangers.gone(code, start + hours(hour));
    await strangers.flush(start + hours(hour));
  }
  expect(told).toBe(50);
  expect(most).toBe(limits.provision.strangersCounts);
});
