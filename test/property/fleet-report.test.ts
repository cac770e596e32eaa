import fc from 'fast-check';
import { expect, test } from 'vitest';
import { figuresOf } from '../../src/fleet/figures.ts';
import type { Invariant } from '../../src/fleet/outcome.ts';
import { htmlPage } from '../../src/fleet/report/html.ts';
import { junitXml } from '../../src/fleet/report/junit.ts';
import { reportOn } from '../../src/fleet/report/report.ts';
import { oneAfterTheOther, quietOutcome, quietPart, quietScenario } from '../support/made-up-fleet.ts';
import { type Element, readXml } from '../support/xml.ts';

/** Any text, and text that wants to get out. */
const text = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 60 }),
  fc
    .array(
      fc.constantFrom(
        '</title>',
        '<script>alert(1)</script>',
        '"',
        "'",
        ' onload="x"',
        '<!--',
        '-->',
        ']]>',
        '<![CDATA[',
        '&',
        '&lt;',
        '&#0;',
        '</svg>',
        '</pre>',
        '</style>',
        '<?php',
        '\u0000',
        '\u001b[2J',
        '\ud800',
        '\uffff',
        '\u202e',
        '\r\n',
        'a',
      ),
      { maxLength: 12 },
    )
    .map((parts) => parts.join('')),
);

/** The same run with other texts in all places where a run or a scenario has any. */
function run(name: string, reason: string, device: string, line: string) {
  const part = { ...quietPart, name: `part ${name}` };
  const devices = oneAfterTheOther(3).map((one) => ({ ...one, name: device, part: part.name }));
  const violations = (['arrives', 'bricked'] as readonly Invariant[]).map((rule) => ({
    rule,
    device,
    found: line,
    trace: [line, reason],
  }));
  // The prefix keeps two texts that are the same from becoming one key.
  const failures = { [`one ${reason}`]: 2, [`two ${device}`]: 1 };
  return reportOn(
    { ...quietOutcome, devices, failures, violations, steps: { time: [1, 2, 3] } },
    { ...quietScenario, name, about: line, population: [part] },
  );
}

/** Elements and names of attributes, without the texts. */
function shape(element: Element): string {
  const inner = element.children.map((child) => (typeof child === 'string' ? '' : shape(child))).join('');
  return `<${element.name} ${Object.keys(element.attributes).join(' ')}>${inner}</>`;
}

test.each([
  ['page', htmlPage],
  ['JUnit file', junitXml],
] as const)('no text of a run changes what the %s is made of', (_, render) => {
  const harmless = shape(readXml(render(run('name', 'reason', 'device', 'line'))));
  fc.assert(
    fc.property(text, text, text, text, (...texts) => {
      expect(shape(readXml(render(run(...texts))))).toBe(harmless);
    }),
    { seed: 1, numRuns: 300 },
  );
});

test('percentiles are values that occurred, and as many values as they say are not above them', () => {
  fc.assert(
    fc.property(fc.array(fc.nat(1_000_000), { minLength: 1, maxLength: 400 }), (times) => {
      const devices = times.map((time) => ({ ...oneAfterTheOther(1)[0], arrivedAfter: time, arrivedAt: time }));
      const figures = figuresOf({ ...quietOutcome, devices: devices as typeof quietOutcome.devices }, quietScenario);
      const spread = figures.timeToArrive;
      for (const [percent, value] of [
        [50, spread?.p50],
        [95, spread?.p95],
        [99, spread?.p99],
        [100, spread?.max],
      ] as const) {
        expect(times).toContain(value);
        const below = times.filter((time) => time < (value ?? 0)).length;
        const within = times.filter((time) => time <= (value ?? 0)).length;
        expect(100 * within).toBeGreaterThanOrEqual(percent * times.length);
        expect(100 * below).toBeLessThan(percent * times.length);
      }
      expect(figures.arrivals.arrived.reduce((sum, count) => sum + count, 0)).toBe(times.length);
    }),
    { seed: 1, numRuns: 200 },
  );
});
