import type { Millis } from '../core/clock.ts';
import type { Uuid } from '../core/ids.ts';
import { limits } from '../core/limits.ts';
import type { AttemptEntry, Stage } from '../store/model.ts';

/** What the service took for one stage of one run; `at` is when it was done. */
export interface StageTime {
  readonly stage: Stage | 'handshake';
  readonly ms: Millis;
  readonly at: Millis;
}

/**
 * Reads from the entries of attempts how long stages took: those of a request as long as the request, the handshake as long as
 * it says itself. What is decided with the handshake (attest, match, admit) is in its time; confirm is the cloud's. Remembers, of attempts that are
 * open, the stages whose request is not answered yet; limits.provision.openAttempts of them.
 */
export class StageTimes {
  private readonly waiting = new Map<Uuid, Set<Stage>>();

  /** @returns what is known with this entry */
  feed(attemptId: Uuid, entry: AttemptEntry): readonly StageTime[] {
    switch (entry.type) {
      case 'handshake':
        return [{ stage: 'handshake', ms: entry.ms, at: entry.at }];
      case 'stage':
        if (ofNoRequest.has(entry.stage) && entry.facts.step === undefined) return [];
        this.wait(attemptId, entry.stage);
        return [];
      case 'exchange': {
        const stages = this.waiting.get(attemptId) ?? [];
        this.waiting.delete(attemptId);
        return [...stages].map((stage) => ({ stage, ms: entry.ms, at: entry.at }));
      }
      case 'closed':
        this.waiting.delete(attemptId);
        return [];
      default:
        return [];
    }
  }

  private wait(attemptId: Uuid, stage: Stage): void {
    const stages = this.waiting.get(attemptId) ?? new Set();
    this.waiting.set(attemptId, stages.add(stage));
    const [oldest] = this.waiting.keys();
    if (this.waiting.size > limits.provision.openAttempts && oldest !== undefined) this.waiting.delete(oldest);
  }
}

const ofNoRequest: ReadonlySet<Stage> = new Set(['attest', 'match', 'admit', 'confirm']);
