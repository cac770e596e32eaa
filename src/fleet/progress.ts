import { type Histogram, sum } from './histogram.ts';
import type { FleetProgress } from './outcome.ts';

/** How far all parts of a run are together. The time is that of the part that is behind. */
export function mergeProgress(parts: readonly FleetProgress[]): FleetProgress {
  const total = (of: (part: FleetProgress) => number): number => parts.reduce((all, part) => all + of(part), 0);
  const steps: Record<string, Histogram> = {};
  const reasons: Record<string, number> = {};
  for (const part of parts) {
    for (const [step, histogram] of Object.entries(part.steps ?? {})) steps[step] = sum(steps[step] ?? [], histogram);
    for (const [reason, count] of Object.entries(part.reasons ?? {})) reasons[reason] = (reasons[reason] ?? 0) + count;
  }
  return {
    at: parts.length === 0 ? 0 : Math.min(...parts.map(({ at }) => at)),
    devices: total(({ devices }) => devices),
    booted: total(({ booted }) => booted),
    arrived: total(({ arrived }) => arrived),
    failures: total(({ failures }) => failures),
    provisioned: total(({ provisioned }) => provisioned ?? 0),
    steps,
    reasons,
  };
}
