import { afterAll, beforeAll, expect, test } from 'vitest';
import { parseConfig } from '../../src/config/file.ts';
import { readPolicyFile } from '../../src/config/policy.ts';
import { testTime } from '../support/chains.ts';
import { policyExamples, settingsExamples, writePolicyFiles } from '../support/policy-page.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

let folder: string;
let remove: () => Promise<void>;

beforeAll(async () => {
  ({ path: folder, remove } = await temporaryFolder());
  writePolicyFiles(folder, testTime);
});
afterAll(() => remove());

test('the page has an example for each of its headings', () => {
  expect(policyExamples.length + settingsExamples.length).toBeGreaterThanOrEqual(12);
});

test.each(policyExamples)('the example of "$title" is accepted', ({ text }) => {
  const { groups, warnings } = readPolicyFile(text, 'docs/policy.md', folder, { now: testTime });
  expect(groups.length).toBeGreaterThan(0);
  expect(warnings).toEqual([]);
});

test.each(settingsExamples)('the settings of "$title" are accepted', ({ text }) => {
  expect(parseConfig(text, 'docs/policy.md')).toHaveProperty('policy');
});
