import type { FastifyInstance, FastifyListenOptions } from 'fastify';
import { expect, it } from 'vitest';
import { createServer, listen } from '../../../src/api/listening.ts';

it.each(['localhost', '127.0.0.1'])(
  'listens on one address of %s: a second one would be served by a server that is neither bounded nor renewed',
  async (host) => {
    const asked: FastifyListenOptions[] = [];
    const server = {
      listen: async (options: FastifyListenOptions) => {
        asked.push(options);
        return 'http://127.0.0.1:1';
      },
    };
    await listen(server as unknown as FastifyInstance, { host, port: 0 });
    expect(asked).toEqual([{ host: expect.stringMatching(/^(127\.0\.0\.1|::1)$/), port: 0 }]);
  },
);

it('waits as long as it is told to', () => {
  const patience = { headers: 1001, request: 1002, idle: 1003, body: 1004 };
  const judged = { requestId: () => '1', badUrl: () => undefined };
  const { server } = createServer({ host: '127.0.0.1', port: 0, patience }, judged);
  expect(server).toMatchObject({ headersTimeout: 1001, requestTimeout: 1002, timeout: 1003, keepAliveTimeout: 1003 });
});
