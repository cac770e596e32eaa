import type { TObject, TSchema } from 'typebox';
import Compile, { type Validator } from 'typebox/compile';
import { type SchemaFault, schemaFaults } from '../codec/schema-faults.ts';
import { failure } from '../core/errors.ts';
import { limits } from '../core/limits.ts';
import type { Route } from './route.ts';

export type QueryText = Readonly<Record<string, string | readonly string[] | undefined>>;

/** Checks the parts of a request against a route's schemas. */
export interface RouteChecks {
  /** @throws FirstbootError request.malformed naming the key */
  params(params: Readonly<Record<string, string>>): Readonly<Record<string, unknown>>;
  /** Texts become numbers and booleans where the schema has them. @throws FirstbootError request.malformed naming the key */
  query(query: QueryText): Readonly<Record<string, unknown>>;
  /** @throws FirstbootError request.malformed naming the key */
  body(body: unknown): unknown;
  /** Whether an answer is what the route says; else what is wrong. For tests. */
  answerFault(answer: unknown): string | undefined;
}

export function routeChecks(route: Route): RouteChecks {
  const params = partCheck(route.params, 'path');
  const query = partCheck(route.query, 'query');
  const body = partCheck(route.body, 'body');
  return {
    params: (texts) => {
      const values = coerced(route.params, texts);
      params(values);
      return values;
    },
    query: (texts) => {
      refuseUnknown(route.query, texts);
      const values = coerced(route.query, texts);
      query(values);
      return values;
    },
    body: (value) => {
      if (route.body === undefined) {
        if (value === undefined) return undefined;
        throw failure('request.malformed', { at: 'body' }, 'send no body');
      }
      // Where everything may be left out, all of the body may.
      const given = value ?? {};
      body(given);
      return given;
    },
    answerFault: (answer) => {
      if (route.answer === undefined) return undefined;
      const [fault] = schemaFaults(route.answer, answer);
      return fault && faultText(fault);
    },
  };
}

function partCheck(schema: TSchema | undefined, part: 'path' | 'query' | 'body'): (value: unknown) => void {
  if (schema === undefined) return () => undefined;
  // At the first request that needs it: a start would wait for all of them, and most routes are seldom asked.
  let compiled: Validator | undefined;
  return (value) => {
    compiled ??= Compile(schema);
    if (compiled.Check(value)) return;
    const faults = schemaFaults(schema, value);
    const [first] = faults;
    const place = ({ keys }: SchemaFault): string => [part, ...keys].join('.').slice(0, shownKey);
    const evidence = { at: first ? place(first) : part, ...(faults.length > 1 && { faults: faults.length }) };
    const told = faults.slice(0, limits.api.faults);
    const fix = told.map((fault) => (faults.length > 1 ? `${place(fault)}: ${fault.expected}` : fault.expected));
    throw failure('request.malformed', evidence, fix.join('; ') || 'send what the API description gives');
  };
}

function refuseUnknown(schema: TObject | undefined, query: QueryText): void {
  const known = Object.keys(schema?.properties ?? {});
  const unknown = Object.keys(query).find((key) => !known.includes(key));
  if (unknown === undefined) return;
  const fix = known.length === 0 ? 'this takes no query' : `there is no such key here; known keys: ${known.join(', ')}`;
  throw failure('request.malformed', { at: `query.${unknown}`.slice(0, shownKey) }, fix);
}

function coerced(schema: TObject | undefined, texts: QueryText): Record<string, unknown> {
  const values: Record<string, unknown> = {};
  for (const [key, text] of Object.entries(texts)) {
    const types = typesOf(schema?.properties[key]);
    if (types.has('array')) {
      values[key] = typeof text === 'string' ? text.split(',').filter((part) => part !== '') : text;
    } else if (typeof text === 'string') {
      values[key] = readText(text, types);
    } else {
      throw failure('request.malformed', { at: `query.${key}`.slice(0, shownKey) }, 'give it once');
    }
  }
  return values;
}

function readText(text: string, types: ReadonlySet<string>): unknown {
  if ((types.has('integer') || types.has('number')) && /^-?\d{1,15}(\.\d{1,15})?$/.test(text)) return Number(text);
  // A flag may stand there by itself: `?force`.
  if (types.has('boolean') && (text === 'true' || text === 'false' || text === '')) return text !== 'false';
  return text;
}

interface TypedNode {
  readonly type?: string | readonly string[];
  readonly anyOf?: readonly TypedNode[];
}

const typesOf = (node: TypedNode | undefined): ReadonlySet<string> =>
  new Set([node?.type ?? [], ...(node?.anyOf ?? []).map((branch) => [...typesOf(branch)])].flat());

const faultText = ({ keys, expected }: SchemaFault): string => `${keys.join('.')}: ${expected}`;

/** Of a key that a caller made up. */
const shownKey = 200;
