import type { Refusal } from '../core/errors.ts';
import type { CloudStep } from './actions.ts';
import type { Step } from './steps.ts';

/** One step as it went. The first step on a session carries the cost of its handshake. */
export interface StepReport {
  readonly step: Step | CloudStep;
  readonly result: 'done' | 'timeout' | 'transient' | 'failure';
  readonly refusal?: Refusal;
  /** The public status flags after the step. */
  readonly flags: number;
  /** The finer flags of plgd's 2025 client after the step. */
  readonly progress: number;
  /** On the wire, secure layer included, IP and UDP or TCP headers not. */
  readonly bytesIn: number;
  readonly bytesOut: number;
  /** Of the handshake as it goes when nothing is lost, and one for each request message (a block each); repetitions not counted. */
  readonly roundTrips: number;
  readonly ms: number;
}

/** A sequence of steps with its sums. */
export interface Report {
  readonly deviceId: string;
  readonly steps: readonly StepReport[];
  readonly bytesIn: number;
  readonly bytesOut: number;
  readonly roundTrips: number;
  readonly ms: number;
}

export function summarize(deviceId: string, steps: readonly StepReport[]): Report {
  const sum = (of: (step: StepReport) => number): number => steps.reduce((total, step) => total + of(step), 0);
  return {
    deviceId,
    steps,
    bytesIn: sum((step) => step.bytesIn),
    bytesOut: sum((step) => step.bytesOut),
    roundTrips: sum((step) => step.roundTrips),
    ms: sum((step) => step.ms),
  };
}
