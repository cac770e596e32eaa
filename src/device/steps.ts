import { type LastError, lastErrors, progressFlags } from './status.ts';

/** The steps of a run, in their fixed order (contract, plgd-device b). */
export const steps = ['time', 'ownership', 'cloud', 'credentials', 'acls'] as const;

export type Step = (typeof steps)[number];

/** A run of the steps that are missing, or of the credentials alone. */
export type RunMode = 'provision' | 'renew';

export interface StepFlags {
  /** Set while the step is asked for. */
  readonly get: number;
  /** Set when it is done. */
  readonly has: number;
  /** The last-error code of an answer that cannot be used. */
  readonly error: LastError;
}

export const stepFlags: Readonly<Record<Step, StepFlags>> = {
  time: { get: progressFlags.getTime, has: progressFlags.hasTime, error: lastErrors.getTime },
  ownership: { get: progressFlags.getOwner, has: progressFlags.hasOwner, error: lastErrors.getOwner },
  cloud: { get: progressFlags.getCloud, has: progressFlags.hasCloud, error: lastErrors.setCloud },
  credentials: {
    get: progressFlags.getCredentials,
    has: progressFlags.hasCredentials,
    error: lastErrors.getCredentials,
  },
  acls: { get: progressFlags.getAcls, has: progressFlags.hasAcls, error: lastErrors.getAcls },
};

/** The flags of the steps before `step`; of all five when there is none left. */
export function flagsBefore(step: Step | undefined): number {
  const done: readonly Step[] = step === undefined ? steps : steps.slice(0, steps.indexOf(step));
  return done.reduce((flags, name) => flags | stepFlags[name].has, 0);
}
