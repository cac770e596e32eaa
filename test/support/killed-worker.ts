import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';

/** Runs a program of ours and kills it with SIGKILL. @returns the lines it printed whole, from its first one until `ms` later */
export async function runUntilKilled(program: string, args: readonly string[], ms: number): Promise<string[]> {
  const child = spawn(process.execPath, [program, ...args], { stdio: ['ignore', 'pipe', 'inherit'] });
  let text = '';
  child.stdout.setEncoding('utf8').on('data', (some: string) => {
    text += some;
  });
  await once(child.stdout, 'data');
  await sleep(ms);
  child.kill('SIGKILL');
  await once(child, 'close');
  return text.split('\n').slice(0, -1);
}
