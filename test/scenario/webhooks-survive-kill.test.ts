import { expect, test } from 'vitest';
import { runUntilKilled } from '../support/killed-worker.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { openWebhookBench } from '../support/webhook-bench.ts';
import { startReceiver } from '../support/webhook-receiver.ts';

test('a service that is killed again and again tells each event that it has stored', async () => {
  const folder = await temporaryFolder();
  const receiver = await startReceiver();
  // Some fail, some hang over the end of the process: those are under way when it is killed.
  receiver.mood = (asked) => (asked % 7 === 0 ? 'hang' : asked % 11 === 0 ? 500 : 204);
  const before = await openWebhookBench(folder.path);
  receiver.secret = await before.add({ name: 'hook', url: receiver.url, types: ['test'] });
  const [hook] = await before.store.webhooks.list();
  // It hears of what is told from now on.
  await expect.poll(() => before.store.webhookCursor(hook?.id ?? '')).not.toBe('');
  await before.close();

  const stored = new Set<string>();
  // A slow machine stores little until then: it gets more turns.
  for (let turn = 0; turn < 3 || (stored.size <= 100 && turn < 12); turn++) {
    const ms = 150 * (1 + (turn % 3));
    for (const id of await runUntilKilled('test/support/webhook-worker.ts', [folder.path], ms)) stored.add(id);
  }
  receiver.mood = () => 204;
  const after = await openWebhookBench(folder.path);
  const missing = (): string[] => [...stored].filter((id) => !receiver.taken.includes(id));
  expect(stored.size).toBeGreaterThan(100);
  await expect.poll(missing, { timeout: 30_000 }).toEqual([]);
  expect(receiver.forged).toBe(0);
  await after.close();
  await receiver.close();
  await folder.remove();
}, 60_000);
