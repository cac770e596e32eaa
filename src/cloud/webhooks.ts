import type { Timers } from '../core/clock.ts';
import type { Uuid } from '../core/ids.ts';
import type { Log } from '../core/log.ts';
import type { RandomSource } from '../core/random.ts';
import { carryOut } from '../operator/change.ts';
import type { EventHub } from '../operator/event-hub.ts';
import { eventId } from '../operator/event-ids.ts';
import type { Actor, StoredEvent, Webhook } from '../store/model.ts';
import type { Store } from '../store/store.ts';
import type { Fetch } from './webhook-request.ts';
import { WebhookWorker } from './webhook-worker.ts';

export interface WebhookDelivererDeps {
  readonly store: Store;
  readonly hub: Pick<EventHub, 'since'>;
  readonly timers: Timers;
  readonly random: RandomSource;
  readonly log: Log;
  readonly fetch?: Fetch;
  /** Whether webhooks of owners may be anywhere that this machine reaches; default: on the public Internet only. */
  readonly ownersReachPrivate?: boolean | undefined;
}

export interface WebhookDeliverer {
  /** Gives up what is under way: it is told again at the next start. */
  stop(): Promise<void>;
}

/**
 * Tells webhooks of events, each at its own pace and each event at least once: the id of the event lets receivers drop
 * repetitions. Goes by the webhooks in the store, and follows their changes by the events about them.
 * @throws FirstbootError service.store
 */
export async function createWebhookDeliverer(deps: WebhookDelivererDeps): Promise<WebhookDeliverer> {
  const deliverer = new Deliverer(deps);
  await deliverer.start();
  return deliverer;
}

class Deliverer implements WebhookDeliverer {
  private readonly deps: WebhookDelivererDeps;
  private readonly workers = new Map<Uuid, WebhookWorker>();
  private readonly news: ReturnType<EventHub['since']>;
  private following: Promise<void> = Promise.resolve();

  constructor(deps: WebhookDelivererDeps) {
    this.deps = deps;
    const start = eventId({ epoch: deps.store.epoch, n: 0 });
    this.news = deps.hub.since(start, { types: ['webhook'], patient: true });
  }

  async start(): Promise<void> {
    const news: StoredEvent[] = [];
    while (this.news.behind) {
      const reading = await this.news.next({ wait: false });
      if (reading.kind === 'events') news.push(...reading.events);
      if (reading.kind === 'end') break;
    }
    await this.adapt(news);
    this.following = this.follow();
  }

  async stop(): Promise<void> {
    this.news.end();
    await this.following;
    await Promise.all([...this.workers.values()].map((worker) => worker.stop()));
  }

  private async follow(): Promise<void> {
    for (;;) {
      const reading = await this.news.next().catch((error: unknown) => error);
      if (isReading(reading)) {
        if (reading.kind === 'end') return;
        const events = reading.kind === 'events' ? reading.events : [];
        await this.adapt(events).catch((error: unknown) =>
          this.deps.log.error({ error }, 'a change of the webhooks could not be followed'),
        );
      }
    }
  }

  /** Makes the workers those of the webhooks that are there. */
  private async adapt(news: readonly StoredEvent[]): Promise<void> {
    const { store } = this.deps;
    const webhooks = await store.webhooks.list();
    for (const [id, worker] of this.workers) {
      if (webhooks.some((webhook) => webhook.id === id)) continue;
      this.workers.delete(id);
      await worker.stop();
    }
    for (const webhook of webhooks) {
      const worker = this.workers.get(webhook.id);
      if (worker === undefined) this.workers.set(webhook.id, await this.employ(webhook, news));
      else if (worker.revision !== webhook.revision) worker.change(webhook);
      if (newsOf('webhook.redeliver', webhook, news)) worker?.revive();
    }
  }

  private async employ(webhook: Webhook, news: readonly StoredEvent[]): Promise<WebhookWorker> {
    const { store, fetch = globalThis.fetch, ownersReachPrivate = false } = this.deps;
    const noted = await store.webhookCursor(webhook.id);
    // What came before it is not for it.
    const begin = newsOf('webhook.create', webhook, news)?.id ?? eventId({ epoch: store.epoch, n: 0 });
    if (noted === '') await store.commitDeliveries({ webhookId: webhook.id, cursor: begin });
    const deps = { ...this.deps, fetch, ownersReachPrivate, gone: (gone: Webhook) => this.disable(gone) };
    return new WebhookWorker(deps, webhook, noted || begin);
  }

  /** Its receiver has answered 410. */
  private async disable({ id, name }: Webhook): Promise<void> {
    const { store, timers, log } = this.deps;
    log.warn({ webhook: name }, 'the receiver of a webhook wants nothing any more: it is disabled');
    await carryOut({ store, now: () => timers.now(), actor: service }, async () => {
      const webhook = await store.webhooks.get(id);
      const enabled = webhook?.enabled === true;
      return {
        action: 'webhook.disable',
        target: `webhook ${id}`,
        detail: { name, status: 410 },
        changes: { webhooks: webhook && enabled ? [{ ...webhook, enabled: false }] : [] },
        effects: enabled ? [`webhook ${name} is disabled`] : [],
        result: undefined,
      };
    });
  }
}

const newsOf = (type: string, { id }: Webhook, news: readonly StoredEvent[]): StoredEvent | undefined =>
  news.find((event) => event.type === type && event.data.target === `webhook ${id}`);

const isReading = (reading: unknown): reading is Awaited<ReturnType<ReturnType<EventHub['since']>['next']>> =>
  typeof reading === 'object' && reading !== null && 'kind' in reading;

const service: Actor = { kind: 'service', name: 'firstboot', from: 'webhooks' };
