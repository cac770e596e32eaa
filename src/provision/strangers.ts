import { days, hours, type Millis, minutes } from '../core/clock.ts';
import type { ErrorCode } from '../core/errors.ts';
import { limits } from '../core/limits.ts';
import type { Log } from '../core/log.ts';
import type { RefusalCount } from '../store/model.ts';
import type { Store } from '../store/store.ts';

/**
 * Peers that never proved a key, or only one that many share and got no record by it: of each reason some are recorded each
 * minute and day, the others only counted, so that whoever knocks a thousand times a second can neither fill the disk nor push
 * out what others have left. Memory is bounded by the closed set of codes.
 */
export class Strangers {
  private readonly store: Store;
  private readonly log: Log;
  private readonly ofMinute = new Quota(minutes(1), limits.provision.strangersRecorded);
  private readonly ofDay = new Quota(days(1), limits.provision.strangersRecordedDaily);
  /** What the store has not been told, by hour and code. */
  private counts = new Map<string, RefusalCount>();
  private due: Millis | undefined;
  private writing: Promise<void> = Promise.resolve();

  constructor(store: Store, log: Log) {
    this.store = store;
    this.log = log;
  }

  /** One more has gone, for this reason. @returns whether its attempt is to be recorded */
  gone(code: ErrorCode, now: Millis): boolean {
    const record = this.ofMinute.left(code, now) && this.ofDay.left(code, now);
    if (record) {
      this.ofMinute.take(code);
      this.ofDay.take(code);
    }
    this.add({ hour: Math.floor(now / hours(1)) * hours(1), code, count: 1, recorded: record ? 1 : 0 });
    this.due ??= now + limits.provision.strangersDelay;
    return record;
  }

  nextTimeout(): Millis | undefined {
    return this.due;
  }

  handleTimeout(now: Millis): void {
    if (this.due !== undefined && this.due <= now) void this.flush(now);
  }

  /** Hands the counts to the store; what it does not take is offered again. */
  flush(now: Millis): Promise<void> {
    this.due = undefined;
    this.writing = this.writing.then(() => this.write(now));
    return this.writing;
  }

  private async write(now: Millis): Promise<void> {
    const counts = [...this.counts.values()];
    if (counts.length === 0) return;
    this.counts = new Map();
    try {
      await this.store.countRefusals(counts);
    } catch (error) {
      this.log.warn({ error }, 'refused strangers could not be counted, trying again');
      for (const count of counts) this.add(count);
      this.due ??= now + limits.provision.unsavedRetry;
    }
  }

  private add({ hour, code, count, recorded }: RefusalCount): void {
    const key = `${hour} ${code}`;
    const before = this.counts.get(key);
    if (before === undefined && this.counts.size >= limits.provision.strangersCounts) {
      this.log.error({ code, count }, 'counts of strangers are lost: the store has been away for too long');
      return;
    }
    const sum = { hour, code, count: count + (before?.count ?? 0), recorded: recorded + (before?.recorded ?? 0) };
    this.counts.set(key, sum);
  }
}

/** How many of each reason may still be recorded in the present span of time. */
class Quota {
  private readonly span: Millis;
  private readonly most: number;
  private readonly taken = new Map<ErrorCode, number>();
  private present = 0;

  constructor(span: Millis, most: number) {
    this.span = span;
    this.most = most;
  }

  left(code: ErrorCode, now: Millis): boolean {
    const present = Math.floor(now / this.span);
    if (present !== this.present) this.taken.clear();
    this.present = present;
    return (this.taken.get(code) ?? 0) < this.most;
  }

  take(code: ErrorCode): void {
    this.taken.set(code, (this.taken.get(code) ?? 0) + 1);
  }
}
