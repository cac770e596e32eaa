import type { Millis } from '../core/clock.ts';
import type { Refusal } from '../core/errors.ts';
import { nilUuid, type Uuid } from '../core/ids.ts';
import { limits } from '../core/limits.ts';
import type { GroupCommit } from './commit.ts';
import { del, keys, lastPart, type Medium, put, under, type WriteOp } from './medium.ts';
import type { Attempt, AttemptEntry, AttemptSummary, Verdict } from './model.ts';

/** How many attempts are kept: of one device, and of all peers that never became one. */
export interface Retention {
  readonly perDevice: number;
  readonly unfiled: number;
}

/**
 * Attempts as they are written: every append is a piece of its own, never a growing record, beside three small rows
 * (opened, filed, closed) that answer lists without reading the pieces. An attempt is filed under its device's key id,
 * under the nil UUID until it has one.
 */
export class AttemptLog {
  private readonly medium: Medium;
  private readonly commit: GroupCommit;
  private readonly retention: Retention;
  /** Sorts the pieces of this process behind those of the ones before it. */
  private readonly epoch: string;
  private pieces = 0;
  /** Where the attempts in progress are filed; a bounded shortcut for the `filed` row. */
  private readonly filed = new Map<Uuid, Uuid>();
  private readonly pruning = new Map<Uuid, Promise<void>>();

  constructor(medium: Medium, commit: GroupCommit, retention: Retention, epoch: number) {
    this.medium = medium;
    this.commit = commit;
    this.retention = retention;
    this.epoch = fixedHex(epoch, 8);
  }

  append(id: Uuid, entries: readonly AttemptEntry[], keyId: Uuid | undefined): Promise<void> {
    const first = entries[0];
    if (!first && keyId === undefined) return Promise.resolve();
    const ops: WriteOp[] = [];
    const before = this.filedUnder(id);
    if (before === undefined) ops.push(put(keys.attemptOpened(id), JSON.stringify(openedRow(id, first))));
    const now = before === undefined || before === nilUuid ? (keyId ?? nilUuid) : before;
    if (now !== before) ops.push(...this.file(id, before, now));
    if (first) ops.push(put(keys.attemptPiece(id, this.nextPiece()), JSON.stringify(entries)));
    const last = entries.at(-1);
    if (last?.type === 'closed') ops.push(put(keys.attemptClosed(id), JSON.stringify(closedRow(last))));
    const written = this.commit.add(ops, false);
    this.remember(id, last?.type === 'closed' ? undefined : now);
    if (now !== before) this.pruneSoon(now, written);
    return written;
  }

  async attempt(id: Uuid): Promise<Attempt | undefined> {
    const rows = await this.medium.rows(under(`attempt!${id}`));
    if (rows.length === 0 && this.medium.get(keys.attemptFiled(id)) === undefined) return undefined;
    return { id, entries: rows.flatMap(([, piece]) => JSON.parse(piece) as AttemptEntry[]) };
  }

  /** Newest first, `before` exclusive. */
  async list(page: { keyId?: Uuid; before?: Uuid; limit: number }): Promise<readonly AttemptSummary[]> {
    if (page.limit <= 0) return [];
    return page.keyId === undefined ? this.listAll(page) : this.listOf(page.keyId, page);
  }

  /** Waits for the clean-up under way. */
  async settled(): Promise<void> {
    await Promise.all(this.pruning.values());
  }

  private async listAll({ before, limit }: { before?: Uuid; limit: number }): Promise<readonly AttemptSummary[]> {
    const all = under('summary');
    const range = { after: all.after, before: before === undefined ? all.before : `summary!${before}!` };
    // An attempt has three rows at most: so many hold the first `limit` attempts whole.
    const rows = await this.medium.rows({ ...range, reverse: true, limit: limit * 3 });
    const ids = [...new Set(rows.map(([key]) => key.slice('summary!'.length, key.lastIndexOf('!'))))];
    const found = new Map(rows);
    return ids.slice(0, limit).flatMap((id) => summary(id, (key) => found.get(key)));
  }

  private async listOf(keyId: Uuid, { before, limit }: { before?: Uuid; limit: number }) {
    const all = under(`attempt-of!${keyId}`);
    const range = { after: all.after, before: before === undefined ? all.before : keys.attemptOf(keyId, before) };
    const found = await this.medium.keys({ ...range, reverse: true, limit });
    return found.map(lastPart).flatMap((id) => summary(id, (key) => this.medium.get(key)));
  }

  private filedUnder(id: Uuid): Uuid | undefined {
    return this.filed.get(id) ?? this.latest(keys.attemptFiled(id));
  }

  private latest(key: string): string | undefined {
    const pending = this.commit.pending(key);
    return pending ? pending.value : this.medium.get(key);
  }

  private remember(id: Uuid, keyId: Uuid | undefined): void {
    this.filed.delete(id);
    if (keyId === undefined) return;
    this.filed.set(id, keyId);
    if (this.filed.size <= limits.provision.openAttempts) return;
    for (const oldest of this.filed.keys()) {
      this.filed.delete(oldest);
      return;
    }
  }

  private file(id: Uuid, from: Uuid | undefined, to: Uuid): WriteOp[] {
    const ops = [put(keys.attemptFiled(id), to), put(keys.attemptOf(to, id), ''), this.counted(to, 1)];
    if (from !== undefined) ops.push(del(keys.attemptOf(from, id)), this.counted(from, -1));
    return ops;
  }

  private count(keyId: Uuid): number {
    return Number(this.latest(keys.attemptCount(keyId)) ?? 0);
  }

  private counted(keyId: Uuid, change: number): WriteOp {
    return put(keys.attemptCount(keyId), String(Math.max(0, this.count(keyId) + change)));
  }

  private nextPiece(): string {
    return this.epoch + fixedHex(this.pieces++, 12);
  }

  /** Lets a sixteenth too many gather, so that a device in a retry loop does not pay for a clean-up each time. */
  private pruneSoon(keyId: Uuid, written: Promise<void>): void {
    const keep = keyId === nilUuid ? this.retention.unfiled : this.retention.perDevice;
    if (this.pruning.has(keyId) || this.count(keyId) <= keep + Math.floor(keep / 16)) return;
    const pruned = written
      .then(() => this.prune(keyId, keep))
      // The next attempt of this device tries again.
      .catch(() => undefined)
      .finally(() => this.pruning.delete(keyId));
    this.pruning.set(keyId, pruned);
  }

  private async prune(keyId: Uuid, keep: number): Promise<void> {
    for (let surplus = this.count(keyId) - keep; surplus > 0; surplus = this.count(keyId) - keep) {
      const limit = Math.min(surplus, pruneBatch);
      const oldest = await this.medium.keys({ ...under(`attempt-of!${keyId}`), limit });
      if ((await this.remove(keyId, oldest.map(lastPart))) === 0) return;
    }
  }

  private async remove(keyId: Uuid, ids: readonly Uuid[]): Promise<number> {
    const found = await Promise.all(
      ids.map(async (id) => ({ id, pieces: await this.medium.keys(under(`attempt!${id}`)) })),
    );
    // One may have been filed under its device meanwhile.
    const gone = found.filter(({ id }) => this.filedUnder(id) === keyId);
    const ops = gone.flatMap(({ id, pieces }) => {
      this.filed.delete(id);
      const rows = [keys.attemptOpened(id), keys.attemptFiled(id), keys.attemptClosed(id), keys.attemptOf(keyId, id)];
      return [...rows, ...pieces].map(del);
    });
    await this.commit.add([...ops, this.counted(keyId, -gone.length)], false);
    return gone.length;
  }
}

const pruneBatch = 32;

interface OpenedRow {
  readonly at: Millis;
}

interface ClosedRow {
  readonly at: Millis;
  readonly verdict: Verdict;
  readonly refusal?: Refusal;
}

/** UUIDv7 carries its time: the fallback when the first append has no entry. */
const openedRow = (id: Uuid, first: AttemptEntry | undefined): OpenedRow => ({
  at: first?.at ?? Number.parseInt(id.slice(0, 13).replace('-', ''), 16),
});

const closedRow = ({ at, verdict, refusal }: Extract<AttemptEntry, { type: 'closed' }>): ClosedRow => ({
  at,
  verdict,
  ...(refusal && { refusal }),
});

/** Empty when the attempt is being removed. */
function summary(id: Uuid, read: (key: string) => string | undefined): AttemptSummary[] {
  const opened = parse<OpenedRow>(read(keys.attemptOpened(id)));
  const filed = read(keys.attemptFiled(id));
  if (!opened || filed === undefined) return [];
  const closed = parse<ClosedRow>(read(keys.attemptClosed(id)));
  return [
    {
      id,
      keyId: filed === nilUuid ? undefined : filed,
      openedAt: opened.at,
      closedAt: closed?.at,
      verdict: closed?.verdict,
      refusal: closed?.refusal,
    },
  ];
}

const parse = <T>(text: string | undefined): T | undefined =>
  text === undefined ? undefined : (JSON.parse(text) as T);

const fixedHex = (n: number, digits: number): string => n.toString(16).padStart(digits, '0');
