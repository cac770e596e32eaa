import { expect, test } from 'vitest';
import { estimateEnergy, type RadioProfile, radioProfile, radioProfiles } from '../../../src/fleet/energy.ts';

const round: RadioProfile = {
  name: 'round',
  about: 'numbers for mental arithmetic',
  source: 'made up for this test',
  sending: 1000,
  receiving: 100,
  waiting: 10,
  rateUp: 8,
  rateDown: 80,
  wake: 500,
  tail: 2000,
};

test('packets are charged at their time on the air, headers included, the rest of the time at waiting', () => {
  const cost = { bytesOut: 72, bytesIn: 944, datagramsOut: 1, datagramsIn: 2 };
  // Up: (72 + 28) bytes at 1 byte/ms = 100 ms; down: (944 + 56) at 10 bytes/ms = 100 ms; 800 ms are left, and the tail.
  expect(estimateEnergy(round, 'udp', cost, 1000)).toBeCloseTo(500 + 100 + 10 + (10 * 2800) / 1000, 9);
});

test('a TCP segment carries the longer header', () => {
  const cost = { bytesOut: 60, bytesIn: 0, datagramsOut: 1, datagramsIn: 0 };
  expect(estimateEnergy(round, 'tcp', cost, 100)).toBeCloseTo(500 + 100 + (10 * 2000) / 1000, 9);
});

test('a device whose packets take longer than the whole run is charged no negative waiting', () => {
  const cost = { bytesOut: 972, bytesIn: 0, datagramsOut: 1, datagramsIn: 0 };
  expect(estimateEnergy(round, 'udp', cost, 10)).toBeCloseTo(500 + 1000 + 20, 9);
});

test('who sends nothing pays for waking up, waiting and the tail', () => {
  const nothing = { bytesOut: 0, bytesIn: 0, datagramsOut: 0, datagramsIn: 0 };
  expect(estimateEnergy(round, 'udp', nothing, 0)).toBe(520);
});

test('the profiles hold the published numbers', () => {
  const nbIot = radioProfile('nb-iot');
  expect(nbIot).toMatchObject({ sending: 792, wake: 550, tail: 10_000 });
  expect(nbIot.receiving).toBeCloseTo(165.6, 6);
  expect(nbIot.waiting).toBeCloseTo(21.6, 6);
  expect(radioProfile('lte-m').sending).toBeCloseTo(388.5, 6);
  expect(radioProfile('lte-m').waiting).toBeCloseTo(17.3, 1);
  expect(radioProfile('802.15.4').sending).toBeCloseTo(19.2, 6);
  expect(radioProfile('wifi').receiving).toBeCloseTo(369.6, 6);
});

test.each(radioProfiles)('$name says where its numbers are from and draws power in every state', (profile) => {
  expect(profile.source.length).toBeGreaterThan(80);
  for (const value of [profile.sending, profile.receiving, profile.waiting, profile.rateUp, profile.rateDown]) {
    expect(value).toBeGreaterThan(0);
  }
  expect(profile.sending).toBeGreaterThan(profile.waiting * 0.9);
});

test('the estimate meets a measured exchange: 200 bytes each way over LTE-M took 0.152 mWh on an nRF9160', () => {
  // boaks/zephyr-coaps-client, docu/POWERCONSUMPTION.md. That one stayed paging for 8 s more, at 5 V, idle parts included.
  const cost = { bytesOut: 200, bytesIn: 200, datagramsOut: 1, datagramsIn: 1 };
  const estimate = estimateEnergy(radioProfile('lte-m'), 'udp', cost, 800);
  const measured = 0.152 * 3600;
  expect(estimate).toBeGreaterThan(measured / 3);
  expect(estimate).toBeLessThan(measured);
});
