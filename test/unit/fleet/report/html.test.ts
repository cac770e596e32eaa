import { expect, test } from 'vitest';
import { limits } from '../../../../src/core/limits.ts';
import { htmlPage } from '../../../../src/fleet/report/html.ts';
import { reportOn } from '../../../../src/fleet/report/report.ts';
import { eventfulDay, quietDevice, quietOutcome, quietScenario } from '../../../support/made-up-fleet.ts';
import { type Element, elementsNamed, readXml, textOf } from '../../../support/xml.ts';

const { scenario, outcome } = eventfulDay(10_000);
const text = htmlPage(reportOn(outcome, scenario));
const page = readXml(text);

test('the page of ten thousand devices is small and well-formed', () => {
  expect(text.length).toBeLessThan(60_000);
  expect(page.name).toBe('html');
  expect(elementsNamed(page, 'h1').map(textOf)).toEqual(['first day of a product']);
});

test('it refers to nothing outside itself and runs nothing', () => {
  const every = (element: Element): Element[] => [
    element,
    ...element.children.flatMap((child) => (typeof child === 'string' ? [] : every(child))),
  ];
  for (const { name, attributes } of every(page)) {
    expect(['script', 'link', 'img', 'iframe', 'object', 'embed', 'base', 'form', 'a', 'use']).not.toContain(name);
    const foreign = Object.keys(attributes).filter((key) => /^(?:on|src|href|xlink:href|action|style)/i.test(key));
    expect(foreign).toEqual([]);
  }
  expect(text).not.toMatch(/url\(|@import|https?:/);
  expect(text).toContain("default-src 'none'; style-src 'unsafe-inline'");
});

test('every plot has a title, a description and a table of its numbers', () => {
  const figures = elementsNamed(page, 'figure');
  expect(figures.map((figure) => elementsNamed(figure, 'figcaption').map(textOf)[0])).toEqual([
    'Time to arrive',
    'Arrivals over time',
    'Time by step',
    'Failures by reason',
  ]);
  for (const figure of figures) {
    const [svg] = elementsNamed(figure, 'svg');
    const named = ['title', 'desc'].flatMap((name) => elementsNamed(figure, name));
    expect(svg?.attributes.role).toBe('img');
    expect(svg?.attributes['aria-labelledby']).toBe(named.map(({ attributes }) => attributes.id).join(' '));
    expect(named.every((element) => textOf(element).length > 0)).toBe(true);
    expect(elementsNamed(figure, 'tbody').flatMap((body) => elementsNamed(body, 'tr')).length).toBeGreaterThan(3);
  }
  const ids = elementsNamed(page, 'title')
    .concat(elementsNamed(page, 'desc'))
    .map(({ attributes }) => attributes.id);
  expect(new Set(ids).size).toBe(ids.length);
});

test('nothing that is drawn leaves its drawing', () => {
  for (const svg of elementsNamed(page, 'svg')) {
    const [, , width = 0, height = 0] = (svg.attributes.viewBox ?? '').split(' ').map(Number);
    const places = [...elementsNamed(svg, 'text'), ...elementsNamed(svg, 'rect')];
    for (const { attributes } of places) {
      expect(Number(attributes.x)).toBeGreaterThanOrEqual(0);
      expect(Number(attributes.x) + Number(attributes.width ?? 0)).toBeLessThanOrEqual(width);
      expect(Number(attributes.y) + Number(attributes.height ?? 0)).toBeLessThanOrEqual(height);
    }
    for (const { attributes } of elementsNamed(svg, 'path').filter((path) =>
      path.attributes.class?.startsWith('line'),
    )) {
      const numbers = (attributes.d ?? '').match(/-?[\d.]+/g)?.map(Number) ?? [];
      expect(numbers.length).toBeGreaterThan(4);
      for (const [at, number] of numbers.entries()) {
        expect(number).toBeGreaterThanOrEqual(0);
        expect(number).toBeLessThanOrEqual(at % 2 === 0 ? width : height);
      }
    }
  }
});

test('violations, budgets, parts and the verdict are on the page', () => {
  const words = textOf(page);
  expect(words).toContain(
    'Failed: 1 device did not arrive, 2 violations, 2 of 2 budgets exceeded; 1 promise could not be checked.',
  );
  expect(elementsNamed(page, 'details').filter(({ attributes }) => attributes.class === 'violation')).toHaveLength(2);
  expect(elementsNamed(page, 'pre').map(textOf)[0]).toContain('12.310 s switched on\n12.480 s time: done');
  for (const part of scenario.population) expect(words).toContain(part.name);
  expect(words).toContain('u-blox SARA-N2 data sheet');
  expect(words).toContain('estimate');
});

test('a run without a single device has a page, too', () => {
  const empty = readXml(htmlPage(reportOn(quietOutcome, quietScenario)));
  expect(textOf(empty)).toContain('Passed: no violation.');
  expect(elementsNamed(empty, 'svg')).toEqual([]);
});

test('a run of one device that arrived at once can be drawn', () => {
  const devices = [{ ...quietDevice, arrivedAfter: 0, arrivedAt: 0 }];
  const one = htmlPage(reportOn({ ...quietOutcome, devices, steps: { time: [0] } }, quietScenario));
  expect(elementsNamed(readXml(one), 'svg')).toHaveLength(3);
  expect(one).not.toMatch(/NaN|Infinity|undefined/);
});

test('a thousand violations with long traces stay within a page that a browser opens', () => {
  const trace = Array.from({ length: 500 }, (_, at) => `line ${at} ${'x'.repeat(2000)}`);
  const violations = Array.from({ length: 1000 }, (_, at) => ({
    rule: 'arrives' as const,
    device: `device-${at}`,
    found: 'y'.repeat(5000),
    trace,
  }));
  const long = htmlPage(reportOn({ ...quietOutcome, violations }, quietScenario));
  expect(long.length).toBeLessThan(800_000);
  expect(long).toContain(`and ${1000 - limits.fleet.report.pageViolations} more violations`);
});
