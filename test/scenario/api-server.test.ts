import { mkdir, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import Type from 'typebox';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Route, route } from '../../src/api/route.ts';
import { serviceRoutes } from '../../src/api/routes/service.ts';
import { sessionRoutes } from '../../src/api/routes/session.ts';
import { tokenRoutes } from '../../src/api/routes/tokens.ts';
import { hours, systemTimers, type Timers } from '../../src/core/clock.ts';
import { startTestApi, type TestApi } from '../support/api.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

let [ended, slowly] = [0, 0];
const common = { tag: 'test', summary: 'Test', errors: [], role: 'viewer' } as const;
const testRoutes: readonly Route[] = [
  route({
    ...common,
    id: 'ticks',
    method: 'GET',
    path: '/test/ticks',
    produces: 'text/event-stream',
    handle: async ({ gone, lastEventId = 'none' }) => {
      async function* ticks(): AsyncGenerator<string> {
        yield `data: after ${lastEventId}\n\n`;
        await new Promise<void>((resolve) => gone.addEventListener('abort', () => resolve(), { once: true }));
        ended++;
      }
      return { body: Readable.from(ticks()) };
    },
  }),
  route({
    ...common,
    id: 'bytes',
    method: 'GET',
    path: '/test/bytes',
    produces: 'application/pkix-crl',
    handle: async () => ({ body: new Uint8Array([0x30, 0x00]), headers: { 'cache-control': 'max-age=60' } }),
  }),
  route({
    ...common,
    id: 'wrong',
    method: 'GET',
    path: '/test/wrong',
    answer: Type.Object({ a: Type.Integer() }, { additionalProperties: false }),
    handle: async () => ({ body: { a: 1, b: 2 } as { a: number } }),
  }),
  route({
    ...common,
    id: 'slowly',
    method: 'GET',
    path: '/test/slowly',
    answer: Type.Object({}, { additionalProperties: false }),
    handle: async () => {
      slowly++;
      await new Promise((resolve) => setTimeout(resolve, 150));
      return { body: {} };
    },
  }),
];
const routes = [...sessionRoutes, ...tokenRoutes, ...serviceRoutes, ...testRoutes];

describe('what the server sends', () => {
  let api: TestApi;
  beforeAll(async () => {
    api = await startTestApi({ routes });
  });
  afterAll(() => api.close());

  it('sends a stream as it comes, and tells its route when the caller has gone', async () => {
    const before = ended;
    const leave = new AbortController();
    const answer = await fetch(`${api.url}/api/v1/test/ticks`, {
      headers: { authorization: `Bearer ${api.tokens.viewer}`, 'last-event-id': '3-7' },
      signal: leave.signal,
    });
    expect(answer.headers.get('content-type')).toContain('text/event-stream');
    const { value } = (await answer.body?.getReader().read()) ?? {};
    expect(new TextDecoder().decode(value)).toBe('data: after 3-7\n\n');
    leave.abort();
    await expect.poll(() => ended).toBe(before + 1);
    expect((await api.as('viewer').call('HEAD', '/test/ticks')).status).toBe(405);
  });

  it('ends a stream when the token of its reader is revoked', async () => {
    // Looks again soon.
    const timers: Timers = {
      now: systemTimers.now,
      schedule: (at, wake) => systemTimers.schedule(Math.min(at, systemTimers.now() + 50), wake),
    };
    const other = await startTestApi({ routes, timers });
    try {
      const headers = { authorization: `Bearer ${other.tokens.viewer}` };
      const answer = await fetch(`${other.url}/api/v1/test/ticks`, { headers });
      const reader = answer.body?.getReader();
      await reader?.read();
      const rest = reader?.read().catch(() => ({ done: true }));
      await new Promise((resolve) => setTimeout(resolve, 200));
      const before = ended;
      await other.as('admin').del('/tokens/viewer');
      expect((await rest)?.done).toBe(true);
      await expect.poll(() => ended).toBe(before + 1);
    } finally {
      await other.close();
    }
  });

  it('sends bytes as they are, with headers of the route', async () => {
    const { headers, text } = await api.as('viewer').get('/test/bytes');
    expect([headers.get('content-type'), headers.get('cache-control'), text]).toEqual([
      'application/pkix-crl',
      'max-age=60',
      '0\0',
    ]);
    expect((await api.as('viewer').call('HEAD', '/test/bytes')).headers.get('content-length')).toBe('2');
  });

  it('holds answers against their schemas in tests', async () => {
    expect((await api.as('viewer').get('/test/wrong')).problem?.code).toBe('service.internal');
  });

  it('makes a token that gets in, and tells it once', async () => {
    const { status, body } = await api.as('admin').post('/tokens', { name: 'ci', role: 'viewer', owner: 'Acme' });
    expect([status, body.applied]).toEqual([201, true]);
    const client = api.with({ authorization: `Bearer ${body.result.token}` });
    expect((await client.get('/session')).body).toMatchObject({ name: 'ci', role: 'viewer' });
    const { body: list, text } = await api.as('admin').get('/tokens');
    expect(list.items.map(({ name }: { name: string }) => name)).toContain('ci');
    expect(text).not.toMatch(/hash|fb_/);
    expect((await api.as('admin').post('/tokens', { name: 'ci', role: 'admin' })).problem?.code).toBe(
      'operator.conflict',
    );
    expect((await api.as('admin').del('/tokens/ci')).body.applied).toBe(true);
    expect((await client.get('/session')).status).toBe(401);
    expect((await api.as('admin').del('/tokens/ci')).problem?.code).toBe('operator.not-found');
    const lines = await api.store.audit({ limit: 500 });
    expect(lines.slice(-2).map(({ action, actor }) => [action, actor.name])).toEqual([
      ['token.create', 'admin'],
      ['token.revoke', 'admin'],
    ]);
    expect(JSON.stringify(lines)).not.toContain(body.result.token);
  });

  it('makes no token in a dry run', async () => {
    const { status, body } = await api.as('admin').post('/tokens?dryRun=true', { name: 'dry', role: 'viewer' });
    expect([status, body.applied, body.result.token]).toEqual([200, false, '']);
    expect((await api.as('admin').get('/tokens')).text).not.toContain('"dry"');
  });

  it('says that a service without a configuration reloads nothing', async () => {
    expect((await api.as('admin').post('/reload')).problem?.code).toBe('operator.conflict');
    expect((await api.as('admin').post('/backups', { name: 'today' })).problem?.code).toBe('operator.conflict');
    expect((await api.as('admin').post('/backups', { name: '../today' })).problem?.evidence.at).toBe('body.name');
  });

  it('describes itself to everybody', async () => {
    const { status, body } = await api.as(undefined).get('/openapi.json');
    expect([status, body.openapi]).toEqual([200, '3.1.0']);
  });
});

describe('health and metrics', () => {
  it('says whether it takes devices, and why not', async () => {
    let reasons: readonly string[] = [];
    const health = () => ({ ready: reasons.length === 0, reasons, codes: reasons.map(() => 'store') });
    const api = await startTestApi({ routes, health });
    try {
      expect((await api.as(undefined).get('//health/live')).body).toEqual({ status: 'ok' });
      expect((await api.as(undefined).get('//health/ready')).body).toEqual({ status: 'ok', reasons: [] });
      reasons = ['the store is away: /srv/firstboot/store'];
      const told = async (client: ReturnType<typeof api.as>): Promise<unknown> => {
        const { status, body } = await client.get('//health/ready');
        expect([status, body.status]).toEqual([503, 'not ready']);
        return body.reasons;
      };
      expect(await told(api.as('viewer'))).toEqual(reasons);
      for (const stranger of [api.as(undefined), api.as('acmeAdmin'), api.with({ authorization: 'Bearer wrong' })])
        expect(await told(stranger)).toEqual(['store']);
      expect((await api.as(undefined).get('//health/live')).status).toBe(200);
    } finally {
      await api.close();
    }
  });

  it('tells its numbers to who sees all owners, and to everybody when it is told to', async () => {
    const metrics = async () => ({ contentType: 'text/plain; version=0.0.4', text: 'firstboot_up 1\n' });
    const [api, open] = [
      await startTestApi({ routes, metrics }),
      await startTestApi({ routes, metrics, openMetrics: true }),
    ];
    try {
      expect((await api.as('viewer').get('//metrics')).text).toBe('firstboot_up 1\n');
      expect((await api.as(undefined).get('//metrics')).status).toBe(401);
      expect((await api.as('acmeAdmin').get('//metrics')).status).toBe(403);
      expect((await open.as(undefined).get('//metrics')).status).toBe(200);
    } finally {
      await api.close();
      await open.close();
    }
  });
});

describe('the dashboard', () => {
  it('is served with a strict policy; every path that is no file is its page', async () => {
    const folder = await temporaryFolder();
    await mkdir(join(folder.path, 'assets'));
    await writeFile(join(folder.path, 'index.html'), `<!doctype html>${' '.repeat(1000)}<title>firstboot</title>`);
    await writeFile(join(folder.path, 'assets', 'main-4f9a8c1d.js'), 'console.log(1)');
    const api = await startTestApi({ routes, web: folder.path });
    try {
      for (const path of ['//', '//devices/abc', '//index.html']) {
        const { status, headers, text } = await api.as(undefined).get(path);
        expect([status, headers.get('cache-control'), text.includes('<title>')]).toEqual([200, 'no-cache', true]);
        expect(headers.get('content-security-policy')).toMatch(
          /^default-src 'none'; script-src 'self'; style-src 'self';/,
        );
        expect(headers.get('content-encoding')).toBe('gzip');
        expect(headers.get('x-frame-options')).toBe('DENY');
      }
      const asset = await api.as(undefined).get('//assets/main-4f9a8c1d.js');
      expect([asset.text, asset.headers.get('content-type'), asset.headers.get('cache-control')]).toEqual([
        'console.log(1)',
        'text/javascript; charset=utf-8',
        'public, max-age=31536000, immutable',
      ]);
      const etag = asset.headers.get('etag') ?? '';
      const again = await api.as(undefined).get('//assets/main-4f9a8c1d.js', { headers: { 'if-none-match': etag } });
      expect(again.status).toBe(304);
      expect((await api.as(undefined).get('//assets/gone.js')).status).toBe(404);
      expect((await api.as(undefined).get('//..%2f..%2fetc/passwd')).text).toContain('<title>firstboot');
      expect((await api.as(undefined).get('//api/v2/devices')).problem?.code).toBe('request.unknown-path');
      expect((await api.as(undefined).post('//devices')).problem?.code).toBe('request.unknown-path');
    } finally {
      await api.close();
      await folder.remove();
    }
  });

  it('says how to build it when it is not there', async () => {
    for (const web of [undefined, '/nowhere/at/all']) {
      const api = await startTestApi({ routes, web });
      try {
        const { status, text } = await api.as(undefined).get('//devices');
        expect([status, text]).toEqual([404, expect.stringContaining('npm run build')]);
      } finally {
        await api.close();
      }
    }
  });
});

describe('a server and its time', () => {
  /** Longer than any test: what has it never cuts a connection off. */
  const long = hours(1);
  const patient = { headers: long, request: long, idle: long, body: long };

  /** Resolves when the server ends a connection: with what it said. */
  const cutOff = (url: string, drip: (send: (text: string) => void) => void): Promise<string> =>
    new Promise((resolve) => {
      const socket = connect(Number(new URL(url).port), '127.0.0.1');
      let text = '';
      let timer: NodeJS.Timeout | undefined;
      socket.on('data', (piece) => {
        text += piece.toString();
      });
      socket.on('error', () => undefined);
      socket.on('close', () => {
        clearInterval(timer);
        resolve(text);
      });
      socket.on('connect', () => {
        timer = setInterval(() => drip((piece) => socket.write(piece)), 50);
      });
    });

  const head = (token: string) =>
    `POST /api/v1/tokens HTTP/1.1\r\nhost: a\r\nauthorization: Bearer ${token}\r\ncontent-type: application/json\r\ncontent-length: 1000\r\n\r\n`;

  // Nothing but the patience that is looked at ends the connection: each test ends when the server does that.
  it.each([
    [
      'headers that never end',
      { ...patient, headers: 300 },
      '408',
      (part: number) => (part === 0 ? 'GET / HTTP/1.1\r\n' : `x-part-${part}: 1\r\n`),
    ],
    [
      'a slow body',
      // How often is looked for late ones goes by the patience for headers.
      { ...patient, headers: 300, request: 600 },
      '408',
      (part: number, token: string) => (part === 0 ? head(token) : ' '),
    ],
    ['nothing', { ...patient, idle: 300 }, '', () => undefined],
  ])('lets nobody hold a connection with %s', async (_, patience, told, said) => {
    const api = await startTestApi({ routes, patience });
    try {
      let part = 0;
      const text = await cutOff(api.url, (send) => {
        const piece = said(part++, api.tokens.admin);
        if (piece !== undefined) send(piece);
      });
      expect(text).toContain(told);
      await expect.poll(async () => (await api.as('viewer').get('/session')).status, { timeout: 30_000 }).toBe(200);
    } finally {
      await api.close();
    }
  });

  it('ends its streams and finishes what is under way before it closes', async () => {
    const api = await startTestApi({ routes });
    const before = ended;
    const headers = { authorization: `Bearer ${api.tokens.viewer}` };
    const stream = await fetch(`${api.url}/api/v1/test/ticks`, { headers });
    const reader = stream.body?.getReader();
    await reader?.read();
    const slow = api.as('viewer').get('/test/slowly');
    await expect.poll(() => slowly, { interval: 5 }).toBe(1);
    const closed = api.close();
    expect((await slow).status).toBe(200);
    expect((await reader?.read())?.done).toBe(true);
    await closed;
    expect(ended).toBe(before + 1);
    await expect(fetch(`${api.url}/health/live`)).rejects.toThrow();
  });

  it('says which port is taken', async () => {
    const api = await startTestApi({ routes });
    try {
      const port = Number(new URL(api.url).port);
      await expect(startTestApi({ routes, port })).rejects.toMatchObject({ code: 'service.address-in-use' });
    } finally {
      await api.close();
    }
  });
});
