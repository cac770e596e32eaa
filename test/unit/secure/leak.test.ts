import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';

const program = fileURLToPath(new URL('../../support/handshake-loop.ts', import.meta.url));

it('hundreds of handshakes, good and refused, closed and aborted, leave no memory behind', () => {
  const printed = execFileSync(process.execPath, [program, '16'], { encoding: 'utf8' });
  const rounds = printed
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as { round: number; alive: number; residentBytes: number });
  expect(rounds).toHaveLength(16);
  expect(rounds.at(-1)?.alive).toBe(0);
  // Ten rounds are 600 handshakes: a leak of 10 kB in each would be 6 MB.
  expect((rounds[15]?.residentBytes ?? Number.NaN) - (rounds[5]?.residentBytes ?? Number.NaN)).toBeLessThan(4 << 20);
});
