import { CommanderError } from 'commander';
import { vi } from 'vitest';
import { createProgram } from '../../src/cli/program.ts';

/** Runs a command line in this process: the exit code as main.ts would set it, and what was said. */
export async function runInProcess(
  args: readonly string[],
): Promise<{ readonly code: unknown; readonly stdout: string; readonly stderr: string }> {
  const before = process.exitCode;
  const signals = ['SIGINT', 'SIGTERM'] as const;
  const listeners = signals.map((signal) => process.listeners(signal));
  const said = { stdout: '', stderr: '' };
  const spies = (['stdout', 'stderr'] as const).map((stream) =>
    vi.spyOn(process[stream], 'write').mockImplementation((text) => {
      said[stream] += String(text);
      return true;
    }),
  );
  process.exitCode = undefined;
  try {
    await (await createProgram('0.0.0', args)).parseAsync([...args], { from: 'user' });
    return { code: process.exitCode, ...said };
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    return { code: error.exitCode === 0 ? 0 : 2, ...said };
  } finally {
    process.exitCode = before;
    for (const spy of spies) spy.mockRestore();
    for (const [at, signal] of signals.entries()) {
      for (const listener of process.listeners(signal)) {
        if (!listeners[at]?.includes(listener)) process.off(signal, listener);
      }
    }
  }
}
