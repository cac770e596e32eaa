import { describe, expect, test } from 'vitest';
import { type FetchedLists, RevocationGuard } from '../../../src/cloud/gateway-revocations.ts';
import { days, hours, type Millis, minutes, seconds } from '../../../src/core/clock.ts';
import { silentLog } from '../../../src/core/log.ts';
import { systemRandom } from '../../../src/core/random.ts';
import { createRoot } from '../../../src/pki/authority.ts';
import { createCrl } from '../../../src/pki/revocation.ts';
import { SkippingTimers } from '../../support/service.ts';

const start = Math.floor(Date.now() / 1000) * 1000;
const root = createRoot('Issuing', { now: start - days(2), random: systemRandom, name: 'x' });
const list = (thisUpdate: Millis, ...serials: string[]): Uint8Array =>
  createCrl({
    issuer: root,
    revoked: serials.map((serial) => ({ serial, revokedAt: start })),
    thisUpdate,
    nextUpdate: thisUpdate + hours(24),
    number: 1,
  });

/** A guard whose lists the test gives; what it asked with, and what it warned of. */
function guardOf() {
  const given: { next: FetchedLists | Error | undefined } = { next: undefined };
  const asked: (string | undefined)[] = [];
  const warnings: string[] = [];
  const guard = new RevocationGuard({
    fetch: async (_, known) => {
      asked.push(known);
      if (given.next instanceof Error) throw given.next;
      return given.next;
    },
    trustAnchors: () => [root.certificate.der],
    timers: new SkippingTimers(),
    log: { ...silentLog, warn: ({ error }) => void warnings.push(String(error)) },
  });
  const come = async (next: FetchedLists | Error | undefined, at: Millis): Promise<void> => {
    given.next = next;
    await guard.fresh(at);
  };
  return { guard, asked, warnings, come };
}

describe("a gateway's revocation lists", () => {
  test('are asked for by the version that was taken, not by one that could not be', async () => {
    const { guard, asked, come } = guardOf();
    const first = list(start, '0a');
    await come({ lists: [first], version: 'one' }, start);
    await come({ lists: [new Uint8Array([0x30, 0])], version: 'two' }, start + minutes(6));
    await come(undefined, start + minutes(12));
    await come(undefined, start + minutes(18));
    expect(asked).toEqual([undefined, 'one', 'one', 'one']);
    expect(guard.crls()).toEqual([first]);
    guard.stop();
  });

  test.each([
    ['cannot be read', { lists: [new Uint8Array([0x30, 0])] }, /not DER|malformed|DER/],
    ['are older than those before', { lists: [list(start - seconds(1))] }, /older than the one before/],
    ['are gone', { lists: [] }, /no revocation lists, where there were some/],
    ['are half of them damaged', { lists: [list(start + 1000), new Uint8Array([1])] }, /DER/],
  ])('that %s leave the ones before in force, with a warning', async (_, bad, words) => {
    const { guard, warnings, come } = guardOf();
    const first = list(start, '0a');
    await come({ lists: [first] }, start);
    await come(bad, start + minutes(6));
    expect(guard.crls()).toEqual([first]);
    expect(warnings).toEqual([expect.stringMatching(words)]);
    guard.stop();
  });

  test('need not be there where there never were any', async () => {
    const { guard, warnings, come } = guardOf();
    await come({ lists: [] }, start);
    expect([guard.crls(), warnings]).toEqual([[], []]);
    guard.stop();
  });

  test('that fail are warned of at each change of the reason, and every five minutes', async () => {
    const { guard, warnings, come } = guardOf();
    for (const [next, after] of [
      ['a', 0],
      ['a', 31],
      ['b', 62],
      ['b', 93],
      ['a', 124],
      ['a', 425],
    ] as const) {
      await come(new Error(next), start + seconds(after));
    }
    expect(warnings).toEqual(['Error: a', 'Error: b', 'Error: a', 'Error: a']);
    await come({ lists: [list(start)] }, start + seconds(460));
    await come(new Error('a'), start + minutes(20));
    expect(warnings).toHaveLength(5);
    guard.stop();
  });
});
