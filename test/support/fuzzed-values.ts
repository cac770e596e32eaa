/** As much of JSON Schema as the routes are written in. */
export interface SchemaNode {
  readonly type?: string | readonly string[];
  readonly enum?: readonly unknown[];
  readonly const?: unknown;
  readonly anyOf?: readonly SchemaNode[];
  readonly properties?: Readonly<Record<string, SchemaNode>>;
  readonly required?: readonly string[];
  readonly items?: SchemaNode;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly pattern?: string;
  readonly format?: string;
}

/** Values that fit a schema, nearly fit it, or do not. */
export class FuzzedValues {
  /** Texts that mean something where the values go. */
  texts: readonly string[] = [];
  /** Texts that name what is somebody else's: they go where something is referred to, not where it would be written down. */
  foreign: readonly string[] = [];
  private readonly draw: () => number;

  /** @param draw numbers from 0 up to 1, exclusive */
  constructor(draw: () => number) {
    this.draw = draw;
  }

  chance(of: number): boolean {
    return this.draw() < of;
  }

  one<T>(of: readonly T[]): T {
    return of[Math.floor(this.draw() * of.length)] as T;
  }

  text(kind: 'own' | 'any' = 'own'): string {
    if (this.chance(0.2)) return this.one(odd);
    const text = this.one(kind === 'any' && this.chance(0.4) ? this.foreign : this.texts);
    return this.chance(0.1) ? text.slice(0, 1 + Math.floor(this.draw() * text.length)) : text;
  }

  /**
   * @param wrong how often a part is not what the schema says
   * @param key what it stands under
   */
  of(node: SchemaNode, wrong: number, key = ''): unknown {
    if (this.chance(wrong)) return this.one([null, '', 'x', -1, 1.5, 1e300, true, [], {}, [[]], this.text()]);
    if (node.const !== undefined) return node.const;
    if (node.enum) return this.one(node.enum);
    if (node.anyOf) return this.of(this.one(node.anyOf), wrong, key);
    const type = typeof node.type === 'string' ? node.type : node.type?.[0];
    switch (type) {
      case 'object':
        return this.object(node, wrong);
      case 'array':
        return Array.from({ length: Math.floor(this.draw() * 3) }, () => this.of(node.items ?? {}, wrong, key));
      case 'integer':
        return Math.floor(this.number(node));
      case 'number':
        return this.number(node);
      case 'boolean':
        return this.chance(0.5);
      case 'null':
        return null;
      case 'string':
        return this.string(node, references.has(key) ? 'any' : 'own');
      default:
        return this.one([1, 'x', null, {}]);
    }
  }

  private object({ properties = {}, required = [] }: SchemaNode, wrong: number): Record<string, unknown> {
    const made: Record<string, unknown> = {};
    for (const [key, node] of Object.entries(properties)) {
      const there = required.includes(key) ? !this.chance(wrong / 2) : this.chance(0.35);
      if (there) made[key] = this.of(node, wrong, key);
    }
    if (this.chance(wrong / 2)) made[this.text()] = 1;
    return made;
  }

  private number({ minimum = -1e6, maximum = 2e12 }: SchemaNode): number {
    const now = 1.79e12;
    const drawn = this.one([minimum, maximum, minimum + this.draw() * Math.min(100, maximum - minimum), now]);
    return Math.min(maximum, Math.max(minimum, drawn));
  }

  private string({ pattern = '', format }: SchemaNode, kind: 'own' | 'any'): string {
    const texts = kind === 'any' && this.chance(0.4) ? this.foreign : this.texts;
    const shape = new RegExp(format === 'uuid' ? '^[0-9a-f]{8}-[0-9a-f-]{27}$' : pattern, 'u');
    const fitting = texts.filter((text) => shape.test(text));
    if (fitting.length > 0 && this.chance(0.85)) return this.one(fitting);
    return pattern.includes('{16,64}') ? 'ab'.repeat(16) : this.text(kind);
  }
}

/** Under these keys something is named that has to be there. */
const references = new Set([
  'device',
  'group',
  'serial',
  'to',
  'hub',
  'hubs',
  'anchor',
  'text',
  'value',
  'cursor',
  'code',
]);

const odd = [
  '',
  ' ',
  '*',
  '%',
  '..',
  '../../etc/passwd',
  '\u0000',
  '\u202e',
  'a\nb',
  '😀'.repeat(40),
  'x'.repeat(5000),
  '__proto__',
  'constructor',
  'null',
  '-1',
  '00000000-0000-0000-0000-000000000000',
  'ffffffff-ffff-4fff-bfff-ffffffffffff',
  '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n',
  '${device.id}',
  "' or 1=1 --",
  'ab'.repeat(32),
  'deadbeef',
  '!',
  '~',
  '9'.repeat(400),
];
