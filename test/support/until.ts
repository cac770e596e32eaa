import { setTimeout as sleep } from 'node:timers/promises';

/**
 * Waits for what is bound to come, however busy the machine is: it is vitest's time for a test that says hung.
 * @throws Error that names the condition when it has not come after 200 s and more: vitest would not say which it was
 */
export async function until(done: () => boolean | Promise<boolean>): Promise<void> {
  for (let tries = 0; !(await done()); tries++) {
    if (tries > 20_000) throw new Error(`it does not come: ${done}`);
    // Much comes at once, and is not waited for longer than that.
    await sleep(Math.min(10, tries / 8));
  }
}
