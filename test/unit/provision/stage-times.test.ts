import { afterEach, expect, test } from 'vitest';
import type { Millis } from '../../../src/core/clock.ts';
import { failure } from '../../../src/core/errors.ts';
import { type StageTime, stageTime } from '../../../src/provision/stage-times.ts';
import type { Store } from '../../../src/store/store.ts';
import {
  codeOf,
  deviceEvidence,
  endSession,
  openPipeline,
  openSession,
  type Pipeline,
  type PipelineOptions,
  pskEvidence,
  testDevice,
  testStart,
} from '../../support/provisioning.ts';

let pipeline: Pipeline | undefined;
afterEach(async () => {
  await pipeline?.close();
  pipeline = undefined;
});

/** A pipeline whose stopwatch goes on by 7 ms for a look at the record of a device, and by 20 ms for each write of one. */
async function measured(
  options: PipelineOptions = {},
): Promise<{ readonly pipeline: Pipeline; pass(ms: Millis): void }> {
  let time = 1000;
  const pass = (ms: Millis): void => {
    time += ms;
  };
  const slow = (store: Store): Store => ({
    ...store,
    device: (keyId) => {
      pass(7);
      return store.device(keyId);
    },
    putDevice: (device) => {
      pass(20);
      return store.putDevice(device);
    },
  });
  pipeline = await openPipeline({ wrapStore: slow, stopwatch: () => time, ...options });
  return { pipeline, pass };
}

async function timesOf({ store }: Pipeline): Promise<readonly StageTime[]> {
  const [latest] = await store.attempts({ limit: 1 });
  const attempt = latest && (await store.attempt(latest.id));
  return (attempt?.entries ?? []).flatMap((entry) => stageTime(entry) ?? []);
}

test('a stage lasts as long as what is done in it, and begins when the one before has decided', async () => {
  const tokens = {
    accessToken: async () => {
      pass(300);
      throw failure('configure.token', {}, 'ask again');
    },
  };
  const { pipeline, pass } = await measured({ tokens });
  const session = await openSession(pipeline, deviceEvidence(pipeline.pki), testStart);
  expect(codeOf(await session.ownership(testStart + 50))).toBe('ok');
  const { deviceId } = testDevice(1);
  expect(codeOf(await session.cloud({ deviceId }, testStart + 100))).toBe('configure.token');
  await endSession(session, testStart + 900);
  expect(await timesOf(pipeline)).toEqual([
    { stage: 'handshake', step: undefined, from: testStart - 12, ms: 12 },
    { stage: 'attest', step: undefined, from: testStart, ms: 0 },
    // A look for a record of the device; there is none, and it gets one.
    { stage: 'match', step: undefined, from: testStart, ms: 7 },
    { stage: 'admit', step: undefined, from: testStart + 7, ms: 27 },
    // Before each answer it is looked whether the device may still have it: that is no part of the stage.
    { stage: 'authorize', step: 'ownership', from: testStart + 57, ms: 0 },
    { stage: 'bind', step: undefined, from: testStart + 107, ms: 0 },
    // The fault of the hub is in the stage that asked it.
    { stage: 'configure', step: 'cloud', from: testStart + 107, ms: 300 },
  ]);
});

test('a question that waits for the one before it begins when it is its turn', async () => {
  const { pipeline } = await measured();
  const session = await openSession(pipeline, deviceEvidence(pipeline.pki), testStart);
  await Promise.all([session.ownership(testStart + 50), session.acls(testStart + 50)]);
  await endSession(session, testStart + 900);
  const [first, second] = (await timesOf(pipeline)).filter(({ stage }) => stage === 'authorize');
  // The owner is written later, the access list before it is told.
  expect(first).toMatchObject({ step: 'ownership', from: testStart + 57, ms: 0 });
  expect(second).toMatchObject({ step: 'acls', from: testStart + 64, ms: 20 });
});

test('a stage that says no has its time as well, and a stranger’s comes with its record', async () => {
  const heard: StageTime[] = [];
  const { pipeline } = await measured({ onEntry: (_, entry) => heard.push(...[stageTime(entry) ?? []].flat()) });
  const session = await openSession(pipeline, pskEvidence('nobody'), testStart);
  expect(heard).toEqual([]);
  await endSession(session, testStart + 5);
  expect(heard).toEqual([
    { stage: 'handshake', step: undefined, from: testStart - 8, ms: 8 },
    { stage: 'attest', step: undefined, from: testStart, ms: 0 },
  ]);
  expect(await timesOf(pipeline)).toEqual(heard);
});

test('what nobody has measured has no time: entries of older records, and what the cloud confirms', () => {
  const older = { at: testStart, type: 'stage', stage: 'bind', result: 'ok', facts: {} } as const;
  expect(stageTime(older)).toBeUndefined();
  expect(stageTime({ ...older, stage: 'confirm' })).toBeUndefined();
  expect(stageTime({ ...older, facts: { step: 'constructor' }, took: { after: 0, ms: 1 } })?.step).toBeUndefined();
  expect(stageTime({ ...older, took: { after: 0.5, ms: 0.25 } })).toMatchObject({ from: testStart + 0.5, ms: 0.25 });
});
