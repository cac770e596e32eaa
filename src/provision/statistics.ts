import type { Millis, Timers } from '../core/clock.ts';
import { type Uuid, uuidV7Time } from '../core/ids.ts';
import { limits } from '../core/limits.ts';
import type { Log } from '../core/log.ts';
import type { AttemptEntry, Device } from '../store/model.ts';
import { addedUp, type GrowingCounts } from '../store/statistics-sum.ts';
import { ownerIdOf, type Store } from '../store/store.ts';
import { type StageTime, stageTime } from './stage-times.ts';

export interface StatisticsDeps {
  readonly store: Pick<Store, 'addStatistics'>;
  readonly timers: Timers;
  readonly log: Log;
}

/**
 * Adds up, by slot of time and owner, what the entries of attempts say, and hands it to the store every few seconds; what that
 * does not take is offered again. Of one slot at most limits.statistics.owners owners are told apart (the others go with those
 * that have none), and of waiting rows there are at most limits.statistics.rows.
 */
export class StatisticsRecorder {
  private readonly deps: StatisticsDeps;
  /** Attempts that are not closed, the one without news for longest in front. */
  private readonly open = new Map<Uuid, OpenSum>();
  private sums = new Map<string, Sum>();
  private cancel: (() => void) | undefined;
  private writing: Promise<void> = Promise.resolve();
  private closed = false;

  constructor(deps: StatisticsDeps) {
    this.deps = deps;
  }

  /** For the pipeline: an EntryListener. */
  readonly entryListener = (attemptId: Uuid, entry: AttemptEntry, device: Device | undefined): void => {
    // The cloud may say that a device has arrived when its attempt is long closed.
    if (entry.type === 'stage' && entry.stage === 'confirm') return;
    const open = this.openSum(attemptId);
    open.ownerId = ownerSaid(entry, device) ?? open.ownerId;
    const time = stageTime(entry);
    if (time) open.times.push(time);
    if (entry.type === 'exchange') open.answeredAt = entry.at;
    if (open.ownerId !== undefined || entry.type === 'closed') this.countStages(open);
    if (entry.type === 'closed') this.countClosed(attemptId, entry, open);
  };

  /** Hands everything to the store. */
  async close(): Promise<void> {
    this.closed = true;
    await this.flush();
    this.cancel?.();
    if (this.sums.size > 0) this.deps.log.error({ rows: this.sums.size }, 'statistics are lost: the store is away');
  }

  private openSum(attemptId: Uuid): OpenSum {
    const open = this.open.get(attemptId) ?? { ownerId: undefined, answeredAt: undefined, times: [] };
    this.open.delete(attemptId);
    this.open.set(attemptId, open);
    if (this.open.size > limits.provision.openAttempts) {
      const [[oldest, left] = []] = this.open;
      if (oldest !== undefined) this.open.delete(oldest);
      if (left) this.countStages(left);
    }
    return open;
  }

  private countStages({ ownerId, times }: OpenSum): void {
    for (const { stage, ms, from } of times.splice(0)) {
      const { stages } = this.sumOf(from + ms, ownerId);
      stages[stage] ??= new Array<number>(limits.store.stageBounds.length + 1).fill(0);
      count(stages[stage], limits.store.stageBounds, ms);
    }
  }

  private countClosed(attemptId: Uuid, entry: AttemptEntry & { type: 'closed' }, open: OpenSum): void {
    const { at, verdict, refusal, bytesIn, bytesOut } = entry;
    const sum = this.sumOf(at, open.ownerId);
    sum.verdicts[verdict] = (sum.verdicts[verdict] ?? 0) + 1;
    if (refusal) sum.codes[refusal.code] = (sum.codes[refusal.code] ?? 0) + 1;
    sum.bytesIn += bytesIn;
    sum.bytesOut += bytesOut;
    this.open.delete(attemptId);
    if (verdict === 'provisioned')
      count(sum.runs, limits.store.runBounds, (open.answeredAt ?? at) - uuidV7Time(attemptId));
  }

  private sumOf(at: Millis, ownerId: Uuid | undefined): Sum {
    const { timers } = this.deps;
    if (!this.closed) {
      this.cancel ??= timers.schedule(timers.now() + limits.statistics.writeDelay, () => {
        this.cancel = undefined;
        void this.flush();
      });
    }
    const slot = Math.floor(at / limits.store.statisticsSlot) * limits.store.statisticsSlot;
    const known = this.sums.get(sumKey(slot, ownerId));
    if (known) return known;
    const owners = [...this.sums.values()].filter((sum) => sum.slot === slot).length;
    return this.put(emptySum(slot, owners < limits.statistics.owners ? ownerId : undefined));
  }

  /** What is there already under the same slot and owner stays. */
  private put(fresh: Sum): Sum {
    const key = sumKey(fresh.slot, fresh.ownerId);
    const sum = this.sums.get(key) ?? fresh;
    this.sums.set(key, sum);
    return sum;
  }

  private flush(): Promise<void> {
    this.writing = this.writing.then(() => this.write());
    return this.writing;
  }

  private async write(): Promise<void> {
    const { store, timers, log } = this.deps;
    const { sums } = this;
    if (sums.size === 0) return;
    this.sums = new Map();
    try {
      await store.addStatistics([...sums.values()]);
    } catch (error) {
      log.warn({ error }, 'statistics could not be written, trying again');
      for (const sum of sums.values()) this.takeBack(sum);
      if (this.closed) return;
      this.cancel?.();
      this.cancel = timers.schedule(timers.now() + limits.statistics.writeRetry, () => {
        this.cancel = undefined;
        void this.flush();
      });
    }
  }

  private takeBack(sum: Sum): void {
    const key = sumKey(sum.slot, sum.ownerId);
    const newer = this.sums.get(key);
    if (newer === undefined && this.sums.size >= limits.statistics.rows) {
      this.deps.log.error({ slot: sum.slot }, 'statistics are lost: the store has been away for too long');
      return;
    }
    const { slot, ownerId } = sum;
    this.sums.set(key, newer ? { slot, ownerId, ...addedUp(sum, newer) } : sum);
  }
}

/** Until it is known whose an attempt is, its times wait: of a stranger's there are few. */
interface OpenSum {
  ownerId: Uuid | undefined;
  /** When its last request was answered. */
  answeredAt: Millis | undefined;
  readonly times: StageTime[];
}

function ownerSaid(entry: AttemptEntry, device: Device | undefined): Uuid | undefined {
  if (device) return ownerIdOf(device);
  if (entry.type === 'closed') return entry.ownerId;
  const said = entry.type === 'stage' && entry.stage === 'match' ? entry.facts.ownerId : undefined;
  return typeof said === 'string' ? said : undefined;
}

/** A row of statistics that grows. */
interface Sum extends GrowingCounts {
  readonly slot: Millis;
  readonly ownerId: Uuid | undefined;
}

const emptySum = (slot: Millis, ownerId: Uuid | undefined): Sum => ({
  slot,
  ownerId,
  verdicts: {},
  codes: {},
  bytesIn: 0,
  bytesOut: 0,
  stages: {},
  runs: new Array<number>(limits.store.runBounds.length + 1).fill(0),
});

const sumKey = (slot: Millis, ownerId: Uuid | undefined): string => `${slot} ${ownerId ?? ''}`;

/** One more in the first count whose bound, an upper one, holds `ms`. */
function count(counts: number[], bounds: readonly number[], ms: Millis): void {
  const at = bounds.findIndex((bound) => ms <= bound);
  const index = at < 0 ? bounds.length : at;
  counts[index] = (counts[index] ?? 0) + 1;
}
