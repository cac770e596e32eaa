import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

/** Resident memory of this process after everything that can be given back has been, bytes. */
export async function residentBytes(): Promise<number> {
  await settleMemory();
  return process.memoryUsage().rss;
}

/** What JavaScript holds, its buffers included, after everything that can be given back has been, bytes. */
export async function heldBytes(): Promise<number> {
  await settleMemory();
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}

/** Buffers are freed by a thread of their own, some time after the collection that found them. */
async function settleMemory(): Promise<void> {
  for (let pass = 0; pass < 3; pass++) {
    collectGarbage();
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
