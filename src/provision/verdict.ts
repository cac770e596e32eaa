import { errorTable, type Refusal } from '../core/errors.ts';
import type { AttemptEntry, Verdict } from '../store/model.ts';
import type { Step } from './contract.ts';
import { provisionedFlags, steps } from './status.ts';

/** How far the run of an attempt has come. */
export interface Progress {
  /** Steps that were served and have not failed since. */
  readonly served: ReadonlySet<Step>;
  /** The refusal a step (or the peer as a whole: 'peer') got last, until it is served. */
  readonly refusals: ReadonlyMap<Step | 'peer', Refusal>;
  /** Set when the last session broke. */
  readonly broke: string | undefined;
  /** How the last session ended otherwise: with a goodbye, or a stream cut without one. */
  readonly left?: string | undefined;
}

export interface Closing {
  readonly verdict: Verdict;
  readonly refusal?: Refusal;
}

export const noProgress: Progress = { served: new Set(), refusals: new Map(), broke: undefined };

export function afterServed(progress: Progress, step: Step): Progress {
  const refusals = new Map(progress.refusals);
  refusals.delete(step);
  return { served: new Set([...progress.served, step]), refusals, broke: undefined };
}

export function afterRefused(progress: Progress, step: Step | 'peer', refusal: Refusal): Progress {
  const served = new Set([...progress.served].filter((other) => other !== step));
  return { ...progress, served, refusals: new Map(progress.refusals).set(step, refusal) };
}

/** A session of the run has been let in: what was held against the peer before no longer counts. */
export function afterAdmitted(progress: Progress): Progress {
  const refusals = new Map(progress.refusals);
  refusals.delete('peer');
  return { ...progress, refusals };
}

/** The progress that a recorded attempt shows: what a restarted service goes on from. */
export function progressOf(entries: readonly AttemptEntry[]): Progress {
  let progress = noProgress;
  for (const entry of entries) {
    if (entry.type !== 'stage') continue;
    const step = steps.find((known) => known === entry.facts.step);
    if (entry.result === 'ok') progress = step ? afterServed(progress, step) : progress;
    else if (entry.refusal) progress = afterRefused(progress, step ?? 'peer', entry.refusal);
  }
  return progress;
}

/** Whether a run has got beyond the time, so that asking for the time again begins another one. */
export const pastTime = ({ served, refusals }: Progress): boolean =>
  [...served, ...refusals.keys()].some((step) => step !== 'time' && step !== 'peer');

/**
 * The verdict when a session ends, or undefined while the run may go on in another session: the reference device makes a
 * session for the time alone, and one more after each temporary failure (contract, plgd-device b1, d).
 * @param flags of the device's record.
 */
export function verdictAtEnd({ served, refusals }: Progress, flags: number): Closing | undefined {
  const refusal = lasting(refusals);
  if (refusal) return { verdict: isFailure(refusal) ? 'failed' : 'refused', refusal };
  if (refusals.size > 0 || (flags & provisionedFlags) !== provisionedFlags) return undefined;
  const fromStart = served.has('ownership') || served.has('cloud');
  if (served.has('acls')) return { verdict: fromStart ? 'provisioned' : 'renewed' };
  return served.has('credentials') && !fromStart && !served.has('time') ? { verdict: 'renewed' } : undefined;
}

/** The verdict over a run that did not go on in time, or that the device began anew. */
export function verdictAtExpiry({ served, refusals, broke, left }: Progress): Closing {
  const refusal = [...refusals.values()].at(-1);
  if (refusal) return { verdict: 'failed', refusal };
  const evidence = { served: [...served].join(' ') || 'nothing' };
  if (broke !== undefined) {
    const fix = 'the device starts over by itself; if this repeats, look for loss on its network or for resets';
    return { verdict: 'failed', refusal: { code: 'session.broken', evidence: { ...evidence, how: broke }, fix } };
  }
  const how = left === undefined ? {} : { how: left };
  const fix = 'see whether the device has power and network; its own log says why it stopped';
  return { verdict: 'abandoned', refusal: { code: 'session.abandoned', evidence: { ...evidence, ...how }, fix } };
}

/**
 * The first refusal that a new try will not cure: a 5.03 makes the device repeat the step. Who waits for approval may try for
 * weeks: each try is an attempt of its own.
 */
function lasting(refusals: Progress['refusals']): Refusal | undefined {
  return [...refusals.values()].find(({ code }) => errorTable[code].coap !== 503 || code === 'admit.pending');
}

const isFailure = ({ code }: Refusal): boolean => errorTable[code].coap >= 500 && code !== 'admit.pending';
