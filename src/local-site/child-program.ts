import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { type Millis, seconds, systemTimers } from '../core/clock.ts';
import { failure } from '../core/errors.ts';

/** How long a program has to say that it listens, and how often it is tried: a gateway needs its token issuer. */
const patience: Millis = seconds(20);
const tries = 5;
const pause: Millis = 500;

/** Of what a program said on standard error, the end that is kept for the complaint. */
const lastWords = 2000;

/** The built command: from the sources it lies in the package's `dist`, once built it is this very package. */
const program = fileURLToPath(
  new URL(import.meta.url.endsWith('.ts') ? '../../dist/cli/main.js' : '../cli/main.js', import.meta.url),
);

/** One of our own commands as a process, which can be killed and started again. */
export class ChildProgram {
  private readonly args: readonly string[];
  private child: ChildProcess | undefined;

  /** @param args a command that prints `{"event": "listening"}` with `--json` */
  constructor(args: readonly string[]) {
    this.args = [...args, '--json'];
  }

  /** Resolves when it listens. @throws FirstbootError service.config with its last words. */
  async start(): Promise<void> {
    for (let left = tries; ; left--) {
      const words = await this.launch();
      if (words === undefined) return;
      if (left > 1) {
        await new Promise<void>((resolve) => systemTimers.schedule(systemTimers.now() + pause, resolve));
        continue;
      }
      const fix = 'see what it says, and whether the package is built (npm run build)';
      throw failure('service.config', { command: this.args[0] ?? '', said: words.trim() }, fix);
    }
  }

  /** Resolves when it is gone. Harmless when it is not running. */
  async stop(signal: 'SIGTERM' | 'SIGKILL'): Promise<void> {
    const { child } = this;
    this.child = undefined;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const closed = once(child, 'close');
    child.kill(signal);
    await closed;
  }

  /** Undefined when it listens; else what it said before it ended. */
  private async launch(): Promise<string | undefined> {
    // The settings of whoever runs the fleet are not settings of these.
    const surroundings = Object.entries(process.env).filter(([name]) => !name.startsWith('FIRSTBOOT_'));
    const child = spawn(process.execPath, [program, ...this.args], {
      env: { ...Object.fromEntries(surroundings), NO_COLOR: '1' },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.child = child;
    let words = '';
    let heard = '';
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      words = `${words}${text}`.slice(-lastWords);
    });
    const listens = await new Promise<boolean>((resolve) => {
      const giveUp = systemTimers.schedule(systemTimers.now() + patience, () => resolve(false));
      const settle = (result: boolean): void => {
        giveUp();
        resolve(result);
      };
      child.once('error', () => settle(false));
      child.once('close', () => settle(false));
      // It goes on talking: a pipe that nobody empties would stop it.
      child.stdout.setEncoding('utf8').on('data', (text: string) => {
        if (heard === listening) return;
        heard = `${heard}${text}`.slice(-lastWords);
        if (!heard.includes('"event":"listening"')) return;
        heard = listening;
        settle(true);
      });
    });
    if (listens) return undefined;
    await this.stop('SIGKILL');
    return words || 'nothing';
  }
}

const listening = 'listening';
