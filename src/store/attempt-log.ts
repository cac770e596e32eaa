import type { Millis } from '../core/clock.ts';
import { nilUuid, type Uuid } from '../core/ids.ts';
import { limits } from '../core/limits.ts';
import { attemptIndexKeys, type ClosedRow, closedRow, openedRow, summary } from './attempt-index.ts';
import { reindexed } from './counters.ts';
import { del, fixedHex, keys, lastPart, put, under, type WriteOp } from './medium.ts';
import type { Attempt, AttemptEntry, AttemptSummary } from './model.ts';
import { parse, type Rows } from './rows.ts';

/** How many attempts are kept: of one device, and of all peers that never became one; and how long any is kept. */
export interface Retention {
  readonly perDevice: number;
  readonly unfiled: number;
  readonly age: Millis;
}

/**
 * Attempts as they are written: every append is a piece of its own, never a growing record, beside three small rows
 * (opened, filed, closed) that answer lists without reading the pieces. An attempt is filed under its device's key id,
 * under the nil UUID until it has one.
 */
export class AttemptLog {
  private readonly rows: Rows;
  private readonly retention: Retention;
  /** Sorts the pieces of this process behind those of the ones before it. */
  private readonly epoch: string;
  private pieces = 0;
  /** Where the attempts in progress are filed; a bounded shortcut for the `filed` row. */
  private readonly filed = new Map<Uuid, Uuid>();
  private readonly pruning = new Map<Uuid, Promise<void>>();
  /** How far the clean-up by age has come: what it has removed is not looked through again. */
  private agedUpTo: string | undefined;

  constructor(rows: Rows, retention: Retention, epoch: number) {
    this.rows = rows;
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
    if (last?.type === 'closed') ops.push(...this.close(id, closedRow(last)));
    const written = this.rows.write(ops, false);
    this.remember(id, last?.type === 'closed' ? undefined : now);
    if (now !== before) this.pruneSoon(now, written);
    return written;
  }

  async attempt(id: Uuid): Promise<Attempt | undefined> {
    const rows = await this.rows.rows(under(`attempt!${id}`));
    if (rows.length === 0 && this.rows.written(keys.attemptFiled(id)) === undefined) return undefined;
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

  /**
   * Removes attempts that were opened before `oldest`, the first ones first, a bounded piece at a time.
   * @returns whether there is more
   */
  async removeOld(oldest: Millis): Promise<boolean> {
    const all = under('summary');
    const before = `summary!${firstIdAt(oldest)}`;
    const limit = limits.store.pruneAttempts * rowsOfSummary;
    const found = await this.rows.keys({ after: this.agedUpTo ?? all.after, before, limit });
    const last = found.at(-1);
    const ids = [...new Set(found.map(idOfSummary))];
    if (last !== undefined) await this.removeAll(ids);
    const more = found.length === limit;
    this.agedUpTo = more ? last : undefined;
    return more;
  }

  private async listAll({ before, limit }: { before?: Uuid; limit: number }): Promise<readonly AttemptSummary[]> {
    const all = under('summary');
    const range = { after: all.after, before: before === undefined ? all.before : `summary!${before}!` };
    // So many hold the first `limit` attempts whole.
    const rows = await this.rows.rows({ ...range, reverse: true, limit: limit * rowsOfSummary });
    const ids = [...new Set(rows.map(([key]) => idOfSummary(key)))];
    const found = new Map(rows);
    return ids.slice(0, limit).flatMap((id) => summary(id, (key) => found.get(key)) ?? []);
  }

  private async listOf(keyId: Uuid, { before, limit }: { before?: Uuid; limit: number }) {
    const all = under(`attempt-of!${keyId}`);
    const range = { after: all.after, before: before === undefined ? all.before : keys.attemptOf(keyId, before) };
    const found = await this.rows.keys({ ...range, reverse: true, limit });
    return found.map(lastPart).flatMap((id) => summary(id, (key) => this.rows.written(key)) ?? []);
  }

  private filedUnder(id: Uuid): Uuid | undefined {
    return this.filed.get(id) ?? this.rows.latest(keys.attemptFiled(id));
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

  private close(id: Uuid, row: ClosedRow): readonly WriteOp[] {
    const index = reindexed(this.indexed(id), attemptIndexKeys(id, row));
    return [put(keys.attemptClosed(id), JSON.stringify(row)), ...index];
  }

  /** Under which keys the indexes have it. */
  private indexed(id: Uuid): readonly string[] {
    const row = parse<ClosedRow>(this.rows.latest(keys.attemptClosed(id)));
    return row ? attemptIndexKeys(id, row) : [];
  }

  private count(keyId: Uuid): number {
    return Number(this.rows.latest(keys.attemptCount(keyId)) ?? 0);
  }

  private counted(keyId: Uuid, change: number): WriteOp {
    const count = this.count(keyId) + change;
    return count > 0 ? put(keys.attemptCount(keyId), String(count)) : del(keys.attemptCount(keyId));
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
      const oldest = await this.rows.keys({ ...under(`attempt-of!${keyId}`), limit });
      if ((await this.remove(keyId, oldest.map(lastPart))) === 0) return;
    }
  }

  private async remove(keyId: Uuid, ids: readonly Uuid[]): Promise<number> {
    const found = await Promise.all(
      ids.map(async (id) => ({ id, pieces: await this.rows.keys(under(`attempt!${id}`)) })),
    );
    // One may have been filed under its device meanwhile.
    const gone = found.filter(({ id }) => this.filedUnder(id) === keyId);
    const ops = gone.flatMap(({ id, pieces }) => [...this.removal(id, keyId), ...pieces.map(del)]);
    await this.rows.write([...ops, this.counted(keyId, -gone.length)], false);
    return gone.length;
  }

  /** Neighbours in time, wherever they are filed: their pieces first, so that what is left of a crash is found again. */
  private async removeAll(ids: readonly Uuid[]): Promise<void> {
    const range = { after: `attempt!${ids[0]}!`, before: `attempt!${ids.at(-1)}"` };
    const pieces = await this.rows.keys(range);
    for (let at = 0; at < pieces.length; at += limits.store.largeBatch)
      await this.rows.write(pieces.slice(at, at + limits.store.largeBatch).map(del), false);
    const perKey = new Map<Uuid, number>();
    const ops = ids.flatMap((id) => {
      const keyId = this.filedUnder(id);
      // Another clean-up has been here.
      if (keyId === undefined) return [];
      perKey.set(keyId, (perKey.get(keyId) ?? 0) + 1);
      return this.removal(id, keyId);
    });
    await this.rows.write([...ops, ...[...perKey].map(([keyId, gone]) => this.counted(keyId, -gone))], false);
  }

  private removal(id: Uuid, keyId: Uuid): WriteOp[] {
    this.filed.delete(id);
    const rows = [keys.attemptOpened(id), keys.attemptFiled(id), keys.attemptClosed(id), keys.attemptOf(keyId, id)];
    return [...rows, ...this.indexed(id)].map(del);
  }
}

const pruneBatch = 32;

/** An attempt has so many of them at most. */
const rowsOfSummary = 3;

const idOfSummary = (key: string): Uuid => key.slice('summary!'.length, key.lastIndexOf('!'));

/** What every id of a UUIDv7 from `at` on sorts behind. */
function firstIdAt(at: Millis): string {
  const time = fixedHex(Math.max(0, at), 12);
  return `${time.slice(0, 8)}-${time.slice(8)}`;
}
