// A child process whose functions the benchmark calls by name. Measured things run in children, so that nothing that the
// benchmark itself does is in their numbers.
import { fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';

/** No call of the benchmark takes longer than this, ms: a run always ends. */
const patience = 120_000;

/**
 * Starts `file` (beside this one) as a child.
 * @returns {{ call(name: string, ...args: unknown[]): Promise<any>, stop(): void }}
 */
export function startWorker(file) {
  const child = fork(fileURLToPath(new URL(file, import.meta.url)), {
    execArgv: ['--expose-gc'],
    serialization: 'advanced',
  });
  const waiting = new Map();
  let lastId = 0;
  const end = (error) => {
    for (const { reject } of waiting.values()) reject(error);
    waiting.clear();
  };
  child.on('message', ({ id, value, error }) => {
    const call = waiting.get(id);
    waiting.delete(id);
    if (error === undefined) call?.resolve(value);
    else call?.reject(new Error(`${file}: ${error}`));
  });
  child.on('exit', (code, signal) => end(new Error(`${file} ended by itself (${signal ?? code})`)));
  return {
    call: (name, ...args) =>
      new Promise((resolve, reject) => {
        const id = ++lastId;
        const timer = setTimeout(() => {
          waiting.delete(id);
          reject(new Error(`${file}: ${name} took longer than ${patience / 1000} s`));
        }, patience);
        const settle = (how) => (value) => {
          clearTimeout(timer);
          how(value);
        };
        waiting.set(id, { resolve: settle(resolve), reject: settle(reject) });
        child.send({ id, name, args });
      }),
    stop: () => {
      child.removeAllListeners('exit');
      child.kill('SIGKILL');
      end(new Error(`${file} was stopped`));
    },
  };
}

/** In the child: answers calls with `functions`. Ends with its parent. */
export function serveCalls(functions) {
  process.on('disconnect', () => process.exit(0));
  process.on('message', async ({ id, name, args }) => {
    try {
      process.send({ id, value: await functions[name](...args) });
    } catch (error) {
      process.send({ id, error: error instanceof Error ? (error.stack ?? error.message) : String(error) });
    }
  });
}
