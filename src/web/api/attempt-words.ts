import type { Stage, Verdict } from '../../store/model.ts';

/** In the order in which an attempt goes through them. */
export const stages = [
  'attest',
  'match',
  'admit',
  'bind',
  'issue',
  'authorize',
  'configure',
  'confirm',
] as const satisfies readonly Stage[];

/** How an attempt ends, the good ones first. */
export const verdicts = [
  'provisioned',
  'renewed',
  'refused',
  'failed',
  'abandoned',
] as const satisfies readonly Verdict[];
