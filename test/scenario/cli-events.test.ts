import { once } from 'node:events';
import { createServer, type Server, type ServerResponse } from 'node:http';
import { type AddressInfo, connect, createServer as createTcpServer, type Socket } from 'node:net';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { createApiClient } from '../../src/cli/remote/client.ts';
import { type Followed, followEvents, messagesIn } from '../../src/cli/remote/event-stream.ts';
import { systemTimers } from '../../src/core/clock.ts';
import { limits } from '../../src/core/limits.ts';
import { silentLog } from '../../src/core/log.ts';
import { EventHub } from '../../src/operator/event-hub.ts';
import { openLevelStore } from '../../src/store/level.ts';
import type { Store } from '../../src/store/store.ts';
import { startTestApi, type TestApi } from '../support/api.ts';
import { runInProcess } from '../support/run-in-process.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { until } from '../support/until.ts';

/** `firstboot events` against a service that tells events, and against one that breaks off in the middle. */

describe('firstboot events', () => {
  let folder: Awaited<ReturnType<typeof temporaryFolder>>;
  let store: Store;
  let hub: EventHub;
  let api: TestApi;

  beforeEach(async () => {
    folder = await temporaryFolder();
    store = await openLevelStore(folder.path, { synced: false });
    hub = new EventHub({ store, timers: systemTimers, log: silentLog });
    api = await startTestApi({ store, events: hub });
    vi.stubEnv('FIRSTBOOT_TOKEN', api.tokens.admin);
  });
  afterEach(async () => {
    vi.unstubAllEnvs();
    await hub.close();
    await api.close();
    await store.close();
    await folder.remove();
  });

  const run = (...args: string[]) => runInProcess(['events', '--server', api.url, ...args]);
  const json = async (...args: string[]) =>
    (await run(...args, '--json')).stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line));

  test('tells the last of what has happened, or what followed an event, of the types that are asked for', async () => {
    for (let n = 1; n <= 6; n++)
      hub.tell(n % 2 === 0 ? 'device.enrolled' : 'attempt.closed', { n, text: 'a\u001b[2J' });
    const numbers = (lines: readonly { readonly data?: { readonly n: number } }[]) =>
      lines.flatMap(({ data }) => (data ? [data.n] : []));
    expect(numbers(await json('--limit', '2'))).toEqual([5, 6]);
    expect(numbers(await json('--types', 'device'))).toEqual([2, 4, 6]);
    expect(numbers(await json('--types', 'device.enrolled,attempt'))).toEqual([1, 2, 3, 4, 5, 6]);
    const [first] = await json('--limit', '6');
    expect(first).toMatchObject({ event: 'event', type: 'attempt.closed', at: expect.any(Number) });
    expect(numbers(await json('--after', first.id, '--limit', '3'))).toEqual([2, 3, 4]);
    const { stdout, code } = await run('--limit', '1');
    expect(code).toBeUndefined();
    expect(stdout).toMatch(/^\d{4}-.*Z {2}device\.enrolled {2}n 6, text a.*\d+-6\n$/);
    expect(stdout).not.toContain('\u001b[2J');
  });

  test('says that there is nothing, and refuses nonsense', async () => {
    expect((await run('--types', 'device')).stdout).toContain('there is no such event');
    const { code, stderr } = await run('--after', 'yesterday');
    expect([code, stderr]).toEqual([1, expect.stringContaining('the request cannot be parsed')]);
  });

  test('follows until a signal, and loses and repeats nothing when it is cut off in between', async () => {
    const way = await wayTo(api.url);
    const running = runInProcess(['events', '--server', way.url, '--follow', '--json']);
    // A stream that nobody has opened yet hears nothing.
    await until(() => hub.streams() === 1);
    hub.tell('device.enrolled', { n: 1 });
    hub.tell('device.enrolled', { n: 2 });
    await until(() => way.carried().includes('"n":2'));
    way.cut();
    hub.tell('device.enrolled', { n: 3 });
    await until(() => way.carried().includes('"n":3'));
    hub.tell('device.enrolled', { n: 4 });
    const printed = () => vi.mocked(process.stdout.write).mock.calls.join('');
    await until(() => printed().includes('"n":4'));
    process.emit('SIGINT');
    const { stdout, code, stderr } = await running;
    await way.close();
    expect(code).toBeUndefined();
    expect(stderr).toMatch(/the connection broke.*trying again/);
    const told = stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line).data.n);
    expect(told).toEqual([1, 2, 3, 4]);
  });
});

/** A way to a service that can be cut. */
async function wayTo(url: string) {
  const { port } = new URL(url);
  const open = new Set<Socket>();
  let text = '';
  const server = createTcpServer((socket) => {
    const further = connect(Number(port), '127.0.0.1');
    further.on('data', (bytes) => {
      text += bytes.toString('utf8');
    });
    for (const end of [socket, further]) open.add(end.on('error', () => undefined));
    socket.pipe(further).pipe(socket);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const cut = (): void => {
    for (const socket of open) socket.resetAndDestroy();
    open.clear();
  };
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    carried: () => text,
    cut,
    close: async () => {
      cut();
      server.close();
      await once(server, 'close');
    },
  };
}

describe('a stream that breaks', () => {
  let server: Server;
  let url: string;
  let asked: (string | undefined)[];
  let answers: ((response: ServerResponse) => void)[];

  beforeEach(async () => {
    asked = [];
    answers = [];
    server = createServer((request, response) => {
      asked.push(request.headers['last-event-id'] as string | undefined);
      const answer = answers.shift();
      if (answer) answer(response);
      else request.socket.destroy();
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  });
  afterEach(async () => {
    server.closeAllConnections();
    server.close();
    await once(server, 'close');
  });

  const event = (id: string) =>
    `id: ${id}\nevent: device.alarm\ndata: ${JSON.stringify({ id, at: 1, type: 'device.alarm', data: {} })}\n\n`;
  const stream =
    (...texts: string[]) =>
    (response: ServerResponse) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      for (const text of texts) response.write(text);
      // What is cut off in its middle does not count.
      response.write('id: 1-999\ndata: {"half"', () => response.destroy());
    };
  const refuse = (status: number, code: string) => (response: ServerResponse) => {
    response.writeHead(status, { 'content-type': 'application/problem+json' });
    response.end(JSON.stringify({ code, evidence: {}, fix: '' }));
  };

  /** Follows until so many were told; the pauses that it took, and how often it was broken. */
  async function followed(count: number, after?: string) {
    const end = new AbortController();
    const [told, pauses, breaks]: [Followed[], number[], string[]] = [[], [], []];
    const client = createApiClient({ url, token: 'x' });
    const options = {
      types: undefined,
      after,
      signal: end.signal,
      pause: async (time: number) => void pauses.push(time),
      onBreak: ({ code }: { readonly code: string }) => void breaks.push(code),
    };
    for await (const one of followEvents(client, options)) {
      told.push(one);
      if (told.length === count) end.abort();
    }
    return { told: told.map((one) => (one.kind === 'event' ? one.event.id : `lost ${one.oldest}`)), pauses, breaks };
  }

  test('is asked for again from the last event on, and what comes twice is told once', async () => {
    answers = [
      stream('retry: 2000\nid: 1-7\n\n', event('1-8'), event('1-9')),
      refuse(503, 'service.busy'),
      stream(event('1-9'), ': nothing new\nid: 1-12\n\n'),
      stream(event('1-13')),
    ];
    const { told, pauses, breaks } = await followed(3);
    expect(told).toEqual(['1-8', '1-9', '1-13']);
    expect(asked).toEqual([undefined, '1-9', '1-9', '1-12']);
    expect(breaks).toEqual(['api.unreachable', 'service.busy', 'api.unreachable']);
    const { comeBack } = limits.client;
    expect(pauses).toEqual([comeBack, 2 * comeBack, comeBack]);
  });

  test('begins behind the event that is named, and says when some are lost', async () => {
    answers = [stream('id: 1-40\nevent: lost\ndata: {"oldest":"1-41"}\n\n', event('1-41'))];
    expect((await followed(2, '1-3')).told).toEqual(['lost 1-41', '1-41']);
    expect(asked).toEqual(['1-3']);
  });

  test('goes on with a service whose store was restored: its ids are lower', async () => {
    answers = [stream(event('9-1')), stream('id: 4-1\nevent: lost\ndata: {"oldest":"4-2"}\n\n', event('4-2'))];
    expect((await followed(3)).told).toEqual(['9-1', 'lost 4-2', '4-2']);
  });

  test.each([
    [401, 'api.unauthenticated'],
    [503, 'service.busy'],
  ])('that cannot be had the first time is told at once (%i)', async (status, code) => {
    answers = [refuse(status, code)];
    await expect(followed(1)).rejects.toMatchObject({ code });
    answers = [];
    await expect(followed(1)).rejects.toMatchObject({ code: 'api.unreachable' });
  });

  test('ends when the token is taken back', async () => {
    answers = [stream(event('1-1')), refuse(401, 'api.unauthenticated')];
    await expect(followed(2)).rejects.toMatchObject({ code: 'api.unauthenticated' });
  });

  test('pieces may be cut anywhere, lines end as they like, and an event has a bound', async () => {
    async function* bytes(text: string, size: number): AsyncGenerator<Uint8Array> {
      const all = Buffer.from(text);
      for (let at = 0; at < all.length; at += size) yield all.subarray(at, at + size);
    }
    const text = 'id: 1-1\r\nevent: a\r\ndata: ü1\r\ndata:2\r\n\r\n: comment\n\nid:1-2\nunknown\n\n';
    for (const size of [1, 2, 3, 7, 100]) {
      const found = [];
      for await (const message of messagesIn(bytes(text, size))) found.push(message);
      expect(found).toEqual([
        { id: '1-1', name: 'a', data: 'ü1\n2' },
        { id: '1-2', name: 'message', data: '' },
      ]);
    }
    const endless = messagesIn(bytes(`data: ${'x'.repeat(limits.client.eventBytes + 10)}`, 65_536));
    await expect(endless.next()).rejects.toMatchObject({ code: 'api.unreachable' });
  });
});
