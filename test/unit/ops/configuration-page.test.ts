import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { configurationPage } from '../../../src/config/reference.ts';

const page = readFileSync(new URL('../../../docs/configuration.md', import.meta.url), 'utf8');

describe('docs/configuration.md', () => {
  it('is what the schema says', () => {
    expect(page === configurationPage(), 'run npm run config-reference').toBe(true);
  });

  it('names keys at every depth, with what they take', () => {
    expect(page).toContain(
      '| `drainSeconds` | number | from 0; to 600; how long open attempts have after SIGTERM; default 20 |',
    );
    expect(page).toContain('### `groups[].psk[]`');
    expect(page).toContain('| `chain` | string | required; PEM: service certificate, then intermediates |');
    expect(page).not.toMatch(/undefined|\[object/);
  });
});
