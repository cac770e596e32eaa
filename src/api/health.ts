import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { Door } from './door.ts';
import type { Needed } from './roles.ts';
import type { ApiService } from './service.ts';

export interface MetricsText {
  readonly contentType: string;
  readonly text: string;
}

/**
 * What watchers of machines ask for, at the root: `/health/live` (the process answers), `/health/ready` (it takes devices; 503
 * and why when it does not: in a word, for the words name files; who sees all owners gets those), `/metrics`.
 */
export function healthPaths(
  server: FastifyInstance,
  {
    door,
    service,
    metrics,
    openMetrics,
  }: {
    readonly door: Door;
    readonly service: Pick<ApiService, 'health'>;
    readonly metrics: (() => Promise<MetricsText>) | undefined;
    readonly openMetrics: boolean;
  },
): void {
  server.get('/health/live', async () => ({ status: 'ok' }));
  server.get('/health/ready', async (request, reply) => {
    const { ready, reasons, codes } = service.health();
    const told = codes.length > 0 && (await mayEnter(door, request)) ? reasons : codes;
    return reply.code(ready ? 200 : 503).send({ status: ready ? 'ok' : 'not ready', reasons: told });
  });
  if (!metrics) return;
  server.get('/metrics', async (request, reply) => {
    // They count everybody's devices.
    if (!openMetrics) await door.enter(request, seesAll);
    const { contentType, text } = await metrics();
    return reply.header('content-type', contentType).send(text);
  });
}

const seesAll: Needed = { role: 'viewer', unbound: true };

/** Whoever cannot sign in is told as much as a stranger: an answer there is in any case. */
async function mayEnter(door: Door, request: FastifyRequest): Promise<boolean> {
  try {
    await door.enter(request, seesAll);
    return true;
  } catch {
    return false;
  }
}

/** For OpenAPI and for 405. */
export const healthRoutes = ['/health/live', '/health/ready', '/metrics'].map(
  (path) => ({ base: '', path, method: 'GET' }) as const,
);
