import type { Static, TSchema } from 'typebox';
import Value from 'typebox/value';
import { isAlias, isMap, isNode, isScalar, isSeq, LineCounter, type Node, parseDocument } from 'yaml';
import { type FirstbootError, failure } from '../core/errors.ts';
import { limits } from '../core/limits.ts';

/** Where in a document: keys and indices from the top. */
export type KeyPath = readonly (string | number)[];

/** Makes the complaint about what stands at a place. */
export type Complain = (keys: KeyPath, expected: string) => FirstbootError;

/** A file of settings that has the shape it should have. */
export interface CheckedYaml<T> {
  readonly value: T;
  /** A complaint about what stands at a place: names file, line and key. */
  readonly at: Complain;
}

/**
 * Reads YAML and checks it against a schema. An empty file is an empty mapping. What the schema calls `description` is what
 * a complaint says was expected.
 * @param name what to call the text in complaints.
 * @throws FirstbootError service.config naming file, line, key and what was expected
 */
export function readYaml<S extends TSchema>(text: string, name: string, schema: S): CheckedYaml<Static<S>> {
  if (text.length > limits.config.fileCharacters) {
    throw complaint(name, 1, '', `a file of at most ${limits.config.fileCharacters} characters`);
  }
  const lines = new LineCounter();
  const document = parsed(name, () => parseDocument(text, { lineCounter: lines, logLevel: 'error' }));
  const [syntax] = document.errors;
  if (syntax) throw complaint(name, lines.linePos(syntax.pos[0]).line, '', syntax.message.split('\n')[0] ?? 'bad YAML');
  const at: Complain = (keys, expected) => {
    const offset = nodeAt(document, keys)?.range?.[0];
    return complaint(name, offset === undefined ? 1 : lines.linePos(offset).line, keyText(keys), expected);
  };
  const value: unknown = parsed(name, () => document.toJS() as unknown) ?? {};
  if (Value.Check(schema, value)) return { value, at };
  const wrong = firstError(schema, value);
  throw at(wrong?.keys ?? [], wrong?.expected ?? 'expected what the schema says');
}

/** The first thing that is wrong with a value; undefined when nothing is. */
export function firstError(
  schema: TSchema,
  value: unknown,
): { readonly keys: readonly string[]; readonly expected: string } | undefined {
  const errors = [...Value.Errors(schema, value)];
  const [first] = errors.filter((error) => error.keyword !== 'additionalProperties');
  if (!first) return undefined;
  const path = first.instancePath;
  const keys = path
    .split('/')
    .slice(1)
    .map((key) => key.replaceAll('~1', '/').replaceAll('~0', '~'));
  const here = errors.filter((error) => error.instancePath === path);
  return { keys, expected: expectation(schema as SchemaNode, keys, here) };
}

/** As the tables in the documents write keys: groups[0].hubs[1]. */
export const keyText = (keys: KeyPath): string =>
  keys.map((key, at) => (/^\d+$/.test(String(key)) ? `[${key}]` : `${at > 0 ? '.' : ''}${key}`)).join('');

type SchemaError = ReturnType<typeof Value.Errors>[number];

interface SchemaNode {
  readonly description?: string;
  readonly properties?: Readonly<Record<string, SchemaNode>>;
  readonly items?: SchemaNode;
}

/** What should stand at a place, from the schema itself. */
function expectation(schema: SchemaNode, keys: readonly string[], errors: readonly SchemaError[]): string {
  const [first] = errors;
  const node = schemaAt(schema, keys);
  const allowed = errors.flatMap(({ params }) =>
    'allowedValue' in params ? [params.allowedValue] : 'allowedValues' in params ? params.allowedValues : [],
  );
  if (allowed.length > 0) return `expected one of: ${allowed.map((value) => JSON.stringify(value)).join(', ')}`;
  const said = node?.description;
  if (said !== undefined && errors.some(({ keyword }) => keyword === 'anyOf')) return `expected ${said}`;
  switch (first?.keyword) {
    case undefined:
      return 'expected a mapping of keys to values';
    case 'boolean':
      return `there is no such key here; known keys: ${knownKeys(schema, keys.slice(0, -1)).join(', ')}`;
    case 'required':
      return `missing: ${'requiredProperties' in first.params ? first.params.requiredProperties.join(', ') : 'a key'}`;
    case 'minItems':
      return 'expected at least one entry';
    case 'pattern':
    case 'format':
      return `expected ${said ?? first.message}`;
    default:
      return `the value ${first?.message}${said === undefined ? '' : ` (${said})`}`;
  }
}

function schemaAt(schema: SchemaNode, keys: readonly string[]): SchemaNode | undefined {
  let node: SchemaNode | undefined = schema;
  for (const key of keys) {
    const inner: SchemaNode | undefined = node?.items;
    node = inner && /^\d+$/.test(key) ? inner : ownProperty(node?.properties ?? {}, key);
  }
  return node;
}

const ownProperty = (from: Readonly<Record<string, SchemaNode>>, key: string): SchemaNode | undefined =>
  Object.hasOwn(from, key) ? from[key] : undefined;

const knownKeys = (schema: SchemaNode, keys: readonly string[]): string[] =>
  Object.keys(schemaAt(schema, keys)?.properties ?? {});

/** The node at a place, or the nearest one around it. */
function nodeAt(document: ReturnType<typeof parseDocument>, keys: KeyPath): Node | undefined {
  let node: Node | undefined = document.contents ?? undefined;
  for (const key of keys) {
    let inner: unknown;
    if (isMap(node)) {
      const pair = node.items.find((item) => String(isScalar(item.key) ? item.key.value : item.key) === String(key));
      inner = pair?.value ?? pair?.key;
    } else if (isSeq(node)) {
      inner = node.items[Number(key)];
    }
    if (isAlias(inner)) inner = inner.resolve(document);
    if (!isNode(inner)) return node;
    node = inner;
  }
  return node;
}

/** The library throws on what it bounds itself: aliases upon aliases, nesting too deep for the stack. */
function parsed<T>(name: string, parse: () => T): T {
  try {
    return parse();
  } catch (error) {
    const found = error instanceof Error ? error.message : String(error);
    throw failure(
      'service.config',
      { file: name, line: 1, found },
      'write it with less nesting and fewer aliases',
      error,
    );
  }
}

function complaint(file: string, line: number, key: string, expected: string): FirstbootError {
  return failure('service.config', { file, line, ...(key && { key }) }, expected);
}
