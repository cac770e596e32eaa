import { limits } from '../core/limits.ts';
import type { StoredEvent } from '../store/model.ts';
import type { EventHub } from './event-hub.ts';
import type { EventWishes } from './event-reader.ts';

export interface EventHistory {
  readonly items: readonly StoredEvent[];
  /** Behind which id the next page begins; null: there is no more for now. */
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
