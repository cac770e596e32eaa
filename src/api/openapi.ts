import type { TObject, TSchema } from 'typebox';
import { type ErrorCode, errorTable } from '../core/errors.ts';
import type { JsonObject, JsonValue } from '../core/json.ts';
import { limits } from '../core/limits.ts';
import { problemSchema, watchersPaths } from './openapi-parts.ts';
import { fullPath } from './paths.ts';
import { problemType } from './problem.ts';
import type { Route } from './route.ts';

/** The OpenAPI 3.1 document of routes: paths in their order, schemas that have an `$id` once. */
export function openApiDocument(routes: readonly Route[], version: string): JsonObject {
  const schemas = new SharedSchemas();
  const paths: Record<string, Record<string, JsonObject>> = {};
  for (const route of routes) {
    const path = fullPath(route);
    paths[path] = { ...paths[path], [route.method.toLowerCase()]: operation(route, schemas) };
  }
  const tags = [...new Set(routes.map(({ tag }) => tag))];
  return {
    openapi: '3.1.0',
    info: {
      title: 'firstboot',
      version,
      description,
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    servers: [{ url: '/' }],
    tags: tags.map((name) => ({ name })),
    security: [{ token: [] }, { cookie: [] }, { certificate: [] }],
    paths: { ...paths, ...watchersPaths },
    components: {
      schemas: { Problem: problemSchema, ...schemas.all() },
      securitySchemes: {
        token: {
          type: 'http',
          scheme: 'bearer',
          description: 'A token of this service (`fb_...`), or a JWT of a configured OIDC issuer.',
        },
        cookie: {
          type: 'apiKey',
          in: 'cookie',
          name: 'firstboot-session',
          description: 'What signIn gives a browser. Changes need a page of the same origin.',
        },
        certificate: { type: 'mutualTLS', description: 'A certificate that a rule under api.certificates names.' },
      },
    },
  };
}

const description = [
  'Everything that an operator of firstboot can do. Times are ms since 1970, UTC.',
  'Lists answer `{items, next}`: give `next` as `cursor` to go on.',
  'Changes answer `{applied, effects, result}`, and take `dryRun=true`.',
  'Errors are problem documents (RFC 9457) with a `code` and a `fix`; docs/errors.md lists the codes.',
  'A change that is sent again with the same `Idempotency-Key` within 24 hours is done once.',
].join('\n');

function operation(route: Route, schemas: SharedSchemas): JsonObject {
  const { id, tag, summary, role, unbound = false, body, consumes } = route;
  const who = role === undefined ? 'Everybody.' : `Role: ${role}${unbound ? ', not bound to an owner' : ''}.`;
  return {
    operationId: id,
    tags: [tag],
    summary,
    description: [route.description, who].filter((text) => text !== undefined).join('\n\n'),
    ...(role === undefined && { security: [] }),
    parameters: parameters(route, schemas),
    ...(body !== undefined && { requestBody: jsonBody(body, schemas) }),
    ...(consumes !== undefined && {
      requestBody: {
        required: true,
        content: Object.fromEntries(consumes.map((type) => [type, { schema: { type: 'string' } }])),
      },
    }),
    responses: responses(route, schemas),
  };
}

function parameters(route: Route, schemas: SharedSchemas): JsonValue[] {
  const { params, query, method, role, conditional = false } = route;
  const changes = method !== 'GET';
  return [
    ...ofObject(params, 'path', schemas),
    ...ofObject(query, 'query', schemas),
    ...(changes && conditional
      ? [header('If-Match', 'The ETag that it was read with: refused (412) when it has changed.')]
      : []),
    ...(changes && role !== undefined
      ? [
          header(
            'Idempotency-Key',
            'Names this request: sent again with the same key, it is done once.',
            limits.api.idempotencyKey,
          ),
        ]
      : []),
  ];
}

const header = (name: string, text: string, maxLength?: number): JsonObject => ({
  name,
  in: 'header',
  description: text,
  schema: { type: 'string', ...(maxLength !== undefined && { maxLength }) },
});

function ofObject(schema: TObject | undefined, place: 'path' | 'query', schemas: SharedSchemas): JsonValue[] {
  const { properties = {}, required = [] } = (schema ?? {}) as {
    readonly properties?: Readonly<Record<string, TSchema>>;
    readonly required?: readonly string[];
  };
  return Object.entries(properties).map(([name, property]) => {
    const { description: text, ...rest } = schemas.refer(property) as { readonly description?: string };
    const list = 'type' in rest && rest.type === 'array';
    return {
      name,
      in: place,
      ...(text !== undefined && { description: text }),
      ...((place === 'path' || required.includes(name)) && { required: true }),
      // One text with commas, not a key for each.
      ...(list && { style: 'form', explode: false }),
      schema: rest,
    };
  });
}

const jsonBody = (schema: TSchema, schemas: SharedSchemas): JsonObject => ({
  // What may be left out altogether need not be sent.
  required:
    ((schema as { readonly required?: readonly string[] }).required ?? []).length > 0 || !('properties' in schema),
  content: { 'application/json': { schema: schemas.refer(schema) } },
});

function responses(route: Route, schemas: SharedSchemas): JsonObject {
  const { status = 200, answer, produces, query } = route;
  const content =
    produces !== undefined
      ? { content: { [produces]: { schema: { type: 'string' } } } }
      : answer === undefined
        ? {}
        : { content: { 'application/json': { schema: schemas.refer(answer) } } };
  const dryRun = status === 201 && query !== undefined && 'dryRun' in query.properties;
  const all: Record<string, JsonObject> = {
    [status]: { description: status === 201 ? 'It is made.' : status === 204 ? 'Done.' : 'The answer.', ...content },
    ...(dryRun && { 200: { description: 'A dry run: what would be made.', ...content } }),
  };
  const codes = codesOf(route);
  for (const http of new Set(codes.map((one) => errorTable[one].http))) {
    const errors = codes.filter((one) => errorTable[one].http === http);
    all[http] = {
      description: errors.map((one) => `\`${one}\`: ${errorTable[one].text}`).join('\n\n'),
      content: { [problemType]: { schema: { $ref: '#/components/schemas/Problem' } } },
    };
  }
  return all;
}

/** What every route may refuse with, and what this one says of itself. */
function codesOf({ errors, role, method, body, consumes, conditional = false }: Route): readonly ErrorCode[] {
  const changes = method !== 'GET';
  const codes: readonly (ErrorCode | false)[] = [
    'request.malformed',
    role !== undefined && 'api.unauthenticated',
    role !== undefined && 'api.forbidden',
    (body !== undefined || consumes !== undefined) && 'request.too-large',
    (body !== undefined || consumes !== undefined) && 'request.content-format',
    changes && conditional && 'api.precondition',
    changes && role !== undefined && 'api.idempotency',
    changes && role !== undefined && 'api.in-progress',
    'api.too-many',
    'service.internal',
    'service.busy',
    'service.store',
    ...errors,
  ];
  return [...new Set(codes.filter((code) => code !== false))].toSorted();
}

/** Schemas with an `$id` go to the components; where they stood, a reference stands. */
class SharedSchemas {
  private readonly found = new Map<string, JsonValue>();

  refer(schema: unknown): JsonValue {
    if (Array.isArray(schema)) return schema.map((one) => this.refer(one));
    if (typeof schema !== 'object' || schema === null) return schema as JsonValue;
    const { $id, ...rest } = schema as { readonly $id?: string };
    const inner = (): JsonValue =>
      Object.fromEntries(Object.entries(rest).map(([key, value]) => [key, this.refer(value)]));
    if ($id === undefined) return inner();
    if (!this.found.has($id)) {
      // Its place is taken first: a schema may hold itself.
      this.found.set($id, null);
      this.found.set($id, inner());
    }
    return { $ref: `#/components/schemas/${$id}` };
  }

  all(): JsonObject {
    return Object.fromEntries([...this.found].toSorted(([a], [b]) => (a < b ? -1 : 1)));
  }
}
