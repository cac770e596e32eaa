import { expect, test } from 'vitest';
import { runUntilKilled } from '../support/killed-worker.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { openWebhookBench } from '../support/webhook-bench.ts';
import { startReceiver } from '../support/webhook-receiver.ts';

test('a service that is killed again and again tells each event that it has stored, and each line of the audit log', async () => {
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
  for (const ms of [150, 300, 450]) {
    const until = { ms, least: 40 };
    for (const id of await runUntilKilled('test/support/webhook-worker.ts', [folder.path], until)) stored.add(id);
  }
  receiver.mood = () => 204;
  const after = await openWebhookBench(folder.path);
  const missing = (): string[] => {
    const taken = new Set(receiver.taken);
    const bodies = receiver.asked.filter(({ id }) => taken.has(id)).map(({ body }) => body);
    for (const { type, data } of bodies) if (type === 'test.change') taken.add(`line ${data.seq}`);
    return [...stored].filter((printed) => !taken.has(printed));
  };
  expect([...stored].filter((printed) => printed.startsWith('line'))).not.toEqual([]);
  expect(stored.size).toBeGreaterThan(100);
  await expect.poll(missing).toEqual([]);
  expect(receiver.forged).toBe(0);
  await after.close();
  await receiver.close();
  await folder.remove();
});
