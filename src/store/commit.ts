import type { Timers } from '../core/clock.ts';
import { failure } from '../core/errors.ts';
import { limits } from '../core/limits.ts';
import type { WriteOp } from './medium.ts';

export interface GroupCommitDeps {
  readonly timers: Timers;
  /** Writes all of `ops` or none; when `synced`, they are on the disk at the end. */
  readonly write: (ops: readonly WriteOp[], synced: boolean) => Promise<void>;
}

/**
 * Collects writes into batches, one batch at a time on its way to the medium: a disk does some thousand syncs a second,
 * however much each one carries. A batch goes out after limits.store.commitDelay, at limits.store.commitBatch operations,
 * or as soon as the one before it is through; it is synced when one of its writes is durable.
 *
 * Writes reach the medium in the order of `add`. When a batch fails, everything queued behind it fails too:
 * it may have been decided on what was never written.
 */
export class GroupCommit {
  private readonly deps: GroupCommitDeps;
  /** What is queued or on its way, by key, so that a decision sees the writes before it. */
  private readonly overlay = new Map<string, PendingValue>();
  private collecting: Batch | undefined;
  private writing: Batch | undefined;
  private cancelTimer: (() => void) | undefined;
  private closed = false;

  constructor(deps: GroupCommitDeps) {
    this.deps = deps;
  }

  /**
   * Queues `ops`, which are written together or not at all. Resolves when they are written; rejects with `service.store`
   * when they are not, with `service.busy` when too many wait already. A large lot of them (an operator's) does not count
   * against what the others may queue: it has a bound of its own, and only one at a time waits.
   */
  add(ops: readonly WriteOp[], durable: boolean): Promise<void> {
    if (this.closed) return Promise.reject(failure('service.store', {}, 'the store is closed'));
    const batch = this.collecting ?? newBatch();
    const large = ops.length > limits.store.largeBatch;
    const queued = large ? batch.large : batch.ops.length - batch.large;
    if (large ? queued > 0 || ops.length > limits.store.batchWrites : queued + ops.length > limits.store.queuedWrites) {
      return Promise.reject(failure('service.busy', { queued }, 'the disk does not keep up'));
    }
    this.collecting = batch;
    if (large) batch.large = ops.length;
    for (const op of ops) {
      batch.ops.push(op);
      this.overlay.set(op.key, { value: op.type === 'put' ? op.value : undefined, written: batch.written });
    }
    batch.durable ||= durable;
    this.schedule();
    return batch.written;
  }

  /** The value that `key` will have when the writes under way are through, or undefined when none touches it. */
  pending(key: string): PendingValue | undefined {
    return this.overlay.get(key);
  }

  /** When all writes under way have ended, however. */
  async ended(): Promise<void> {
    await (this.collecting ?? this.writing)?.written.catch(() => undefined);
  }

  /** Rows that are not on their way to the medium yet. */
  get waiting(): number {
    return this.collecting?.ops.length ?? 0;
  }

  /** Takes no more writes and waits for those under way, however they end. */
  async close(): Promise<void> {
    this.closed = true;
    while (this.collecting || this.writing) {
      const last = this.collecting ?? this.writing;
      this.flush();
      await last?.written.catch(() => undefined);
    }
  }

  private schedule(): void {
    if (this.writing || !this.collecting) return;
    if (this.closed || this.collecting.ops.length >= limits.store.commitBatch) this.flush();
    else this.cancelTimer ??= this.wakeLater();
  }

  private wakeLater(): () => void {
    return this.deps.timers.schedule(this.deps.timers.now() + limits.store.commitDelay, () => {
      this.cancelTimer = undefined;
      this.flush();
    });
  }

  private flush(): void {
    this.cancelTimer?.();
    this.cancelTimer = undefined;
    const batch = this.collecting;
    if (this.writing || !batch) return;
    this.collecting = undefined;
    this.writing = batch;
    this.deps.write(batch.ops, batch.durable).then(
      () => this.wrote(batch),
      (error: unknown) => this.failed(batch, error),
    );
  }

  private wrote(batch: Batch): void {
    this.writing = undefined;
    for (const { key } of batch.ops) {
      if (this.overlay.get(key)?.written === batch.written) this.overlay.delete(key);
    }
    batch.resolve();
    this.flush();
  }

  private failed(batch: Batch, cause: unknown): void {
    const behind = this.collecting;
    this.writing = undefined;
    this.collecting = undefined;
    this.cancelTimer?.();
    this.cancelTimer = undefined;
    this.overlay.clear();
    const error = failure('service.store', { operations: batch.ops.length }, 'look at the disk of the store', cause);
    batch.reject(error);
    behind?.reject(error);
  }
}

export interface PendingValue {
  /** undefined: the key is being deleted. */
  readonly value: string | undefined;
  /** Settles with the batch. */
  readonly written: Promise<void>;
}

interface Batch {
  readonly ops: WriteOp[];
  /** How many of them came in one large lot. */
  large: number;
  durable: boolean;
  readonly written: Promise<void>;
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

function newBatch(): Batch {
  let resolve: () => void = () => undefined;
  let reject: (error: Error) => void = () => undefined;
  const written = new Promise<void>((yes, no) => {
    resolve = yes;
    reject = no;
  });
  // Every writer awaits it, but a rejection must not bring the process down when the writer has gone meanwhile.
  written.catch(() => undefined);
  return { ops: [], large: 0, durable: false, written, resolve, reject };
}
