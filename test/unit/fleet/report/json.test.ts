import { expect, test } from 'vitest';
import { limits } from '../../../../src/core/limits.ts';
import { jsonReport } from '../../../../src/fleet/report/json.ts';
import { reportOn } from '../../../../src/fleet/report/report.ts';
import { eventfulDay, quietOutcome, quietScenario } from '../../../support/made-up-fleet.ts';

test('the keys are those of version 1, whatever became of the run', () => {
  const { scenario, outcome } = eventfulDay(100);
  const keys = [
    'format',
    'version',
    'passed',
    'verdict',
    'scenario',
    'time',
    'end',
    'processes',
    'toCome',
    'counts',
    'parts',
    'transports',
    'arrivals',
    'timeToArrive',
    'distribution',
    'steps',
    'failures',
    'costs',
    'radio',
    'invariants',
    'violations',
    'budget',
  ];
  for (const report of [reportOn(outcome, scenario), reportOn(quietOutcome, quietScenario)]) {
    const read = JSON.parse(JSON.stringify(jsonReport(report)));
    expect(Object.keys(read)).toEqual(keys);
    expect(read).toMatchObject({ format: 'firstboot-fleet-report', version: 1 });
  }
});

test('it says whether the run passed, what was found and what was allowed', () => {
  const { scenario, outcome } = eventfulDay(1000);
  const report = JSON.parse(JSON.stringify(jsonReport(reportOn(outcome, scenario))));
  expect(report.passed).toBe(false);
  expect(report.budget).toEqual([
    { rule: 'bytes<=8000', figure: 'bytes', most: 8000, found: expect.any(Number), met: false },
    { rule: 'p99<=10s', figure: 'p99', most: 10_000, found: expect.any(Number), met: false },
  ]);
  expect(report.invariants).toContainEqual({
    rule: 'arrives',
    promise: 'every honest device reached its goal and is there at the end',
    state: 'broken',
    violations: 2,
  });
  expect(report.invariants.map(({ state }: { state: string }) => state)).toContain('unchecked');
  expect(report.costs.bytes).toEqual({
    count: report.counts.arrived,
    p50: expect.any(Number),
    p95: expect.any(Number),
    p99: expect.any(Number),
    max: expect.any(Number),
  });
});

test('what there is no value for is null', () => {
  const scenario = { ...quietScenario, budget: [{ figure: 'rtt', most: 3 } as const] };
  const report = JSON.parse(JSON.stringify(jsonReport(reportOn(quietOutcome, scenario))));
  expect(report).toMatchObject({ timeToArrive: null, costs: null, distribution: [] });
  expect(report.budget[0].found).toBeNull();
});

test('a run that went wrong altogether still gives a bounded list of violations', () => {
  const violations = Array.from({ length: limits.fleet.report.jsonViolations + 5 }, (_, at) => ({
    rule: 'arrives' as const,
    device: `device-${at}`,
    found: 'it never reached its goal',
    trace: [],
  }));
  const report = jsonReport(reportOn({ ...quietOutcome, violations }, quietScenario));
  expect(report.violations.total).toBe(limits.fleet.report.jsonViolations + 5);
  expect(report.violations.listed).toHaveLength(limits.fleet.report.jsonViolations);
});
