import type { Millis } from '../core/clock.ts';
import type { Evidence } from '../core/errors.ts';
import type { AttemptEntry, Stage } from '../store/model.ts';
import type { Step } from './contract.ts';
import { stageOf } from './question.ts';

/** What the service took for one stage, or the handshake: for statistics, metrics and traces alike. */
export interface StageTime {
  readonly stage: Stage | 'handshake';
  /** What the device was given with it, or would have been; undefined: nothing. */
  readonly step: Step | undefined;
  /** When it began, with fractions. */
  readonly from: Millis;
  readonly ms: Millis;
}

/** The time that an entry tells of. Confirm has none: it is the cloud's. */
export function stageTime(entry: AttemptEntry): StageTime | undefined {
  if (entry.type === 'handshake') {
    return { stage: 'handshake', step: undefined, from: entry.at - entry.ms, ms: entry.ms };
  }
  if (entry.type !== 'stage' || entry.took === undefined) return undefined;
  const { stage, at, took, facts } = entry;
  return { stage, step: stepIn(facts), from: at + took.after, ms: took.ms };
}

/** Among facts there may be what a peer has said: only what we call a step is one. */
const stepIn = ({ step }: Evidence): Step | undefined =>
  typeof step === 'string' && Object.hasOwn(stageOf, step) ? (step as Step) : undefined;
