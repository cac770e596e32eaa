import { setImmediate } from 'node:timers/promises';
import { createWebhookDeliverer, type WebhookDeliverer } from '../../src/cloud/webhooks.ts';
import { ManualTimers, systemTimers, type Timers } from '../../src/core/clock.ts';
import type { Log } from '../../src/core/log.ts';
import { systemRandom } from '../../src/core/random.ts';
import { EventHub } from '../../src/operator/event-hub.ts';
import { tellUntold } from '../../src/operator/event-recovery.ts';
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
  /** Resolves when deliverer and hub only wait: for time, for news, or for receivers of which `hanging` never answer. */
  readonly quiet: (hanging: () => number) => Promise<void>;
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
  const store = await openLevelStore(folder, { synced: false, onAudit: (line) => hub?.audited(line) });
  let [underWay, readers, calls] = [0, 0, 0];
  const watched = watchedCalls(store, (change) => {
    calls += change;
  });
  const own = new EventHub({ store: watched, timers: systemTimers, log });
  hub = own;
  await tellUntold(own, store);
  const since: EventHub['since'] = (...from) => {
    readers++;
    return own.since(...from);
  };
  const counted: typeof fetch = (...request) => {
    underWay++;
    return fetch(...request).finally(() => underWay--);
  };
  const deliverer = await createWebhookDeliverer({
    store: watched,
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
    quiet: async (hanging) => {
      // Between an answer and what is made of it there are some turns of the loop.
      for (let turns = 0; turns < 10; turns = calls > 0 || underWay > hanging() ? 0 : turns + 1) await setImmediate();
    },
    deps,
    add: async (request, ownerId) => (await putWebhook({ ...deps, ownerId }, request, {})).result.secret ?? '',
    close: async () => {
      await deliverer.stop();
      await own.close();
      await store.close();
    },
  };
}

/** The same store; says of each call when it begins (1) and when it has ended (-1). */
function watchedCalls(store: Store, count: (change: 1 | -1) => void): Store {
  return new Proxy(store, {
    get(target, name) {
      const method: unknown = Reflect.get(target, name, target);
      if (typeof method !== 'function') return method;
      return (...args: readonly unknown[]): unknown => {
        const result: unknown = method.apply(target, args);
        if (!(result instanceof Promise)) return result;
        count(1);
        return result.finally(() => count(-1));
      };
    },
  });
}

/** A clock that is told to move on: it begins now, for signatures are checked against the time. */
export const movedTimers = (): ManualTimers => new ManualTimers(Date.now());
