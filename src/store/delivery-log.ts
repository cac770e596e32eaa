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

  constructor(rows: Rows) {
    this.rows = rows;
  }

  async cursor(webhookId: Uuid): Promise<string> {
    return (await this.rows.read(keys.webhookCursor(webhookId))) ?? '';
  }

  async commit({ webhookId, cursor, put: changed = [], remove = [] }: DeliveryChange): Promise<void> {
    const added = this.known(webhookId) ? this.additions(changed) : undefined;
    if (added === undefined) return;
    const gone = remove.flatMap((id) => placesOf(webhookId, id)).map((key) => del(key));
    const moved = cursor === undefined ? [] : [put(keys.webhookCursor(webhookId), cursor)];
    // In order: what is put stays, whatever is removed with it.
    const ops = [...gone, ...added, ...moved];
    if (ops.length > 0) await this.rows.write(ops, true);
  }

  /** What to write for deliveries that are new, or take the place of others; undefined when a webhook is not there (any more). */
  additions(deliveries: readonly Delivery[]): readonly WriteOp[] | undefined {
    if (![...new Set(deliveries.map(({ webhookId }) => webhookId))].every((id) => this.known(id))) return undefined;
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

  private known(webhookId: Uuid): boolean {
    return this.rows.latest(keys.webhook(webhookId)) !== undefined;
  }

  /** What there is about a webhook that is deleted with `last`. */
  async forget(webhookId: Uuid, last: readonly WriteOp[]): Promise<void> {
    for (const kind of ['delivery', 'dead-letter']) {
      for await (const page of this.rows.pages(under(`${kind}!${webhookId}`)))
        await this.rows.write(
          page.map(([key]) => del(key)),
          false,
        );
    }
    await this.rows.write([...last, del(keys.webhookCursor(webhookId))], true);
  }

  /** Removes dead letters about events before `oldest`, a bounded piece for each webhook. @returns whether there is more */
  async prune(webhooks: readonly { readonly id: Uuid }[], oldest: Millis): Promise<boolean> {
    let more = false;
    for (const { id: webhookId } of webhooks) {
      const limit = limits.store.pruneCounts;
      const rows = await this.rows.rows({ ...under(`dead-letter!${webhookId}`), limit });
      const old = rows.filter(([, text]) => (parse<Delivery>(text)?.event.at ?? 0) < oldest);
      if (old.length > 0)
        await this.rows.write(
          old.map(([key]) => del(key)),
          false,
        );
      more ||= old.length === limit;
    }
    return more;
  }
}

type DeliveryChange = Parameters<Store['commitDeliveries']>[0];

type DeliveryPage = Parameters<Store['deliveries']>[0];

/** Wherever a delivery may be. */
const placesOf = (webhookId: Uuid, eventId: string): readonly string[] => {
  const place = placeOf(eventId);
  return [keys.delivery(webhookId, place), keys.deadLetter(webhookId, place)];
};
