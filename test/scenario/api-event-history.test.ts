import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { systemTimers } from '../../src/core/clock.ts';
import { limits } from '../../src/core/limits.ts';
import { silentLog } from '../../src/core/log.ts';
import { EventHub } from '../../src/operator/event-hub.ts';
import { openLevelStore } from '../../src/store/level.ts';
import type { Store } from '../../src/store/store.ts';
import { owners, startTestApi, type TestApi, type TokenName } from '../support/api.ts';
import { type EventClient, followEvents } from '../support/event-stream.ts';
import { runInProcess } from '../support/run-in-process.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { until } from '../support/until.ts';

/** The last events, and how who has read them goes on from there. */

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let store: Store;
let hub: EventHub;
let api: TestApi;
let asked: string[];
let clients: EventClient[];

/** Less is at hand than is told, so that the seam is somewhere in the middle. */
const held = 300;

beforeEach(async () => {
  [asked, clients] = [[], []];
  folder = await temporaryFolder();
  store = await openLevelStore(folder.path, { synced: false });
  hub = new EventHub({ store, timers: systemTimers, log: silentLog, held });
  api = await startTestApi({ store, events: hub });
});
afterEach(async () => {
  for (const client of clients) client.cut();
  await hub.close();
  await api.close();
  await store.close();
  await folder.remove();
});

const tell = async (count: number, type: (k: number) => string, ownerId?: string): Promise<void> => {
  for (let k = 1; k <= count; k++) {
    hub.tell(type(k), { k }, ownerId);
    if (k % 100 === 0) await hub.settled();
  }
};

const page = async (query: string, who: TokenName = 'viewer') => {
  asked.push(query);
  const { body } = await api.as(who).get(`/events/history?${query}`);
  return { ...body, ids: body.items.map(({ id }: { readonly id: string }) => Number(id.slice(2))) };
};

const down = (from: number, to: number): number[] => Array.from({ length: from - to + 1 }, (_, k) => from - k);

test('the newest come first, and the pages in front of them follow without gaps, down to the first', async () => {
  await tell(1000, () => 'test');
  const ids: number[] = [];
  let before = '';
  do {
    const found = await page(`newest=true&limit=400${before}`);
    expect(found).toMatchObject({ lost: false });
    ids.push(...found.ids);
    before = found.next === null ? '' : `&before=${found.next}`;
  } while (before !== '');
  expect(ids).toEqual(down(1000, 1));
  // Who has read the last ones goes on behind them.
  const first = await page('newest=true&limit=3');
  hub.tell('test', {});
  expect(first).toMatchObject({ ids: [1000, 999, 998], last: '1-1000' });
  expect((await page(`after=${first.last}`)).ids).toEqual([1001]);
});

test('the last ones that fit are found, and an answer that has looked through enough says where to go on', async () => {
  const looked = limits.events.historyPieces * limits.events.page;
  await tell(looked + 500, (k) => (k <= 3 || k % 4000 === 0 ? 'device.pending' : 'attempt.stage'));
  const first = await page('types=device&newest=true&limit=5');
  expect(first).toMatchObject({ ids: [8000, 4000], next: '1-501', last: `1-${looked + 500}` });
  const second = await page(`types=device&before=${first.next}&limit=5`);
  expect(second).toMatchObject({ ids: [3, 2, 1], next: null });
});

test('owners read back their own only, and nobody who may not learns from it who did what', async () => {
  const actor = { kind: 'operator', name: 'kim', from: '10.0.0.1' } as const;
  const entry = { seq: 1, at: 1, actor, action: 'group.update', target: 'x', detail: {}, previous: '', hash: '' };
  await tell(3, () => 'device.pending', owners.acme);
  hub.audited({ entry, about: { ownerId: owners.acme, devices: [] } });
  await tell(3, () => 'device.pending', owners.bolt);
  const seen = await page('newest=true', 'acmeAdmin');
  expect(seen).toMatchObject({ ids: [4, 3, 2, 1], items: [{ data: { seq: 1, target: 'x' } }, {}, {}, {}] });
  expect(seen.items[0].data.actor).toBeUndefined();
  expect((await page('newest=true&limit=1', 'admin')).ids).toEqual([7]);
});

test('both ways at once are refused, and so is what is no id', async () => {
  const refused = async (query: string) => {
    const { status, problem } = await api.as('viewer').get(`/events/history?${query}`);
    return [status, problem?.code, problem?.evidence.at];
  };
  expect(await refused('newest=true&after=1-1')).toEqual([400, 'request.malformed', 'query.after']);
  expect(await refused('before=1-2&after=1-1')).toEqual([400, 'request.malformed', 'query.after']);
  expect(await refused('before=x')).toEqual([400, 'request.malformed', 'query.before']);
});

test('`firstboot events` reads what it shows and no more', async () => {
  await tell(1000, (k) => (k % 2 === 0 ? 'device.pending' : 'attempt.stage'));
  const reads: number[] = [];
  const { back } = hub;
  hub.back = async (...range) => {
    const events = await back.apply(hub, range);
    reads.push(events.length);
    return events;
  };
  vi.stubEnv('FIRSTBOOT_TOKEN', api.tokens.viewer);
  const { stdout } = await runInProcess([
    'events',
    '--server',
    api.url,
    '--types',
    'device',
    '--limit',
    '60',
    '--json',
  ]);
  vi.unstubAllEnvs();
  const shown = stdout
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line).data.k);
  expect(shown).toEqual(
    down(1000, 1)
      .filter((k) => k % 2 === 0)
      .slice(0, 60)
      .toReversed(),
  );
  expect(reads.reduce((sum, count) => sum + count, 0)).toBe(200);
});

test('whoever comes back with the id of an event of another type, at hand or stored, hears of its own types behind it', async () => {
  await tell(1000, (k) => (k % 10 === 0 ? 'device.pending' : 'attempt.stage'));
  for (const [after, first] of [
    ['1-15', 20],
    ['1-995', 1000],
  ] as const) {
    const token = api.tokens.viewer;
    const client = await followEvents(`${api.url}/api/v1/events?types=device`, { token, after });
    clients.push(client);
    const expected = down(1000, first)
      .filter((k) => k % 10 === 0)
      .toReversed();
    await until(() => client.events.length >= expected.length);
    expect(client.events.map(({ data }) => JSON.parse(data).data.k)).toEqual(expected);
  }
});

test('clients that never read hold no more than their share, however much happens, and others hear all of it', async () => {
  const token = api.tokens.viewer;
  await tell(50, () => 'test');
  const mute = await Promise.all(
    // From the first event on, and from now on.
    ['1-0', '1-50'].map((after) => followEvents(`${api.url}/api/v1/events`, { token, after })),
  );
  clients.push(...mute);
  for (const { response } of mute) response.pause();
  const reading = await followEvents(`${api.url}/api/v1/events`, { token: api.tokens.operator, after: '1-50' });
  clients.push(reading);
  const padding = 'x'.repeat(4000);
  const total = 4 * limits.api.eventBacklog;
  for (let k = 1; k <= total; k++) {
    hub.tell('test', { k, padding });
    // Nobody who reads falls behind.
    if (k % 100 === 0) await until(() => reading.events.length === k);
  }
  expect(reading.events.map(({ data }) => JSON.parse(data).data.k)).toEqual(down(total, 1).toReversed());
  // Those that have kept up once are let go; what is left is the one that is asked for more.
  await until(() => hub.streams() === 1);
});

test('of a thousand clients those that have places hear everything, the others are told at once, and a place that is left is free', async () => {
  const tokens = Object.values(api.tokens);
  const follow = (k: number) =>
    followEvents(`${api.url}/api/v1/events`, { token: tokens[k % tokens.length] ?? '', after: '1-0' });
  const places = tokens.length * limits.api.eventStreamsEach;
  for (let k = 0; k < 1000; k += 250) {
    clients.push(...(await Promise.all(Array.from({ length: 250 }, (_, j) => follow(k + j)))));
  }
  const [served, others] = [200, 429].map((code) => clients.filter(({ status }) => status === code));
  expect([served?.length, others?.length]).toEqual([places, 1000 - places]);
  expect(hub.streams()).toBe(places);
  for (const owner of [owners.acme, owners.bolt]) hub.tell('test', {}, owner);
  await until(() => served?.every(({ events }) => events.length > 0) === true);
  const first = clients.findIndex(({ status }) => status === 200);
  clients[first]?.cut();
  await until(() => hub.streams() === places - 1);
  const next = await follow(first);
  clients.push(next);
  expect(next.status).toBe(200);
});
