import { someActor } from './operator-bench.ts';
import { openWebhookBench } from './webhook-bench.ts';

/**
 * A process to be killed: tells events as fast as they are stored, and makes changes, while its webhooks are told of them, and
 * prints the id of each event that is stored, and of each change `line <seq>`.
 * Usage: node test/support/webhook-worker.ts FOLDER
 */
const [folder = ''] = process.argv.slice(2);
const { hub, store } = await openWebhookBench(folder);

let printed = hub.last;
for (;;) {
  for (let k = 0; k < 20; k++) hub.tell('test', { k });
  await store.commit({ audit: { at: Date.now(), actor: someActor, action: 'test.change', target: 'x', detail: {} } });
  process.stdout.write(`line ${(await store.auditHead())?.seq}\n`);
  await new Promise((resolve) => setTimeout(resolve, 20));
  for (const { id } of await store.events({ after: printed, limit: 500 })) {
    process.stdout.write(`${id}\n`);
    printed = id;
  }
}
