import { limits } from '../core/limits.ts';
import { Counters } from './counters.ts';
import { del, fixedHex, keys, lastPart, put, under, type WriteOp } from './medium.ts';
import type { StoredEvent } from './model.ts';
import type { Rows } from './rows.ts';
import type { EventPage } from './store.ts';

/** The newest events, in order of their ids. */
export class EventLog {
  private readonly rows: Rows;
  /** Everything up to here has been removed: it is not looked through again. */
  private removedUpTo: string;
  private pruning: Promise<unknown> | undefined;

  constructor(rows: Rows) {
    this.rows = rows;
    this.removedUpTo = keys.event(rows.written(keys.eventsRemoved) ?? '');
  }

  /** @param more what goes with them */
  async append(events: readonly StoredEvent[], more: readonly WriteOp[]): Promise<void> {
    const added = new Map(events.map((event) => [keys.event(placeOf(event.id)), JSON.stringify(event)]));
    if (added.size === 0) return;
    const counters = new Counters(this.rows);
    for (const key of added.keys()) if (this.rows.latest(key) === undefined) counters.add(keys.eventCount, 1);
    await this.rows.write([...[...added].map(([key, text]) => put(key, text)), ...counters.writes(), ...more], false);
    this.pruneSoon();
  }

  async page({ after, before, newest = false, limit }: EventPage): Promise<readonly StoredEvent[]> {
    if (limit <= 0) return [];
    const from = after === undefined ? this.removedUpTo : keys.event(placeOf(after));
    const range = {
      after: from > this.removedUpTo ? from : this.removedUpTo,
      before: before === undefined ? under('event').before : keys.event(placeOf(before)),
      reverse: newest,
      limit,
    };
    if (range.before <= range.after) return [];
    return (await this.rows.rows(range)).map(([, text]) => JSON.parse(text) as StoredEvent);
  }

  async oldest(): Promise<StoredEvent | undefined> {
    return (await this.page({ limit: 1 }))[0];
  }

  /** Id of the last one that was removed. */
  async removed(): Promise<string | undefined> {
    const place = await this.rows.read(keys.eventsRemoved);
    return place === undefined ? undefined : idAt(place);
  }

  /** Removes the oldest ones beyond those that are kept, a bounded piece of them. @returns whether there is more */
  async prune(): Promise<boolean> {
    // What a clean-up under way has counted out may not be gone yet.
    await this.pruning;
    return this.prunePiece();
  }

  /** Waits for the clean-up under way. */
  async settled(): Promise<void> {
    await this.pruning;
  }

  /** Lets a sixteenth too many gather. */
  private pruneSoon(): void {
    const keep = limits.store.events;
    if (this.pruning || this.count() <= keep + keep / 16) return;
    this.pruning = this.pruneAll()
      // The next events try again.
      .catch(() => undefined)
      .finally(() => {
        this.pruning = undefined;
      });
  }

  private async prunePiece(): Promise<boolean> {
    const surplus = this.count() - limits.store.events;
    if (surplus <= 0) return false;
    const limit = Math.min(surplus, limits.store.pruneCounts);
    const oldest = await this.rows.keys({ after: this.removedUpTo, before: under('event').before, limit });
    // Another clean-up may have been here meanwhile.
    const gone = oldest.filter((key) => this.rows.latest(key) !== undefined);
    const counters = new Counters(this.rows);
    counters.add(keys.eventCount, -gone.length);
    const last = oldest.at(-1);
    const upTo = last === undefined ? [] : [put(keys.eventsRemoved, lastPart(last))];
    await this.rows.write([...gone.map(del), ...counters.writes(), ...upTo], false);
    this.removedUpTo = last ?? this.removedUpTo;
    return surplus > limit && oldest.length > 0;
  }

  private async pruneAll(): Promise<void> {
    while (await this.prunePiece());
  }

  private count(): number {
    return Number(this.rows.latest(keys.eventCount) ?? 0);
  }
}

/** The id of an event as text that sorts as they happened; what is no id stands in front of all. */
export function placeOf(id: string): string {
  const [, epoch, number] = /^(\d{1,14})-(\d{1,14})$/.exec(id) ?? [];
  return epoch === undefined || number === undefined
    ? ''
    : `${fixedHex(Number(epoch), 12)}-${fixedHex(Number(number), 12)}`;
}

/** The id at a place, as `placeOf` writes it. */
function idAt(place: string): string {
  const [epoch = '', number = ''] = place.split('-');
  return `${Number.parseInt(epoch, 16)}-${Number.parseInt(number, 16)}`;
}
