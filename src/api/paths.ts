import type { Route } from './route.ts';

const apiBase = '/api/v1';

/** As OpenAPI writes it: `/api/v1/devices/{device}`. */
export const fullPath = ({ base = apiBase, path }: Pick<Route, 'base' | 'path'>): string => `${base}${path}`;

/** As the router reads it: `/api/v1/devices/:device`. */
export const routerPath = (route: Pick<Route, 'base' | 'path'>): string =>
  fullPath(route).replaceAll(/\{(\w+)\}/g, ':$1');

/** Methods that are known at a path. HEAD goes with GET. */
export function allowedMethods(routes: readonly Pick<Route, 'base' | 'path' | 'method'>[]): (path: string) => string[] {
  const known = routes.map((route) => ({
    pattern: patternOf(fullPath(route)),
    methods: route.method === 'GET' ? ['GET', 'HEAD'] : [route.method],
  }));
  return (path) => {
    const fitting = known.filter(({ pattern }) => pattern.test(path)).flatMap(({ methods }) => methods);
    return [...new Set(fitting)].toSorted();
  };
}

/** @param path below the base, without a query */
export const fitsPath = (route: Pick<Route, 'path'>, path: string): boolean => patternOf(route.path).test(path);

const patternOf = (path: string): RegExp =>
  new RegExp(`^${path.replaceAll('.', '\\.').replaceAll(/\{\w+\}/g, '[^/]+')}$`);
