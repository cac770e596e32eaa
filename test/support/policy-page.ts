import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { encodePem } from '../../src/codec/pem.ts';
import { days, type Millis } from '../../src/core/clock.ts';
import { systemRandom } from '../../src/core/random.ts';
import { createIssuing, createRoot } from '../../src/pki/authority.ts';
import type { Issuer } from '../../src/pki/issuer.ts';
import { createCrl } from '../../src/pki/revocation.ts';

export interface PolicyExample {
  /** The heading that it stands below. */
  readonly title: string;
  /** YAML. */
  readonly text: string;
}

const page = readFileSync(new URL('../../docs/policy.md', import.meta.url), 'utf8');

/** Each fenced block of YAML of docs/policy.md under a heading of its own. */
const examples: readonly PolicyExample[] = page
  .split(/^### /m)
  .slice(1)
  .flatMap((section) =>
    [...section.matchAll(/```yaml\n([^`]*)```/g)].map(([, text = '']) => ({
      title: section.split('\n')[0] ?? '',
      text,
    })),
  );

const isPolicy = ({ text }: PolicyExample): boolean => /^groups:/m.test(text);

/** Those with groups; the others are settings. */
export const policyExamples = examples.filter(isPolicy);
export const settingsExamples = examples.filter((example) => !isPolicy(example));

/** The files that the examples name: certificates, a revocation list, secrets. All of them are valid at `now`. */
export function writePolicyFiles(folder: string, now: Millis): void {
  const deps = { now, random: systemRandom, name: 'Acme' };
  const root = createRoot('Factory Root', deps);
  const authorities: Readonly<Record<string, Issuer>> = {
    'factory-root': root,
    'line-1': createIssuing('line-1', root, deps),
    'line-2': createIssuing('line-2', root, deps),
    'line-2-renewed': createIssuing('line-2', root, deps),
    'board-1': createIssuing('board', root, deps),
  };
  const write = (file: string, text: string): void => writeFileSync(join(folder, file), text);
  for (const [name, { certificate }] of Object.entries(authorities)) {
    write(`${name}.pem`, encodePem('CERTIFICATE', certificate.der));
  }
  const list = { issuer: root, revoked: [], thisUpdate: now - days(1), nextUpdate: now + days(1), number: 1 };
  write('factory.crl', encodePem('X509 CRL', createCrl(list)));
  for (const name of ['gateways.hex', 'prototype.hex', 'owner.hex']) write(name, '1f'.repeat(32));
  write('webhook.txt', 'secret');
}
