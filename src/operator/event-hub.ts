import type { Timers } from '../core/clock.ts';
import type { Uuid } from '../core/ids.ts';
import type { JsonObject } from '../core/json.ts';
import { limits } from '../core/limits.ts';
import type { Log } from '../core/log.ts';
import type { EntryListener } from '../provision/ports.ts';
import type { StoredEvent } from '../store/model.ts';
import type { AuditNews, Store } from '../store/store.ts';
import { eventsOfEntry } from './attempt-events.ts';
import { subjectIn } from './attempt-peer.ts';
import { type EventPlace, eventId, isAfter, parseEventId } from './event-ids.ts';
import { EventReader, type EventWishes } from './event-reader.ts';

export interface EventHubDeps {
  readonly store: Pick<Store, 'epoch' | 'appendEvents' | 'events' | 'oldestEvent' | 'removedEvent'>;
  readonly timers: Timers;
  readonly log: Log;
  /** How many of the newest events are held in memory. Default: limits.events.held. */
  readonly held?: number;
}

/**
 * Where everything that happens is told: it numbers events, holds the newest in memory, writes them in lots, and hands them to
 * readers, who each have a place of their own in the order of events. While the store is away events wait in memory; those
 * that fall out of it are lost to those who come back for them, who are told so.
 */
export class EventHub {
  private readonly deps: EventHubDeps;
  private readonly held: number;
  /** An event stands at its number modulo the length. */
  private readonly ring: StoredEvent[] = [];
  private readonly readers = new Set<EventReader>();
  /** Lines of the audit log that are told and not written, by the number of the last event about each. */
  private readonly lines = new Map<number, number>();
  /** Of the certificates that peers of open attempts have presented; the pipeline bounds those and closes every one. */
  private readonly subjects = new Map<Uuid, string>();
  /** Numbers of the last event that was told, and of the last one that is written. */
  private told = 0;
  private written = 0;
  private cancel: (() => void) | undefined;
  private writing: Promise<void> | undefined;
  /** The store did not take the last lot: it is left alone for a while. */
  private away = false;
  private closed = false;

  constructor(deps: EventHubDeps) {
    this.deps = deps;
    this.held = deps.held ?? limits.events.held;
  }

  /** For the pipeline (ports.ts). */
  readonly entryListener: EntryListener = (attemptId, entry, device) => {
    const leaf = entry.type === 'chain' ? subjectIn(entry.certificates) : undefined;
    if (leaf !== undefined) this.subjects.set(attemptId, leaf);
    const shown = this.subjects.get(attemptId);
    if (entry.type === 'closed') this.subjects.delete(attemptId);
    for (const { type, data, ownerId } of eventsOfEntry(attemptId, entry, device, shown))
      this.tell(type, data, ownerId, entry.at);
  };

  /** For the store, which tells of each line of the audit log; an owner hears of what is all its own. */
  audited({ entry, about }: AuditNews): void {
    const { seq, at, actor, action, target, detail } = entry;
    this.tell(action, { seq, target, actor: { ...actor }, detail }, about.ownerId, at);
    // One line for a lot of devices; who follows devices hears of each.
    const { devices: _, ...said } = detail;
    for (const { keyId, ownerId, state } of action === 'group.approve' ? about.devices : []) {
      const data = { seq, target: `device ${keyId}`, actor: { ...actor }, detail: { ...said, to: state } };
      this.tell('device.approve', data, ownerId, at);
    }
    if (!this.closed) this.lines.set(this.told, seq);
  }

  tell(type: string, data: JsonObject, ownerId?: Uuid, at = this.deps.timers.now()): void {
    if (this.closed) return;
    this.told++;
    const event: StoredEvent = { id: this.last, at, type, ownerId, data };
    this.ring[this.told % this.held] = event;
    for (const reader of this.readers) reader.told(event);
    if (this.told - this.written >= limits.events.writeBatch && !this.away) this.write();
    else this.writeAfter(limits.events.writeDelay);
  }

  /** What was told so far is written, or the store does not take it. */
  async settled(): Promise<void> {
    this.write();
    await this.writing;
  }

  /** Readers that follow: live streams, and webhooks. */
  get open(): number {
    return this.readers.size;
  }

  /** Id of the last event; of the place before the first one when there was none since the start. */
  get last(): string {
    return eventId({ epoch: this.deps.store.epoch, n: this.told });
  }

  /** Readers that have to keep up: live streams. @param by of these ones; default: all */
  streams(by?: string): number {
    return [...this.readers].filter((reader) => !reader.patient && (by === undefined || reader.by === by)).length;
  }

  /**
   * What comes behind the event `after`, stored or not, and then what happens, each event once and in order. `''`: all that is
   * kept; undefined: what happens from now on.
   * @throws RangeError when `after` is no id of an event
   */
  since(after: string | undefined, wishes: EventWishes = {}): EventReader {
    const place = after === '' ? undefined : parseEventId(after ?? this.last);
    if (after !== '' && place === undefined) throw new RangeError(`${after} is no id of an event`);
    const { store } = this.deps;
    const reader = new EventReader(
      {
        epoch: store.epoch,
        first: () => this.first,
        last: () => this.told,
        at: (n) => this.ring[n % this.held],
        stored: async (page) => {
          await this.writing;
          return store.events(page);
        },
        oldest: async () => (await store.oldestEvent())?.id,
        removed: () => store.removedEvent(),
        left: () => this.readers.delete(reader),
      },
      place,
      wishes,
    );
    if (this.closed) reader.end('closed');
    else this.readers.add(reader);
    return reader;
  }

  /**
   * The events in front of `before`, or the last ones, newest first, stored or not; none: no more are kept.
   * @throws RangeError when `before` is no id of an event; FirstbootError service.store
   */
  async back(before: string | undefined, limit: number): Promise<readonly StoredEvent[]> {
    const { store } = this.deps;
    const end: EventPlace = { epoch: store.epoch, n: this.told + 1 };
    const asked = before === undefined ? end : parseEventId(before);
    if (asked === undefined) throw new RangeError(`${before} is no id of an event`);
    const place = isAfter(asked, end) ? asked : end;
    const count = place.epoch === end.epoch ? Math.min(limit, place.n - this.first) : 0;
    if (count > 0) {
      const found = Array.from({ length: count }, (_, k) => this.ring[(place.n - 1 - k) % this.held]);
      return found.filter((event) => event !== undefined);
    }
    await this.writing;
    return store.events({ newest: true, before: eventId(place), limit });
  }

  /** Ends the readers and writes what is left. Nothing is told any more. */
  async close(): Promise<void> {
    this.closed = true;
    for (const reader of [...this.readers]) reader.end('closed');
    await this.writing;
    await this.writeAll();
    this.cancel?.();
    if (this.written < this.told) {
      this.deps.log.error({ lost: this.told - this.written }, 'events are lost: the store is away');
    }
  }

  /** Number of the oldest one at hand. */
  private get first(): number {
    return Math.max(1, this.told - this.held + 1);
  }

  private writeAfter(delay: number): void {
    const { timers } = this.deps;
    this.cancel ??= timers.schedule(timers.now() + delay, () => {
      this.cancel = undefined;
      this.write();
    });
  }

  private write(): void {
    this.away = false;
    this.writing ??= this.writeAll().finally(() => {
      this.writing = undefined;
    });
  }

  private async writeAll(): Promise<void> {
    const { store, log } = this.deps;
    while (this.written < this.told) {
      const from = Math.max(this.written, this.told - this.held);
      if (from > this.written) {
        log.error({ lost: from - this.written }, 'events are lost: the store has been away for too long');
        for (const n of this.lines.keys()) if (n <= from) this.lines.delete(n);
      }
      const to = Math.min(this.told, from + limits.events.writeBatch);
      const lot = Array.from({ length: to - from }, (_, k) => this.ring[(from + 1 + k) % this.held]);
      const lines = [...this.lines].filter(([n]) => n > from && n <= to);
      this.written = from;
      try {
        const told = lines.map(([, seq]) => seq);
        await store.appendEvents(
          lot.filter((event) => event !== undefined),
          told,
        );
        this.written = to;
        for (const [n] of lines) this.lines.delete(n);
      } catch (error) {
        log.warn({ error }, 'events could not be written, trying again');
        this.away = true;
        this.cancel?.();
        this.cancel = undefined;
        if (!this.closed) this.writeAfter(limits.events.writeRetry);
        return;
      }
    }
  }
}
