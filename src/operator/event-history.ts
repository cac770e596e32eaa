import { limits } from '../core/limits.ts';
import type { StoredEvent } from '../store/model.ts';
import type { EventHub } from './event-hub.ts';
import { type EventWishes, isWished } from './event-reader.ts';

export interface EventHistory {
  readonly items: readonly StoredEvent[];
  /** Where the next page begins: behind this id, or in front of it when the newest come first; null: there is no more (for now). */
  readonly next: string | null;
  /** Up to here everything that is wished is in this answer: who comes back later begins behind it. */
  readonly last: string;
  /** Some of what was asked for is kept no more. */
  readonly lost: boolean;
}

/**
 * Events as a list, oldest first. A page may be short, or empty, and have a next one: so much is looked through at a time.
 * @param after id of an event, exclusive; undefined: from the oldest that is kept
 * @throws RangeError when `after` is no id; FirstbootError service.store
 */
export async function eventHistory(
  hub: Pick<EventHub, 'since'>,
  wishes: Pick<EventWishes, 'ownerId' | 'types'>,
  { after = '', limit }: { readonly after?: string | undefined; readonly limit: number },
): Promise<EventHistory> {
  const reader = hub.since(after, { ...wishes, patient: true });
  const found: StoredEvent[] = [];
  let lost = false;
  try {
    for (let pieces = 0; pieces < limits.events.historyPieces && found.length < limit && reader.behind; pieces++) {
      const reading = await reader.next({ wait: false });
      if (reading.kind === 'end') break;
      if (reading.kind === 'lost') lost = true;
      else found.push(...reading.events);
    }
    const items = found.slice(0, limit);
    const cut = found.length > limit ? items.at(-1)?.id : undefined;
    const last = cut ?? reader.position;
    return { items, next: cut !== undefined || reader.behind ? last : null, last, lost };
  } finally {
    reader.end();
  }
}

/**
 * The same from the end: newest first. So much is looked through at a time that a page may be short, or empty, and have a next
 * one, in front of what was looked through.
 * @param before id of an event, exclusive; undefined: from the last one
 * @throws RangeError when `before` is no id; FirstbootError service.store
 */
export async function newestEvents(
  hub: Pick<EventHub, 'back' | 'last'>,
  wishes: Pick<EventWishes, 'ownerId' | 'types'>,
  { before, limit }: { readonly before?: string | undefined; readonly limit: number },
): Promise<EventHistory> {
  const items: StoredEvent[] = [];
  let last = before ?? hub.last;
  let next = before;
  for (let pieces = 0; pieces < limits.events.historyPieces && items.length < limit; pieces++) {
    const page = await hub.back(next, limits.events.page);
    if (pieces === 0) last = page[0]?.id ?? last;
    for (const event of page) {
      if (items.length === limit) break;
      if (isWished(event, wishes)) items.push(event);
      next = event.id;
    }
    if (page.length === 0) return { items, next: null, last, lost: false };
  }
  return { items, next: next ?? null, last, lost: false };
}
