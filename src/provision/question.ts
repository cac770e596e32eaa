import type { Decision, Evidence } from '../core/errors.ts';
import type { Device, EnrollmentGroup, Stage } from '../store/model.ts';
import type { Step } from './contract.ts';
import type { Admitted } from './standing.ts';

/** What a step came to: the answer, the facts for the attempt, and what it changes on the record of the device. */
export interface Served<T> {
  readonly value: T;
  readonly facts: Evidence;
  readonly change?: (device: Device) => Device;
  /** When the record goes to the store: before the answer (default), with a later write, or it is there already. */
  readonly write?: 'later' | 'done';
}

/** Who asks, by the rules of now. */
export interface Present {
  readonly group: EnrollmentGroup;
  readonly admitted: Admitted;
}

/** Works out the answer to a question. */
export type Work<T> = (group: EnrollmentGroup, admitted: Admitted) => Promise<Decision<Served<T>>>;

/** The stage that gives the device what it asks for. */
export const stageOf: Readonly<Record<Step, Stage>> = {
  time: 'configure',
  ownership: 'authorize',
  cloud: 'configure',
  credentials: 'issue',
  acls: 'authorize',
};
