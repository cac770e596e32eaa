import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { systemTimers } from '../../src/core/clock.ts';
import { limits } from '../../src/core/limits.ts';
import { silentLog } from '../../src/core/log.ts';
import { randomFraction, seededRandom } from '../../src/core/random.ts';
import { EventHub } from '../../src/operator/event-hub.ts';
import { openLevelStore } from '../../src/store/level.ts';
import type { Store } from '../../src/store/store.ts';
import { owners, startTestApi, type TestApi } from '../support/api.ts';
import { type EventClient, followEvents } from '../support/event-stream.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { until } from '../support/until.ts';

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let store: Store;
let hub: EventHub;
let api: TestApi;
let clients: EventClient[] = [];

async function start(held?: number): Promise<void> {
  store = await openLevelStore(folder.path, { synced: false });
  hub = new EventHub({ store, timers: systemTimers, log: silentLog, ...(held !== undefined && { held }) });
  await startApi();
}

/** With tokens of its own. */
async function startApi(): Promise<void> {
  for (const token of await store.tokens.list()) await store.tokens.delete(token.id);
  api = await startTestApi({ store, events: hub });
}

async function stop(): Promise<void> {
  await api.close();
  await hub.close();
  await store.close();
}

beforeEach(async () => {
  folder = await temporaryFolder();
  await start();
});

afterEach(async () => {
  for (const client of clients) client.cut();
  clients = [];
  await stop();
  await folder.remove();
});

const follow = async (
  query = '',
  { who = 'admin', ...rest }: { after?: string; cutAfter?: number; who?: keyof TestApi['tokens'] } = {},
): Promise<EventClient> => {
  const token = api.tokens[who];
  const client = await followEvents(`${api.url}/api/v1/events${query}`, { token, ...rest });
  clients.push(client);
  return client;
};

const numbers = (from: number, to: number): number[] => Array.from({ length: to - from + 1 }, (_, k) => from + k);

test('a stream that is cut at random moments goes on with Last-Event-ID: nothing is lost, nothing repeated, all in order', async () => {
  const random = seededRandom(5);
  const total = 2000;
  const got: number[] = [];
  let after = hub.last;
  let cuts = 0;
  let told = 0;
  const telling = (async () => {
    while (told < total) {
      const lot = Math.min(total - told, 1 + Math.floor(randomFraction(random) * 30));
      for (let k = 0; k < lot; k++) hub.tell('test.count', { k: ++told, padding: 'x'.repeat(200) });
      await sleep(1);
    }
  })();
  while (got.length < total) {
    const cutAfter = Math.min(total - got.length, 1 + Math.floor(randomFraction(random) * 80));
    const client = await follow('', { after, cutAfter });
    await client.over;
    got.push(...client.events.map(({ data }) => JSON.parse(data).data.k));
    after = client.lastEventId;
    cuts++;
  }
  await telling;
  expect(got).toEqual(numbers(1, total));
  expect(cuts).toBeGreaterThan(20);
});

test('it goes on over a restart of the service, in the next epoch', async () => {
  const client = await follow();
  for (let k = 1; k <= 5; k++) hub.tell('test.count', { k });
  await until(() => client.events.length === 5);
  const { lastEventId } = client;
  hub.tell('test.count', { k: 6 });
  await stop();
  await start();
  hub.tell('test.count', { k: 7 });
  const again = await follow('', { after: lastEventId });
  await until(() => again.events.length === 2);
  expect(again.events.map(({ id }) => id)).toEqual(['1-6', '2-1']);
});

test('the stream of a service that drains comes to its end', async () => {
  const client = await follow();
  await api.close();
  await client.over;
  expect(client.response.complete).toBe(true);
  await startApi();
});

test('a reader that does not read is let go, and comes back for the rest', async () => {
  const client = await follow();
  await until(() => hub.streams() === 1);
  client.response.pause();
  const total = 4 * limits.api.eventBacklog;
  for (let k = 1; k <= total; k++) {
    hub.tell('test.count', { k, padding: 'x'.repeat(4000) });
    if (k % 50 === 0) await sleep(1);
  }
  await until(() => hub.streams() === 0);
  client.response.resume();
  await client.over;
  expect(client.response.complete).toBe(false);
  const had = client.events.length;
  expect(had).toBeLessThan(total);
  const rest = await follow('', { after: client.lastEventId });
  await until(() => rest.events.length === total - had);
  const all = [...client.events, ...rest.events].map(({ data }) => JSON.parse(data).data.k);
  expect(all).toEqual(numbers(1, total));
});

test('whoever comes back too late is told what is lost, and goes on from there', async () => {
  hub.tell('a', {});
  const client = await follow('?after=9-1');
  await until(() => client.events.length === 2);
  expect(client.events).toMatchObject([{ event: 'lost', data: '{"oldest":"1-1"}' }, { id: '1-1' }]);
});

test('owners see their own events, and only admins of everything see who did what', async () => {
  const actor = { kind: 'operator', name: 'kim', from: '10.0.0.1' } as const;
  const line = {
    seq: 1,
    at: 1,
    actor,
    action: 'group.update',
    target: 'group x',
    detail: { name: 'g' },
    previous: '',
    hash: '',
  };
  const streams = await Promise.all(
    (['admin', 'viewer', 'acmeAdmin', 'boltViewer'] as const).map((who) => follow('', { who })),
  );
  hub.tell('device.pending', { keyId: 'a' }, owners.acme);
  hub.tell('device.pending', { keyId: 'b' }, owners.bolt);
  hub.tell('attempt.opened', { peer: 'stranger' });
  hub.audited({ entry: line, about: { devices: [] } });
  // Whoever has the last one of its own has all that came before.
  hub.tell('last', {}, owners.acme);
  hub.tell('last', {}, owners.bolt);
  hub.tell('last', {}, owners.acme);
  const expected = [
    [1, 2, 3, 4, 5, 6, 7],
    [1, 2, 3, 4, 5, 6, 7],
    [1, 5, 7],
    [2, 6],
  ];
  const seen = () => streams.map(({ events }) => events.map(({ id }) => Number(id?.split('-')[1])));
  await until(() => seen().every((ids, k) => ids.at(-1) === expected[k]?.at(-1)));
  expect(seen()).toEqual(expected);
  const [admin, viewer] = streams.map(({ events }) => JSON.parse(events[3]?.data ?? '{}').data);
  expect(admin).toEqual({ seq: 1, target: 'group x', actor, detail: { name: 'g' } });
  expect(viewer).toEqual({ seq: 1, target: 'group x' });
  const history = await api.as('boltAdmin').get('/events/history');
  expect(history.body.items.map(({ id }: { id: string }) => id)).toEqual(['1-2', '1-6']);
});

test('types are chosen, and the history is read in pages', async () => {
  for (let k = 0; k < 10; k++) hub.tell(k % 2 ? 'device.pending' : 'attempt.closed', { k });
  const client = await follow('?types=device,group&after=1-2');
  await until(() => client.events.length === 4);
  expect(client.events.map(({ id }) => id)).toEqual(['1-4', '1-6', '1-8', '1-10']);
  const page = async (query: string) => (await api.as('viewer').get(`/events/history?${query}`)).body;
  const first = await page('types=attempt.closed&limit=3');
  expect(first).toMatchObject({ next: '1-5', last: '1-5', lost: false });
  const second = await page(`types=attempt.closed&limit=3&after=${first.next}`);
  expect(second.items.map(({ id }: { id: string }) => id)).toEqual(['1-7', '1-9']);
  expect(second).toMatchObject({ next: null, last: '1-10' });
  expect(await page('after=5-5')).toMatchObject({ lost: true });
});

test('what is no id or no type is refused, and so is one stream too many', async () => {
  const viewer = api.as('viewer');
  const refused = async (path: string, headers = {}) => {
    const { status, problem } = await viewer.get(path, { headers });
    return [status, problem?.code, problem?.evidence.at ?? ''];
  };
  expect(await refused('/events?after=x')).toEqual([400, 'request.malformed', 'query.after']);
  expect(await refused('/events', { 'last-event-id': 'x' })).toEqual([
    400,
    'request.malformed',
    'header.last-event-id',
  ]);
  expect(await refused('/events?types=A')).toEqual([400, 'request.malformed', 'query.types.0']);
  expect(await refused('/events/history?limit=0')).toEqual([400, 'request.malformed', 'query.limit']);
  expect((await api.as(undefined).get('/events')).status).toBe(401);
  const held = Array.from({ length: limits.api.eventStreams }, () => hub.since(undefined));
  expect(await refused('/events')).toEqual([429, 'api.too-many', '']);
  for (const reader of held) reader.end();
  expect((await follow()).status).toBe(200);
});

test('one principal has a share of the streams, and leaves the others to others', async () => {
  for (let n = 0; n < limits.api.eventStreamsEach; n++)
    expect((await follow('', { who: 'acmeViewer' })).status).toBe(200);
  const { status, problem } = await api.as('acmeViewer').get('/events');
  expect([status, problem?.code, problem?.evidence]).toEqual([
    429,
    'api.too-many',
    { streams: limits.api.eventStreamsEach },
  ]);
  expect((await follow('', { who: 'boltViewer' })).status).toBe(200);
});
