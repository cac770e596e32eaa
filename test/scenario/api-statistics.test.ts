import { afterAll, beforeAll, expect, test } from 'vitest';
import { hours, minutes } from '../../src/core/clock.ts';
import { limits } from '../../src/core/limits.ts';
import type { Statistics } from '../../src/store/model.ts';
import { owners, startTestApi, type TestApi } from '../support/api.ts';

let api: TestApi;
const noon = Math.floor(Date.now() / hours(1)) * hours(1);
const row = (slot: number, ownerId: string | undefined, provisioned: number): Statistics => ({
  slot,
  ownerId,
  verdicts: { provisioned },
  codes: ownerId ? {} : { 'match.no-group': 1 },
  bytesIn: 1,
  bytesOut: 2,
  stages: { issue: limits.store.stageBounds.map(() => 1).concat(2) },
  runs: limits.store.runBounds.map(() => 0).concat(1),
});

beforeAll(async () => {
  api = await startTestApi();
  await api.store.addStatistics([
    row(noon - hours(2), owners.acme, 1),
    row(noon - hours(2), owners.bolt, 10),
    row(noon - hours(2) + minutes(5), owners.acme, 2),
    row(noon - hours(1), undefined, 4),
  ]);
});
afterAll(() => api.close());

test('slots are added up over owners and time, and empty ones are left out', async () => {
  const { body } = await api.as('viewer').get(`/statistics?since=${noon - hours(3)}&step=${hours(1)}`);
  expect(body.step).toBe(hours(1));
  expect(body.slots).toMatchObject([
    { at: noon - hours(2), verdicts: { provisioned: 13 }, codes: {}, bytesIn: 3, bytesOut: 6 },
    { at: noon - hours(1), verdicts: { provisioned: 4 }, codes: { 'match.no-group': 1 } },
  ]);
  expect(body.slots[0].stages.issue.at(-1)).toBe(6);
  expect(body.bounds).toEqual({ stages: [...limits.store.stageBounds], runs: [...limits.store.runBounds] });
  expect((await api.as('viewer').get('/statistics')).body.slots).toHaveLength(3);
});

test('an owner sees its own counts only', async () => {
  const { body } = await api.as('acmeViewer').get(`/statistics?step=${hours(24)}`);
  const counts = body.slots.map(({ verdicts }: Statistics) => verdicts.provisioned);
  expect(counts.reduce((sum: number, n: number) => sum + n, 0)).toBe(3);
});

test('a step that is no multiple of the slot is refused, and so are too many slots', async () => {
  const viewer = api.as('viewer');
  expect((await viewer.get('/statistics?step=300001')).problem).toMatchObject({ code: 'request.malformed' });
  const many = await viewer.get(`/statistics?since=${noon - hours(24 * 30)}`);
  expect([many.status, many.problem?.code]).toEqual([400, 'operator.input']);
  expect((await api.as(undefined).get('/statistics')).status).toBe(401);
});
