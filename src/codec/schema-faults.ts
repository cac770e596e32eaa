import type { TSchema } from 'typebox';
import System from 'typebox/system';
import Value from 'typebox/value';
import { limits } from '../core/limits.ts';

/** Something in a value that its schema does not allow. */
export interface SchemaFault {
  /** Where: keys and indices from the top, as text. */
  readonly keys: readonly string[];
  readonly expected: string;
}

/**
 * All that is wrong with a value, one fault a place; what the schema calls `description` is what was expected there. Bounded:
 * the library is asked for limits.config.schemaErrors of its findings.
 */
export function schemaFaults(schema: TSchema, value: unknown): SchemaFault[] {
  const errors = findings(schema, value);
  const paths = new Set(errors.filter(counts(errors)).map(({ instancePath }) => instancePath));
  return [...paths].map((path) => {
    const keys = path
      .split('/')
      .slice(1)
      .map((key) => key.replaceAll('~1', '/').replaceAll('~0', '~'));
    return { keys, expected: expectation(schema as SchemaNode, keys, meant(errors, path)) };
  });
}

type SchemaError = ReturnType<typeof Value.Errors>[number];

/** The library stops after eight findings unless it is told otherwise, and only for all callers. */
function findings(schema: TSchema, value: unknown): readonly SchemaError[] {
  const { maxErrors } = System.Settings.Get();
  System.Settings.Set({ maxErrors: limits.config.schemaErrors });
  try {
    return [...Value.Errors(schema, value)];
  } finally {
    System.Settings.Set({ maxErrors });
  }
}

/**
 * Which findings are faults of their own. Where a word or a mapping may stand and a mapping does, that was meant: its own
 * faults say more than that it is not the word.
 */
function counts(errors: readonly SchemaError[]): (error: SchemaError) => boolean {
  const around = new Set<string>();
  for (const { instancePath: path } of errors) {
    for (let end = path.lastIndexOf('/'); end > 0; end = path.lastIndexOf('/', end - 1)) around.add(path.slice(0, end));
  }
  const unions = new Set(errors.filter(({ keyword }) => keyword === 'anyOf').map(({ instancePath }) => instancePath));
  return ({ keyword, instancePath }) =>
    keyword !== 'additionalProperties' && !(unions.has(instancePath) && around.has(instancePath));
}

/** The findings at a place, the one that says most in front. */
function meant(errors: readonly SchemaError[], path: string): readonly SchemaError[] {
  const here = errors.filter(
    ({ instancePath, keyword }) => instancePath === path && keyword !== 'additionalProperties',
  );
  const missing = here.some(({ keyword }) => keyword === 'anyOf') && here.find(({ keyword }) => keyword === 'required');
  return missing ? [missing, ...here.filter((error) => error !== missing)] : here;
}

interface SchemaNode {
  readonly description?: string;
  readonly properties?: Readonly<Record<string, SchemaNode>>;
  readonly items?: SchemaNode;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly anyOf?: readonly SchemaNode[];
}

/** What should stand at a place, from the schema itself. */
function expectation(schema: SchemaNode, keys: readonly string[], errors: readonly SchemaError[]): string {
  const [first] = errors;
  const node = schemaAt(schema, keys);
  const allowed = errors.flatMap(({ params }) =>
    'allowedValue' in params ? [params.allowedValue] : 'allowedValues' in params ? params.allowedValues : [],
  );
  const said = node?.description;
  if (first?.keyword === 'required' && 'requiredProperties' in first.params) {
    return `missing: ${first.params.requiredProperties.join(', ')}`;
  }
  if (said !== undefined && errors.some(({ keyword }) => keyword === 'anyOf')) return `expected ${said}`;
  if (allowed.length > 0) return `expected one of: ${allowed.map((value) => JSON.stringify(value)).join(', ')}`;
  const { minimum, maximum } = node ?? {};
  if (
    (first?.keyword === 'minimum' || first?.keyword === 'maximum') &&
    minimum !== undefined &&
    maximum !== undefined
  ) {
    return `expected a number from ${minimum} to ${maximum}${said === undefined ? '' : ` (${said})`}`;
  }
  switch (first?.keyword) {
    case undefined:
      return 'expected a mapping of keys to values';
    case 'boolean':
      return `there is no such key here; known keys: ${knownKeys(schema, keys.slice(0, -1)).join(', ')}`;
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
    const branches: readonly SchemaNode[] = node ? [node, ...(node.anyOf ?? [])] : [];
    const inner = /^\d+$/.test(key) ? branches.find(({ items }) => items !== undefined)?.items : undefined;
    node =
      inner ??
      branches.map(({ properties }) => ownProperty(properties ?? {}, key)).find((found) => found !== undefined);
  }
  return node;
}

const ownProperty = (from: Readonly<Record<string, SchemaNode>>, key: string): SchemaNode | undefined =>
  Object.hasOwn(from, key) ? from[key] : undefined;

const knownKeys = (schema: SchemaNode, keys: readonly string[]): string[] =>
  [schemaAt(schema, keys)].flatMap((node) =>
    [node, ...(node?.anyOf ?? [])].flatMap((branch) => Object.keys(branch?.properties ?? {})),
  );
