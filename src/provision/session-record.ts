import type { Millis } from '../core/clock.ts';
import type { Evidence, Refusal } from '../core/errors.ts';
import type { Uuid } from '../core/ids.ts';
import { limits } from '../core/limits.ts';
import type { AttemptEntry, Device } from '../store/model.ts';
import type { OpenAttempt, Recorder } from './attempt.ts';
import type { SessionEnd, Step } from './contract.ts';
import type { StageWatch } from './stage-watch.ts';
import {
  afterAdmitted,
  afterRefused,
  afterServed,
  noProgress,
  pastTime,
  verdictAtEnd,
  verdictAtExpiry,
} from './verdict.ts';

export interface SessionOpening {
  readonly transport: 'coaps' | 'coaps+tcp';
  readonly peer: string;
  readonly at: Millis;
}

/**
 * One session's hand on the record. Until it is known whose session it is, and whether it goes on with an open run or begins
 * one, its entries are held back; then they go where they belong.
 */
export class SessionRecord {
  readonly watch: StageWatch;
  private readonly recorder: Recorder;
  private readonly opening: SessionOpening;
  private held: AttemptEntry[] = [];
  private attempt: OpenAttempt | undefined;
  private keyId: Uuid | undefined;
  private peerRefusal: Refusal | undefined;
  private ended = false;
  /** The id of the first attempt that this session begins, if it begins one. */
  private reserved: Uuid | undefined;
  /** The device's record as it is now, for listeners and for the verdict. */
  device: Device | undefined;

  constructor(recorder: Recorder, opening: SessionOpening, watch: StageWatch) {
    this.recorder = recorder;
    this.opening = opening;
    this.watch = watch;
  }

  /** Where the session comes from. */
  get peer(): string {
    return this.opening.peer;
  }

  get attemptId(): Uuid {
    return (this.attempt ?? this.ofKey())?.id ?? this.firstId();
  }

  note(entry: AttemptEntry): void {
    if (this.attempt) this.recorder.note(this.attempt, entry, this.device);
    else if (!this.ended && this.held.length < limits.provision.attemptEntries) this.held.push(entry);
  }

  /** The peer has proved which key it holds. */
  identify(keyId: Uuid, now: Millis): void {
    this.keyId = keyId;
    if (!this.recorder.ofKey(keyId)) this.beginAttempt(now);
  }

  /** Before the first decision on a question: settles which attempt it belongs to. */
  asked(step: Step, now: Millis): void {
    // A stranger's session is on record as a whole, or only counted: its end decides.
    if (this.keyId === undefined) return;
    const own = this.attempt?.closed === false ? this.attempt : undefined;
    const present = own ?? this.ofKey();
    if (present && !(step === 'time' && pastTime(present.progress))) {
      if (own === undefined) this.joinAttempt(present, now);
      return;
    }
    if (present) {
      const closing = verdictAtEnd(present.progress, this.device?.flags ?? 0) ?? verdictAtExpiry(present.progress);
      this.recorder.close(present, closing, this.device, now);
    }
    this.beginAttempt(now);
  }

  /** The present stage agreed. `step` is set when the device has got something with it. */
  agreed(facts: Evidence, step: Step | undefined, now: Millis): void {
    if (step && this.attempt) this.attempt.progress = afterServed(this.attempt.progress, step);
    this.note({
      at: now,
      type: 'stage',
      ...this.watch.decided(),
      result: 'ok',
      facts: step ? { step, ...facts } : facts,
    });
  }

  /** The present stage said no: to a question, or to the peer as a whole. */
  refused(refusal: Refusal, step: Step | undefined, now: Millis): void {
    if (step === undefined) this.peerRefusal = refusal;
    if (this.attempt) this.attempt.progress = afterRefused(this.attempt.progress, step ?? 'peer', refusal);
    const facts = step ? { step, ...refusal.evidence } : refusal.evidence;
    this.note({ at: now, type: 'stage', ...this.watch.decided(), result: 'refused', facts, refusal });
  }

  flush(now: Millis): Promise<void> {
    return this.attempt ? this.recorder.flush(this.attempt, now) : Promise.resolve();
  }

  /**
   * The session is over: closes the attempt if there is a verdict, else leaves it to the next session.
   * Returns whether the run broke off in the middle.
   */
  async end(how: SessionEnd, now: Millis): Promise<{ readonly brokeOff: boolean }> {
    if (this.ended) return { brokeOff: false };
    if (this.keyId === undefined) return this.endOfStranger(how, now);
    const waiting = this.ofKey();
    if (this.attempt === undefined && waiting) this.joinAttempt(waiting, now);
    const attempt = this.attempt ?? this.beginAttempt(now);
    this.ended = true;
    if (attempt.closed) return { brokeOff: false };
    attempt.bytesIn += how.bytesIn;
    attempt.bytesOut += how.bytesOut;
    // While another session of the run is there, the run goes on.
    const broken = isBroken(how) && attempt.sessions === 1;
    attempt.progress = { ...attempt.progress, ...(broken ? broke(how) : { left: how.text }) };
    const closing = verdictAtEnd(attempt.progress, this.device?.flags ?? 0);
    if (closing) this.recorder.close(attempt, closing, this.device, now);
    this.recorder.leave(attempt, now);
    await this.recorder.flush(attempt, now);
    return { brokeOff: broken && closing === undefined && pastTime(attempt.progress) };
  }

  private async endOfStranger(how: SessionEnd, now: Millis): Promise<{ readonly brokeOff: boolean }> {
    this.ended = true;
    const ending = isBroken(how) ? broke(how) : { left: how.text };
    const refusals = new Map(this.peerRefusal && [['peer', this.peerRefusal] as const]);
    const progress = { ...noProgress, refusals, ...ending };
    const closing = verdictAtEnd(progress, 0) ?? verdictAtExpiry(progress);
    if (this.recorder.strangers.gone(closing.refusal?.code ?? 'session.abandoned', now)) {
      const attempt = this.beginAttempt(now);
      attempt.bytesIn = how.bytesIn;
      attempt.bytesOut = how.bytesOut;
      this.recorder.close(attempt, closing, undefined, now);
      await this.recorder.flush(attempt, now);
    }
    this.held = [];
    return { brokeOff: false };
  }

  private ofKey(): OpenAttempt | undefined {
    return this.keyId === undefined ? undefined : this.recorder.ofKey(this.keyId);
  }

  private beginAttempt(now: Millis): OpenAttempt {
    // A session that has had an attempt already begins another run in its middle.
    const at = this.attempt ? now : this.opening.at;
    const id = this.attempt ? this.recorder.newId(at) : this.firstId();
    const attempt = this.recorder.start(id, this.keyId, now);
    this.take(attempt, { ...this.opening, at, type: 'opened' });
    return attempt;
  }

  private firstId(): Uuid {
    this.reserved ??= this.recorder.newId(this.opening.at);
    return this.reserved;
  }

  private joinAttempt(attempt: OpenAttempt, now: Millis): void {
    this.recorder.join(attempt);
    const at = this.attempt ? now : this.opening.at;
    this.take(attempt, { ...this.opening, at, type: 'session' });
  }

  private take(attempt: OpenAttempt, first: AttemptEntry): void {
    this.attempt = attempt;
    attempt.progress = this.peerRefusal
      ? afterRefused(attempt.progress, 'peer', this.peerRefusal)
      : afterAdmitted(attempt.progress);
    this.recorder.note(attempt, first, this.device);
    for (const entry of this.held) this.recorder.note(attempt, entry, this.device);
    this.held = [];
  }
}

const isBroken = ({ reason }: SessionEnd): boolean => reason === 'broken' || reason === 'timeout';

const broke = ({ reason, text }: SessionEnd): { readonly broke: string } => ({ broke: text ?? reason });
