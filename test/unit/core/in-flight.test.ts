import { expect, test } from 'vitest';
import { InFlight } from '../../../src/core/in-flight.ts';

test('is idle when everything that was begun has settled, well or not', async () => {
  const inFlight = new InFlight();
  await inFlight.idle();
  let finish: () => void = () => undefined;
  const good = inFlight.track(new Promise<void>((resolve) => (finish = resolve)));
  const bad = inFlight.track(Promise.reject(new Error('failed')));
  await expect(bad).rejects.toThrow('failed');
  expect(inFlight.busy).toBe(true);
  let quiet = false;
  const idle = inFlight.idle().then(() => {
    quiet = true;
  });
  await Promise.resolve();
  expect(quiet).toBe(false);
  finish();
  await good;
  await idle;
  expect(inFlight.busy).toBe(false);
});

test('work that begins when the last has ended is waited for too', async () => {
  const inFlight = new InFlight();
  const order: string[] = [];
  inFlight.begin();
  const idle = inFlight.idle().then(() => order.push('idle'));
  inFlight.end();
  inFlight.begin();
  await new Promise((resolve) => setImmediate(resolve));
  order.push('ended');
  inFlight.end();
  await idle;
  expect(order).toEqual(['ended', 'idle']);
});
