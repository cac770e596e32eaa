import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { runInProcess } from '../support/run-in-process.ts';

/** Commands that ask something that answers, but not as the API of firstboot does. */

let server: Server;
let url: string;
/** What the service says that it is. */
let version: string | undefined;
let answer: { readonly status: number; readonly body: string; readonly type?: string };

beforeAll(async () => {
  vi.stubEnv('FIRSTBOOT_TOKEN', 'x');
  server = createServer(({ url: path }, response) => {
    const described = path === '/api/v1/openapi.json' && version !== undefined;
    if (described) response.end(JSON.stringify({ openapi: '3.1.0', info: { version } }));
    else response.writeHead(answer.status, { 'content-type': answer.type ?? 'application/json' }).end(answer.body);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterAll(() => {
  vi.unstubAllEnvs();
  server.close();
});

async function expectComplaint(words: string, about: RegExp): Promise<void> {
  const { code, stderr } = await runInProcess([...words.split(' '), '--server', url]);
  expect(stderr).toMatch(about);
  expect(stderr).toContain(`url ${url}`);
  expect(stderr).not.toMatch(/unexpected error|\n {4}at /);
  expect(code).toBe(1);
}

const good = (body: unknown): typeof answer => ({ status: 200, body: JSON.stringify(body) });

const commands = [
  'device list',
  'device show x',
  'group list',
  'group show x',
  'hub list',
  'credential list',
  'attempt list',
  'attempt show x',
  'ca status',
  'audit list',
  'token list',
  'webhook list',
  'events',
  'backup monday',
];

describe('an answer that the API does not give', () => {
  test.each(commands)('to %s is complained about, with its path', async (words) => {
    for (const body of [{ items: [null], next: null, group: 3 }, null, 'text']) {
      answer = good(body);
      await expectComplaint(words, /path \/[\w/-]+, at answer.*, fault .*is none of this API/);
    }
  });

  test('is complained about with the place where it is odd', async () => {
    answer = good({ next: null });
    await expectComplaint('device list', /path \/\w+, at answer, fault missing: items/);
    answer = good({ items: [{ id: 'x', serial: 7 }], next: null });
    await expectComplaint('credential list', /path \/credentials, at answer\.items\.0, fault missing: keyId/);
  });

  test.each([
    ['evidence that is no flat record', { code: 'operator.input', evidence: { a: { b: 1 } }, fix: 'x' }],
    ['evidence that is null', { code: 'operator.input', evidence: null, fix: 'x' }],
    ['evidence that is a list', { code: 'operator.input', evidence: [1], fix: 'x' }],
    ['a fix that is no text', { code: 'operator.input', evidence: {}, fix: { x: 1 } }],
    ['an unknown code', { code: 'toString', evidence: {}, fix: 'x' }],
    ['nothing that is known', [1]],
  ])('is no refusal of firstboot when it has %s', async (_, problem) => {
    answer = { status: 400, body: JSON.stringify(problem), type: 'application/problem+json' };
    await expectComplaint('device list', /status 400.*this is not the API of firstboot/);
  });
});

describe('who answers in place of the service', () => {
  test.each([
    [
      'a proxy that does not reach it',
      { status: 502, body: '<html>Bad Gateway</html>', type: 'text/html' },
      /status 502.*a proxy answers/,
    ],
    ['a proxy that waits for it', { status: 504, body: '', type: 'text/html' }, /status 504.*a proxy answers/],
    ['another program', { status: 404, body: '<html>', type: 'text/html' }, /status 404.*not the API of firstboot/],
    ['one that cuts it off', { status: 200, body: '{"items":[', type: 'application/json' }, /no whole JSON.*cut off/],
    ['a page to sign in', { status: 200, body: '<html>', type: 'text/html' }, /no JSON.*not the API of firstboot/],
  ] as const)('%s is told apart', async (_, given, words) => {
    answer = given;
    await expectComplaint('device list', words);
  });
});

describe('a service of another version', () => {
  const problem = (status: number, code: string): typeof answer => {
    const body = { type: `urn:firstboot:error:${code}`, code, status, evidence: { key: 'newer' }, fix: 'x' };
    return { status, body: JSON.stringify(body), type: 'application/problem+json' };
  };
  beforeEach(() => {
    version = '9.8.7';
  });
  afterEach(() => {
    version = undefined;
  });

  test.each([
    [
      'does not know the path',
      problem(404, 'request.unknown-path'),
      /service 9\.8\.7, command \S+\): .*of another version/,
    ],
    ['does not know a key', problem(400, 'request.malformed'), /key newer.*service 9\.8\.7/],
    ['refuses in a new way', problem(409, 'device.on-fire'), /refusal device\.on-fire.*service 9\.8\.7/],
    ['answers in another form', good({ rows: [] }), /path \/\w+.*service 9\.8\.7/],
  ])('that %s is told as such, with both versions', async (_, given, words) => {
    answer = given;
    await expectComplaint('device list', words);
  });

  test('is not blamed for what it refuses for a reason', async () => {
    answer = problem(409, 'operator.conflict');
    expect((await runInProcess(['device', 'list', '--server', url])).stderr).not.toContain('9.8.7');
  });
});
