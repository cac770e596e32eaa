import { expect, test } from 'vitest';
import { seconds } from '../../../../src/core/clock.ts';
import { limits } from '../../../../src/core/limits.ts';
import type { Violation } from '../../../../src/fleet/outcome.ts';
import { htmlPage } from '../../../../src/fleet/report/html.ts';
import { jsonReport } from '../../../../src/fleet/report/json.ts';
import { junitXml } from '../../../../src/fleet/report/junit.ts';
import { bytesText, energyText, shareText, short, shown, timeText } from '../../../../src/fleet/report/quantities.ts';
import { passed, reportOn, verdict } from '../../../../src/fleet/report/report.ts';
import { summaryText } from '../../../../src/fleet/report/text.ts';
import {
  eventfulDay,
  oneAfterTheOther,
  quietDevice,
  quietOutcome,
  quietScenario,
} from '../../../support/made-up-fleet.ts';

const violation = (at: number): Violation => ({
  rule: 'arrives',
  device: `device-${at}`,
  found: 'it never reached its goal',
  trace: ['0 s switched on', '5 s time: timeout'],
});

test('the summary of a good run ends with the verdict that it passed', () => {
  const scenario = { ...quietScenario, budget: [{ figure: 'p99', most: seconds(10) } as const] };
  const text = summaryText(reportOn({ ...quietOutcome, devices: oneAfterTheOther(4) }, scenario));
  expect(text.split('\n').at(-1)).toBe('Passed: no violation and 1 budget kept.');
  expect(text).toContain('4 of 4 devices arrived in 1 min, 1 a second');
  expect(text).toContain('p99<=10s  4 s     10 s  kept  time to arrive, 99th percentile');
  expect(text).not.toContain('failures');
});

test('columns of the summary line up', () => {
  const { scenario, outcome } = eventfulDay(500);
  const lines = summaryText(reportOn(outcome, scenario)).split('\n');
  const head = lines.findIndex((line) => line.includes('devices  arrived'));
  const ends = lines.slice(head + 1, head + 8).map((line) => line.length);
  expect(new Set([lines[head]?.length, ...ends]).size).toBe(1);
});

test('violations come with the trace of the device, what was not checked is said, and the run has failed', () => {
  const outcome = {
    ...quietOutcome,
    devices: [quietDevice],
    violations: [violation(1)],
    unchecked: ['acknowledged-lost', 'two-identities'] as const,
  };
  const text = summaryText(reportOn(outcome, quietScenario));
  expect(text).toContain('broken       every honest device reached its goal and is there at the end: 1 time');
  expect(text).toContain('device-1 (arrives): it never reached its goal\n    0 s switched on\n    5 s time: timeout');
  expect(text).toContain("not checked  what a device was given is on the service's record");
  expect(text).toContain('kept         every device can go on from what it has stored');
  expect(text.split('\n').at(-1)).toBe('Failed: 1 violation; 2 promises could not be checked.');
});

test('many violations are cut short and counted', () => {
  const most = limits.fleet.report.summaryViolations;
  const violations = Array.from({ length: most + 3 }, (_, at) => violation(at));
  const text = summaryText(reportOn({ ...quietOutcome, violations }, quietScenario));
  expect(text).toContain(`device-${most - 1} (arrives)`);
  expect(text).not.toContain(`device-${most} (arrives)`);
  expect(text).toContain('and 3 more violations: --json or --html has them');
});

test('of a long trace the last lines are kept, and how many are not', () => {
  const trace = Array.from({ length: limits.fleet.trace + 6 }, (_, at) => `line ${at}`);
  const text = summaryText(reportOn({ ...quietOutcome, violations: [{ ...violation(1), trace }] }, quietScenario));
  expect(text).toContain('    6 lines before\n    line 6');
  expect(text).toContain(`    line ${limits.fleet.trace + 5}`);
  expect(text).not.toContain('line 5\n');
});

test('an exceeded budget fails the run, with what was and what was allowed', () => {
  const scenario = { ...quietScenario, budget: [{ figure: 'bytes', most: 6999 } as const] };
  const report = reportOn({ ...quietOutcome, devices: [quietDevice] }, scenario);
  expect(passed(report)).toBe(false);
  expect(summaryText(report)).toContain('bytes<=6999  7 000 B  6 999 B  exceeded');
  expect(verdict(report)).toBe('Failed: 1 of 1 budget exceeded.');
});

test('a run that was over too early has failed, whatever its devices did', () => {
  const toCome = { resets: 3, events: 1 };
  const report = reportOn({ ...quietOutcome, end: 'limit', devices: [quietDevice], toCome }, quietScenario);
  expect(passed(report)).toBe(false);
  const said = 'the run was cut by its limit of 10 min before 3 factory resets and 1 event';
  expect(verdict(report)).toBe(`Failed: ${said}.`);
  expect(junitXml(report)).toContain(`<failure type="firstboot" message="${said}">`);
});

test('a run that somebody interrupted has failed, and every report says so', () => {
  const report = reportOn({ ...quietOutcome, end: 'interrupted', devices: [quietDevice] }, quietScenario);
  expect(passed(report)).toBe(false);
  const said = 'the run was interrupted after 1 min';
  expect(summaryText(report).split('\n').at(-1)).toBe(`Failed: ${said}.`);
  expect(junitXml(report)).toContain(`<failure type="firstboot" message="${said}">`);
  expect(htmlPage(report)).toContain(`Failed: ${said}.`);
  expect(jsonReport(report)).toMatchObject({ passed: false, end: 'interrupted', verdict: `Failed: ${said}.` });
});

test('a run that was cut by its limit is judged by its devices, and every report says that it was cut', () => {
  const report = reportOn({ ...quietOutcome, end: 'limit', devices: [quietDevice] }, quietScenario);
  expect(passed(report)).toBe(true);
  const said = 'the run was cut by its limit of 10 min';
  expect(summaryText(report).split('\n').at(-1)).toBe(`Passed: no violation; ${said}.`);
  expect(junitXml(report)).toContain(`${said}: give it a longer limit</system-out>`);
  expect(junitXml(report)).not.toContain('<failure');
  expect(htmlPage(report)).toContain(`Passed: no violation; ${said}.`);
  expect(jsonReport(report)).toMatchObject({ passed: true, end: 'limit' });
  const gone = { ...quietDevice, arrivedAfter: undefined, arrivedAt: undefined };
  expect(verdict(reportOn({ ...quietOutcome, end: 'limit', devices: [gone] }, quietScenario))).toBe(
    `Failed: 1 device did not arrive, ${said}.`,
  );
});

test('how many processes shared a run is said when it is more than one', () => {
  const said = '2 processes shared the devices, each with a service of its own';
  const shared = reportOn({ ...quietOutcome, processes: 2 }, quietScenario);
  expect(summaryText(shared)).toContain(`\n${said}\n`);
  expect(htmlPage(shared)).toContain(said);
  expect(jsonReport(shared).processes).toBe(2);
  const alone = reportOn(quietOutcome, quietScenario);
  expect(`${summaryText(alone)}${htmlPage(alone)}`).not.toContain('processes shared');
});

test('a run fails when a device did otherwise than expected, even if no promise could be checked', () => {
  const gone = { ...quietDevice, arrivedAfter: undefined, arrivedAt: undefined };
  const stranger = { ...quietDevice, expect: 'refused' } as const;
  expect(verdict(reportOn({ ...quietOutcome, devices: [gone] }, quietScenario))).toBe(
    'Failed: 1 device did not arrive.',
  );
  const report = reportOn({ ...quietOutcome, devices: [gone, gone, stranger] }, quietScenario);
  expect(passed(report)).toBe(false);
  expect(verdict(report)).toBe('Failed: 2 devices did not arrive, 1 device got in that had to be refused.');
  const kept = reportOn({ ...quietOutcome, devices: [quietDevice, { ...gone, expect: 'any' }] }, quietScenario);
  expect(passed(kept)).toBe(true);
});

test('a stranger that got in has a column of its own', () => {
  const stranger = { ...quietDevice, expect: 'refused' } as const;
  expect(summaryText(reportOn({ ...quietOutcome, devices: [stranger] }, quietScenario))).toContain('got in');
  expect(summaryText(reportOn({ ...quietOutcome, devices: [quietDevice] }, quietScenario))).not.toContain('got in');
});

test('reasons of failure beyond the bound are added up', () => {
  const failures = Object.fromEntries(Array.from({ length: 25 }, (_, at) => [`reason ${at}`, 100 - at]));
  const text = summaryText(reportOn({ ...quietOutcome, failures }, quietScenario));
  expect(text).toContain('reason 19');
  expect(text).not.toContain('reason 20');
  expect(text).toMatch(/5 other reasons +390/);
});

test('nothing of a run steers the terminal', () => {
  const failures = { 'time: \u001b[2J\u0007gone\r\nforged line': 1 };
  const violations = [{ ...violation(1), found: '\u009b31mred', trace: ['\u001b]0;title\u0007'] }];
  const text = summaryText(reportOn({ ...quietOutcome, failures, violations }, { ...quietScenario, name: 'a\u001bb' }));
  expect([...text].filter((character) => character !== '\n' && /\p{Cc}/u.test(character))).toEqual([]);
  expect(text.split('\n').filter((line) => line.startsWith('forged'))).toEqual([]);
});

test('the style that is given sets off the verdict', () => {
  const same = (word: string): string => word;
  const style = { strong: same, faint: same, good: (word: string) => `<${word}>`, bad: (word: string) => `!${word}!` };
  expect(summaryText(reportOn(quietOutcome, quietScenario), style)).toMatch(/<Passed: no violation\.>$/);
  const broken = { ...quietOutcome, violations: [violation(1)] };
  expect(summaryText(reportOn(broken, quietScenario), style)).toMatch(/!Failed: 1 violation\.!$/);
});

test('quantities read well', () => {
  expect([0, 0.4, 5, 99.9, 830, 999.6, 1250, 12_500, 59_960].map(timeText)).toEqual([
    '0 ms',
    '0.4 ms',
    '5 ms',
    '99.9 ms',
    '830 ms',
    '1 s',
    '1.25 s',
    '12.5 s',
    '1 min',
  ]);
  expect([125_000, 3_599_600, 12_000_000, 86_400_000 * 2.17].map(timeText)).toEqual([
    '2 min 5 s',
    '1 h',
    '3 h 20 min',
    '2 d 4 h',
  ]);
  expect([950, 7320, 999_400, 1_500_000].map(bytesText)).toEqual(['950 B', '7.32 kB', '999 kB', '1.5 MB']);
  expect([3.21, 840, 1210].map(energyText)).toEqual(['3.21 mJ', '840 mJ', '1.21 J']);
  expect([0.126, 9.994, 61.26, 1234.4].map(short)).toEqual(['0.13', '9.99', '61.3', '1 234']);
});

test('a share is only whole when nobody is missing, and only nothing when nobody is there', () => {
  expect(shareText(9999, 10_000)).toBe('99.9 %');
  expect(shareText(1, 10_000)).toBe('0.1 %');
  expect(shareText(10_000, 10_000)).toBe('100 %');
  expect(shareText(0, 10)).toBe('0 %');
  expect(shareText(0, 0)).toBe('-');
});

test('text is cut without tearing a character in two', () => {
  expect(shown('abcdef', 4)).toBe('abc…');
  expect(shown('ab😀cd', 4)).toBe('ab…');
  expect(shown('half \ud83d alone')).toBe('half \u{fffd} alone');
});
