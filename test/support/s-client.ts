import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { until } from './until.ts';

/** `openssl s_client` as a bare secure channel: what goes into it leaves as one record, what it receives comes out. */
export interface SClient {
  send(message: Uint8Array): void;
  /** Waits for what is received next; over DTLS that is one datagram. @throws when it ends before. */
  next(): Promise<Uint8Array>;
  /** Everything it said about the connection. */
  said(): string;
  /** Waits until it has said something. @throws when it ends before. */
  hears(pattern: RegExp): Promise<void>;
  /** Says goodbye. */
  close(): Promise<void>;
}

export const startSClient = (args: readonly string[]): SClient => new SClientProcess(args);

/** The alerts that an s_client has seen, by their number. */
export const alertsIn = (text: string): number[] =>
  [...text.matchAll(/SSL alert number (\d+)/g)].map(([, number]) => Number(number));

class SClientProcess implements SClient {
  private readonly child: ChildProcessWithoutNullStreams;
  private readonly ended: Promise<void>;
  private hasEnded = false;
  private readonly chunks: Uint8Array[] = [];
  private text = '';

  constructor(args: readonly string[]) {
    // -quiet keeps its own talk out of the received data, and letters at the start of a message from being commands.
    this.child = spawn('openssl', ['s_client', '-quiet', '-nocommands', '-no_ign_eof', '-state', ...args]);
    this.child.stdin.on('error', () => undefined);
    this.child.stdout.on('data', (bytes: Buffer) => {
      this.chunks.push(new Uint8Array(bytes));
    });
    this.child.stderr.on('data', (bytes: Buffer) => {
      this.text += bytes.toString('latin1');
    });
    this.ended = new Promise((resolve) => {
      this.child.on('close', () => {
        this.hasEnded = true;
        resolve();
      });
    });
  }

  send(message: Uint8Array): void {
    this.child.stdin.write(message);
  }

  async next(): Promise<Uint8Array> {
    await this.until('answer', () => this.chunks.length > 0);
    return this.chunks.shift() ?? new Uint8Array(0);
  }

  said(): string {
    return this.text;
  }

  async hears(pattern: RegExp): Promise<void> {
    await this.until(`${pattern}`, () => pattern.test(this.text));
  }

  async close(): Promise<void> {
    this.child.stdin.end();
    const late = setTimeout(() => this.child.kill(), 20_000);
    await this.ended;
    clearTimeout(late);
  }

  private async until(what: string, happened: () => boolean): Promise<void> {
    await until(() => happened() || this.hasEnded).catch(() => undefined);
    if (happened()) return;
    this.child.kill();
    throw new Error(`s_client: no ${what} in what it said:\n${this.text}`);
  }
}
