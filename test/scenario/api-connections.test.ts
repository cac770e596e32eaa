import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { Connections, connectionBounds } from '../../src/api/connections.ts';
import type { Principal } from '../../src/api/principal.ts';
import { minutes, systemTimers } from '../../src/core/clock.ts';
import { limits } from '../../src/core/limits.ts';
import { startTestApi, type TestApi } from '../support/api.ts';

/** Strangers who hold connections, and who is served all the same. */

let sockets: Socket[] = [];
let api: TestApi | undefined;
let server: Server | undefined;

afterEach(async () => {
  for (const socket of sockets) socket.destroy();
  sockets = [];
  await api?.close();
  server?.closeAllConnections();
  server?.close();
  [api, server] = [undefined, undefined];
});

async function opened(port: number, text = ''): Promise<Socket> {
  const socket = connect(port, '127.0.0.1');
  sockets.push(socket);
  socket.on('error', () => undefined).resume();
  await once(socket, 'connect');
  socket.write(text);
  return socket;
}

const portOf = (url: string): number => Number(new URL(url).port);

const unfinished = (path: string, headers = ''): string =>
  `POST /api/v1${path} HTTP/1.1\r\nhost: a\r\n${headers}content-type: application/json\r\ncontent-length: 1000\r\n\r\n{`;

/** Sends a body a byte at a time, until the connection is cut. */
async function drip(port: number, text: string): Promise<void> {
  const socket = await opened(port, text);
  const timer = setInterval(() => socket.write(' '), 50);
  // However it is closed: what was still on its way makes it a reset.
  await new Promise((resolve) => socket.on('error', () => undefined).once('close', resolve));
  clearInterval(timer);
}

describe('a server that strangers connect to', () => {
  it('answers although more of them than it holds send bodies that never end', async () => {
    // None of them is cut for its slowness while this runs.
    api = await startTestApi({
      patience: { headers: minutes(5), request: minutes(5), idle: minutes(5), body: minutes(5) },
    });
    const port = portOf(api.url);
    for (let lot = 0; lot < 11; lot++)
      await Promise.all(
        Array.from({ length: limits.api.connections / 10 }, () => opened(port, unfinished('/session'))),
      );
    const live = await fetch(`${api.url}/health/live`);
    expect(live.status).toBe(200);
    expect((await api.as('viewer').get('/session')).status).toBe(200);
  });

  it('waits for a body of somebody unknown for a shorter time than for one of somebody known', async () => {
    api = await startTestApi({
      patience: { headers: minutes(5), request: minutes(5), idle: minutes(5), body: 300 },
    });
    const port = portOf(api.url);
    const bearer = (token: string): string => `authorization: Bearer ${token}\r\n`;
    const known = await opened(port, unfinished('/tokens', bearer(api.tokens.admin)));
    await Promise.all([
      drip(port, unfinished('/session')),
      drip(port, unfinished('/no/such/path')),
      drip(port, unfinished('/tokens', bearer('wrong'))),
    ]);
    expect(known.closed).toBe(false);
  });

  it('cuts off somebody known, too, who never comes to an end', async () => {
    api = await startTestApi({ patience: { headers: 3000, request: 3500, idle: minutes(5), body: minutes(5) } });
    await drip(portOf(api.url), unfinished('/tokens', `authorization: Bearer ${api.tokens.admin}\r\n`));
    expect((await api.as('viewer').get('/session')).status).toBe(200);
  });
});

describe('connections of one address', () => {
  const principal = { id: 'token a' } as Principal;
  let askedSlow = 0;

  /** A server that answers `/slow` never and serves a known caller there. */
  async function bounded(perAddress: number): Promise<number> {
    const connections = new Connections({ all: 100, perAddress, servedEach: 1, shared: () => false });
    askedSlow = 0;
    server = createServer((request, response) => {
      if (request.url !== '/slow') return response.end('ok');
      connections.serve(principal, request, response);
      return askedSlow++;
    });
    connections.watch(server, systemTimers, 1000);
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return (server.address() as AddressInfo).port;
  }

  it('are bounded: the oldest makes room', async () => {
    const port = await bounded(2);
    const [first, second] = [await opened(port), await opened(port)];
    await opened(port);
    if (!first.closed) await once(first, 'close');
    expect(second.closed).toBe(false);
  });

  it('are kept while they serve somebody known, so many of one caller', async () => {
    const port = await bounded(2);
    const slow = 'GET /slow HTTP/1.1\r\nhost: a\r\n\r\n';
    const [first, second] = [await opened(port, slow), await opened(port, slow)];
    await expect.poll(() => askedSlow).toBe(2);
    await opened(port);
    if (!second.closed) await once(second, 'close');
    expect(first.closed).toBe(false);
  });

  it('are not bounded on this machine, where proxies are', () => {
    const { shared } = connectionBounds({ proxied: false });
    expect(['127.0.0.1', '::1', '::ffff:127.0.0.1'].map(shared)).toEqual([true, true, true]);
    expect(['10.0.0.1', '::ffff:10.0.0.1', '2001:db8::1'].map(shared)).toEqual([false, false, false]);
    expect(connectionBounds({ proxied: true }).shared('10.0.0.1')).toBe(true);
  });
});
