import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { until } from './until.ts';

/**
 * Runs a program of ours and kills it with SIGKILL.
 * @param ms how long it goes on when it has printed `least` lines, however long that took
 * @returns the lines it printed whole
 */
export async function runUntilKilled(
  program: string,
  args: readonly string[],
  { ms, least }: { readonly ms: number; readonly least: number },
): Promise<string[]> {
  const child = spawn(process.execPath, [program, ...args], { stdio: ['ignore', 'pipe', 'inherit'] });
  let text = '';
  const lines = (): string[] => text.split('\n').slice(0, -1);
  child.stdout.setEncoding('utf8').on('data', (some: string) => {
    text += some;
  });
  await until(() => lines().length >= least || child.exitCode !== null);
  await sleep(ms);
  child.kill('SIGKILL');
  await once(child, 'close');
  return lines();
}
