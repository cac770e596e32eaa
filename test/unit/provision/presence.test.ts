import { expect, test } from 'vitest';
import { Presence } from '../../../src/provision/presence.ts';
import { someUuid } from '../../support/store-records.ts';

const key = someUuid(1);

test('an older session that goes on after a newer one elsewhere has begun to ask is one key in two places, told once, at its second question', () => {
  const presence = new Presence();
  const here = presence.arrive(key, '192.0.2.1:1000');
  expect(here.asks()).toBeUndefined();
  const there = presence.arrive(key, '198.51.100.7:1000');
  expect(here.asks()).toBeUndefined();
  expect(there.asks()).toBeUndefined();
  expect(here.asks()).toBeUndefined();
  expect(here.asks()).toEqual({ here: '192.0.2.1', there: '198.51.100.7' });
  expect(here.asks()).toBeUndefined();
  expect(there.asks()).toBeUndefined();
});

test('it counts also when the newer session is over, or when a third one has come since', () => {
  const presence = new Presence();
  const here = presence.arrive(key, '[2001:db8::1]:1000');
  const there = presence.arrive(key, '[2001:db8::2]:1000');
  there.asks();
  there.leaves();
  presence.arrive(key, '[2001:db8::1]:2000').asks();
  expect(here.asks()).toBeUndefined();
  expect(here.asks()).toEqual({ here: '[2001:db8::1]', there: '[2001:db8::2]' });
});

test('one question that was held back and let go later is nothing', () => {
  const presence = new Presence();
  const held = presence.arrive(key, '192.0.2.1:1000');
  held.asks();
  presence.arrive(key, '198.51.100.7:1000').asks();
  presence.arrive(key, '203.0.113.9:1000').asks();
  expect(held.asks()).toBeUndefined();
});

test('a device that moves and leaves its old session alone is in one place', () => {
  const presence = new Presence();
  for (const host of ['192.0.2.1', '198.51.100.7', '203.0.113.9', '192.0.2.1']) {
    const stay = presence.arrive(key, `${host}:5000`);
    expect(stay.asks()).toBeUndefined();
    expect(stay.asks()).toBeUndefined();
  }
});

test('several sessions at one host, and other keys elsewhere, are nothing', () => {
  const presence = new Presence();
  const first = presence.arrive(key, '192.0.2.1:1000');
  const second = presence.arrive(key, '192.0.2.1:2000');
  const other = presence.arrive(someUuid(2), '198.51.100.7:1000');
  second.asks();
  other.asks();
  for (let k = 0; k < 3; k++) expect(first.asks()).toBeUndefined();
});

test('a key whose sessions are all over is forgotten: what comes then is new', () => {
  const presence = new Presence();
  const here = presence.arrive(key, '192.0.2.1:1000');
  const there = presence.arrive(key, '198.51.100.7:1000');
  there.asks();
  there.leaves();
  here.leaves();
  here.leaves();
  const back = presence.arrive(key, '192.0.2.1:1000');
  for (let k = 0; k < 3; k++) expect(back.asks()).toBeUndefined();
});
