import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Route } from '../../src/api/route.ts';
import { routes } from '../../src/api/routes/index.ts';
import type { Role } from '../../src/store/model.ts';
import type { TokenName } from '../support/api.ts';
import { type ApiSite, openApiSite } from '../support/api-site.ts';

const rank: readonly Role[] = ['viewer', 'operator', 'admin'];

describe('who may call what', () => {
  let site: ApiSite;
  beforeAll(async () => {
    site = await openApiSite();
  });
  afterAll(() => site.close());

  /** Answers may have no end: only their beginning is waited for. */
  const statusOf = async (route: Route, who: TokenName | undefined): Promise<number> => {
    const path = (route.base ?? '/api/v1') + route.path.replace(/\{\w+\}/g, 'x');
    const answer = await fetch(`${site.url}${path}`, {
      method: route.method,
      headers: {
        'x-from': 'test',
        ...(who && { authorization: `Bearer ${site.tokens[who]}` }),
        ...(route.consumes && { 'content-type': route.consumes[0] ?? '' }),
      },
      ...(route.consumes && { body: 'x' }),
    });
    await answer.body?.cancel();
    return answer.status;
  };

  for (const route of routes) {
    const { role, unbound = false } = route;
    const rule = role === undefined ? 'everybody' : `${role}${unbound ? ', unbound' : ''}`;
    it(`${route.method} ${route.path} is for: ${rule}`, async () => {
      const open = role === undefined;
      expect(await statusOf(route, undefined), 'nobody').satisfies((status: number) => (status === 401) === !open);
      for (const [at, each] of rank.entries()) {
        const enough = open || at >= rank.indexOf(role);
        expect((await statusOf(route, each)) === 403, each).toBe(!enough);
        const bound = `acme${each.charAt(0).toUpperCase()}${each.slice(1)}` as TokenName;
        expect((await statusOf(route, bound)) === 403, bound).toBe(!enough || unbound);
      }
    });
  }

  it('every route has its own name, path and reasons, and only changes go by If-Match', () => {
    const names = routes.map(({ id }) => id);
    expect(new Set(names).size).toBe(names.length);
    const places = routes.map(({ method, path }) => `${method} ${path}`);
    expect(new Set(places).size).toBe(places.length);
    expect(routes.filter(({ conditional, method }) => conditional && method === 'GET')).toEqual([]);
    expect(routes.filter(({ role, method }) => role === 'viewer' && method !== 'GET').map(({ id }) => id)).toEqual([
      'explainChain',
      'rehearseCa',
    ]);
  });
});
