/**
 * Where a text stops being JSON (RFC 8259), or says a key twice, of which one would be lost. Browsers tell it each in their own
 * way, or not at all. @returns undefined when it is JSON
 */
export function jsonFault(text: string): string | undefined {
  const fault = new Scanner(text).scan();
  if (!fault) return undefined;
  const lines = text.slice(0, fault.at).split('\n');
  return `line ${lines.length}, column ${(lines.at(-1) ?? '').length + 1}: ${fault.expected}`;
}

interface Fault {
  readonly at: number;
  readonly expected: string;
}

/** Deeper than this is nobody's payload. */
const deepest = 100;

class Scanner {
  private readonly text: string;
  private at = 0;

  constructor(text: string) {
    this.text = text;
  }

  scan(): Fault | undefined {
    const fault = this.value(0);
    if (fault) return fault;
    this.blank();
    return this.at < this.text.length ? this.fault('expected nothing more') : undefined;
  }

  private value(depth: number): Fault | undefined {
    this.blank();
    if (depth > deepest) return this.fault(`deeper than ${deepest} levels`);
    if (this.take('{')) return this.members(depth);
    if (this.take('[')) return this.items(depth);
    if (this.text[this.at] === '"') return this.string();
    if (this.match(/(?:true|false|null)(?![\w-])|-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?(?![\w.])/y))
      return undefined;
    return this.fault('expected a value: text in quotes, a number, true, false, null, { or [');
  }

  private members(depth: number): Fault | undefined {
    const known = new Set<string>();
    this.blank();
    if (this.take('}')) return undefined;
    for (;;) {
      this.blank();
      const begin = this.at;
      if (this.text[begin] !== '"') return this.fault('expected a key in quotes');
      const badKey = this.string();
      if (badKey) return badKey;
      const key = JSON.parse(this.text.slice(begin, this.at)) as string;
      if (known.has(key)) return { at: begin, expected: `the key ${JSON.stringify(key)} is here twice` };
      known.add(key);
      this.blank();
      if (!this.take(':')) return this.fault('expected : between a key and its value');
      const badValue = this.value(depth + 1);
      if (badValue) return badValue;
      this.blank();
      if (this.take('}')) return undefined;
      if (!this.take(',')) return this.fault('expected , or }');
    }
  }

  private items(depth: number): Fault | undefined {
    this.blank();
    if (this.take(']')) return undefined;
    for (;;) {
      const bad = this.value(depth + 1);
      if (bad) return bad;
      this.blank();
      if (this.take(']')) return undefined;
      if (!this.take(',')) return this.fault('expected , or ]');
    }
  }

  private string(): Fault | undefined {
    this.at += 1;
    this.match(/(?:[ !#-[\]-\u{10ffff}]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*/uy);
    if (this.take('"')) return undefined;
    const here = this.text[this.at];
    if (here === '\\') return this.fault('there is no such escape: \\" \\\\ \\/ \\b \\f \\n \\r \\t \\uXXXX');
    return this.fault(
      here === '\n' || here === undefined ? 'expected the closing quote' : 'write it as an escape: \\t, \\uXXXX',
    );
  }

  private blank(): void {
    this.match(/[ \t\r\n]*/y);
  }

  private take(letter: string): boolean {
    const there = this.text[this.at] === letter;
    if (there) this.at += 1;
    return there;
  }

  private match(pattern: RegExp): boolean {
    pattern.lastIndex = this.at;
    const found = pattern.exec(this.text);
    if (found) this.at += found[0].length;
    return found !== null;
  }

  private fault(expected: string): Fault {
    return { at: this.at, expected: this.at < this.text.length ? expected : `${expected}; the text ends here` };
  }
}
