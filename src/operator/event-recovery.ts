import type { Millis } from '../core/clock.ts';
import type { Uuid } from '../core/ids.ts';
import { limits } from '../core/limits.ts';
import type { Attempt, AttemptSummary, Device, StoredEvent } from '../store/model.ts';
import type { Store } from '../store/store.ts';
import { type EventDraft, eventsOfEntry, newsOnRecord } from './attempt-events.ts';
import { subjectIn } from './attempt-peer.ts';
import type { EventHub } from './event-hub.ts';
import { isAuditLine } from './event-told.ts';
import { everyAttempt } from './scan.ts';

/**
 * Tells what is on record and was not told: a process that is killed leaves its last events unwritten, and a line of the audit
 * log may have been written while no service ran. Once at the start, before anything else is told.
 * @throws FirstbootError service.store
 */
export async function tellUntold(hub: Pick<EventHub, 'audited' | 'tell' | 'settled'>, store: Store): Promise<void> {
  const heard = await lastHeard(store);
  await tellLines(hub, store);
  await tellAttempts(hub, store, heard);
  await hub.settled();
}

/** In the order in which it happened, so that the next start finds what it has told where it looks for it. */
async function tellAttempts(hub: Pick<EventHub, 'tell' | 'settled'>, store: Store, heard: Heard): Promise<void> {
  const untold = await untoldOfAttempts(store, heard);
  for (const [told, { type, data, ownerId, at }] of untold.toSorted((a, b) => a.at - b.at).entries()) {
    hub.tell(type, data, ownerId, at);
    if (told % limits.events.page === 0) await hub.settled();
  }
}

async function untoldOfAttempts(store: Store, heard: Heard): Promise<readonly DatedEvent[]> {
  const untold: DatedEvent[] = [];
  let floor: Millis | undefined;
  let seen = 0;
  for await (const attempt of everyAttempt(store)) {
    // The clock may have been set back since the newest one.
    floor ??= Math.min(attempt.openedAt, heard.last ?? attempt.openedAt) - limits.events.lookBack;
    if (attempt.openedAt < floor || ++seen > limits.provision.openAttempts) break;
    const since = Math.max(heard.since, floor);
    if (attempt.closedAt !== undefined && attempt.closedAt < since) continue;
    const device = attempt.keyId === undefined ? undefined : await store.device(attempt.keyId);
    for (const news of device ? newsOnRecord(device, attempt.id) : []) {
      const name = newsName(news);
      if (news.at >= since && !heard.names.has(name)) untold.push(news);
      heard.names.add(name);
    }
    if (attempt.closedAt !== undefined && !heard.names.has(closedName(attempt.id))) {
      untold.push(...closingOf(attempt, await store.attempt(attempt.id), device));
    }
  }
  return untold;
}

async function tellLines(hub: Pick<EventHub, 'audited' | 'settled'>, store: Pick<Store, 'untoldAudit'>): Promise<void> {
  for (let after = 0; ; ) {
    const lines = await store.untoldAudit({ after, limit: limits.events.page });
    let told = 0;
    for (const line of lines) {
      hub.audited(line);
      // One line may tell of a lot of devices: more than the hub holds are never on their way.
      told += 1 + line.about.devices.length;
      if (told >= limits.events.page) {
        await hub.settled();
        told = 0;
      }
    }
    await hub.settled();
    const last = lines.at(-1);
    if (last === undefined) return;
    after = last.entry.seq;
  }
}

function closingOf(
  { id }: AttemptSummary,
  attempt: Attempt | undefined,
  device: Device | undefined,
): readonly DatedEvent[] {
  const entries = attempt?.entries ?? [];
  const end = entries.findLast(({ type }) => type === 'closed');
  const shown = entries.flatMap((entry) => (entry.type === 'chain' ? (subjectIn(entry.certificates) ?? []) : []));
  return end ? eventsOfEntry(id, end, device, shown.at(-1)).map((one) => ({ ...one, at: end.at })) : [];
}

/** What the last stored events have told of attempts and devices. */
interface Heard {
  /** When the last of it happened; undefined: there is none. */
  readonly last: Millis | undefined;
  /** What has happened before was told. */
  readonly since: Millis;
  /** Names of what was told since then. */
  readonly names: Set<string>;
}

/**
 * Events are written in order: what happened a good while before the last one was told before it. As `at` is when a request began,
 * it may be some seconds late. The last one counts, not the latest: the clock may have been set back.
 */
async function lastHeard(store: Pick<Store, 'events'>): Promise<Heard> {
  const { held, lateness } = limits.events;
  const limit = limits.store.scanRows;
  const names = new Set<string>();
  let last: Millis | undefined;
  let earliest = Number.NEGATIVE_INFINITY;
  let before: string | undefined;
  for (let read = 0; read < held; ) {
    const page = await store.events({ newest: true, limit, ...(before !== undefined && { before }) });
    const heard = page.filter((one) => !isAuditLine(one));
    for (const event of heard) {
      last ??= event.at;
      earliest = event.at;
      names.add(newsName(event));
    }
    const since = (last ?? Number.NEGATIVE_INFINITY) - lateness;
    // Both this one and what was told before it may have been late.
    if (page.length < limit || earliest < since - lateness) return { last, since, names };
    before = page.at(-1)?.id;
    read += heard.length;
  }
  return { last, since: earliest, names };
}

const newsName = ({ type, at, data }: Pick<StoredEvent, 'type' | 'at' | 'data'>): string =>
  type === 'attempt.closed' ? closedName(String(data.attempt)) : `${type} ${String(data.keyId)} ${at}`;

const closedName = (attempt: Uuid): string => `attempt.closed ${attempt}`;

interface DatedEvent extends EventDraft {
  readonly at: Millis;
}
