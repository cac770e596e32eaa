import type { FleetOutcome, RunEnd } from './outcome.ts';

/**
 * One outcome from those of several processes that ran parts of one fleet at the same time. An invariant that one of them
 * could not check counts as unchecked.
 */
export function mergeOutcomes(parts: readonly FleetOutcome[]): FleetOutcome {
  const steps: Record<string, readonly number[]> = {};
  const failures: Record<string, number> = {};
  for (const part of parts) {
    for (const [step, times] of Object.entries(part.steps)) steps[step] = (steps[step] ?? []).concat(times);
    for (const [reason, count] of Object.entries(part.failures)) failures[reason] = (failures[reason] ?? 0) + count;
  }
  return {
    devices: parts.flatMap(({ devices }) => devices),
    steps,
    failures,
    violations: parts.flatMap(({ violations }) => violations),
    unchecked: [...new Set(parts.flatMap(({ unchecked }) => unchecked))],
    end: worst(parts.map(({ end }) => end)),
    // Each process has its own devices, and all have the same events.
    toCome: {
      resets: parts.reduce((sum, { toCome }) => sum + toCome.resets, 0),
      events: longest(parts.map(({ toCome }) => toCome.events)),
    },
    took: longest(parts.map(({ took }) => took)),
    wall: longest(parts.map(({ wall }) => wall)),
    cpu: parts.reduce((sum, { cpu }) => sum + cpu, 0),
    processes: parts.reduce((sum, { processes }) => sum + processes, 0),
  };
}

/** A run is complete when all of its processes came to their end; who interrupts it may find some that had. */
const worst = (ends: readonly RunEnd[]): RunEnd =>
  (['interrupted', 'limit'] as const).find((end) => ends.includes(end)) ?? 'complete';

const longest = (times: readonly number[]): number => times.reduce((most, time) => Math.max(most, time), 0);
