import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../../', import.meta.url));
const program = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));

/** `npm test` has built already, and then this is quick; a test file that runs alone may need it. */
export function build(): void {
  execFileSync(process.execPath, ['scripts/bootstrap.mjs', '--build'], { cwd: root, stdio: 'pipe' });
}

/** A line of `--json`. */
export type Line = Readonly<Record<string, unknown>> & { readonly event: string };

export interface Finished {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunOptions {
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
}

/** Runs the built command to its end. */
export function firstboot(args: readonly string[], options: RunOptions = {}): Promise<Finished> {
  return new Running(args, options).finished();
}

/** The built command as a process of its own. */
export class Running {
  readonly child: ChildProcess;
  private out = '';
  private err = '';
  private changed: () => void = () => undefined;
  private readonly end: Promise<Finished>;

  constructor(args: readonly string[], { cwd = root, env = {} }: RunOptions = {}) {
    // The surroundings of whoever runs the tests must not be settings of these.
    const inherited = Object.entries(process.env).filter(([name]) => !name.startsWith('FIRSTBOOT_'));
    this.child = spawn(process.execPath, [program, ...args], {
      cwd,
      env: { ...Object.fromEntries(inherited), NO_COLOR: '1', FIRSTBOOT_API_PORT: '0', ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      this.out += text;
      this.changed();
    });
    this.child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.err += text;
      this.changed();
    });
    this.end = once(this.child, 'close').then(([code]) => ({
      code: code as number | null,
      stdout: this.out,
      stderr: this.err,
    }));
    void this.end.then(() => this.changed());
  }

  get stdout(): string {
    return this.out;
  }

  /** What was printed with --json so far. @throws SyntaxError when anything else was */
  get lines(): Line[] {
    return this.out
      .split('\n')
      .slice(0, -1)
      .map((line) => JSON.parse(line) as Line);
  }

  /** The first line that matches, of those printed after line number `after`; waits for it. */
  async line(matches: Partial<Line>, after = 0): Promise<Line> {
    const found = (): Line | undefined =>
      this.lines.slice(after).find((line) => Object.entries(matches).every(([key, value]) => line[key] === value));
    return this.until(JSON.stringify(matches), found);
  }

  /** Waits for words on standard output. */
  async words(pattern: RegExp): Promise<RegExpExecArray> {
    return this.until(String(pattern), () => pattern.exec(this.out) ?? undefined);
  }

  /** The same on standard error. */
  async noted(pattern: RegExp): Promise<RegExpExecArray> {
    return this.until(String(pattern), () => pattern.exec(this.err) ?? undefined);
  }

  finished(): Promise<Finished> {
    return this.end;
  }

  signal(name: NodeJS.Signals): void {
    this.child.kill(name);
  }

  async stop(name: NodeJS.Signals = 'SIGTERM'): Promise<Finished> {
    this.signal(name);
    return this.end;
  }

  private async until<T>(what: string, found: () => T | undefined): Promise<T> {
    let late = false;
    const timer = setTimeout(() => {
      late = true;
      this.changed();
    }, 100_000);
    try {
      for (;;) {
        const value = found();
        if (value !== undefined) return value;
        if (late || this.child.exitCode !== null) {
          throw new Error(`${what} was not printed:\n${this.out}\n${this.err}`);
        }
        await new Promise<void>((resolve) => {
          this.changed = resolve;
        });
      }
    } finally {
      clearTimeout(timer);
    }
  }
}

/**
 * Ports that nobody listens on now, for programs that must know each other's port before they start. They lie below those
 * that the system gives to whoever asks for any: nobody else is given them meanwhile.
 */
export async function freePorts(count: number): Promise<number[]> {
  const ports = new Set<number>();
  while (ports.size < count) {
    const port = randomInt(21_000, 32_000);
    if (await isFree(port)) ports.add(port);
  }
  return [...ports];
}

async function isFree(port: number): Promise<boolean> {
  const [server, socket] = [createServer(), createSocket('udp4')];
  try {
    await once(server.listen(port, '127.0.0.1'), 'listening');
    await once(socket.bind(port, '127.0.0.1'), 'listening');
    return true;
  } catch {
    return false;
  } finally {
    server.close();
    socket.close();
  }
}
