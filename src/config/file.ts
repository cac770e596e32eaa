import { readFileSync } from 'node:fs';
import Value from 'typebox/value';
import { isNode, LineCounter, parseDocument } from 'yaml';
import { type FirstbootError, failure } from '../core/errors.ts';
import { conflictIn } from './rules.ts';
import { type ConfigFile, configSchema } from './schema.ts';

/** Reads and checks firstboot.yaml. Every complaint names the file, the line, the key and what was expected. */
export function readConfigFile(path: string): ConfigFile {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    throw failure('service.config', { file: path }, 'the file cannot be read; check the path given with -c', error);
  }
  return parseConfig(text, path);
}

/** @param name what to call the text in complaints. */
export function parseConfig(text: string, name: string): ConfigFile {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines });
  const [syntax] = document.errors;
  if (syntax) throw complaint(name, lines.linePos(syntax.pos[0]).line, '', syntax.message.split('\n')[0] ?? 'bad YAML');
  const at = (keys: readonly (string | number)[], expected: string): FirstbootError => {
    const node = document.getIn(keys, true);
    const offset = isNode(node) ? node.range?.[0] : undefined;
    return complaint(name, offset === undefined ? 1 : lines.linePos(offset).line, keyText(keys), expected);
  };
  const value: unknown = document.toJS() ?? {};
  if (Value.Check(configSchema, value)) {
    const conflict = conflictIn(value);
    if (conflict) throw at(conflict.keys, conflict.expected);
    return value;
  }
  const [first] = Value.Errors(configSchema, value).filter((error) => error.keyword !== 'additionalProperties');
  const keys = (first?.instancePath ?? '').split('/').slice(1);
  throw at(keys, expectation(value, keys));
}

/** As the table in README writes keys: groups[0].hubs[1]. */
const keyText = (keys: readonly (string | number)[]): string =>
  keys.map((key, at) => (/^\d+$/.test(String(key)) ? `[${key}]` : `${at > 0 ? '.' : ''}${key}`)).join('');

function complaint(file: string, line: number, key: string, expected: string): FirstbootError {
  return failure('service.config', { file, line, ...(key && { key }) }, expected);
}

/** What should stand at a place, from the schema itself. */
function expectation(value: unknown, keys: readonly string[]): string {
  const errors = Value.Errors(configSchema, value).filter((error) => error.instancePath === `/${keys.join('/')}`);
  const [first] = errors;
  if (!first) return 'expected a mapping of keys to values';
  switch (first.keyword) {
    case 'boolean':
      return `there is no such key here; known keys: ${knownKeys(keys.slice(0, -1)).join(', ')}`;
    case 'const':
      return `expected one of: ${errors.map((error) => JSON.stringify((error.params as { allowedValue?: unknown }).allowedValue)).join(', ')}`;
    case 'required':
      return `missing: ${(first.params as { requiredProperties?: string[] }).requiredProperties?.join(', ') ?? 'a key'}`;
    case 'minItems':
      return 'expected at least one entry';
    case 'pattern':
    case 'format':
      return `expected ${schemaAt(keys)?.description ?? first.message}`;
    default:
      return `the value ${first.message}${hint(keys)}`;
  }
}

interface SchemaNode {
  readonly description?: string;
  readonly properties?: Readonly<Record<string, SchemaNode>>;
  readonly items?: SchemaNode;
}

function schemaAt(keys: readonly string[]): SchemaNode | undefined {
  let node: SchemaNode | undefined = configSchema as SchemaNode;
  for (const key of keys) node = /^\d+$/.test(key) ? node?.items : node?.properties?.[key];
  return node;
}

/** What the key means, when the schema says. */
function hint(keys: readonly string[]): string {
  const description = schemaAt(keys)?.description;
  return description === undefined ? '' : ` (${description})`;
}

const knownKeys = (keys: readonly string[]): string[] => Object.keys(schemaAt(keys)?.properties ?? {});
