import { limits } from '../core/limits.ts';

/** Handshake steps that may run on libuv's pool now: file system and DNS share its threads. One per process. */
let running = 0;
const waiting: (() => void)[] = [];

/** Calls `start` when a place is free, at once if one is. Whoever was started calls `leavePool` once. */
export function enterPool(start: () => void): void {
  if (running >= limits.secure.poolJobs) {
    waiting.push(start);
    return;
  }
  running++;
  start();
}

/** Gives the place to the next in line. */
export function leavePool(): void {
  running--;
  const next = waiting.shift();
  if (next) enterPool(next);
}

export const poolQueue = (): number => waiting.length;
