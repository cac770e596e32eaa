import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { openApiDocument } from '../../../src/api/openapi.ts';
import { fullPath } from '../../../src/api/paths.ts';
import { routes } from '../../../src/api/routes/index.ts';
import { version } from '../../../src/version.ts';

interface Operation {
  readonly operationId: string;
  readonly summary: string;
  readonly parameters?: readonly { readonly name: string; readonly in: string; readonly required?: boolean }[];
  readonly responses: Readonly<Record<string, { readonly description: string }>>;
}

const document = JSON.parse(JSON.stringify(openApiDocument(routes, version))) as {
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
  readonly components: { readonly schemas: Readonly<Record<string, unknown>> };
};
const operations = Object.entries(document.paths).flatMap(([path, methods]) =>
  Object.entries(methods).map(([method, operation]) => ({ path, method, operation, id: operation.operationId })),
);

/** Every object in a JSON value, with where it is. */
function* nodes(value: unknown, at = ''): Generator<{ readonly at: string; readonly node: Record<string, unknown> }> {
  if (typeof value !== 'object' || value === null) return;
  if (!Array.isArray(value)) yield { at, node: value as Record<string, unknown> };
  for (const [key, inner] of Object.entries(value)) yield* nodes(inner, `${at}/${key}`);
}

describe('docs/openapi.json', () => {
  it('is what the routes say: else run `npm run openapi`', () => {
    const written = readFileSync(new URL('../../../docs/openapi.json', import.meta.url), 'utf8');
    expect(written === `${JSON.stringify(document, null, 2)}\n`, 'run `npm run openapi`').toBe(true);
  });
});

describe('the description of the API', () => {
  it('has every route', () => {
    const described = operations.map(({ method, path }) => `${method.toUpperCase()} ${path}`);
    const served = routes.map((route) => `${route.method} ${fullPath(route)}`);
    expect(described.filter((one) => one.includes('/api/') || one.includes('/device-')).toSorted()).toEqual(
      served.toSorted(),
    );
  });

  it('calls no two operations the same', () => {
    const ids = operations.map(({ id }) => id);
    expect(ids.toSorted()).toEqual([...new Set(ids)].toSorted());
    for (const id of ids) expect(id).toMatch(/^[a-z][A-Za-z0-9]+$/);
  });

  it('refers to schemas that are there', () => {
    const references = [...nodes(document)].flatMap(({ at, node }) =>
      typeof node.$ref === 'string' ? [{ at, to: node.$ref }] : [],
    );
    expect(references.length).toBeGreaterThan(20);
    for (const { at, to } of references) {
      const name = /^#\/components\/schemas\/(\w+)$/.exec(to)?.[1] ?? '';
      expect(Object.keys(document.components.schemas), at).toContain(name);
    }
    expect([...nodes(document)].filter(({ node }) => '$id' in node)).toEqual([]);
  });

  it('gives one name to one schema', () => {
    const seen = new Map<string, string>();
    for (const route of routes) {
      for (const { node } of nodes([route.params, route.query, route.body, route.answer])) {
        if (typeof node.$id !== 'string') continue;
        const text = JSON.stringify(node);
        expect(seen.get(node.$id) ?? text, node.$id).toBe(text);
        seen.set(node.$id, text);
      }
    }
  });

  it.each(operations)('$id declares each parameter of its path, and no other', ({ path, operation }) => {
    const named = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name);
    const declared = (operation.parameters ?? []).filter((parameter) => parameter.in === 'path');
    expect(declared.map(({ name }) => name).toSorted()).toEqual(named.toSorted());
    for (const { required } of declared) expect(required).toBe(true);
    expect(operation.summary).toMatch(/^[A-Z].*[^.]$/);
    expect(Object.keys(operation.responses).some((status) => /^2\d\d$/.test(status))).toBe(true);
  });

  it('lets no unknown key into a body or a query', () => {
    for (const { id, body, query, params } of routes) {
      for (const { at, node } of nodes({ body, query, params })) {
        if (!('properties' in node) || at.endsWith('/properties')) continue;
        expect(node.additionalProperties, `${id}${at}`).toBe(false);
      }
    }
  });

  it('asks whoever changes something for an account', () => {
    const open = routes.filter(({ role, method }) => role === undefined && method !== 'GET').map(({ id }) => id);
    expect(open).toEqual(['signIn', 'signOut']);
  });
});
