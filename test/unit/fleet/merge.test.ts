import { describe, expect, it } from 'vitest';
import { mergeOutcomes } from '../../../src/fleet/merge.ts';
import type { FleetOutcome } from '../../../src/fleet/outcome.ts';

const part = (changes: Partial<FleetOutcome>): FleetOutcome => ({
  devices: [],
  steps: {},
  failures: {},
  violations: [],
  unchecked: [],
  end: 'complete',
  toCome: { resets: 0, events: 0 },
  took: 0,
  wall: 0,
  cpu: 0,
  processes: 1,
  ...changes,
});

describe('the outcomes of several processes', () => {
  it('add up; times of the run are those of the longest, CPU time is that of all', () => {
    const violation = { rule: 'arrives', device: 'device-00002', found: 'never online', trace: [] } as const;
    const merged = mergeOutcomes([
      part({
        steps: { time: [1, 2], acls: [3] },
        failures: { 'time: timeout': 2 },
        toCome: { resets: 2, events: 1 },
        took: 10,
        wall: 4,
        cpu: 3,
        unchecked: ['two-identities'],
      }),
      part({
        steps: { time: [4] },
        failures: { 'time: timeout': 1, 'acls: 4.03': 1 },
        toCome: { resets: 1, events: 1 },
        violations: [violation],
        took: 7,
        wall: 5,
        cpu: 5,
        unchecked: ['two-identities'],
      }),
    ]);
    expect(merged).toEqual(
      part({
        steps: { time: [1, 2, 4], acls: [3] },
        failures: { 'time: timeout': 3, 'acls: 4.03': 1 },
        toCome: { resets: 3, events: 1 },
        violations: [violation],
        unchecked: ['two-identities'],
        took: 10,
        wall: 5,
        cpu: 8,
        processes: 2,
      }),
    );
  });

  it('of nobody are an empty one', () => {
    expect(mergeOutcomes([])).toEqual(part({ processes: 0 }));
  });

  it.each([
    [['complete', 'limit', 'interrupted'], 'interrupted'],
    [['limit', 'complete'], 'limit'],
    [['complete', 'complete'], 'complete'],
  ] as const)('are one run that ended as the worst of them: %j', (ends, end) => {
    expect(mergeOutcomes(ends.map((each) => part({ end: each }))).end).toBe(end);
  });
});
