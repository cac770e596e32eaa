import { createWebhookDeliverer, type WebhookDeliverer } from '../../src/cloud/webhooks.ts';
import { ManualTimers, systemTimers, type Timers } from '../../src/core/clock.ts';
import type { Log } from '../../src/core/log.ts';
import { systemRandom } from '../../src/core/random.ts';
import { EventHub } from '../../src/operator/event-hub.ts';
import type { WebhookRequest } from '../../src/operator/operations.ts';
import { putWebhook } from '../../src/operator/webhooks.ts';
import { openLevelStore } from '../../src/store/level.ts';
import type { Store } from '../../src/store/store.ts';
import { someActor } from './operator-bench.ts';

/** A store, its hub and a deliverer, as a service has them. */
export interface WebhookBench {
  readonly store: Store;
  readonly hub: EventHub;
  readonly deliverer: WebhookDeliverer;
  readonly timers: Timers;
  readonly said: readonly string[];
  /** How often the deliverer has begun to read events. */
  readonly readers: () => number;
  /** Requests to receivers that are not answered yet. */
  readonly underWay: () => number;
  /** @returns its secret */
  add(request: WebhookRequest, ownerId?: string): Promise<string>;
  readonly deps: Parameters<typeof putWebhook>[0];
  /** Of the deliverer, the hub and the store. */
  close(): Promise<void>;
}

/** @param ownersReachPrivate receivers of tests are on this machine */
export async function openWebhookBench(
  folder: string,
  timers: Timers = systemTimers,
  ownersReachPrivate = true,
): Promise<WebhookBench> {
  const said: string[] = [];
  const note = (fields: object, text: string): void => void said.push(`${text} ${JSON.stringify(fields)}`);
  const log: Log = { debug: () => undefined, info: note, warn: note, error: note };
  let hub: EventHub | undefined;
  const store = await openLevelStore(folder, { synced: false, onAudit: (...line) => hub?.audited(...line) });
  const own = new EventHub({ store, timers: systemTimers, log });
  hub = own;
  let [underWay, readers] = [0, 0];
  const since: EventHub['since'] = (...from) => {
    readers++;
    return own.since(...from);
  };
  const counted: typeof fetch = (...request) => {
    underWay++;
    return fetch(...request).finally(() => underWay--);
  };
  const deliverer = await createWebhookDeliverer({
    store,
    hub: { since },
    timers,
    random: systemRandom,
    log,
    fetch: counted,
    ownersReachPrivate,
  });
  const deps = { store, now: () => timers.now(), actor: someActor, random: systemRandom };
  return {
    store,
    hub: own,
    deliverer,
    timers,
    said,
    readers: () => readers,
    underWay: () => underWay,
    deps,
    add: async (request, ownerId) => (await putWebhook({ ...deps, ownerId }, request, {})).result.secret ?? '',
    close: async () => {
      await deliverer.stop();
      await own.close();
      await store.close();
    },
  };
}

/** A clock that is told to move on: it begins now, for signatures are checked against the time. */
export const movedTimers = (): ManualTimers => new ManualTimers(Date.now());
