import type { FastifyInstance, FastifyListenOptions } from 'fastify';
import { expect, it } from 'vitest';
import { listen } from '../../../src/api/listening.ts';

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
