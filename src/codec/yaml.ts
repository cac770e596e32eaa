import type { Static, TSchema } from 'typebox';
import { isAlias, isMap, isNode, isScalar, isSeq, LineCounter, type Node, parseDocument } from 'yaml';
import { FirstbootError, failure } from '../core/errors.ts';
import { limits } from '../core/limits.ts';
import { type SchemaFault, schemaFaults } from './schema-faults.ts';

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

/** A file of settings, whatever its shape; the value is undefined when the text is no YAML. */
export interface JudgedYaml extends CheckedYaml<unknown> {
  /** All that is wrong in it, by line; at most limits.config.problems, then one that says how many more. */
  readonly problems: readonly FirstbootError[];
}

/**
 * Reads YAML and checks it against a schema. An empty file is an empty mapping. What the schema calls `description` is what
 * a complaint says was expected.
 * @param name what to call the text in complaints.
 * @throws FirstbootError service.config naming file, line, key and what was expected
 */
export function readYaml<S extends TSchema>(text: string, name: string, schema: S): CheckedYaml<Static<S>> {
  const { value, at, problems } = judgeYaml(text, name, schema);
  if (problems[0]) throw problems[0];
  return { value: value as Static<S>, at };
}

/** The same with all that is wrong instead of the first thing. */
export function judgeYaml(text: string, name: string, schema: TSchema): JudgedYaml {
  const lines = new LineCounter();
  const unread = (problems: readonly FirstbootError[]): JudgedYaml => ({
    value: undefined,
    at: (keys, expected) => complaint(name, 1, keyText(keys), expected),
    problems,
  });
  if (text.length > limits.config.fileCharacters) {
    return unread([complaint(name, 1, '', `a file of at most ${limits.config.fileCharacters} characters`)]);
  }
  try {
    const document = parsed(name, () => parseDocument(text, { lineCounter: lines, logLevel: 'error' }));
    if (document.errors.length > 0) {
      const problems = document.errors.map(({ pos, message }) =>
        complaint(name, lines.linePos(pos[0]).line, '', message.split('\n')[0] ?? 'bad YAML'),
      );
      return unread(bounded(name, problems));
    }
    const offsetOf = (keys: KeyPath): number | undefined => nodeAt(document, keys)?.range?.[0];
    const at: Complain = (keys, expected) => {
      const offset = offsetOf(keys);
      return complaint(name, offset === undefined ? 1 : lines.linePos(offset).line, keyText(keys), expected);
    };
    const value: unknown = parsed(name, () => document.toJS() as unknown) ?? {};
    const faults = schemaFaults(schema, value).map((fault) => ({ ...fault, offset: offsetOf(fault.keys) ?? 0 }));
    const inOrder = faults.toSorted((a, b) => a.offset - b.offset);
    const problems = inOrder.map(({ keys, expected }) => at(keys, expected));
    return { value, at, problems: bounded(name, problems) };
  } catch (error) {
    if (error instanceof FirstbootError) return unread([error]);
    throw error;
  }
}

/** The first thing that is wrong with a value; undefined when nothing is. */
export const firstError = (schema: TSchema, value: unknown): SchemaFault | undefined => schemaFaults(schema, value)[0];

/** As the tables in the documents write keys: groups[0].hubs[1]. */
export const keyText = (keys: KeyPath): string =>
  keys.map((key, at) => (/^\d+$/.test(String(key)) ? `[${key}]` : `${at > 0 ? '.' : ''}${key}`)).join('');

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

function bounded(file: string, problems: readonly FirstbootError[]): readonly FirstbootError[] {
  const more = problems.length - limits.config.problems;
  if (more <= 0) return problems;
  const rest = failure('service.config', { file, more }, 'correct the problems that are named first');
  return [...problems.slice(0, limits.config.problems), rest];
}
