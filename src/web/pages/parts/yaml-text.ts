/**
 * Plain data as YAML 1.2 in block style. Texts of several lines are literal blocks, all others are written as JSON strings
 * (YAML 1.2 takes them) unless they are plain words.
 */
export const yamlText = (value: unknown): string => `${lines(value, '').join('\n')}\n`;

function lines(value: unknown, indent: string): string[] {
  if (Array.isArray(value)) {
    return value.flatMap((item) => {
      const [first = '', ...rest] = nested(item, `${indent}  `);
      return [`${indent}- ${first.trimStart()}`, ...rest];
    });
  }
  return Object.entries(value as Record<string, unknown>).flatMap(([key, item]) => {
    if (item === undefined) return [];
    const name = `${indent}${word(key)}:`;
    if (isScalar(item)) {
      const [first = '', ...rest] = scalar(item, `${indent}  `);
      return [`${name} ${first}`, ...rest];
    }
    return [name, ...lines(item, `${indent}  `)];
  });
}

const nested = (value: unknown, indent: string): string[] =>
  isScalar(value) ? scalar(value, indent) : lines(value, indent);

/** Empty lists and mappings stand on the line of their key. */
const isScalar = (value: unknown): boolean =>
  typeof value !== 'object' || value === null || Object.keys(value).length === 0;

function scalar(value: unknown, indent: string): string[] {
  if (typeof value !== 'string') return [JSON.stringify(value)];
  if (/^[^\n].*\n/.test(value) && !/[^\n\x20-\x7e]/.test(value)) {
    return [
      value.endsWith('\n') ? '|' : '|-',
      ...value
        .replace(/\n$/, '')
        .split('\n')
        .map((line) => `${indent}${line}`),
    ];
  }
  return [word(value)];
}

const word = (text: string): string =>
  /^[A-Za-z][A-Za-z0-9-]*$/.test(text) && !/^(true|false|null|yes|no|on|off|y|n)$/i.test(text)
    ? text
    : JSON.stringify(text);
