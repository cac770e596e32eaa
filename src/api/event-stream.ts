import { Readable } from 'node:stream';
import type { Timers } from '../core/clock.ts';
import { limits } from '../core/limits.ts';
import type { EventReader, EventReading } from '../operator/event-reader.ts';
import type { StoredEvent } from '../store/model.ts';

export interface EventStreamDeps {
  readonly timers: Timers;
  /** Aborts when the caller has gone, and when the service drains. */
  readonly gone: AbortSignal;
  /** An event as the caller may see it. */
  readonly told: (event: StoredEvent) => StoredEvent;
}

/**
 * Server-sent events (HTML Living Standard, 9.2) of a reader: with each event its id, with each sign of life in between the
 * place up to which there was nothing for the caller, so that who comes back with Last-Event-ID has lost and repeats nothing.
 */
export class EventStream extends Readable {
  private readonly reader: EventReader;
  private readonly deps: EventStreamDeps;
  private cancel: () => void = () => undefined;
  private asking = false;
  private readonly leave = (): void => this.reader.end();

  constructor(reader: EventReader, deps: EventStreamDeps) {
    super({ highWaterMark: buffered });
    this.reader = reader;
    this.deps = deps;
    this.push(`retry: ${limits.events.comeBack}\n${placed(reader)}\n`);
    deps.gone.addEventListener('abort', this.leave, { once: true });
    if (deps.gone.aborted) this.leave();
    this.beat();
  }

  override _read(): void {
    if (!this.asking) void this.pull();
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.cancel();
    this.deps.gone.removeEventListener('abort', this.leave);
    this.reader.end();
    done(error);
  }

  private async pull(): Promise<void> {
    this.asking = true;
    try {
      const reading = await this.reader.next();
      this.asking = false;
      if (!this.destroyed) this.push(reading.kind === 'end' ? null : this.textOf(reading));
    } catch (error) {
      this.destroy(error instanceof Error ? error : new Error('the events cannot be read'));
    }
  }

  private textOf(reading: Exclude<EventReading, { readonly kind: 'end' }>): string {
    if (reading.kind === 'lost') {
      return `${placed(this.reader)}event: lost\ndata: ${JSON.stringify({ oldest: reading.oldest })}\n\n`;
    }
    return reading.events
      .map((event) => `id: ${event.id}\nevent: ${event.type}\ndata: ${JSON.stringify(this.deps.told(event))}\n\n`)
      .join('');
  }

  private beat(): void {
    const { timers } = this.deps;
    this.cancel = timers.schedule(timers.now() + limits.events.heartbeat, () => {
      if (this.reader.idle && this.readableLength === 0) this.push(`: nothing new\n${placed(this.reader)}\n`);
      this.beat();
    });
  }
}

/** Where the reader is, for Last-Event-ID. */
const placed = ({ position }: EventReader): string => (position === '' ? '' : `id: ${position}\n`);

/** Bytes that wait for the socket. */
const buffered = 64 * 1024;
