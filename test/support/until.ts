import { setTimeout as sleep } from 'node:timers/promises';

/** Waits for what is bound to come, however busy the machine is. @throws Error when it has not come after 15 s and more */
export async function until(done: () => boolean | Promise<boolean>): Promise<void> {
  for (let tries = 0; !(await done()); tries++) {
    if (tries > 1500) throw new Error('it does not come');
    await sleep(10);
  }
}
