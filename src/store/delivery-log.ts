import type { Millis } from '../core/clock.ts';
import type { Uuid } from '../core/ids.ts';
import { limits } from '../core/limits.ts';
import { placeOf } from './event-log.ts';
import { del, keys, lastPart, put, under, type WriteOp } from './medium.ts';
import type { Delivery } from './model.ts';
import { parse, type Rows } from './rows.ts';
import type { Store } from './store.ts';

/** How far each webhook has been told, what is on its way to it, and what was given up. */
export class DeliveryLog {
  private readonly rows: Rows;
  /**
   * By webhook, what lastError reads; not there when a delivery has changed since it began to. So it is dropped when a write is
   * through, not before: who reads until then reads what was.
   */
  private readonly errors = new Map<Uuid, Promise<string | undefined>>();

  constructor(rows: Rows) {
    this.rows = rows;
  }

  async cursor(webhookId: Uuid): Promise<string> {
    return (await this.rows.read(keys.webhookCursor(webhookId))) ?? '';
  }

  async commit({ webhookId, cursor, put: changed = [], remove = [] }: DeliveryChange): Promise<void> {
    if (!this.known(webhookId)) return;
    const added = this.additions(changed);
    const gone = remove.flatMap((id) => placesOf(webhookId, id)).map((key) => del(key));
    const moved = cursor === undefined ? [] : [put(keys.webhookCursor(webhookId), cursor)];
    // In order: what is put stays, whatever is removed with it.
    const changes = [...gone, ...added];
    if (changes.length > 0) await this.write(webhookId, [...changes, ...moved], true);
    else if (moved.length > 0) await this.rows.write(moved, true);
  }

  /** Has to be told when `revivals` are written. */
  changed(deliveries: readonly Delivery[]): void {
    for (const { webhookId } of deliveries) this.errors.delete(webhookId);
  }

  /**
   * What to write for dead letters that are tried again; undefined when one is none (any more): of two who try it again at
   * once, only the first does.
   */
  revivals(deliveries: readonly Delivery[]): readonly WriteOp[] | undefined {
    const isDead = ({ webhookId, event }: Delivery): boolean =>
      this.known(webhookId) && this.rows.latest(keys.deadLetter(webhookId, placeOf(event.id))) !== undefined;
    return deliveries.every(isDead) ? this.additions(deliveries) : undefined;
  }

  /** What to write for deliveries that are new, or take the place of others. */
  private additions(deliveries: readonly Delivery[]): readonly WriteOp[] {
    return deliveries.flatMap((delivery) => {
      const { webhookId, event, dueAt } = delivery;
      const key = (dueAt === undefined ? keys.deadLetter : keys.delivery)(webhookId, placeOf(event.id));
      const others = placesOf(webhookId, event.id).filter((place) => place !== key);
      return [...others.map((place) => del(place)), put(key, JSON.stringify(delivery))];
    });
  }

  async page({ webhookId, dead, after, limit }: DeliveryPage): Promise<readonly Delivery[]> {
    if (limit <= 0) return [];
    const kinds = [...(dead === true ? [] : ['delivery']), ...(dead === false ? [] : ['dead-letter'])];
    const found = await Promise.all(
      kinds.map((kind) => {
        const all = under(`${kind}!${webhookId}`);
        return this.rows.rows({ ...all, after: after === undefined ? all.after : all.after + placeOf(after), limit });
      }),
    );
    const inOrder = found.flat().sort(([a], [b]) => (lastPart(a) < lastPart(b) ? -1 : 1));
    return inOrder.slice(0, limit).map(([, text]) => JSON.parse(text) as Delivery);
  }

  async counts({ webhookId, most }: Parameters<Store['deliveryCounts']>[0]): Promise<DeliveryCounts> {
    const count = async (kind: Kind): Promise<number> =>
      (await this.rows.keys({ ...under(`${kind}!${webhookId}`), ...(most !== undefined && { limit: most }) })).length;
    const [waiting, dead] = await Promise.all([count('delivery'), count('dead-letter')]);
    return { waiting, dead };
  }

  lastError(webhookId: Uuid): Promise<string | undefined> {
    const known = this.errors.get(webhookId);
    if (known !== undefined) return known;
    const reading = this.readLastError(webhookId);
    this.errors.set(webhookId, reading);
    reading.catch(() => this.errors.delete(webhookId));
    return reading;
  }

  private async readLastError(webhookId: Uuid): Promise<string | undefined> {
    let last = { at: Number.NEGATIVE_INFINITY, place: '', error: undefined as string | undefined };
    for (const kind of bothKinds) {
      for await (const page of this.rows.pages(under(`${kind}!${webhookId}`))) {
        for (const [key, text] of page) {
          const { error, lastTriedAt: at = Number.NEGATIVE_INFINITY } = JSON.parse(text) as Delivery;
          const place = lastPart(key);
          // Of those that were tried at the same time, that of the later event.
          const later = at > last.at || (at === last.at && place > last.place);
          if (error !== undefined && later) last = { at, place, error };
        }
      }
    }
    return last.error;
  }

  private known(webhookId: Uuid): boolean {
    return this.rows.latest(keys.webhook(webhookId)) !== undefined;
  }

  /** What there is about a webhook that is deleted with `last`. */
  async forget(webhookId: Uuid, last: readonly WriteOp[]): Promise<void> {
    for (const kind of bothKinds) {
      for await (const page of this.rows.pages(under(`${kind}!${webhookId}`)))
        await this.write(
          webhookId,
          page.map(([key]) => del(key)),
          false,
        );
    }
    await this.write(webhookId, [...last, del(keys.webhookCursor(webhookId))], true);
  }

  /** Removes dead letters about events before `oldest`, a bounded piece for each webhook. @returns whether there is more */
  async prune(webhooks: readonly { readonly id: Uuid }[], oldest: Millis): Promise<boolean> {
    let more = false;
    for (const { id: webhookId } of webhooks) {
      const limit = limits.store.pruneCounts;
      const rows = await this.rows.rows({ ...under(`dead-letter!${webhookId}`), limit });
      const old = rows.filter(([, text]) => (parse<Delivery>(text)?.event.at ?? 0) < oldest);
      if (old.length > 0)
        await this.write(
          webhookId,
          old.map(([key]) => del(key)),
          false,
        );
      more ||= old.length === limit;
    }
    return more;
  }

  private async write(webhookId: Uuid, ops: readonly WriteOp[], durable: boolean): Promise<void> {
    try {
      await this.rows.write(ops, durable);
    } finally {
      this.errors.delete(webhookId);
    }
  }
}

type DeliveryChange = Parameters<Store['commitDeliveries']>[0];

type DeliveryCounts = Awaited<ReturnType<Store['deliveryCounts']>>;

type DeliveryPage = Parameters<Store['deliveries']>[0];

const bothKinds = ['delivery', 'dead-letter'] as const;

type Kind = (typeof bothKinds)[number];

/** Wherever a delivery may be. */
const placesOf = (webhookId: Uuid, eventId: string): readonly string[] => {
  const place = placeOf(eventId);
  return [keys.delivery(webhookId, place), keys.deadLetter(webhookId, place)];
};
