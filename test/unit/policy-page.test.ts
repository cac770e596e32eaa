import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { encodePem } from '../../src/codec/pem.ts';
import { parseConfig } from '../../src/config/file.ts';
import { readPolicyFile } from '../../src/config/policy.ts';
import { makeCertificate, makeCrl, testTime } from '../support/chains.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

const page = readFileSync(new URL('../../docs/policy.md', import.meta.url), 'utf8');

/** Each fenced block of YAML under the heading that it stands below. */
const examples = page
  .split(/^### /m)
  .slice(1)
  .flatMap((section) =>
    [...section.matchAll(/```yaml\n([^`]*)```/g)].map(([, text = '']) => ({
      title: section.split('\n')[0] ?? '',
      text,
    })),
  );
const isPolicy = (text: string): boolean => /^groups:/m.test(text);

let folder: string;
let remove: () => Promise<void>;

beforeAll(async () => {
  ({ path: folder, remove } = await temporaryFolder());
  const root = await makeCertificate({ subject: 'O=Acme, CN=Factory Root', ca: true });
  const lines = ['line-1', 'line-2', 'line-2-renewed'];
  for (const name of lines) {
    const line = await makeCertificate({ subject: `O=Acme, CN=${name.slice(0, 6)}`, ca: true, issuer: root });
    writeFileSync(join(folder, `${name}.pem`), encodePem('CERTIFICATE', line.der));
  }
  const board = await makeCertificate({ subject: 'CN=board' });
  writeFileSync(join(folder, 'factory-root.pem'), encodePem('CERTIFICATE', root.der));
  writeFileSync(join(folder, 'board-1.pem'), encodePem('CERTIFICATE', board.der));
  writeFileSync(join(folder, 'factory.crl'), encodePem('X509 CRL', await makeCrl(root, [])));
  for (const name of ['gateways.hex', 'prototype.hex', 'owner.hex']) writeFileSync(join(folder, name), '1f'.repeat(32));
  writeFileSync(join(folder, 'webhook.txt'), 'secret');
});
afterAll(() => remove());

test('the page has an example for each of its headings', () => {
  expect(examples.length).toBeGreaterThanOrEqual(12);
});

test.each(examples.filter(({ text }) => isPolicy(text)))('the example of "$title" is accepted', ({ text }) => {
  const { groups, warnings } = readPolicyFile(text, 'docs/policy.md', folder, { now: testTime });
  expect(groups.length).toBeGreaterThan(0);
  expect(warnings).toEqual([]);
});

test.each(examples.filter(({ text }) => !isPolicy(text)))('the settings of "$title" are accepted', ({ text }) => {
  expect(parseConfig(text, 'docs/policy.md')).toHaveProperty('policy');
});
