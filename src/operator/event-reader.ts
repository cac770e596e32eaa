import type { Uuid } from '../core/ids.ts';
import { limits } from '../core/limits.ts';
import type { StoredEvent } from '../store/model.ts';
import { type EventPlace, eventId, follows, isAfter, parseEventId } from './event-ids.ts';

export interface EventWishes {
  /** Events of this owner only; undefined: all. */
  readonly ownerId?: Uuid | undefined;
  /** `attempt.closed`, or `attempt` for all that begin so; none: all. */
  readonly types?: readonly string[] | undefined;
  /** It may fall behind for as long as it likes: the store holds what it has to come back for. */
  readonly patient?: boolean;
  /** Whose it is: readers are counted by it. */
  readonly by?: string;
  /** Told once, when it ends, whoever ended it. */
  readonly onEnd?: (why: EventEnd) => void;
}

/** lost: what was between the last event and `oldest` (the next one that is kept) is kept no more. */
export type EventReading =
  | { readonly kind: 'events'; readonly events: readonly StoredEvent[] }
  | { readonly kind: 'lost'; readonly oldest: string }
  | { readonly kind: 'end'; readonly why: EventEnd };

/** slow: more than limits.api.eventBacklog events wait for it. closed: the service stops. left: by itself. */
export type EventEnd = 'slow' | 'closed' | 'left';

/** The order of events as its readers see it: the newest are at hand, the others in the store. */
interface EventOrder {
  readonly epoch: number;
  /** Numbers of the present epoch that are at hand. */
  readonly first: () => number;
  readonly last: () => number;
  readonly at: (n: number) => StoredEvent | undefined;
  readonly stored: (page: { readonly after?: string; readonly limit: number }) => Promise<readonly StoredEvent[]>;
  readonly oldest: () => Promise<string | undefined>;
  /** The last one that had to make room in the store. */
  readonly removed: () => Promise<string | undefined>;
  readonly left: () => void;
}

/**
 * Somebody's place in the order of events. It asks for what comes next; nothing is kept for it but its place, so that there is
 * no seam between what is stored and what happens.
 */
export class EventReader {
  private readonly order: EventOrder;
  private readonly wishes: EventWishes;
  /** Behind the last event that it was given, or that it does not wish; undefined: in front of all that is kept. */
  private place: EventPlace | undefined;
  /** It has had everything once: from then on it has to keep up. */
  private live = false;
  private wake: (() => void) | undefined;
  private ended: EventEnd | undefined;

  constructor(order: EventOrder, place: EventPlace | undefined, wishes: EventWishes) {
    this.order = order;
    this.place = place;
    this.wishes = wishes;
  }

  /** Everything up to the event with this id has been handed out; '' before the first. */
  get position(): string {
    return this.place ? eventId(this.place) : '';
  }

  get by(): string | undefined {
    return this.wishes.by;
  }

  get patient(): boolean {
    return this.wishes.patient === true;
  }

  /** It waits for what happens: nothing that was handed out since is in front of its position. */
  get idle(): boolean {
    return this.wake !== undefined;
  }

  /** Something has happened behind its position. */
  get behind(): boolean {
    return this.place?.epoch !== this.order.epoch || this.place.n < this.order.last();
  }

  /**
   * Waits for what comes next; or looks only whether there is something in the next piece, and hands out nothing if not.
   * One caller at a time.
   * @throws FirstbootError service.store
   */
  async next({ wait = true } = {}): Promise<EventReading> {
    while (this.ended === undefined) {
      const events = this.atHand();
      if (events === undefined) {
        const reading = await this.fromStore();
        if (this.ended === undefined && (reading || !wait)) return reading ?? { kind: 'events', events: [] };
      } else if (events.length > 0 || !wait) {
        return { kind: 'events', events };
      } else if (!this.behind) {
        this.live = true;
        await new Promise<void>((wake) => {
          this.wake = wake;
        });
      }
    }
    return { kind: 'end', why: this.ended };
  }

  /** From the hub: something has happened. */
  told(event: StoredEvent): void {
    const { place, wake } = this;
    const { epoch, last } = this.order;
    if (wake === undefined) {
      const behind = place?.epoch === epoch ? last() - place.n : 0;
      if (this.live && !this.wishes.patient && behind > limits.api.eventBacklog) this.end('slow');
    } else if (isWished(event, this.wishes)) this.goOn();
    else this.place = { epoch, n: last() };
  }

  end(why: EventEnd = 'left'): void {
    if (this.ended !== undefined) return;
    this.ended = why;
    this.order.left();
    this.goOn();
    this.wishes.onEnd?.(why);
  }

  private goOn(): void {
    const { wake } = this;
    this.wake = undefined;
    wake?.();
  }

  /** What is at hand and wished, or undefined when the place is further back. */
  private atHand(): readonly StoredEvent[] | undefined {
    const { place, order } = this;
    const last = order.last();
    if (place?.epoch !== order.epoch || place.n < order.first() - 1 || place.n > last) return undefined;
    const found: StoredEvent[] = [];
    let n = place.n;
    while (n < last && found.length < limits.events.page) {
      const event = order.at(++n);
      if (event && isWished(event, this.wishes)) found.push(event);
    }
    this.place = { epoch: order.epoch, n };
    return found;
  }

  /** One step towards what is at hand; undefined when there was nothing to hand out on the way. */
  private async fromStore(): Promise<EventReading | undefined> {
    const { place, order } = this;
    const first: EventPlace = { epoch: order.epoch, n: order.first() };
    if (place && isAfter({ epoch: order.epoch, n: order.last() }, place)) {
      return this.lost(parseEventId((await order.oldest()) ?? '') ?? first);
    }
    const limit = limits.events.page;
    const page = await order.stored(place ? { after: eventId(place), limit } : { limit });
    const removed = parseEventId((await order.removed()) ?? '');
    // The end of an epoch shows no gap.
    if (place && removed && isAfter(place, removed)) return this.lost(parseEventId(page[0]?.id ?? '') ?? first);
    if (page.length === 0) {
      if (place && !follows(place, first)) return this.lost(first);
      this.place = before(first);
      return undefined;
    }
    const found: StoredEvent[] = [];
    let behind = place;
    for (const event of page) {
      const here = parseEventId(event.id);
      if (here === undefined) continue;
      if (behind && !follows(behind, here)) {
        if (behind === place) return this.lost(here);
        break;
      }
      behind = here;
      if (isWished(event, this.wishes)) found.push(event);
    }
    this.place = behind;
    return found.length > 0 ? { kind: 'events', events: found } : undefined;
  }

  private lost(next: EventPlace): EventReading {
    this.place = before(next);
    return { kind: 'lost', oldest: eventId(next) };
  }
}

/** Whether an event is one of those that somebody wishes to hear of. */
export const isWished = ({ type, ownerId }: StoredEvent, { types = [], ownerId: owner }: EventWishes): boolean =>
  (owner === undefined || ownerId === owner) &&
  (types.length === 0 || types.some((wished) => type === wished || type.startsWith(`${wished}.`)));

const before = ({ epoch, n }: EventPlace): EventPlace => ({ epoch, n: n - 1 });
