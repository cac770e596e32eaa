import { earlier, type Millis } from '../core/clock.ts';
import { type Uuid, uuidV7 } from '../core/ids.ts';
import { limits } from '../core/limits.ts';
import type { Log } from '../core/log.ts';
import type { RandomSource } from '../core/random.ts';
import type { AttemptEntry, Device } from '../store/model.ts';
import type { Store } from '../store/store.ts';
import type { EntryListener } from './ports.ts';
import { Strangers } from './strangers.ts';
import { type Closing, noProgress, type Progress, progressOf, verdictAtExpiry } from './verdict.ts';

export interface RecorderDeps {
  readonly store: Store;
  readonly random: RandomSource;
  readonly log: Log;
  readonly onEntry: EntryListener | undefined;
}

/** A run that ended while no session was there to see it. */
export interface Expired {
  readonly attemptId: Uuid;
  readonly keyId: Uuid | undefined;
  readonly closing: Closing;
}

/**
 * Writes attempts: what happened is noted before anything is decided on it. The sessions of one run are joined by the
 * manufacturer key. At most limits.provision.openAttempts are open; the run that has been without a session for
 * longest gives way, then the oldest one.
 */
export class Recorder {
  /** Who never proved a key. */
  readonly strangers: Strangers;
  private readonly deps: RecorderDeps;
  /** Open attempts in order of opening. */
  private readonly open = new Set<OpenAttempt>();
  /** The open attempt that a key's next session joins. */
  private readonly byKey = new Map<Uuid, OpenAttempt>();
  /** Open attempts without a session, the one that expires first in front. */
  private readonly waiting = new Map<OpenAttempt, Millis>();
  /** Closed attempts whose entries the store has not taken yet. */
  private readonly unsaved = new Set<OpenAttempt>();
  /** Attempts with entries that are not written yet, the one that has waited longest in front. */
  private readonly due = new Map<OpenAttempt, Millis>();

  constructor(deps: RecorderDeps) {
    this.deps = deps;
    this.strangers = new Strangers(deps.store, deps.log);
  }

  /** Number of attempts that are open. */
  get size(): number {
    return this.open.size;
  }

  /**
   * Takes up the attempts that an earlier process left open: those of the last run go on, older ones are returned as expired.
   * Looks back until a run before the newest record.
   */
  async restore(now: Millis): Promise<readonly Expired[]> {
    const left = await this.leftOpen();
    // Those whose time is up first have to stand in front.
    for (const attempt of left.toSorted((a, b) => a.lastAt - b.lastAt)) this.readopt(attempt, now);
    return this.expire(now);
  }

  /** Closes the runs whose next session did not come in time. */
  expire(now: Millis): readonly Expired[] {
    const expired: Expired[] = [];
    for (const [attempt, at] of this.waiting) {
      if (at > now) break;
      expired.push(this.giveUp(attempt, now));
    }
    for (const [attempt, at] of this.due) {
      if (at > now) break;
      void this.flush(attempt, now);
    }
    this.strangers.handleTimeout(now);
    return expired;
  }

  nextTimeout(): Millis | undefined {
    const [expiry] = this.waiting.values();
    const [write] = this.due.values();
    return earlier(earlier(expiry, write), this.strangers.nextTimeout());
  }

  /** Resolves when everything noted so far was offered to the store. */
  async settle(now: Millis): Promise<void> {
    const attempts = [...this.open, ...this.unsaved].map((attempt) => this.flush(attempt, now));
    await Promise.all([...attempts, this.strangers.flush(now)]);
  }

  /** The open attempt of a key, for what happens outside of its sessions. */
  ofKey(keyId: Uuid): OpenAttempt | undefined {
    return this.byKey.get(keyId);
  }

  /** For an attempt whose first session began `at`. */
  newId(at: Millis): Uuid {
    return uuidV7(at, this.deps.random);
  }

  /** A new attempt with one session. */
  start(id: Uuid, keyId: Uuid | undefined, now: Millis): OpenAttempt {
    const attempt = emptyAttempt(id, keyId);
    attempt.sessions = 1;
    this.admit(attempt, now);
    return attempt;
  }

  join(attempt: OpenAttempt): void {
    attempt.sessions++;
    this.waiting.delete(attempt);
  }

  leave(attempt: OpenAttempt, now: Millis): void {
    attempt.sessions--;
    if (attempt.sessions === 0 && !attempt.closed) this.waiting.set(attempt, now + limits.provision.run);
  }

  note(attempt: OpenAttempt, entry: AttemptEntry, device: Device | undefined): void {
    if (attempt.closed || (attempt.entries >= limits.provision.attemptEntries && entry.type !== 'closed')) return;
    attempt.entries++;
    attempt.place = placeIn(entry) ?? attempt.place;
    attempt.buffer.push(entry);
    if (!this.due.has(attempt)) this.due.set(attempt, entry.at + limits.provision.entryDelay);
    try {
      this.deps.onEntry?.(attempt.id, entry, device);
    } catch (error) {
      this.deps.log.error({ attemptId: attempt.id, error }, 'a listener of attempts failed');
    }
  }

  close(attempt: OpenAttempt, closing: Closing, device: Device | undefined, now: Millis): void {
    if (attempt.closed) return;
    const { bytesIn, bytesOut, place } = attempt;
    this.note(attempt, { at: now, type: 'closed', ...closing, bytesIn, bytesOut, ...place }, device);
    attempt.closed = true;
    this.open.delete(attempt);
    this.waiting.delete(attempt);
    if (attempt.keyId !== undefined && this.byKey.get(attempt.keyId) === attempt) this.byKey.delete(attempt.keyId);
    this.unsaved.add(attempt);
    void this.flush(attempt, now);
  }

  /** Hands buffered entries to the store; what it does not take stays and is offered again. */
  flush(attempt: OpenAttempt, now: Millis): Promise<void> {
    this.due.delete(attempt);
    attempt.writing = attempt.writing.then(async () => {
      const entries = attempt.buffer.splice(0);
      try {
        if (entries.length > 0) await this.deps.store.appendAttempt(attempt.id, entries, attempt.keyId);
        if (attempt.closed) this.unsaved.delete(attempt);
      } catch (error) {
        attempt.buffer.unshift(...entries);
        this.deps.log.warn({ attemptId: attempt.id, error }, 'an attempt could not be written, trying again');
        this.due.set(attempt, now + limits.provision.unsavedRetry);
        this.boundUnsaved();
      }
    });
    return attempt.writing;
  }

  private boundUnsaved(): void {
    for (const attempt of this.unsaved) {
      if (this.unsaved.size <= limits.provision.unsavedAttempts) return;
      this.unsaved.delete(attempt);
      this.due.delete(attempt);
      this.deps.log.error({ attemptId: attempt.id }, 'an attempt is lost: the store has been away for too long');
    }
  }

  private makeRoom(now: Millis): void {
    if (this.open.size < limits.provision.openAttempts) return;
    const [idle] = this.waiting.keys();
    const [oldest] = this.open;
    const victim = idle ?? oldest;
    if (victim) this.giveUp(victim, now);
  }

  private giveUp(attempt: OpenAttempt, now: Millis): Expired {
    const closing = verdictAtExpiry(attempt.progress);
    this.close(attempt, closing, undefined, now);
    return { attemptId: attempt.id, keyId: attempt.keyId, closing };
  }

  private async leftOpen(): Promise<readonly LeftOpen[]> {
    const limit = 200;
    const found: LeftOpen[] = [];
    let before: Uuid | undefined;
    let newest: Millis | undefined;
    for (let seen = 0; seen < limits.provision.openAttempts; seen += limit) {
      const page = await this.deps.store.attempts({ limit, ...(before === undefined ? {} : { before }) });
      for (const { id, keyId, openedAt, closedAt } of page) {
        newest ??= openedAt;
        if (openedAt < newest - 2 * limits.provision.run) return found;
        before = id;
        const stored = closedAt === undefined ? await this.deps.store.attempt(id) : undefined;
        const last = stored?.entries.at(-1);
        if (stored && last) found.push({ id, keyId, entries: stored.entries, lastAt: last.at });
      }
      if (page.length < limit) break;
    }
    return found;
  }

  private readopt({ id, keyId, entries, lastAt }: LeftOpen, now: Millis): void {
    const attempt = emptyAttempt(id, keyId);
    attempt.entries = entries.length;
    attempt.progress = progressOf(entries);
    attempt.place = entries.map(placeIn).findLast((place) => place !== undefined);
    this.admit(attempt, now);
    this.waiting.set(attempt, lastAt + limits.provision.run);
  }

  private admit(attempt: OpenAttempt, now: Millis): void {
    this.makeRoom(now);
    this.open.add(attempt);
    if (attempt.keyId !== undefined) this.byKey.set(attempt.keyId, attempt);
  }
}

/** An attempt that is not closed yet. Only the recorder and the record of a session change it. */
export interface OpenAttempt {
  readonly id: Uuid;
  readonly keyId: Uuid | undefined;
  sessions: number;
  progress: Progress;
  /** Which group it was matched to, and whose the device is. */
  place: Place | undefined;
  readonly buffer: AttemptEntry[];
  /** Entries noted so far, flushed ones included. */
  entries: number;
  bytesIn: number;
  bytesOut: number;
  closed: boolean;
  /** The last write, so that entries keep their order. */
  writing: Promise<void>;
}

interface Place {
  readonly groupId?: Uuid;
  readonly ownerId?: Uuid;
}

/** What stage match has put on record, if this is its entry. */
function placeIn(entry: AttemptEntry): Place | undefined {
  if (entry.type !== 'stage' || entry.stage !== 'match' || entry.result !== 'ok') return undefined;
  const { groupId, ownerId } = entry.facts;
  return { ...(typeof groupId === 'string' && { groupId }), ...(typeof ownerId === 'string' && { ownerId }) };
}

interface LeftOpen {
  readonly id: Uuid;
  readonly keyId: Uuid | undefined;
  readonly entries: readonly AttemptEntry[];
  readonly lastAt: Millis;
}

function emptyAttempt(id: Uuid, keyId: Uuid | undefined): OpenAttempt {
  return {
    id,
    keyId,
    sessions: 0,
    progress: noProgress,
    place: undefined,
    buffer: [],
    entries: 0,
    bytesIn: 0,
    bytesOut: 0,
    closed: false,
    writing: Promise.resolve(),
  };
}
