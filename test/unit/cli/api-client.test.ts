import { once } from 'node:events';
import { createServer, type IncomingMessage, type RequestListener, type Server, type ServerResponse } from 'node:http';
import { createServer as createSecureServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, test } from 'vitest';
import { createApiClient, segment } from '../../../src/cli/remote/client.ts';
import { encodeCertificates } from '../../../src/codec/pem.ts';
import { uuidV4 } from '../../../src/core/ids.ts';
import { systemRandom } from '../../../src/core/random.ts';
import { createDevelopmentPki } from '../../../src/pki/development.ts';

/** The client of the API against servers of all kinds. */

let server: Server | undefined;
afterEach(async () => {
  server?.closeAllConnections();
  server?.close();
  server = undefined;
});

async function serving(answer: RequestListener): Promise<string> {
  server = createServer(answer).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

const sending =
  (status: number, body: string, type = 'application/json') =>
  (_: IncomingMessage, response: ServerResponse): void => {
    response.writeHead(status, { 'content-type': type }).end(body);
  };

describe('a request', () => {
  test('has the token, what is asked, and nothing that is undefined', async () => {
    const seen: { method?: string | undefined; url?: string | undefined; auth?: string | undefined; body: string }[] =
      [];
    const url = await serving(async (request, response) => {
      let body = '';
      for await (const piece of request) body += piece;
      seen.push({ method: request.method, url: request.url, auth: request.headers.authorization, body });
      response.end('{}');
    });
    const client = createApiClient({ url: `${url}/`, token: 'secret' });
    await client.ask(`/groups/${segment('a/b ü?')}`, { query: { limit: 5, dryRun: undefined, text: 'a&b' } });
    await client.ask('/tokens', { method: 'POST', body: { name: 'x', owner: undefined } });
    async function* pieces(): AsyncGenerator<string> {
      yield 'serial\n';
      yield '3fa2b1\n';
    }
    await client.ask('/import', { method: 'POST', stream: { type: 'text/csv', pieces: pieces() } });
    expect(seen).toEqual([
      { method: 'GET', url: '/api/v1/groups/a%2Fb%20%C3%BC%3F?limit=5&text=a%26b', auth: 'Bearer secret', body: '' },
      { method: 'POST', url: '/api/v1/tokens', auth: 'Bearer secret', body: '{"name":"x"}' },
      { method: 'POST', url: '/api/v1/import', auth: 'Bearer secret', body: 'serial\n3fa2b1\n' },
    ]);
  });

  test('a service may refuse an import before it has all of it', async () => {
    const url = await serving((_, response) => {
      response.writeHead(403, { 'content-type': 'application/problem+json', connection: 'close' });
      response.end(JSON.stringify({ code: 'api.forbidden', evidence: {}, fix: 'ask somebody' }));
    });
    async function* endless(): AsyncGenerator<string> {
      for (let n = 0; n < 10_000; n++) yield 'x'.repeat(10_000);
    }
    const stream = { type: 'text/csv', pieces: endless() };
    const asking = createApiClient({ url, token: 'x' }).ask('/import', { method: 'POST', stream });
    await expect(asking).rejects.toMatchObject({ code: expect.stringMatching(/^api\.(forbidden|unreachable)$/) });
  });

  test('a file that cannot be read on the way is told as that', async () => {
    const url = await serving((request) => void request.resume());
    // biome-ignore lint/correctness/useYield: it fails before there is anything
    async function* broken(): AsyncGenerator<string> {
      throw Object.assign(new Error('gone'), { code: 'ENOENT' });
    }
    const stream = { type: 'text/csv', pieces: broken() };
    await expect(createApiClient({ url, token: 'x' }).ask('/import', { method: 'POST', stream })).rejects.toMatchObject(
      {
        evidence: { found: 'ENOENT' },
      },
    );
  });
});

describe('an answer', () => {
  const refusal = { code: 'operator.not-found', evidence: { device: 'x' }, fix: 'look again', status: 404 };

  test('that is a problem is the refusal that it tells', async () => {
    const url = await serving(sending(404, JSON.stringify(refusal), 'application/problem+json'));
    await expect(createApiClient({ url, token: 'x' }).ask('/devices/x')).rejects.toMatchObject({
      code: 'operator.not-found',
      evidence: { device: 'x' },
      fix: 'look again',
    });
  });

  test.each([
    ['of another server', 404, '<html>', { status: 404 }],
    ['with a code that nobody knows', 400, JSON.stringify({ code: 'toString' }), { status: 400 }],
    ['that leads elsewhere', 302, '', { status: 302 }],
  ])('%s is told as such', async (_, status, body, evidence) => {
    const url = await serving(sending(status, body));
    await expect(createApiClient({ url, token: 'x' }).ask('/devices')).rejects.toMatchObject({
      code: 'api.unreachable',
      evidence: { url, ...evidence },
      fix: expect.stringContaining('not the API'),
    });
  });

  test('without a body is nothing, and a policy file is a text', async () => {
    const url = await serving((request, response) => {
      if (request.url === '/api/v1/policy') sending(200, 'groups: []\n', 'application/yaml')(request, response);
      else response.writeHead(204).end();
    });
    const client = createApiClient({ url, token: 'x' });
    expect(await client.ask('/session', { method: 'DELETE' })).toBeUndefined();
    expect(await client.ask('/policy')).toBe('groups: []\n');
  });

  test('that breaks off is told, without the token', async () => {
    const url = await serving((_, response) => {
      response.writeHead(200, { 'content-length': '100' });
      response.write('{"half":', () => response.destroy());
    });
    const error = await createApiClient({ url, token: 'topsecret' })
      .ask('/devices')
      .catch((reason: unknown) => reason);
    expect(error).toMatchObject({ code: 'api.unreachable', evidence: { found: 'ECONNRESET' } });
    expect(JSON.stringify(error)).not.toContain('topsecret');
  });
});

describe('an address', () => {
  test.each(['nonsense', 'ftp://host', 'http://user:pw@host', 'http://host/?x=1'])('%s is refused', (url) => {
    expect(() => createApiClient({ url, token: 'x' })).toThrow(expect.objectContaining({ code: 'command.usage' }));
    expect(() => createApiClient({ url, token: 'x' })).not.toThrow(/pw/);
  });

  test('where nobody listens is told with what to look at', async () => {
    const url = await serving(sending(200, '{}'));
    const closed = once(server as Server, 'close');
    server?.close();
    await closed;
    server = undefined;
    await expect(createApiClient({ url, token: 'x' }).ask('/devices')).rejects.toMatchObject({
      code: 'api.unreachable',
      evidence: { url, found: 'ECONNREFUSED' },
      fix: expect.stringContaining('nobody listens there'),
    });
  });

  test('whose certificate nobody here knows is refused, and taken with its authority', async () => {
    const pki = createDevelopmentPki({
      devices: 1,
      hubId: uuidV4(systemRandom),
      now: Date.now(),
      random: systemRandom,
    });
    const { chain, privateKey } = pki.service;
    const key = privateKey.export({ type: 'pkcs8', format: 'pem' });
    const ca = encodeCertificates([pki.serviceCa.certificate.der]);
    const listening = async (host: string) => {
      const secure = createSecureServer({ cert: encodeCertificates(chain), key }, sending(200, '{"ok":true}'));
      await once(secure.listen(0, host), 'listening');
      return secure;
    };
    const [secure, elsewhere] = [await listening('127.0.0.1'), await listening('127.0.0.2')];
    const at = (one: typeof secure, host: string) => `https://${host}:${(one.address() as AddressInfo).port}`;
    const url = at(secure, '127.0.0.1');
    try {
      await expect(createApiClient({ url, token: 'x' }).ask('/ca')).rejects.toMatchObject({
        code: 'api.unreachable',
        fix: expect.stringContaining('--server-ca'),
      });
      expect(await createApiClient({ url, token: 'x', ca }).ask('/ca')).toEqual({ ok: true });
      const other = at(elsewhere, '127.0.0.2');
      await expect(createApiClient({ url: other, token: 'x', ca }).ask('/ca')).rejects.toMatchObject({
        evidence: { found: 'ERR_TLS_CERT_ALTNAME_INVALID', names: expect.stringContaining('127.0.0.1') },
        fix: expect.stringContaining('use one of those'),
      });
      const plain = url.replace('https', 'http');
      await expect(createApiClient({ url: plain, token: 'x' }).ask('/ca')).rejects.toMatchObject({
        code: 'api.unreachable',
      });
    } finally {
      for (const one of [secure, elsewhere]) {
        one.closeAllConnections();
        one.close();
      }
    }
  });
});
