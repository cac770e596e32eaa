import type { Millis, Stopwatch } from '../core/clock.ts';
import type { Stage, StageTook } from '../store/model.ts';

/**
 * Which stage of a session works, and for how long: `now`, the time of a question, stands still while it is worked on, and most
 * stages take less than a millisecond.
 */
export class StageWatch {
  private readonly stopwatch: Stopwatch;
  private stage: Stage = 'attest';
  /** Of the stopwatch: when what is worked on was asked, and when the stage began. */
  private asked: Millis;
  private began: Millis;

  constructor(stopwatch: Stopwatch) {
    this.stopwatch = stopwatch;
    this.asked = stopwatch();
    this.began = this.asked;
  }

  /** The stage that works on the present question. */
  get present(): Stage {
    return this.stage;
  }

  /** To be read when a question comes, for `begin`: its turn may be later. */
  read(): Millis {
    return this.stopwatch();
  }

  /** It is the turn of what was asked at `asked`, and `stage` begins. */
  begin(asked: Millis, stage: Stage): void {
    this.asked = asked;
    this.stage = stage;
    this.began = this.stopwatch();
  }

  /** The next stage begins; the one that is at work goes on. */
  enter(stage: Stage): void {
    if (stage !== this.stage) this.begin(this.asked, stage);
  }

  /** For the entry of the present stage, which has decided. */
  decided(): { readonly stage: Stage; readonly took: StageTook } {
    const { stage, asked, began } = this;
    return { stage, took: { after: inMicroseconds(began - asked), ms: inMicroseconds(this.stopwatch() - began) } };
  }
}

/** ms with no more digits than mean something. */
const inMicroseconds = (ms: Millis): Millis => Math.round(ms * 1000) / 1000;
