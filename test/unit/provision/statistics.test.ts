import { expect, test } from 'vitest';
import { ManualTimers, minutes } from '../../../src/core/clock.ts';
import { type Evidence, failure } from '../../../src/core/errors.ts';
import { uuidV7 } from '../../../src/core/ids.ts';
import { limits } from '../../../src/core/limits.ts';
import { silentLog } from '../../../src/core/log.ts';
import { seededRandom } from '../../../src/core/random.ts';
import { viewStatistics } from '../../../src/operator/statistics-view.ts';
import { StatisticsRecorder } from '../../../src/provision/statistics.ts';
import type { AttemptEntry, Statistics } from '../../../src/store/model.ts';
import { someDevice, someUuid, startOfRecords } from '../../support/store-records.ts';

const start = startOfRecords;
const attempt = (n: number) => uuidV7(start + n, seededRandom(n + 1));
const stage = (name: 'match', facts: Evidence, ms: number): AttemptEntry => ({
  at: start + 10,
  type: 'stage',
  stage: name,
  result: 'ok',
  facts,
  took: { after: 0, ms },
});
const exchange = (ms: number, at = start + 20): AttemptEntry => ({
  at,
  type: 'exchange',
  method: 'POST',
  path: '/x',
  code: 204,
  bytesIn: 1,
  bytesOut: 1,
  ms,
  roundTrips: 1,
});
const closed = (at: number, more: object = {}): AttemptEntry =>
  ({ at, type: 'closed', verdict: 'provisioned', bytesIn: 10, bytesOut: 20, ...more }) as AttemptEntry;

interface Bench {
  readonly rows: Statistics[];
  readonly recorder: StatisticsRecorder;
  readonly timers: ManualTimers;
  away: boolean;
}

function bench(): Bench {
  const rows: Statistics[] = [];
  const timers = new ManualTimers(start);
  const own: Bench = {
    rows,
    timers,
    away: false,
    recorder: new StatisticsRecorder({
      timers,
      log: silentLog,
      store: {
        addStatistics: async (added) => {
          if (own.away) throw failure('service.store', {}, 'wait');
          rows.push(...structuredClone(added));
        },
      },
    }),
  };
  return own;
}

test('counts go to the slot in which they came about, and to the owner that a stage or the end names', async () => {
  const { recorder, rows } = bench();
  const owner = someUuid(3);
  recorder.entryListener(
    attempt(1),
    { at: start, type: 'handshake', version: 'v', cipherSuite: 's', ms: 7 },
    undefined,
  );
  recorder.entryListener(attempt(1), stage('match', { ownerId: owner }, 0.15), undefined);
  recorder.entryListener(attempt(1), exchange(5, start + 150), undefined);
  recorder.entryListener(attempt(1), closed(start + minutes(6), { ownerId: owner }), undefined);
  recorder.entryListener(
    attempt(2),
    closed(start, { verdict: 'refused', refusal: { code: 'match.no-group' } }),
    undefined,
  );
  await recorder.close();
  const [first, second, stranger] = rows;
  expect(first).toMatchObject({ slot: start, ownerId: owner, verdicts: {}, bytesIn: 0 });
  expect(first?.stages.handshake?.[limits.store.stageBounds.indexOf(10)]).toBe(1);
  // Most stages take less than a millisecond, and are told apart.
  expect(first?.stages.match?.[limits.store.stageBounds.indexOf(0.2)]).toBe(1);
  expect(second).toMatchObject({
    slot: start + minutes(5),
    ownerId: owner,
    verdicts: { provisioned: 1 },
    bytesOut: 20,
  });
  // To the last answer: 149 ms, whenever the attempt was closed.
  expect(second?.runs[limits.store.runBounds.indexOf(200)]).toBe(1);
  expect(stranger).toMatchObject({ ownerId: undefined, verdicts: { refused: 1 }, codes: { 'match.no-group': 1 } });
});

test('what the store does not take is added up with what comes, and offered again', async () => {
  const own = bench();
  own.away = true;
  const device = someDevice(1);
  own.recorder.entryListener(attempt(1), closed(start), device);
  own.timers.advanceTo(start + limits.statistics.writeDelay);
  await new Promise(setImmediate);
  own.recorder.entryListener(attempt(2), closed(start + 1), device);
  own.away = false;
  own.timers.advanceTo(start + limits.statistics.writeDelay + limits.statistics.writeRetry);
  await new Promise(setImmediate);
  expect(own.rows).toMatchObject([{ ownerId: device.ownerId, verdicts: { provisioned: 2 }, bytesIn: 20 }]);
  await own.recorder.close();
  expect(own.rows).toHaveLength(1);
});

test('owners beyond the bound are counted together', async () => {
  const { recorder, rows } = bench();
  const { owners } = limits.statistics;
  for (let n = 0; n < owners + 5; n++) {
    recorder.entryListener(attempt(n), closed(start), someDevice(1, { ownerId: `owner ${n}` }));
  }
  await recorder.close();
  expect(rows).toHaveLength(owners + 1);
  expect(rows.find(({ ownerId }) => ownerId === undefined)?.verdicts).toEqual({ provisioned: 5 });
});

test('a question for half a slot, or for too many, is refused with what would do', async () => {
  const store = { statistics: async () => [] };
  const ask = (step: number, length: number) => viewStatistics(store, { since: 0, until: length, step });
  await expect(ask(minutes(5) + 1, minutes(5))).rejects.toMatchObject({ code: 'operator.input' });
  await expect(ask(minutes(5), minutes(5) * (limits.statistics.answered + 1))).rejects.toMatchObject({
    evidence: { field: 'step', slots: limits.statistics.answered + 1 },
  });
  expect((await ask(minutes(5), minutes(5) * limits.statistics.answered)).slots).toEqual([]);
});
