import { createHmac } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { utf8 } from '../../../src/core/bytes.ts';
import { seconds } from '../../../src/core/clock.ts';
import { limits } from '../../../src/core/limits.ts';
import { silentLog } from '../../../src/core/log.ts';
import { Newcomers } from '../../../src/provision/newcomers.ts';
import { compilePsk, findPsk, keyOfPsk } from '../../../src/provision/psk.ts';
import type { EnrollmentGroup, GroupPsk } from '../../../src/store/model.ts';
import { someGroup, someUuid } from '../../support/store-records.ts';

const base64 = (text: string): string => Buffer.from(text).toString('base64');
const psk = (identity: string, key: string, derived = false): GroupPsk => ({ identity, key: base64(key), derived });
const group = (id: number, keys: readonly GroupPsk[], changes: Partial<EnrollmentGroup> = {}): EnrollmentGroup =>
  someGroup(id, { attestation: { x509: undefined, psk: keys, pins: [] }, ...changes });

const table = compilePsk(
  [
    group(1, [psk('lamp-7', 'the very lamp'), psk('lamp-*', 'all lamps'), psk('lamp-se*', 'some lamps')]),
    group(2, [psk('meter-*', 'master of meters', true), psk('pump', 'master of pumps', true)]),
  ],
  silentLog,
);
const keyOf = (identity: string): Uint8Array | undefined => keyOfPsk(table, utf8(identity))?.reveal();
const hmac = (master: string, identity: string) =>
  new Uint8Array(createHmac('sha256', master).update(identity).digest());

describe('pre-shared keys', () => {
  test.each([
    ['lamp-7', 'the very lamp'],
    ['lamp-70', 'all lamps'],
    ['lamp-', 'all lamps'],
    ['lamp-seven', 'some lamps'],
  ])('"%s" is found by itself, else by the longest beginning: %s', (identity, key) => {
    expect(keyOf(identity)).toEqual(utf8(key));
  });

  test('a derived key is the HMAC of the whole identity', () => {
    expect(keyOf('meter-1')).toEqual(hmac('master of meters', 'meter-1'));
    expect(keyOf('pump')).toEqual(hmac('master of pumps', 'pump'));
    expect(keyOf('meter-1')).not.toEqual(keyOf('meter-2'));
  });

  test.each([['lam'], [''], ['lamp*'], ['pump-2']])('"%s" is nobody', (identity) => {
    expect(keyOf(identity)).toBeUndefined();
  });

  test('what a pattern takes must be text that can be shown: it becomes the name of the device', () => {
    for (const ending of [[0xff], [0x00], [0x0a], [0x1b, 0x5b]])
      expect(findPsk(table, Uint8Array.of(...utf8('lamp-'), ...ending))).toBeUndefined();
    expect(findPsk(table, utf8('lamp-größer'))?.identity).toBe('lamp-größer');
    expect(findPsk(table, utf8(`lamp-${'x'.repeat(limits.secure.pskIdentityBytes)}`))).toBeUndefined();
  });

  test('only one key for many is a shared one', () => {
    const shared = ['lamp-7', 'lamp-8', 'meter-1', 'pump'].map((name) => findPsk(table, utf8(name))?.shared);
    expect(shared).toEqual([false, true, false, false]);
  });

  test('enabled groups have their identities before disabled ones, and the loser is named in the log', () => {
    const told: unknown[] = [];
    const log = { ...silentLog, warn: (facts: object) => void told.push(facts) };
    const rivals = compilePsk([group(1, [psk('a*', 'one')], { enabled: false }), group(2, [psk('a*', 'two')])], log);
    expect(findPsk(rivals, utf8('a1'))?.groupId).toBe(group(2, []).id);
    expect(told).toMatchObject([{ identity: 'a*', group: 'group 1' }]);
  });
});

describe('newcomers with a shared key', () => {
  const { newcomerBurst, newcomerInterval } = limits.provision;
  const [lamps, meters] = [someUuid(1), someUuid(2)];

  test('a group takes a burst at once and then one more each interval', () => {
    const newcomers = new Newcomers();
    const takenAt = (now: number): number => {
      let taken = 0;
      while (taken <= newcomerBurst && newcomers.take(lamps, now)) taken++;
      return taken;
    };
    expect(takenAt(0)).toBe(newcomerBurst);
    expect(takenAt(newcomerInterval - 1)).toBe(0);
    expect(takenAt(newcomerInterval)).toBe(1);
    expect(takenAt(newcomerInterval * 11)).toBe(10);
    expect(takenAt(newcomerInterval * newcomerBurst * 10)).toBe(newcomerBurst);
  });

  test('what one group takes is nothing to another, nor to one that comes later under its id', () => {
    const newcomers = new Newcomers();
    while (newcomers.take(lamps, seconds(1)));
    expect(newcomers.take(meters, seconds(1))).toBe(true);
    newcomers.keepOnly(new Map());
    expect(newcomers.take(lamps, seconds(1))).toBe(true);
  });
});
