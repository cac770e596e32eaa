import type { Millis, Timers } from '../core/clock.ts';
import { limits } from '../core/limits.ts';
import type { Log } from '../core/log.ts';
import { type RandomSource, randomFraction } from '../core/random.ts';
import type { EventHub } from '../operator/event-hub.ts';
import type { EventReader, EventReading } from '../operator/event-reader.ts';
import { withoutAudit } from '../operator/event-told.ts';
import { everyDelivery } from '../operator/scan.ts';
import type { Delivery, StoredEvent, Webhook } from '../store/model.ts';
import type { Store } from '../store/store.ts';
import { type Fetch, type Told, tellReceiver } from './webhook-request.ts';

export interface WebhookWorkerDeps {
  readonly store: Pick<Store, 'webhookCursor' | 'commitDeliveries' | 'deliveries'>;
  readonly hub: Pick<EventHub, 'since'>;
  readonly timers: Timers;
  readonly random: RandomSource;
  readonly log: Log;
  readonly fetch: Fetch;
  /** Whether webhooks of owners may be anywhere that this machine reaches. */
  readonly ownersReachPrivate: boolean;
  /** The receiver wants nothing any more. */
  readonly gone: (webhook: Webhook) => Promise<void>;
}

/**
 * Tells one webhook. Events are taken from the log behind the cursor, tried at once, and those that fail are kept with the time
 * of their next try; the cursor moves when all that is before it was taken or is kept, so that nothing is lost with the
 * process, and what was under way is told again. While the receiver only fails, one event at a time is tried.
 */
export class WebhookWorker {
  private readonly deps: WebhookWorkerDeps;
  private webhook: Webhook;
  private reader: EventReader;
  private reading: Promise<EventReading> | undefined;
  /** Taken from the log and not tried. */
  private fresh: StoredEvent[] = [];
  /** Waiting for another try, in order of event: the first limits.webhooks.waiting of them. */
  private readonly waiting = new Map<string, Delivery>();
  /** Operators, or an earlier process, have put some there that are not in `waiting`. */
  private stale = true;
  private dead = 0;
  private cursor: string;
  private cursorAt: Millis;
  private failures = 0;
  private wake: () => void = () => undefined;
  private readonly stopping = new AbortController();
  private readonly running: Promise<void>;

  /** @param cursor what it was told of; events behind it are for it */
  constructor(deps: WebhookWorkerDeps, webhook: Webhook, cursor: string) {
    this.deps = deps;
    this.webhook = webhook;
    this.cursor = cursor;
    this.cursorAt = deps.timers.now() + limits.webhooks.cursorDelay;
    this.reader = this.readFrom(cursor);
    this.running = this.run();
  }

  get revision(): number {
    return this.webhook.revision;
  }

  /** Goes by another address, secret or choice of events from now on. */
  change(webhook: Webhook): void {
    this.webhook = webhook;
    this.failures = 0;
    this.reader.end();
    this.wake();
  }

  /** Dead letters have been made alive again. */
  revive(): void {
    this.stale = true;
    this.failures = 0;
    this.wake();
  }

  /** Gives up what is under way; it is told again by the next process. */
  async stop(): Promise<void> {
    this.stopping.abort();
    this.reader.end();
    this.wake();
    await this.running;
  }

  private get failing(): boolean {
    return this.failures >= limits.webhooks.failing;
  }

  private readFrom(cursor: string): EventReader {
    const { ownerId, types } = this.webhook;
    this.fresh = [];
    this.reading = undefined;
    return this.deps.hub.since(cursor, { ownerId, types, patient: true });
  }

  private async run(): Promise<void> {
    while (!this.stopping.signal.aborted) {
      try {
        await this.turn();
      } catch (error) {
        const { name } = this.webhook;
        this.deps.log.warn({ webhook: name, error }, 'a webhook has to wait for the store');
        // What was under way is read again, behind the cursor that is written.
        this.reader.end();
        this.reader = this.readFrom(this.cursor);
        this.stale = true;
        await this.pause(this.deps.timers.now() + limits.webhooks.storeRetry);
      }
    }
    await this.noteCursor();
  }

  /** Does what can be done now, or waits until there is something. */
  private async turn(): Promise<void> {
    const { timers } = this.deps;
    if (this.stale) await this.load();
    if (!this.webhook.enabled) return this.pause(undefined);
    const now = timers.now();
    const due = [...this.waiting.values()].filter(({ dueAt = 0 }) => dueAt <= now);
    if (due.length > 0) return this.deliver(due.slice(0, this.failing ? 1 : limits.webhooks.batch));
    const room = this.failing ? this.waiting.size === 0 : this.waiting.size < limits.webhooks.waiting;
    const next = Math.min(...[...this.waiting.values()].map(({ dueAt = 0 }) => dueAt));
    if (!room) return this.pause(next);
    if (this.fresh.length > 0) {
      const lot = this.fresh.slice(0, this.failing ? 1 : limits.webhooks.batch);
      return this.deliver(lot.map((event) => freshDelivery(this.webhook, event)));
    }
    return this.read(Math.min(next, this.cursorAt));
  }

  /** Waits for events, until a time at most. */
  private async read(until: Millis): Promise<void> {
    this.reading ??= this.reader.next();
    const reading = await Promise.race([this.reading, this.pause(until)]);
    if (reading === undefined) return this.noteCursor();
    this.reading = undefined;
    switch (reading.kind) {
      case 'events':
        this.fresh = [...reading.events];
        return;
      case 'lost':
        return this.bury(reading.oldest);
      case 'end':
        // It was changed; or nothing is told any more, and the end of this is near.
        this.reader = this.readFrom(this.cursor);
        if (reading.why === 'closed') await this.pause(undefined);
    }
  }

  /** Tries some, a few at a time, until all are tried or the receiver seems to be away; and writes what came of it. */
  private async deliver(lot: readonly Delivery[]): Promise<void> {
    const { webhook } = this;
    const put: Delivery[] = [];
    const remove: string[] = [];
    let begun = 0;
    let gone = false;
    const tryNext = async (): Promise<void> => {
      while (begun < lot.length && !gone && (begun === 0 || !this.failing) && !this.stopping.signal.aborted) {
        const delivery = lot[begun++];
        if (delivery === undefined) return;
        const told = await tellReceiver(webhook, eventFor(webhook, delivery.event), {
          ...this.deps,
          reachPrivate: webhook.ownerId === undefined || this.deps.ownersReachPrivate,
          stop: this.stopping.signal,
        });
        this.failures = told.kind === 'told' ? 0 : this.failures + (told.kind === 'stopped' ? 0 : 1);
        gone ||= told.kind === 'gone';
        if (told.kind === 'told') remove.push(delivery.event.id);
        else put.push(this.afterFailure(delivery, told));
      }
    };
    await Promise.all(Array.from({ length: Math.min(limits.webhooks.inFlight, lot.length) }, tryNext));
    await this.write(lot.slice(0, begun), put, remove);
    if (gone) await this.deps.gone(webhook);
  }

  private async write(tried: readonly Delivery[], put: readonly Delivery[], remove: readonly string[]): Promise<void> {
    const last = tried.at(-1);
    if (last === undefined) return;
    const isFresh = this.fresh[tried.length - 1]?.id === last.event.id;
    // Behind the last one that is at hand stands what is not wished, too.
    const cursor = tried.length === this.fresh.length ? this.reader.position : last.event.id;
    await this.commit({ put, remove: isFresh ? [] : remove, ...(isFresh && { cursor }) });
    if (isFresh) this.fresh.splice(0, tried.length);
    for (const id of remove) this.waiting.delete(id);
    for (const delivery of put) {
      if (delivery.dueAt === undefined) this.waiting.delete(delivery.event.id);
      else this.waiting.set(delivery.event.id, delivery);
    }
    // There may be more in the store than were at hand.
    if (this.waiting.size === 0 && !isFresh) this.stale = true;
    const buried = put.filter(({ dueAt }) => dueAt === undefined).length;
    if (buried > 0) await this.countDead(buried);
  }

  private afterFailure(delivery: Delivery, told: Exclude<Told, { kind: 'told' }>): Delivery {
    const { timers, random, log } = this.deps;
    const now = timers.now();
    if (told.kind === 'stopped') return { ...delivery, dueAt: delivery.dueAt ?? now };
    const pause = limits.webhooks.retries[delivery.attempts];
    const failed = { ...delivery, attempts: delivery.attempts + 1, error: told.error, lastTriedAt: now };
    const about = { webhook: this.webhook.name, event: delivery.event.id, error: told.error };
    if (pause !== undefined) {
      log.debug(about, 'a webhook could not be told, trying again');
      return { ...failed, dueAt: now + Math.round(pause * (1 + randomFraction(random) / 5)) };
    }
    log.warn(about, 'a webhook could not be told for too long: a dead letter');
    return { ...failed, dueAt: undefined };
  }

  /** Events have gone from the log before this webhook had them: a dead letter says so. */
  private async bury(oldest: string): Promise<void> {
    const { timers, log } = this.deps;
    const now = timers.now();
    const error = `events between ${this.cursor || 'the first'} and ${oldest} are not kept any more: it was away for too long`;
    log.error(
      { webhook: this.webhook.name, cursor: this.cursor, oldest },
      'events are lost for a webhook that was away',
    );
    const data = { after: this.cursor, oldest };
    const event = { id: this.reader.position, at: now, type: 'webhook.lost', ownerId: this.webhook.ownerId, data };
    const letter = { webhookId: this.webhook.id, event, attempts: 0, dueAt: undefined, error, lastTriedAt: now };
    await this.commit({ put: [letter], cursor: this.reader.position });
    await this.countDead(1);
  }

  /** Makes room among the dead letters. */
  private async countDead(more: number): Promise<void> {
    this.dead += more;
    const over = this.dead - limits.webhooks.dead;
    if (over <= 0) return;
    const oldest = await this.deps.store.deliveries({ webhookId: this.webhook.id, dead: true, limit: over });
    await this.commit({ remove: oldest.map(({ event }) => event.id) });
    this.dead -= oldest.length;
  }

  private async load(): Promise<void> {
    this.stale = false;
    this.dead = 0;
    this.waiting.clear();
    for await (const delivery of everyDelivery(this.deps.store, this.webhook.id)) {
      if (delivery.dueAt === undefined) this.dead++;
      else if (this.waiting.size < limits.webhooks.waiting) this.waiting.set(delivery.event.id, delivery);
    }
  }

  /** While nothing is for it, what it need not be told of shall not look like a loss later. */
  private async noteCursor(): Promise<void> {
    const { timers } = this.deps;
    const { idle, position } = this.reader;
    if (!idle || this.fresh.length > 0 || position === this.cursor) return;
    if (timers.now() < this.cursorAt && !this.stopping.signal.aborted) return;
    await this.commit({ cursor: position });
  }

  private async commit(change: Omit<Parameters<Store['commitDeliveries']>[0], 'webhookId'>): Promise<void> {
    const { store, timers } = this.deps;
    this.cursorAt = timers.now() + limits.webhooks.cursorDelay;
    await store.commitDeliveries({ webhookId: this.webhook.id, ...change });
    this.cursor = change.cursor ?? this.cursor;
  }

  /** Until a time, or until something has changed. */
  private pause(until: Millis | undefined): Promise<undefined> {
    const { timers } = this.deps;
    return new Promise((resolve) => {
      const finite = until !== undefined && Number.isFinite(until) ? until : undefined;
      const cancel = finite === undefined ? undefined : timers.schedule(finite, () => this.wake());
      this.wake = () => {
        cancel?.();
        resolve(undefined);
      };
      if (this.stopping.signal.aborted) this.wake();
    });
  }
}

/** The audit log is for those who see everything. */
const eventFor = ({ ownerId }: Webhook, event: StoredEvent): StoredEvent =>
  ownerId === undefined ? event : withoutAudit(event);

const freshDelivery = ({ id }: Webhook, event: StoredEvent): Delivery => ({
  webhookId: id,
  event,
  attempts: 0,
  dueAt: undefined,
  error: undefined,
  lastTriedAt: undefined,
});
