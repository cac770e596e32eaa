import { configSchema } from './schema.ts';
import { settings } from './settings.ts';

/** docs/configuration.md: every key of firstboot.yaml, and every setting that flags and the environment give. */
export function configurationPage(): string {
  const given = Object.values(settings).map(({ flag, variable, key, fallback, what }) =>
    row([code(key), code(flag), code(variable), code(fallback), what]),
  );
  const sections = sectionsOf(configSchema as unknown as Shape, []);
  return `# Configuration

Made from the schema by \`npm run config-reference\`; do not edit it by hand.

\`firstboot serve -c firstboot.yaml\` reads one YAML file. Everything in it is optional, and a key that it does not know is
refused with file and line. Paths are relative to the file. What is written is read again while the service runs
(docs/operating.md, "Changing it while it runs").

## Settings that flags and the environment give, too

A flag beats its variable, and that beats the file.

${row(['Key', 'Flag', 'Variable', 'Default', 'What'])}
${row(['---', '---', '---', '---', '---'])}
${given.join('\n')}

## Keys of firstboot.yaml

${sections.map(sectionText).join('\n\n')}
`;
}

interface Section {
  readonly path: string;
  readonly rows: readonly string[];
}

/** What of JSON Schema occurs in it. */
interface Shape {
  readonly type?: string;
  readonly description?: string;
  readonly properties?: Readonly<Record<string, Shape>>;
  readonly patternProperties?: Readonly<Record<string, Shape>>;
  readonly required?: readonly string[];
  readonly items?: Shape;
  readonly anyOf?: readonly Shape[];
  readonly enum?: readonly unknown[];
  readonly const?: unknown;
  readonly format?: string;
}

/** The mapping itself, then those within it. */
function sectionsOf(shape: Shape, path: readonly string[]): readonly Section[] {
  const properties = Object.entries(shape.properties ?? {});
  const rows = properties.map(([name, inner]) =>
    row([
      code(name),
      typeOf(inner),
      [
        ...(shape.required?.includes(name) ? ['required'] : []),
        ...boundsOf(inner),
        ...said(inner, [...path, name]),
      ].join('; '),
    ]),
  );
  const inner = properties.flatMap(([name, one]) =>
    mappingsIn(one).flatMap((found) => sectionsOf(found.shape, [...path, name + found.suffix])),
  );
  return [{ path: path.join('.'), rows }, ...inner];
}

/** Mappings that a value is, or holds. */
function mappingsIn(shape: Shape): readonly { readonly shape: Shape; readonly suffix: string }[] {
  if (shape.properties) return [{ shape, suffix: '' }];
  if (shape.items) return mappingsIn(shape.items).map((found) => ({ ...found, suffix: `[]${found.suffix}` }));
  return (shape.anyOf ?? []).flatMap(mappingsIn);
}

function typeOf(shape: Shape): string {
  if (shape.const !== undefined) return code(JSON.stringify(shape.const));
  if (shape.enum) return shape.enum.map((value) => code(String(value))).join(' or ');
  if (shape.anyOf) return [...new Set(shape.anyOf.map(typeOf))].join(' or ');
  if (shape.items) return `list of ${typeOf(shape.items)}`;
  if (shape.properties) return 'mapping';
  if (shape.patternProperties) {
    const [values] = Object.values(shape.patternProperties);
    return `mapping of names to ${values ? typeOf(values) : 'anything'}`;
  }
  return shape.format ?? shape.type ?? 'anything';
}

const bounds = [
  ['minimum', 'from'],
  ['exclusiveMinimum', 'more than'],
  ['maximum', 'to'],
  ['minItems', 'entries at least'],
  ['maxItems', 'entries at most'],
  ['maxLength', 'characters at most'],
] as const;

function boundsOf(shape: Shape): readonly string[] {
  return bounds.flatMap(([key, word]) => {
    const bound = (shape as Readonly<Record<string, unknown>>)[key];
    return typeof bound === 'number' ? [`${word} ${bound}`] : [];
  });
}

function said(shape: Shape, path: readonly string[]): readonly string[] {
  const setting = Object.values(settings).find(({ key }) => key === path.join('.'));
  const words = setting?.what ?? shape.description ?? shape.items?.description;
  if (words !== undefined) return [words];
  if (path.length === 1 && ['groups', 'hubs'].includes(path[0] ?? '')) return ['docs/policy.md explains them'];
  return mappingsIn(shape).length > 0 ? ['its keys are below'] : [];
}

const sectionText = ({ path, rows }: Section): string =>
  [
    `### ${path === '' ? 'At the top' : code(path)}`,
    '',
    row(['Key', 'Value', 'What']),
    row(['---', '---', '---']),
    ...rows,
  ].join('\n');

const row = (cells: readonly string[]): string =>
  `| ${cells.map((cell) => cell.replaceAll('|', '\\|').trim()).join(' | ')} |`;

const code = (text: string): string => `\`${text}\``;
