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

let stretchEnd = 0;
let spent = 0;

/**
 * Does `step` on this thread unless handshakes have had their share of it already. The pool costs a handshake an eighth
 * more CPU (threads to wake, jobs to hand over); what it buys is that the sessions of others are served during a storm.
 * @returns whether it was done; if not, it is one for the pool
 */
export function doHere(step: () => void): boolean {
  const started = performance.now();
  if (started >= stretchEnd) {
    stretchEnd = started + limits.secure.stretch;
    spent = 0;
  } else if (spent >= limits.secure.stretchHandshakes) {
    return false;
  }
  step();
  spent += performance.now() - started;
  return true;
}

export const poolQueue = (): number => waiting.length;
