import { expect, test } from 'vitest';
import { parseBudget } from '../../../../src/fleet/budget.ts';
import { junitXml } from '../../../../src/fleet/report/junit.ts';
import { reportOn } from '../../../../src/fleet/report/report.ts';
import { eventfulDay, quietDevice, quietOutcome, quietScenario } from '../../../support/made-up-fleet.ts';
import { type Element, elementsNamed, readXml, textOf } from '../../../support/xml.ts';

test('there is a test case for each invariant, each budget rule and each part', () => {
  const scenario = { ...quietScenario, budget: parseBudget('bytes<=7500,p99<=10s') };
  const root = readXml(junitXml(reportOn({ ...quietOutcome, devices: [quietDevice] }, scenario)));
  const suites = elementsNamed(root, 'testsuite');
  expect(suites.map(({ attributes }) => [attributes.name, attributes.tests, attributes.failures])).toEqual([
    ['quiet day: invariants', '5', '0'],
    ['quiet day: budget', '2', '0'],
    ['quiet day: parts', '1', '0'],
  ]);
  expect(elementsNamed(root, 'testcase').map(({ attributes }) => attributes.name)).toEqual([
    'arrives: every honest device reached its goal and is there at the end',
    'bricked: every device can go on from what it has stored',
    'two-identities: no device has two live identities, no identity two devices',
    'refused-identity: who is to be refused got no identity',
    "acknowledged-lost: what a device was given is on the service's record",
    'bytes<=7500',
    'p99<=10s',
    'honest',
  ]);
  expect(root.attributes).toEqual({ name: 'quiet day', tests: '8', failures: '0', errors: '0', time: '1.500' });
});

test('failures say what was found, and counts agree with what is there', () => {
  const { scenario, outcome } = eventfulDay(200);
  const root = readXml(junitXml(reportOn(outcome, scenario)));
  for (const suite of elementsNamed(root, 'testsuite')) {
    expect(suite.attributes.tests).toBe(String(elementsNamed(suite, 'testcase').length));
    expect(suite.attributes.failures).toBe(String(elementsNamed(suite, 'failure').length));
    expect(suite.attributes.skipped).toBe(String(elementsNamed(suite, 'skipped').length));
  }
  const [arrives] = elementsNamed(root, 'failure');
  expect(arrives?.attributes.message).toContain('2 violations: device-00008: it never reached its goal');
  expect(arrives ? textOf(arrives) : '').toContain(
    'device-00451: it was online after 14.2 s and is gone at the end\n    12.310 s',
  );
  expect(elementsNamed(root, 'skipped').map(({ attributes }) => attributes.message)).toEqual([
    "not checked: the service's records were out of reach",
  ]);
  const failed = elementsNamed(root, 'testcase').filter((test) => elementsNamed(test, 'failure').length > 0);
  expect(failed.map(({ attributes }) => attributes.name)).toContain('p99<=10s');
  expect(failed.map(({ attributes }) => attributes.name)).toContain('honest');
});

test('it keeps to the elements and attributes of the schema that Jenkins reads', () => {
  const { scenario, outcome } = eventfulDay(200);
  const allowed: Readonly<
    Record<string, { readonly attributes: readonly string[]; readonly children: readonly string[] }>
  > = {
    testsuites: { attributes: ['name', 'tests', 'failures', 'errors', 'time'], children: ['testsuite'] },
    testsuite: {
      attributes: ['name', 'tests', 'failures', 'errors', 'skipped', 'time'],
      children: ['testcase'],
    },
    testcase: { attributes: ['name', 'classname', 'time'], children: ['failure', 'skipped', 'system-out'] },
    failure: { attributes: ['type', 'message'], children: [] },
    skipped: { attributes: ['message'], children: [] },
    'system-out': { attributes: [], children: [] },
  };
  const check = (element: Element): void => {
    const rule = allowed[element.name];
    expect(rule, element.name).toBeDefined();
    expect(rule?.attributes).toEqual(expect.arrayContaining(Object.keys(element.attributes)));
    for (const child of element.children) {
      if (typeof child === 'string') continue;
      expect(rule?.children).toContain(child.name);
      check(child);
    }
  };
  check(readXml(junitXml(reportOn(outcome, scenario))));
});

test('names and findings come back as they were, markup or not', () => {
  const name = `<b>&amp; "quoted" 'x' ]]> -->`;
  const violations = [{ rule: 'bricked', device: name, found: name, trace: [name] } as const];
  const scenario = {
    ...quietScenario,
    name,
    population: [{ ...quietScenario.population[0], name }],
  } as typeof quietScenario;
  const root = readXml(junitXml(reportOn({ ...quietOutcome, violations }, scenario)));
  expect(root.attributes.name).toBe(name);
  expect(elementsNamed(root, 'testcase').at(-1)?.attributes.name).toBe(name);
  const [failure] = elementsNamed(root, 'failure');
  expect(failure ? textOf(failure) : '').toBe(`${name}: ${name}\n    ${name}`);
});
