import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { accepted, cookieIn, firstHello, forge, noCookie, now, serverContext } from '../../support/forged-hello.ts';

const program = fileURLToPath(new URL('../../support/handshake-loop.ts', import.meta.url));

it('hundreds of handshakes, good and refused, closed and aborted, leave no memory behind', () => {
  const printed = execFileSync(process.execPath, [program, '16'], { encoding: 'utf8' });
  const rounds = printed
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as { round: number; alive: number; residentBytes: number });
  expect(rounds).toHaveLength(16);
  expect(rounds.at(-1)?.alive).toBe(0);
  // Ten rounds are 1000 handshakes: a leak of 10 kB in each would be 10 MB.
  expect((rounds[15]?.residentBytes ?? Number.NaN) - (rounds[5]?.residentBytes ?? Number.NaN)).toBeLessThan(4 << 20);
});

it('keeps no junk that is sent into an unfinished handshake', () => {
  const server = serverContext();
  const hello = firstHello();
  const cookie = cookieIn(server.listen('attacker:1', forge(hello, noCookie, 0, 0), now));
  const session = accepted(server.listen('attacker:1', forge(hello, cookie, 1, 1), now));
  const junk = new Uint8Array(60_000).fill(0xff);
  for (let k = 0; k < 200; k++) session.receive(junk, now);
  const before = process.memoryUsage().rss;
  for (let k = 0; k < 4000; k++) session.receive(junk, now);
  // 240 MB have gone by.
  expect(process.memoryUsage().rss - before).toBeLessThan(60_000_000);
  session.abort();
});
