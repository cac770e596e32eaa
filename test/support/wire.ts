import type { Millis } from '../../src/core/clock.ts';
import type { Association, AssociationEvent, SecureContext } from '../../src/secure/association.ts';
import { testTime } from './chains.ts';

/** What the link does with a datagram or a piece of a stream: each returned entry arrives, after its delay in ms. */
export type Link = (
  bytes: Uint8Array,
  direction: 'up' | 'down',
  index: number,
  now: Millis,
) => readonly { readonly bytes: Uint8Array; readonly delay: Millis }[];

export const perfectLink: Link = (bytes) => [{ bytes, delay: 1 }];

/** Cuts a stream into pieces of `size` bytes. */
export const piecewise =
  (size: number): Link =>
  (bytes) =>
    Array.from({ length: Math.ceil(bytes.length / size) }, (_, i) => ({
      bytes: bytes.subarray(i * size, (i + 1) * size),
      delay: 1,
    }));

/** A client and a server association on a simulated link and a simulated clock. */
export class Wire {
  now: Millis = testTime;
  readonly client: Association;
  server: Association | undefined;
  readonly clientEvents: AssociationEvent[] = [];
  readonly serverEvents: AssociationEvent[] = [];
  readonly sent = { up: [] as Uint8Array[], down: [] as Uint8Array[] };
  /** Answers to the server's psk-lookup, by hexadecimal identity. */
  keys: (identity: string) => Uint8Array | undefined = () => undefined;
  private readonly serverContext: SecureContext;
  private readonly link: Link;
  private inFlight: {
    readonly at: Millis;
    readonly id: number;
    readonly direction: 'up' | 'down';
    readonly bytes: Uint8Array;
  }[] = [];
  private nextId = 0;

  constructor(server: SecureContext, client: SecureContext, link: Link = perfectLink, serverName?: string) {
    this.serverContext = server;
    this.link = link;
    this.client = client.connect(this.now, serverName === undefined ? {} : { serverName });
    if (server.options.transport === 'stream') this.server = server.accept(this.now);
    this.collect();
  }

  /** Runs until nothing moves any more, or `until` says so, or `limit` ms have passed. */
  run(until: () => boolean = () => false, limit: Millis = 60_000): this {
    const end = this.now + limit;
    for (this.collect(); !until(); ) {
      const next = this.nextMoment();
      if (next === undefined) break;
      if (next > end) {
        this.now = end;
        break;
      }
      this.now = Math.max(this.now, next);
      const due = this.inFlight.filter(({ at }) => at <= this.now).sort((a, b) => a.at - b.at || a.id - b.id);
      this.inFlight = this.inFlight.filter(({ at }) => at > this.now);
      for (const { direction, bytes } of due) this.deliver(direction, bytes);
      for (const side of [this.client, this.server])
        if ((side?.nextTimeout() ?? Infinity) <= this.now) side?.handleTimeout(this.now);
      this.collect();
    }
    return this;
  }

  established(): boolean {
    return [this.clientEvents, this.serverEvents].every((events) => events.some(({ type }) => type === 'established'));
  }

  /** Runs until both sides are established. */
  handshake(limit?: Millis): this {
    return this.run(() => this.established(), limit);
  }

  /** Waits for jobs on the pool as well: for contexts with threads. */
  async settle(done: () => boolean): Promise<void> {
    for (let i = 0; i < 10_000 && !done(); i++) {
      // The simulated clock must not run away from the pool, which works in real time.
      this.run(done, 2);
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
  }

  abort(): void {
    this.client.abort();
    this.server?.abort();
  }

  deliver(direction: 'up' | 'down', bytes: Uint8Array): void {
    if (direction === 'down') this.client.receive(bytes, this.now);
    else if (this.server) this.server.receive(bytes, this.now);
    else {
      const result = this.serverContext.listen('192.0.2.1:5684', bytes, this.now);
      if (result.type === 'reply') this.transmit('down', result.datagram);
      if (result.type === 'accepted') this.server = result.association;
    }
  }

  private nextMoment(): Millis | undefined {
    const moments = [...this.inFlight.map(({ at }) => at), this.client.nextTimeout(), this.server?.nextTimeout()];
    const known = moments.filter((moment) => moment !== undefined);
    return known.length > 0 ? Math.min(...known) : undefined;
  }

  private collect(): void {
    for (let events = this.client.takeEvents(); events.length > 0; events = this.client.takeEvents())
      this.clientEvents.push(...events);
    for (let events = this.server?.takeEvents() ?? []; events.length > 0; events = this.server?.takeEvents() ?? []) {
      this.serverEvents.push(...events);
      for (const event of events)
        if (event.type === 'psk-lookup')
          this.server?.providePsk(this.keys(Buffer.from(event.identity).toString('hex')), this.now);
    }
    for (const bytes of this.client.takeOutput()) this.transmit('up', bytes);
    for (const bytes of this.server?.takeOutput() ?? []) this.transmit('down', bytes);
  }

  private transmit(direction: 'up' | 'down', bytes: Uint8Array): void {
    const index = this.sent[direction].push(bytes) - 1;
    for (const arrival of this.link(bytes, direction, index, this.now))
      this.inFlight.push({ at: this.now + arrival.delay, id: this.nextId++, direction, bytes: arrival.bytes });
  }
}

export const eventOf = <T extends AssociationEvent['type']>(
  events: readonly AssociationEvent[],
  type: T,
): Extract<AssociationEvent, { type: T }> | undefined =>
  events.find((event): event is Extract<AssociationEvent, { type: T }> => event.type === type);

export const messagesOf = (events: readonly AssociationEvent[]): string[] =>
  events.flatMap((event) => (event.type === 'message' ? [Buffer.from(event.bytes).toString()] : []));

export const alertsOf = (events: readonly AssociationEvent[], direction: 'sent' | 'received'): string[] =>
  events.flatMap((event) => (event.type === 'alert' && event.direction === direction ? [event.name] : []));
